/** The {@code pollux} command as its users meet it. */
package dev.pollux.tests.cli;
