/** Connections that carry migrations: sockets, files, programs, inherited file descriptors. */
package dev.pollux.migration.transport;
