/**
 * Who may run the guest of a pair on two hosts: decisions alone, without clocks, threads, files and
 * sockets, so that a simulation can try them out.
 */
package dev.pollux.cli.pair.decide;
