/**
 * The {@code user} network: the guest's packets become sockets of this process, so that a guest has
 * a network where nobody is root. One {@link dev.pollux.backend.net.user.UserNetwork} is a router
 * with DHCP, DNS, TFTP and a TCP of its own towards the guest.
 *
 * <p>All state is guarded by the network's one lock. It is never held while frames are given to the
 * link: they wait in the {@link dev.pollux.backend.net.user.Outbox} until it is free.
 */
package dev.pollux.backend.net.user;
