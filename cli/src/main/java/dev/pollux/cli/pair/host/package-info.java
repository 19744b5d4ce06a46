/** One side of a pair on two hosts: carries out what is decided, and tells what happens. */
package dev.pollux.cli.pair.host;
