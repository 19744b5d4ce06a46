package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.VnetHeader;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.LongAdder;

/** The receive queue of a network card. I/O thread's lock held. */
final class NetReceiver {
  private static final int MAX_HEADER = 12;

  /** Buffers that one frame may be spread over. */
  private static final int MAX_BUFFERS = 128;

  private final VirtioNet card;
  private final Virtqueue queue;
  private final NetControl control;
  private final DescriptorChain[] chains = new DescriptorChain[MAX_BUFFERS];
  private final int[] written = new int[MAX_BUFFERS];
  private final LongAdder unwanted;
  private final LongAdder tooLong;
  private final LongAdder broken;
  private final ByteBuffer header = ByteBuffer.allocate(MAX_HEADER);

  NetReceiver(VirtioNet card, Virtqueue queue, NetControl control) {
    this.card = card;
    this.queue = queue;
    this.control = control;
    unwanted = card.drops().counter("not wanted by the guest");
    tooLong = card.drops().counter("longer than the guest's buffers");
    broken = card.drops().counter("the device needs a reset");
  }

  /** Gives the guest frames; returns how many of them it had room for or does not want. */
  int take(Frame[] frames, int count) {
    int done = 0;
    try {
      while (done < count && give(frames[done])) {
        done++;
      }
      queue.signal();
      if (done < count) {
        queue.wantNotifications(true);
        if (queue.hasMore()) {
          queue.kick();
        }
      }
    } catch (VirtioError e) {
      card.fail("queue %d: %s".formatted(queue.index(), e.getMessage()));
      broken.add(count - done);
      return count;
    }
    return done;
  }

  private boolean give(Frame frame) throws VirtioError {
    if (!control.wants(frame.data())) {
      unwanted.increment();
      return true;
    }
    return deliver(frame);
  }

  /** False where there are not enough buffers now. */
  private boolean deliver(Frame frame) throws VirtioError {
    int length = card.headerLength();
    long needed = length + (long) frame.length();
    boolean merge = card.has(VirtioNet.MERGEABLE);
    int count = 0;
    long room = 0;
    while (room < needed && count < (merge ? MAX_BUFFERS : 1)) {
      DescriptorChain chain = queue.pop();
      if (chain == null) {
        giveBack(count);
        return false;
      }
      if (chain.writableBytes() < (count == 0 ? length : 1)) {
        queue.keep(chain);
        giveBack(count);
        throw new VirtioError("a receive buffer of %d bytes".formatted(chain.writableBytes()));
      }
      chains[count++] = chain;
      room += chain.writableBytes();
    }
    if (room < needed) {
      giveBack(count);
      tooLong.increment(); // it never fits
      return true;
    }
    fill(frame, length, count);
    queue.push(chains, written, count);
    return true;
  }

  private void giveBack(int count) {
    for (int i = count - 1; i >= 0; i--) {
      queue.unpop(chains[i]);
    }
  }

  private void fill(Frame frame, int length, int count) {
    VnetHeader.write(frame, header.clear());
    if (!control.offloads().checksum()) {
      header.put(0, (byte) 0); // the driver knows no flags
    }
    header.put(10, (byte) count).put(11, (byte) (count >> 8));
    chains[0].write(header.array(), 0, length);
    ByteBuffer data = frame.data();
    long address = MemorySegment.ofBuffer(data).address(); // of the buffer's position
    long left = frame.length();
    for (int i = 0; i < count; i++) {
      DescriptorChain chain = chains[i];
      long part = Math.min(left, chain.writableLeft());
      long at = chain.written();
      chain.touch(at, part);
      chain.writableVector(at, part).copyFrom(address);
      chain.touch(at, part);
      chain.wrote(part);
      written[i] = chain.written();
      address += part;
      left -= part;
    }
  }
}
