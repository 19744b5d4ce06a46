package dev.pollux.backend.net;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.TapDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A TAP interface of the host: {@code -netdev tap}. The kernel takes and gives unfinished frames,
 * so that long segments cross as they are.
 */
public final class TapBackend extends NetBackend {
  private static final Logger log = LoggerFactory.getLogger(TapBackend.class);
  private static final int WAIT_MS = 200;
  private static final int BATCH = 32;
  private static final int SCRIPT_SECONDS = 30;

  private final TapDevice device;
  private final String downScript;
  private final Offloads offloads;
  private final ByteBuffer out = buffer();
  private final Thread reader;

  /** Frames that were read and that the card has not taken yet. */
  private final Frame[] batch = new Frame[BATCH];

  private final ByteBuffer[] buffers = new ByteBuffer[BATCH];
  private final AtomicBoolean roomAtHost = new AtomicBoolean();
  private final AtomicBoolean roomAtCard = new AtomicBoolean();
  private volatile boolean closed;

  private TapBackend(String id, TapDevice device, String downScript) {
    super(id);
    this.device = device;
    this.downScript = downScript;
    boolean unfinished =
        device.hasHeader()
            && device.setOffloads(
                TapDevice.OFFLOAD_CHECKSUM | TapDevice.OFFLOAD_TSO4 | TapDevice.OFFLOAD_TSO6);
    this.offloads = unfinished ? Offloads.ALL : Offloads.NONE;
    for (int i = 0; i < BATCH; i++) {
      batch[i] = new Frame();
      buffers[i] = buffer();
    }
    reader = Thread.ofPlatform().name(id + " tap").daemon(true).unstarted(this::read);
  }

  private static ByteBuffer buffer() {
    return ByteBuffer.allocateDirect(TapDevice.HEADER + Frame.MAX_LENGTH);
  }

  /**
   * Makes the back end that options describe.
   *
   * @throws ConfigException where they are wrong or the host refuses
   */
  public static TapBackend of(String id, DeviceOptions o) {
    String name = o.string("ifname", "");
    boolean header = o.bool("vnet_hdr", true);
    String script = script(o, "script");
    String downScript = script(o, "downscript");
    long fd = o.number("fd", -1, 0, Integer.MAX_VALUE);
    for (String absent : List.of("vhost", "vhostforce")) {
      if (o.bool(absent, false)) {
        throw o.error(absent + " needs KVM; leave it out");
      }
    }
    for (String absent : List.of("fds", "vhostfd", "vhostfds", "helper", "br")) {
      if (o.has(absent)) {
        throw o.error(absent + " is not supported; give ifname= or fd=");
      }
    }
    o.number("sndbuf", 0, 0, Long.MAX_VALUE);
    if (o.number("queues", 1, 1, 256) != 1) {
      throw o.error("several queues are not supported; leave queues out");
    }
    o.rejectUnknown();
    try {
      TapDevice device = fd >= 0 ? TapDevice.of((int) fd) : TapDevice.open(name, header, false);
      TapBackend backend = new TapBackend(id, device, downScript);
      backend.run(script);
      backend.reader.start();
      return backend;
    } catch (IOException e) {
      throw new ConfigException(
          "could not configure /dev/net/tun (%s): %s; it needs root or an interface made for you"
              .formatted(name.isEmpty() ? "tap" : name, e.getMessage()),
          e);
    }
  }

  /** A script to run; unlike QEMU's, the default is none. */
  private static String script(DeviceOptions o, String key) {
    String text = o.string(key, "no");
    return text.equals("no") ? "" : text;
  }

  private void run(String script) {
    if (script.isEmpty()) {
      return;
    }
    try {
      Process process =
          new ProcessBuilder(script, device.name())
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      if (!process.waitFor(SCRIPT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new ConfigException(
            "network script %s has not ended within %d s".formatted(script, SCRIPT_SECONDS));
      }
      if (process.exitValue() != 0) {
        throw new ConfigException(
            "network script %s failed with status %d".formatted(script, process.exitValue()));
      }
    } catch (IOException e) {
      throw new ConfigException("could not launch network script " + script, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ConfigException("interrupted while network script " + script + " ran", e);
    }
  }

  @Override
  public String type() {
    return "tap";
  }

  @Override
  public String describe() {
    return "ifname=" + device.name();
  }

  @Override
  public Offloads offloads() {
    return offloads;
  }

  @Override
  public int take(Frame[] frames, int count) {
    for (int i = 0; i < count; i++) {
      try {
        if (!write(frames[i])) {
          roomAtHost.set(true); // the reader waits for it, too
          return i;
        }
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.getMessage()); // the interface is down: as if unplugged
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

  private void read() {
    try {
      while (!closed) {
        boolean wantsRoom = roomAtHost.get();
        if (device.await(true, wantsRoom, wantsRoom ? 1 : WAIT_MS)) {
          deliver();
        }
        if (roomAtHost.compareAndSet(true, false)) {
          link().ready(this);
        }
      }
    } catch (IOException | UncheckedIOException e) {
      log.warn("{}: the interface is gone: {}", id(), e.getMessage());
    } finally {
      device.close();
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
      int taken = link().fromBackend(rotate(done, count), count - done);
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
    do {
      buffer.clear();
      if (device.read(buffer) == 0) {
        return false;
      }
      buffer.flip();
    } while (buffer.remaining() < shortest);
    if (device.hasHeader()) {
      VnetHeader.read(buffer, batch[index].set(buffer));
      buffer.position(TapDevice.HEADER);
    } else {
      batch[index].set(buffer);
    }
    return true;
  }

  /** On the reader's thread; {@link #resume} ends it early. */
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

  @Override
  public void close() {
    closed = true;
    link().attachBackend(null);
    try {
      run(downScript);
      reader.join(TimeUnit.SECONDS.toMillis(2));
    } catch (ConfigException e) {
      log.warn("{}", e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
