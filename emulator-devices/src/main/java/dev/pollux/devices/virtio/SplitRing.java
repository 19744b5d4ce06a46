package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import java.lang.invoke.VarHandle;

/**
 * A split ring (2.7).
 *
 * <pre>
 *   descriptors  16 * size    address u64, length u32, flags u16, next u16
 *   available    6 + 2 * size flags u16, index u16, heads u16[size], used_event u16
 *   used         6 + 8 * size flags u16, index u16, (id u32, length u32)[size], avail_event u16
 * </pre>
 */
final class SplitRing implements Ring {
  private static final int INDEX = 2;
  private static final int ENTRIES = 4;
  private static final int NO_INTERRUPT = 1;
  private static final int NO_NOTIFY = 1;

  private final Virtqueue queue;
  private final int size;
  private final boolean eventIndex;
  private final RingArea descriptors;
  private final RingArea available;
  private final RingArea used;
  private final ChainBuilder builder;

  SplitRing(Virtqueue queue, GuestMemory memory, boolean eventIndex) throws VirtioError {
    this.queue = queue;
    this.size = queue.size();
    this.eventIndex = eventIndex;
    if (Integer.bitCount(size) != 1) {
      throw new VirtioError("a split ring of %d entries is no power of two".formatted(size));
    }
    long events = eventIndex ? 2 : 0;
    descriptors = RingArea.find(memory, "the descriptor table", queue.descriptorArea(), 16L * size);
    available =
        RingArea.find(
            memory, "the available ring", queue.driverArea(), ENTRIES + 2L * size + events);
    used = RingArea.find(memory, "the used ring", queue.deviceArea(), ENTRIES + 8L * size + events);
    builder = new ChainBuilder(memory);
  }

  @Override
  public boolean isAvailable() throws VirtioError {
    int count = available.u16(INDEX) - queue.nextAvailable & 0xffff;
    if (count > size) {
      throw new VirtioError(
          "the available index is %d ahead in a ring of %d".formatted(count, size));
    }
    VarHandle.acquireFence();
    return count > 0;
  }

  @Override
  public DescriptorChain pop() throws VirtioError {
    int head = available.u16(ENTRIES + 2L * (queue.nextAvailable & size - 1));
    queue.nextAvailable = queue.nextAvailable + 1 & 0xffff;
    return reopen(head);
  }

  @Override
  public DescriptorChain reopen(int head) throws VirtioError {
    builder.begin();
    if (head >= size) {
      throw new VirtioError("head %d in a ring of %d".formatted(head, size));
    }
    long at = 16L * head;
    int flags = descriptors.u16(at + 12);
    if ((flags & ChainBuilder.INDIRECT) != 0) {
      int length = descriptors.u32(at + 8);
      RingArea table = builder.indirect(descriptors.u64(at), length, flags);
      walk(table, 0, Math.min(length / 16, 0x1_0000));
    } else {
      walk(descriptors, head, size);
    }
    return builder.finish(head, head, 1);
  }

  private void walk(RingArea table, int first, int entries) throws VirtioError {
    int flags;
    int next = first;
    do {
      if (next >= entries) {
        throw new VirtioError("next descriptor %d of %d".formatted(next, entries));
      }
      long at = 16L * next;
      flags = table.u16(at + 12);
      if ((flags & ChainBuilder.INDIRECT) != 0) {
        throw new VirtioError("an indirect descriptor inside a chain");
      }
      builder.add(table.u64(at), table.u32(at + 8), flags);
      next = table.u16(at + 14);
    } while ((flags & ChainBuilder.NEXT) != 0);
  }

  @Override
  public void unpop(DescriptorChain chain) {
    queue.nextAvailable = queue.nextAvailable - 1 & 0xffff;
  }

  @Override
  public void push(DescriptorChain chain, int written) {
    enter(chain, written);
    publish();
  }

  @Override
  public void push(DescriptorChain[] chains, int[] written, int count) {
    for (int i = 0; i < count; i++) {
      enter(chains[i], written[i]);
    }
    publish();
  }

  private void enter(DescriptorChain chain, int written) {
    long at = ENTRIES + 8L * (queue.nextUsed & size - 1);
    used.putU64(at, chain.id() | (long) written << 32);
    queue.nextUsed = queue.nextUsed + 1 & 0xffff;
  }

  private void publish() {
    VarHandle.releaseFence();
    used.putU16(INDEX, queue.nextUsed);
  }

  @Override
  public void wantNotifications(boolean wanted) {
    if (!eventIndex) {
      used.putU16(0, wanted ? 0 : NO_NOTIFY);
    } else if (wanted) {
      used.putU16(ENTRIES + 8L * size, queue.nextAvailable);
    }
    VarHandle.fullFence();
  }

  @Override
  public boolean wantsInterrupt() {
    VarHandle.fullFence();
    if (!eventIndex) {
      return (available.u16(0) & NO_INTERRUPT) == 0;
    }
    int from = queue.signalled;
    boolean valid = queue.signalledValid;
    queue.signalled = queue.nextUsed;
    queue.signalledValid = true;
    int event = available.u16(ENTRIES + 2L * size);
    return !valid || Virtqueue.passed(event, queue.nextUsed, from);
  }
}
