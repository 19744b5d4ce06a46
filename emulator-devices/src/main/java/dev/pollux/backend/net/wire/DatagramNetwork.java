package dev.pollux.backend.net.wire;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A frame in each datagram: {@code -netdev dgram} and some forms of {@code socket}. What the host
 * has no room for is dropped, as datagrams are.
 */
final class DatagramNetwork extends NetBackend {
  private static final Logger log = LoggerFactory.getLogger(DatagramNetwork.class);
  private static final int WAIT_MS = 200;

  private final String type;
  private final Datagrams datagrams;
  private final Thread reader;
  private final Frame[] one = {new Frame()};
  private final LongAdder noRoom = drops().counter("the host has no room");
  private final LongAdder refused = drops().counter("nobody at the other end");
  private final LongAdder tooShort = drops().counter("too short");
  private final ByteBuffer out = ByteBuffer.allocateDirect(Frame.MAX_LENGTH);
  private volatile boolean closed;
  private volatile boolean room;

  private DatagramNetwork(String id, String type, Datagrams datagrams) {
    super(id);
    this.type = type;
    this.datagrams = datagrams;
    reader = Thread.ofPlatform().name(id + " datagrams").daemon(true).unstarted(this::read);
  }

  /** Opens sockets. */
  @FunctionalInterface
  interface Opening {
    Datagrams open() throws IOException;
  }

  /**
   * Makes the network.
   *
   * @param what the address, for messages
   * @throws ConfigException if the host refuses
   */
  static DatagramNetwork open(String id, String type, Object what, Opening opening) {
    try {
      DatagramNetwork network = new DatagramNetwork(id, type, opening.open());
      network.reader.start();
      return network;
    } catch (IOException e) {
      throw new ConfigException(
          "netdev %s: cannot use %s: %s".formatted(id, what, e.getMessage()), e);
    }
  }

  @Override
  public String type() {
    return type;
  }

  @Override
  public String describe() {
    return datagrams.describe();
  }

  @Override
  public Offloads offloads() {
    return Offloads.NONE;
  }

  @Override
  public int take(Frame[] frames, int count) {
    for (int i = 0; i < count; i++) {
      try {
        ByteBuffer data = frames[i].data();
        out.clear().put(0, data, data.position(), data.remaining()).limit(data.remaining());
        if (!datagrams.send(out)) {
          noRoom.increment();
        }
      } catch (IOException e) {
        refused.increment();
        log.debug("{}: {}", id(), e.getMessage());
      }
    }
    return count;
  }

  private void read() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(Frame.MAX_LENGTH);
    while (!closed) {
      try {
        datagrams.await(WAIT_MS);
        receiveAll(buffer);
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.getMessage()); // an answer of the network to what was sent
        pause();
      }
    }
  }

  private void receiveAll(ByteBuffer buffer) throws IOException {
    while (!closed && datagrams.receive(buffer.clear())) {
      if (buffer.flip().remaining() < Frame.MIN_LENGTH) {
        tooShort.increment();
        continue;
      }
      one[0].set(buffer);
      deliver();
    }
  }

  /** What comes while the guest has no room waits in the socket, as far as that has some. */
  private void deliver() {
    room = false;
    while (!closed && link().fromBackend(one, 1) == 0) {
      if (!room) {
        pause();
      }
      room = false;
    }
  }

  private void pause() {
    if (!closed) {
      LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(WAIT_MS));
    }
  }

  @Override
  public void resume() {
    room = true;
    LockSupport.unpark(reader);
  }

  @Override
  public void close() {
    closed = true;
    unplug();
    try {
      LockSupport.unpark(reader);
      reader.join(TimeUnit.SECONDS.toMillis(2));
      datagrams.close();
    } catch (IOException e) {
      log.debug("{}: {}", id(), e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
