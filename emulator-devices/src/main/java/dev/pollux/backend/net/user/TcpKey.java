package dev.pollux.backend.net.user;

/** A connection by its ends, as the guest sees them. */
record TcpKey(Ip guest, int guestPort, Ip peer, int peerPort) {}
