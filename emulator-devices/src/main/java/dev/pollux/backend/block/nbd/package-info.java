/**
 * Disks over the network: the client and the server of the NBD protocol, fixed newstyle, as the
 * protocol's description (doc/proto.md of the NBD project) has it.
 */
package dev.pollux.backend.block.nbd;
