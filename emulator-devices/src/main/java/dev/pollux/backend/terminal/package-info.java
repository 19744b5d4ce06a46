/** The text screen of a machine in a terminal. */
package dev.pollux.backend.terminal;
