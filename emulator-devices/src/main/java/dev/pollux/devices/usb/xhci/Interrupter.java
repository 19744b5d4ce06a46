package dev.pollux.devices.usb.xhci;

import dev.pollux.core.state.StateDescriptor;

/**
 * An interrupter with its event ring of one segment (xHCI 1.2, 4.9.4 and 5.5.2). Machine lock held.
 *
 * <pre>
 *   00 management: 0 pending, 1 enabled   04 moderation   08 segments   10 table   18 dequeue
 * </pre>
 */
final class Interrupter {
  /** Bytes of its registers. */
  static final int SIZE = 0x20;

  private static final int PENDING = 1;
  private static final int ENABLED = 2;

  /** Of the dequeue pointer: the driver has not looked at the ring since the last interrupt. */
  private static final int BUSY = 8;

  private static final int LEAST_SEGMENT = 16;
  private static final int MOST_SEGMENT = 4096;
  private static final int TABLE_SIZE = 0xffff;
  private static final int HOST_EVENT = 37 << 10;

  /** Usual time between two interrupts, in units of 250 ns; interrupts are not held back. */
  private static final int MODERATION = 4000;

  static final StateDescriptor<Interrupter> STATE =
      StateDescriptor.of(Interrupter.class, "xhci-interrupter", 1)
          .u8("management", 3, i -> i.management, (i, v) -> i.management = v)
          .u32("moderation", i -> i.moderation, (i, v) -> i.moderation = v)
          .u32("segments", TABLE_SIZE, i -> i.segments, (i, v) -> i.segments = v)
          .u64("table", i -> i.table, (i, v) -> i.table = v)
          .u64("dequeue", i -> i.dequeue, (i, v) -> i.dequeue = v)
          .u64("ring", i -> i.ring, (i, v) -> i.ring = v)
          .u32("size", MOST_SEGMENT, i -> i.size, (i, v) -> i.size = v)
          .u32("next", MOST_SEGMENT - 1, i -> i.next, (i, v) -> i.next = v)
          .bool("cycle", i -> i.cycle, (i, v) -> i.cycle = v)
          .afterLoad(i -> i.next = i.next < i.size ? i.next : 0);

  /** The controller. */
  interface Owner {
    XhciMemory memory();

    /** An event is there. */
    void eventPosted();

    /** Whether it interrupts may have changed. */
    void update(int interrupter);
  }

  private final int index;
  private final Owner owner;
  private int management;
  private int moderation = MODERATION;
  private int segments;
  private long table;
  private long dequeue;

  /** The segment: its address and TRBs; 0 as long as there is none. */
  private long ring;

  private int size;
  private int next;
  private boolean cycle = true;

  Interrupter(int index, Owner owner) {
    this.index = index;
    this.owner = owner;
  }

  void reset() {
    management = 0;
    moderation = MODERATION;
    segments = 0;
    table = 0;
    dequeue = 0;
    ring = 0;
    size = 0;
    next = 0;
    cycle = true;
  }

  /** Whether it asks for an interrupt. */
  boolean isAsking() {
    return management == (PENDING | ENABLED);
  }

  /** Its interrupt was sent as a message. */
  void sent() {
    management &= ~PENDING;
  }

  // ---- registers ----

  int read(int offset) {
    return switch (offset) {
      case 0x00 -> management;
      case 0x04 -> moderation;
      case 0x08 -> segments;
      case 0x10 -> (int) table;
      case 0x14 -> (int) (table >>> 32);
      case 0x18 -> (int) dequeue;
      case 0x1c -> (int) (dequeue >>> 32);
      default -> 0;
    };
  }

  void write(int offset, int value) throws HostError {
    switch (offset) {
      case 0x00 -> {
        management = management & PENDING & ~value | value & ENABLED;
        owner.update(index);
      }
      case 0x04 -> moderation = value;
      case 0x08 -> segments = value & TABLE_SIZE;
      case 0x10 -> table = Halves.low(table, value & -64);
      case 0x14 -> {
        table = Halves.high(table, value);
        begin();
      }
      case 0x18 -> moved(Halves.low(dequeue, value & ~BUSY | (int) dequeue & ~value & BUSY));
      case 0x1c -> dequeue = Halves.high(dequeue, value);
      default -> {}
    }
  }

  /** The driver has given a ring, or taken it away. */
  private void begin() throws HostError {
    ring = 0;
    size = 0;
    next = 0;
    cycle = true;
    if (segments == 0) {
      return;
    }
    long address = owner.memory().quad(table) & -64;
    int count = owner.memory().word(table + 8) & 0xffff;
    if (segments != 1 || count < LEAST_SEGMENT || count > MOST_SEGMENT) {
      throw new HostError(
          "an event ring of %d segments, the first of %d entries".formatted(segments, count));
    }
    ring = address;
    size = count;
  }

  /** The driver has read events. */
  private void moved(long to) {
    dequeue = to;
    if ((dequeue & BUSY) == 0 && size > 0 && (dequeue & -16) != ring + (long) next * Trb.BYTES) {
      raise();
    }
  }

  // ---- events ----

  /**
   * Puts an event into the ring; where there is no room it is lost, and the last one there says so.
   *
   * @param control without the cycle bit
   */
  void post(long parameter, int status, int control) throws HostError {
    if (size == 0) {
      return;
    }
    long behind = (dequeue & -16) - ring;
    if (behind < 0 || behind >= (long) size * Trb.BYTES) {
      throw new HostError("0x%x is not in the event ring".formatted(dequeue & -16));
    }
    int room = Math.floorMod(behind / Trb.BYTES - next - 1, size);
    if (room == 0) {
      return;
    }
    if (room == 1) {
      put(0, CompletionCode.EVENT_RING_FULL.shifted(), HOST_EVENT);
    } else {
      put(parameter, status, control);
    }
    raise();
  }

  private void put(long parameter, int status, int control) throws HostError {
    owner
        .memory()
        .putWords(
            ring + (long) next * Trb.BYTES,
            (int) parameter,
            (int) (parameter >>> 32),
            status,
            control | (cycle ? 1 : 0));
    if (++next == size) {
      next = 0;
      cycle = !cycle;
    }
  }

  private void raise() {
    boolean heard = (dequeue & BUSY) == 0;
    dequeue |= BUSY;
    owner.eventPosted();
    if (heard) {
      management |= PENDING;
      owner.update(index);
    }
  }
}
