package dev.pollux.devices.e1000;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntConsumer;

/** The way to the guest (manual, 3.2). I/O thread's lock held. */
final class Receiver {
  private static final int LONG_PACKETS = 1 << 5;
  private static final int STRIP_CRC = 1 << 26;
  private static final int SIZE_EXTENDED = 1 << 25;
  private static final int SUM_TRANSPORT = 1 << 9;

  private static final int STATUS_DONE = 1;
  private static final int STATUS_END = 1 << 1;
  private static final int STATUS_VLAN = 1 << 3;
  private static final int STATUS_TCP_SUM = 1 << 5;

  private static final int CRC = 4;
  private static final int SHORTEST = 60;
  private static final int ORDINARY = 1522;
  private static final int LONGEST = 16384;
  private static final int TAG = 4;

  private final Registers registers;
  private final Ring ring;
  private final Dma dma;
  private final AddressFilter filter;
  private final IntConsumer interrupt;
  private final LongAdder unwanted;
  private final LongAdder tooLong;
  private final LongAdder noRing;
  private final Packet packet = new Packet();

  /** A frame in the form in which the guest gets it. */
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(LONGEST + CRC);

  private final long bufferAddress = MemorySegment.ofBuffer(buffer).address();

  /**
   * @param drops counts what the guest does not get
   * @param interrupt takes causes
   */
  Receiver(Registers registers, Ring ring, Dma dma, Drops drops, IntConsumer interrupt) {
    unwanted = drops.counter("not wanted by the guest");
    tooLong = drops.counter("longer than the guest's buffers");
    noRing = drops.counter("the ring is nowhere");
    this.interrupt = interrupt;
    this.registers = registers;
    this.ring = ring;
    this.dma = dma;
    this.filter = new AddressFilter(registers);
  }

  boolean isOn() {
    return registers.has(Registers.RCTL, Registers.RCTL_ENABLE)
        && registers.has(Registers.STATUS, Registers.STATUS_LINK_UP);
  }

  /** Whether descriptors are getting few, as RCTL.RDMTS counts them. */
  private boolean isLow() {
    int fraction = registers.get(Registers.RCTL) >> 8 & 3;
    return ring.from(ring.head()) <= ring.size() >> 1 + fraction;
  }

  /**
   * Gives the guest frames.
   *
   * @return how many of them it had room for or does not want
   */
  int take(Frame[] frames, int count) {
    if (!ring.open()) {
      noRing.add(count);
      return count;
    }
    int head = ring.head();
    int done = 0;
    while (done < count && give(frames[done])) {
      done++;
    }
    if (ring.head() != head) {
      interrupt.accept(Interrupts.RECEIVED | (isLow() ? Interrupts.RECEIVE_LOW : 0));
    }
    return done;
  }

  private boolean give(Frame frame) {
    if (!filter.wants(frame.data())) {
      unwanted.increment();
      return true;
    }
    return deliver(frame);
  }

  /** False where there are not enough descriptors now. */
  private boolean deliver(Frame frame) {
    int most = registers.has(Registers.RCTL, LONG_PACKETS) ? LONGEST : ORDINARY;
    if (frame.length() + CRC > most) {
      tooLong.increment();
      registers.count(Registers.MPC);
      return true;
    }
    long special = prepare(frame.data());
    int length = buffer.limit();
    int piece = bufferSize();
    int needed = (length + piece - 1) / piece;
    if (needed >= ring.size()) {
      tooLong.increment();
      registers.count(Registers.MPC);
      return true; // it never fits
    }
    if (ring.from(ring.head()) < needed) {
      return false;
    }
    long status = STATUS_DONE | checked(frame) | (special >= 0 ? STATUS_VLAN : 0);
    for (int done = 0; done < length; done += piece) {
      int part = Math.min(piece, length - done);
      int index = ring.head();
      dma.write(ring.read(index, 0), bufferAddress + done, part);
      boolean last = done + part == length;
      ring.write(
          index,
          part | (status | (last ? STATUS_END : 0)) << 32 | (special >= 0 ? special << 48 : 0));
      ring.setHead(ring.next(index));
    }
    count(frame.data(), length);
    return true;
  }

  private int bufferSize() {
    int control = registers.get(Registers.RCTL);
    int code = control >> 16 & 3;
    boolean extended = (control & SIZE_EXTENDED) != 0 && code != 0;
    return (extended ? 32768 : 2048) >> code;
  }

  /**
   * Puts the frame into {@link #buffer}, without its tag where that is wanted, filled up, with room
   * for a check sum that no driver looks at.
   *
   * @return the tag that was taken out, or -1
   */
  private long prepare(ByteBuffer data) {
    int at = data.position();
    int length = data.remaining();
    long tag = -1;
    buffer.clear();
    if (registers.has(Registers.CTRL, Registers.CTRL_VLAN) && filter.isTagged(data)) {
      tag = data.getShort(at + 14) & 0xffff;
      buffer.put(0, data, at, 12).put(12, data, at + 12 + TAG, length - 12 - TAG);
      length -= TAG;
    } else {
      buffer.put(0, data, at, length);
    }
    while (length < SHORTEST) {
      buffer.put(length++, (byte) 0);
    }
    if (!registers.has(Registers.RCTL, STRIP_CRC)) {
      buffer.putInt(length, 0);
      length += CRC;
    }
    buffer.limit(length);
    return tag;
  }

  /** Sums that whoever made the frame answers for need not be looked at by the guest again. */
  private int checked(Frame frame) {
    boolean valid = (frame.flags() & Frame.DATA_VALID) != 0;
    if (!valid
        || !registers.has(Registers.RXCSUM, SUM_TRANSPORT)
        || !packet.parse(frame.data())
        || packet.isFragment()
        || packet.protocol() != Packet.TCP && packet.protocol() != Packet.UDP) {
      return 0;
    }
    return STATUS_TCP_SUM;
  }

  private void count(ByteBuffer data, int length) {
    registers.count(Registers.GPRC);
    registers.count(Registers.TPR);
    if (AddressFilter.isBroadcast(data)) {
      registers.count(Registers.BPRC);
    } else if ((data.get(data.position()) & 1) != 0) {
      registers.count(Registers.MPRC);
    }
    registers.add(Registers.GORC, length);
    registers.add(Registers.TOR, length);
  }
}
