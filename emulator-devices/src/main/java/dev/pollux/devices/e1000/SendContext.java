package dev.pollux.devices.e1000;

import dev.pollux.core.state.StateDescriptor;

/**
 * What a context descriptor says of the packets that follow (manual, 3.3.6). Offsets are from the
 * packet's start and the guest's: whoever uses them checks them.
 *
 * @param low the descriptor's first eight bytes: where the sums of IP and TCP begin, go and end
 * @param high its last eight: length, command, size of headers and segments
 */
record SendContext(long low, long high) {
  static final SendContext NONE = new SendContext(0, 0);

  private static final int TCP = 1;
  private static final int IPV4 = 1 << 1;
  private static final int SEGMENTATION = 1 << 2;

  /** A place for one that is saved. */
  static final class Slot {
    static final StateDescriptor<Slot> STATE =
        StateDescriptor.of(Slot.class, "e1000-context", 1)
            .u64("low", s -> s.low, (s, v) -> s.low = v)
            .u64("high", s -> s.high, (s, v) -> s.high = v);

    private long low;
    private long high;

    SendContext get() {
      return new SendContext(low, high);
    }

    void set(SendContext context) {
      low = context.low;
      high = context.high;
    }
  }

  int ipStart() {
    return (int) low & 0xff;
  }

  int ipSum() {
    return (int) (low >> 8) & 0xff;
  }

  /** The last byte that is summed. */
  int ipEnd() {
    return (int) (low >> 16) & 0xffff;
  }

  int transportStart() {
    return (int) (low >> 32) & 0xff;
  }

  int transportSum() {
    return (int) (low >> 40) & 0xff;
  }

  /** The last byte that is summed; 0 for the packet's. */
  int transportEnd() {
    return (int) (low >>> 48);
  }

  private int command() {
    return (int) (high >> 24) & 0xff;
  }

  boolean isTcp() {
    return (command() & TCP) != 0;
  }

  boolean isIpv4() {
    return (command() & IPV4) != 0;
  }

  boolean isSegmentation() {
    return (command() & SEGMENTATION) != 0;
  }

  int headerLength() {
    return (int) (high >> 40) & 0xff;
  }

  int segmentSize() {
    return (int) (high >>> 48);
  }
}
