package dev.pollux.devices.e1000;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import java.util.function.IntConsumer;

/**
 * The way out of the guest (manual, 3.3 and 3.4). A packet's descriptors are given back when the
 * other end has taken it; until then the ring's head stays before them. I/O thread's lock held.
 */
final class Sender {
  /** Packets that one step sends, so that others get their turn. */
  private static final int ROUND = 512;

  private static final int BATCH = 32;

  private static final int END = 1;
  private static final int INSERT_SUM = 1 << 2;
  private static final int SEGMENTATION = 1 << 2;
  private static final int REPORT = 1 << 3;
  private static final int EXTENDED = 1 << 5;
  private static final int TAGGED = 1 << 6;
  private static final long DONE = 1L << 32;
  private static final int OPTION_IP = 1;
  private static final int OPTION_TRANSPORT = 1 << 1;

  private final Registers registers;
  private final Ring ring;
  private final NetLink link;
  private final IntConsumer interrupt;
  private final SendContext.Slot plain;
  private final SendContext.Slot segmentation;
  private final PacketBuilder[] builders = new PacketBuilder[BATCH];
  private final Frame[] frames = new Frame[BATCH];

  /** By packet of a batch: the first descriptor behind it. */
  private final int[] ends = new int[BATCH];

  /** By packet: what was there before it, to begin with it again. */
  private final SendContext[] plainBefore = new SendContext[BATCH];

  private final SendContext[] segmentationBefore = new SendContext[BATCH];

  /** Where the batch that is being made ends, and how many packets it has. */
  private int at;

  private int count;

  /**
   * @param interrupt takes causes
   * @param plain the context of packets that are not cut
   * @param segmentation the context of those that are
   */
  Sender(
      Registers registers,
      Ring ring,
      Dma dma,
      NetLink link,
      IntConsumer interrupt,
      SendContext.Slot plain,
      SendContext.Slot segmentation) {
    this.registers = registers;
    this.ring = ring;
    this.link = link;
    this.interrupt = interrupt;
    this.plain = plain;
    this.segmentation = segmentation;
    for (int i = 0; i < BATCH; i++) {
      builders[i] = new PacketBuilder(dma);
    }
  }

  /**
   * Sends what the ring holds, as far as the other end takes it.
   *
   * @return whether there is more that nothing holds up
   */
  boolean send() {
    for (int sent = 0; sent < ROUND; sent += BATCH) {
      if (!registers.has(Registers.TCTL, Registers.TCTL_ENABLE) || !ring.open()) {
        return false;
      }
      at = ring.head();
      count = 0;
      boolean more = true;
      while (more && count < BATCH) {
        more = load();
      }
      if (count == 0) {
        giveBack(at);
        return false;
      }
      int taken = link.fromCard(frames, count);
      for (int i = 0; i < taken; i++) {
        tally(frames[i], builders[i].length());
      }
      if (taken < count) {
        plain.set(plainBefore[taken]);
        segmentation.set(segmentationBefore[taken]);
        giveBack(taken == 0 ? ring.head() : ends[taken - 1]);
        return false; // the other end says when it has room
      }
      giveBack(at);
    }
    return true;
  }

  /** Descriptors up to an index are the guest's again. */
  private void giveBack(int end) {
    boolean reports = false;
    int index = ring.head();
    if (index == end) {
      return;
    }
    for (; index != end; index = ring.next(index)) {
      long high = ring.read(index, 1);
      if ((command(high) & REPORT) != 0) {
        ring.write(index, high | DONE);
        reports = true;
      }
    }
    ring.setHead(end);
    int causes = reports ? Interrupts.SENT : 0;
    if (ring.from(end) == 0) {
      causes |= Interrupts.SEND_QUEUE_EMPTY;
    }
    interrupt.accept(causes);
  }

  private static int command(long high) {
    return (int) (high >> 24) & 0xff;
  }

  private static boolean isContext(long high) {
    return (command(high) & EXTENDED) != 0 && (high >> 20 & 15) == 0;
  }

  /**
   * Makes the next packet, as the {@link #count}th of the batch.
   *
   * @return false where there is none that is whole
   */
  private boolean load() {
    PacketBuilder builder = builders[count];
    plainBefore[count] = plain.get();
    segmentationBefore[count] = segmentation.get();
    int index = at;
    boolean begun = false;
    long first = 0;
    builder.begin();
    for (int left = ring.from(at); left > 0; left--) {
      long low = ring.read(index, 0);
      long high = ring.read(index, 1);
      index = ring.next(index);
      if (isContext(high)) {
        setContext(new SendContext(low, high));
        if (!begun) {
          at = index;
        }
        continue;
      }
      boolean extended = (command(high) & EXTENDED) != 0;
      builder.add(low, (int) high & (extended ? 0xf_ffff : 0xffff));
      if (!begun) {
        begun = true;
        first = high;
      }
      if ((command(high) & END) != 0) {
        at = index;
        finish(builder, first, high);
        return true;
      }
    }
    if (begun && ring.next(index) == at) {
      at = index; // the ring is full, and its packet has no end: it never will
    }
    return false;
  }

  private void setContext(SendContext context) {
    if (context.isSegmentation()) {
      segmentation.set(context);
    } else {
      plain.set(context);
    }
  }

  /**
   * Ends a packet.
   *
   * @param first the second half of its first descriptor, which says which sums it wants
   * @param last the same of its last one, which says what else is done with it
   */
  private void finish(PacketBuilder builder, long first, long last) {
    boolean cut = (command(last) & (EXTENDED | SEGMENTATION)) == (EXTENDED | SEGMENTATION);
    if (!cut && registers.has(Registers.TCTL, Registers.TCTL_PAD)) {
      builder.pad();
    }
    Frame frame = builder.frame();
    if (frame == null || cut && !builder.segment(frame, segmentation.get())) {
      return;
    }
    if (!cut) {
      sums(builder, frame, first, last);
    }
    if ((command(last) & TAGGED) != 0 && registers.has(Registers.CTRL, Registers.CTRL_VLAN)) {
      builder.tag(frame, registers.get(Registers.VET), (int) (last >>> 48));
    }
    frames[count] = frame;
    ends[count++] = at;
  }

  private void sums(PacketBuilder builder, Frame frame, long first, long last) {
    if ((command(last) & EXTENDED) == 0) {
      if ((command(last) & INSERT_SUM) != 0) {
        builder.sum(frame, (int) (last >> 40) & 0xff, (int) (last >> 16) & 0xff, 0);
      }
      return;
    }
    int options = (int) (first >> 40) & 0xff;
    SendContext context = plain.get();
    if ((options & OPTION_IP) != 0) {
      builder.sumIp(context);
    }
    if ((options & OPTION_TRANSPORT) != 0) {
      builder.sum(frame, context.transportStart(), context.transportSum(), context.transportEnd());
    }
  }

  private void tally(Frame frame, int length) {
    registers.count(Registers.GPTC);
    registers.count(Registers.TPT);
    if (AddressFilter.isBroadcast(frame.data())) {
      registers.count(Registers.BPTC);
    } else if ((frame.data().get(frame.data().position()) & 1) != 0) {
      registers.count(Registers.MPTC);
    }
    if (frame.segmentation() != Frame.GSO_NONE) {
      registers.count(Registers.TSCTC);
    }
    registers.add(Registers.GOTC, length);
    registers.add(Registers.TOT, length);
  }
}
