package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import java.lang.invoke.VarHandle;

/**
 * A packed ring (2.8): one table, in which driver and device mark descriptors as available and used
 * by two bits, whose meaning turns with each round.
 *
 * <pre>
 *   descriptors  16 * size  address u64, length u32, id u16, flags u16
 *   driver       4          offset and wrap u16, flags u16: which interrupts the driver wants
 *   device       4          the same: which notifications the device wants
 * </pre>
 */
final class PackedRing implements Ring {
  private static final int ID = 12;
  private static final int FLAGS = 14;
  private static final int AVAILABLE = 1 << 7;
  private static final int USED = 1 << 15;

  private static final int EVENTS_ON = 0;
  private static final int EVENTS_OFF = 1;
  private static final int EVENTS_AT = 2;
  private static final int WRAP = 1 << 15;

  private final Virtqueue queue;
  private final int size;
  private final boolean eventIndex;
  private final RingArea descriptors;
  private final RingArea driver;
  private final RingArea device;
  private final ChainBuilder builder;

  PackedRing(Virtqueue queue, GuestMemory memory, boolean eventIndex) throws VirtioError {
    this.queue = queue;
    this.size = queue.size();
    this.eventIndex = eventIndex;
    descriptors = RingArea.find(memory, "the descriptor ring", queue.descriptorArea(), 16L * size);
    driver = RingArea.find(memory, "the driver's event area", queue.driverArea(), 4);
    device = RingArea.find(memory, "the device's event area", queue.deviceArea(), 4);
    builder = new ChainBuilder(memory);
    if (queue.nextAvailable >= size || queue.nextUsed >= size) {
      throw new VirtioError("an index is beyond a ring of %d".formatted(size));
    }
  }

  @Override
  public boolean isAvailable() {
    int flags = descriptors.u16(16L * queue.nextAvailable + FLAGS);
    VarHandle.acquireFence();
    boolean available = (flags & AVAILABLE) != 0;
    boolean used = (flags & USED) != 0;
    return available == queue.availableWrap && used != queue.availableWrap;
  }

  @Override
  public DescriptorChain pop() throws VirtioError {
    DescriptorChain chain = reopen(queue.nextAvailable);
    int next = queue.nextAvailable + chain.slots();
    if (next >= size) {
      next -= size;
      queue.availableWrap = !queue.availableWrap;
    }
    queue.nextAvailable = next;
    return chain;
  }

  @Override
  public DescriptorChain reopen(int position) throws VirtioError {
    builder.begin();
    if (position >= size) {
      throw new VirtioError("descriptor %d of %d".formatted(position, size));
    }
    long at = 16L * position;
    int flags = descriptors.u16(at + FLAGS);
    if ((flags & ChainBuilder.INDIRECT) != 0) {
      int length = descriptors.u32(at + 8);
      RingArea table = builder.indirect(descriptors.u64(at), length, flags);
      for (long entry = 0; entry < length; entry += 16) {
        int entryFlags = table.u16(entry + FLAGS);
        if ((entryFlags & ChainBuilder.INDIRECT) != 0) {
          throw new VirtioError("an indirect descriptor inside an indirect table");
        }
        builder.add(table.u64(entry), table.u32(entry + 8), entryFlags);
      }
      return builder.finish(descriptors.u16(at + ID), position, 1);
    }
    int slots = 0;
    while (true) {
      if (++slots > size) {
        throw new VirtioError("a chain is longer than the ring of %d".formatted(size));
      }
      builder.add(descriptors.u64(at), descriptors.u32(at + 8), flags);
      if ((flags & ChainBuilder.NEXT) == 0) {
        return builder.finish(descriptors.u16(at + ID), position, slots);
      }
      at = 16L * ((position + slots) % size);
      flags = descriptors.u16(at + FLAGS);
      if ((flags & ChainBuilder.INDIRECT) != 0) {
        throw new VirtioError("an indirect descriptor inside a chain");
      }
    }
  }

  @Override
  public void unpop(DescriptorChain chain) {
    if (chain.position() >= queue.nextAvailable) {
      queue.availableWrap = !queue.availableWrap;
    }
    queue.nextAvailable = chain.position();
  }

  @Override
  public void push(DescriptorChain chain, int written) {
    long at = 16L * queue.nextUsed;
    int flags = enter(chain, written);
    VarHandle.releaseFence();
    descriptors.putU16(at + FLAGS, flags);
  }

  @Override
  public void push(DescriptorChain[] chains, int[] written, int count) {
    // The driver goes from one to the next, so the first one's flags show them all (2.8.21).
    long first = 16L * queue.nextUsed;
    int firstFlags = enter(chains[0], written[0]);
    for (int i = 1; i < count; i++) {
      long at = 16L * queue.nextUsed;
      descriptors.putU16(at + FLAGS, enter(chains[i], written[i]));
    }
    VarHandle.releaseFence();
    descriptors.putU16(first + FLAGS, firstFlags);
  }

  /** Writes all of an entry but its flags, which it returns, and goes on to the next. */
  private int enter(DescriptorChain chain, int written) {
    long at = 16L * queue.nextUsed;
    descriptors.putU32(at + 8, written);
    descriptors.putU16(at + ID, chain.id());
    int flags = queue.usedWrap ? AVAILABLE | USED : 0;
    int next = queue.nextUsed + chain.slots();
    if (next >= size) {
      next -= size;
      queue.usedWrap = !queue.usedWrap;
    }
    queue.nextUsed = next;
    return written > 0 ? flags | ChainBuilder.WRITE : flags;
  }

  @Override
  public void wantNotifications(boolean wanted) {
    if (!wanted) {
      device.putU16(2, EVENTS_OFF);
    } else if (eventIndex) {
      device.putU16(0, queue.nextAvailable | (queue.availableWrap ? WRAP : 0));
      VarHandle.releaseFence();
      device.putU16(2, EVENTS_AT);
    } else {
      device.putU16(2, EVENTS_ON);
    }
    VarHandle.fullFence();
  }

  @Override
  public boolean wantsInterrupt() {
    VarHandle.fullFence();
    int from = queue.signalled;
    boolean valid = queue.signalledValid;
    queue.signalled = queue.nextUsed;
    queue.signalledValid = true;
    int mode = driver.u16(2) & 3;
    if (mode != EVENTS_AT) {
      return mode != EVENTS_OFF;
    }
    int event = driver.u16(0);
    int offset = event & ~WRAP;
    if (queue.usedWrap != ((event & WRAP) != 0)) {
      offset -= size;
    }
    int start = from >= queue.nextUsed ? from - size : from;
    return !valid || Virtqueue.passed(offset, queue.nextUsed, start);
  }
}
