/** Serial ports, monitors and terminals of a running machine. */
package dev.pollux.tests.console;
