/** Virtual machines in processes of their own, which this process has started. */
package dev.pollux.cli.process;
