/** {@code pollux demo}: a pair of machines, one of which dies. */
package dev.pollux.cli.demo;
