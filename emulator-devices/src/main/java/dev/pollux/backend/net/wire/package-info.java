/**
 * Networks between programs: frames on streams and in datagrams, and hubs that join several
 * networks of one machine.
 */
package dev.pollux.backend.net.wire;
