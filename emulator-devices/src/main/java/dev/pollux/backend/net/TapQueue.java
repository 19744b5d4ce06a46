package dev.pollux.backend.net;

import dev.pollux.core.host.TapDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One queue of a TAP interface: a descriptor, a cable, and the thread that reads. */
final class TapQueue implements NetEnd {
  private static final Logger log = LoggerFactory.getLogger(TapQueue.class);
  private static final int WAIT_MS = 200;
  private static final int BATCH = 32;

  private final String name;
  private final TapDevice device;
  private final Offloads offloads;
  private final ByteBuffer out = buffer();
  private final Thread reader;

  /** Frames that were read and that the card has not taken yet. */
  private final Frame[] batch = new Frame[BATCH];

  private final ByteBuffer[] buffers = new ByteBuffer[BATCH];
  private final AtomicBoolean roomAtHost = new AtomicBoolean();
  private final AtomicBoolean roomAtCard = new AtomicBoolean();
  private final LongAdder refused;
  private final LongAdder unused;
  private final LongAdder tooShort;
  private NetLink link;
  private volatile boolean active = true;
  private volatile boolean closed;

  /**
   * @param name of the thread
   * @param drops counts what is dropped
   */
  TapQueue(String name, TapDevice device, Drops drops) {
    this.name = name;
    this.device = device;
    refused = drops.counter("refused by the interface");
    unused = drops.counter("on a queue that is not in use");
    tooShort = drops.counter("too short");
    boolean unfinished =
        device.hasHeader()
            && device.setOffloads(
                TapDevice.OFFLOAD_CHECKSUM | TapDevice.OFFLOAD_TSO4 | TapDevice.OFFLOAD_TSO6);
    offloads = unfinished ? Offloads.ALL : Offloads.NONE;
    for (int i = 0; i < BATCH; i++) {
      batch[i] = new Frame();
      buffers[i] = buffer();
    }
    reader = Thread.ofPlatform().name(name).daemon(true).unstarted(this::read);
  }

  private static ByteBuffer buffer() {
    return ByteBuffer.allocateDirect(TapDevice.HEADER + Frame.MAX_LENGTH);
  }

  /** Begins to read. */
  void start(NetLink to) {
    link = to;
    reader.start();
  }

  @Override
  public Offloads offloads() {
    return offloads;
  }

  // ---- from the guest ----

  @Override
  public int take(Frame[] frames, int count) {
    if (!active) {
      unused.add(count);
      return count;
    }
    for (int i = 0; i < count; i++) {
      try {
        if (!write(frames[i])) {
          roomAtHost.set(true); // the reader waits for it, too
          return i;
        }
      } catch (IOException e) {
        refused.increment(); // the interface is down: as if unplugged
        log.debug("{}: {}", name, e.getMessage());
      }
    }
    return count;
  }

  private boolean write(Frame frame) throws IOException {
    out.clear();
    if (device.hasHeader()) {
      VnetHeader.write(frame, out);
    }
    ByteBuffer data = frame.data();
    out.put(out.position(), data, data.position(), data.remaining());
    out.limit(out.position() + data.remaining()).position(0);
    return device.write(out);
  }

  // ---- to the guest; the reader's thread ----

  private void read() {
    while (!closed) {
      try {
        if (active) {
          transfer();
        } else {
          LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(WAIT_MS));
        }
      } catch (IOException | UncheckedIOException e) {
        if (active && !closed) {
          log.warn("{}: the interface is gone: {}", name, e.getMessage());
          return;
        }
      }
    }
  }

  private void transfer() throws IOException {
    boolean wantsRoom = roomAtHost.get();
    if (device.await(true, wantsRoom, wantsRoom ? 1 : WAIT_MS)) {
      deliver();
    }
    if (roomAtHost.compareAndSet(true, false)) {
      link.ready(this);
    }
  }

  private void deliver() throws IOException {
    int count = 0;
    while (count < BATCH && receive(count)) {
      count++;
    }
    int done = 0;
    while (done < count && !closed) {
      roomAtCard.set(false);
      int taken = link.fromBackend(rotate(done, count), count - done);
      done += taken;
      if (taken == 0) {
        awaitCard();
      }
    }
  }

  private Frame[] rotate(int from, int count) {
    if (from == 0) {
      return batch;
    }
    Frame[] rest = new Frame[count - from];
    System.arraycopy(batch, from, rest, 0, rest.length);
    return rest;
  }

  private boolean receive(int index) throws IOException {
    ByteBuffer buffer = buffers[index];
    int shortest = Frame.MIN_LENGTH + (device.hasHeader() ? TapDevice.HEADER : 0);
    while (true) {
      buffer.clear();
      if (device.read(buffer) == 0) {
        return false;
      }
      buffer.flip();
      if (buffer.remaining() >= shortest) {
        break;
      }
      tooShort.increment();
    }
    if (device.hasHeader()) {
      VnetHeader.read(buffer, batch[index].set(buffer));
      buffer.position(TapDevice.HEADER);
    } else {
      batch[index].set(buffer);
    }
    return true;
  }

  /** {@link #resume} ends it early. */
  private void awaitCard() {
    if (!roomAtCard.get() && !closed) {
      LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(WAIT_MS));
    }
  }

  @Override
  public void resume() {
    roomAtCard.set(true);
    LockSupport.unpark(reader);
  }

  /** Only for interfaces with several queues. */
  @Override
  public void setActive(boolean on) {
    if (active == on) {
      return;
    }
    try {
      active &= on; // nothing touches a queue that the kernel leaves out
      device.setAttached(on);
      active = on;
      LockSupport.unpark(reader);
    } catch (IOException e) {
      active = !on;
      log.warn("{}: cannot use {} queues: {}", name, on ? "more" : "fewer", e.getMessage());
    }
  }

  /** The cable is out already. */
  void close() {
    closed = true;
    LockSupport.unpark(reader);
    try {
      reader.join(TimeUnit.SECONDS.toMillis(2));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    device.close();
  }
}
