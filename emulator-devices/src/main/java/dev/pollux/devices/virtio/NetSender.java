package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.VnetHeader;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * The send queue of a network card. Frames are copied out of guest memory before anybody looks at
 * them, so the guest cannot change them meanwhile. I/O thread's lock held.
 */
final class NetSender {
  private static final int BATCH = 32;

  /** Batches that one notification sends, so that other queues get their turn. */
  private static final int ROUNDS = 16;

  private static final int MAX_HEADER = 12;

  private final VirtioNet card;
  private final Virtqueue queue;
  private final NetLink link;
  private final Frame[] frames = new Frame[BATCH];
  private final ByteBuffer[] buffers = new ByteBuffer[BATCH];
  private final DescriptorChain[] chains = new DescriptorChain[BATCH];

  NetSender(VirtioNet card, Virtqueue queue, NetLink link) {
    this.card = card;
    this.queue = queue;
    this.link = link;
  }

  /** Sends what the queue holds, as far as the other end takes it. */
  void send() throws VirtioError {
    queue.wantNotifications(false);
    for (int round = 0; round < ROUNDS; round++) {
      int count = load();
      if (count == 0) {
        queue.wantNotifications(true);
        if (!queue.hasMore()) {
          return;
        }
        queue.wantNotifications(false);
        continue;
      }
      int taken = link.fromCard(frames, count);
      for (int i = 0; i < taken; i++) {
        queue.push(chains[i], 0);
      }
      giveBack(taken, count);
      queue.signal();
      if (taken < count) {
        return; // the other end says when it has room
      }
    }
    queue.kick();
  }

  private int load() throws VirtioError {
    int count = 0;
    try {
      while (count < BATCH && (chains[count] = queue.pop()) != null) {
        load(chains[count], count++);
      }
      return count;
    } catch (VirtioError e) {
      giveBack(0, count);
      throw e;
    }
  }

  private void giveBack(int from, int count) {
    for (int i = count - 1; i >= from; i--) {
      queue.unpop(chains[i]);
    }
  }

  private void load(DescriptorChain chain, int index) throws VirtioError {
    int header = card.headerLength();
    long bytes = chain.readableBytes();
    if (bytes < header + Frame.MIN_LENGTH || bytes > header + Frame.MAX_LENGTH) {
      throw new VirtioError("a frame of %d bytes with its header".formatted(bytes));
    }
    if (buffers[index] == null) {
      buffers[index] = ByteBuffer.allocateDirect(MAX_HEADER + Frame.MAX_LENGTH);
      frames[index] = new Frame();
    }
    ByteBuffer buffer = buffers[index].clear();
    chain.readableVector(bytes).copyTo(MemorySegment.ofBuffer(buffer).address());
    buffer.limit((int) bytes);
    VnetHeader.read(buffer, frames[index].set(buffer));
    buffer.position(header);
  }
}
