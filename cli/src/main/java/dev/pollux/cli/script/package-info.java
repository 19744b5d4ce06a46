/** Guests driven by a script: wait for text, type, end with a status. */
package dev.pollux.cli.script;
