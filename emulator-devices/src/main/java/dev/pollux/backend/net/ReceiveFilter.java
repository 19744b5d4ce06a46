package dev.pollux.backend.net;

import java.util.List;

/**
 * Which frames a guest wants of its card.
 *
 * @param promiscuous all of them
 * @param unicast to single cards
 * @param multicast to groups
 * @param vlan with tags
 * @param broadcast whether those to everybody
 * @param unicastOverflow it has named more addresses than fit, so all are received
 * @param multicastOverflow the same of groups
 * @param mainAddress the card's, 6 bytes
 * @param unicastAddresses more addresses, 6 bytes each
 * @param multicastAddresses of groups
 * @param vlans numbers, ascending
 */
public record ReceiveFilter(
    boolean promiscuous,
    Choice unicast,
    Choice multicast,
    Choice vlan,
    boolean broadcast,
    boolean unicastOverflow,
    boolean multicastOverflow,
    byte[] mainAddress,
    List<byte[]> unicastAddresses,
    List<byte[]> multicastAddresses,
    List<Integer> vlans) {
  /** What is received of a kind of frame. */
  public enum Choice {
    /** What is in the table. */
    NORMAL,
    NONE,
    ALL
  }
}
