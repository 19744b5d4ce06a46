/** How a pair is shown: in the terminal, to Prometheus, in a browser. */
package dev.pollux.cli.pair.watch;
