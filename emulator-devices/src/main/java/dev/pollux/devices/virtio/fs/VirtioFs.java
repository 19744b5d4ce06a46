package dev.pollux.devices.virtio.fs;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.virtio.DescriptorChain;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioError;
import dev.pollux.devices.virtio.VirtioSetup;
import dev.pollux.devices.virtio.VirtioType;
import dev.pollux.devices.virtio.Virtqueue;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A shared folder (5.11): {@code mount -t virtiofs TAG /mnt} in the guest. A thread of the device's
 * own works on files; guest memory is touched with the lock of the I/O thread only.
 */
public final class VirtioFs extends VirtioDevice {
  private static final Logger log = LoggerFactory.getLogger(VirtioFs.class);
  private static final Kind KIND = new Kind(26, "virtio-fs");

  private static final int TAG_BYTES = 36;
  private static final int CONFIG_BYTES = TAG_BYTES + 4;

  /** Bytes of a request at most: data, headers and names. */
  private static final int MOST_REQUEST = FuseServer.MOST_DATA + (16 << 10);

  private static final Property<String> TAG =
      Property.text("tag", "what the guest mounts the folder by");
  private static final Property<String> PATH = Property.text("path", "folder of the host");
  private static final Property<Boolean> READ_ONLY =
      Property.flag("readonly", false, "the guest cannot change anything");
  private static final Property<Long> QUEUE_SIZE =
      Property.unsigned("queue-size", 16, 128, 2, 1024, "entries of a queue, a power of two");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-fs",
          DeviceCategory.STORAGE,
          "a folder of the host, to be mounted with -t virtiofs",
          0x01_8000,
          0,
          -1,
          List.of(TAG, PATH, READ_ONLY, QUEUE_SIZE),
          VirtioFs::create);

  private static final StateDescriptor<VirtioFs> STATE =
      StateDescriptor.of(VirtioFs.class, "virtio-fs", 1);

  private final String tag;
  private final FuseServer server;
  private final ExecutorService worker;

  VirtioFs(VirtioSetup setup, String tag, FuseServer server, int queueSize) {
    super(KIND, setup, queueSize, queueSize);
    this.tag = tag;
    this.server = server;
    this.worker =
        Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("virtio-fs " + tag).daemon(true).factory());
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    String tag = context.get(TAG);
    int tagBytes = tag.getBytes(StandardCharsets.UTF_8).length;
    if (tagBytes == 0 || tagBytes > TAG_BYTES) {
      throw context.error("tag=%s; give 1 to %d characters".formatted(tag, TAG_BYTES));
    }
    long size = context.get(QUEUE_SIZE);
    if (Long.bitCount(size) != 1) {
      throw context.error("queue-size=%d is no power of two".formatted(size));
    }
    Path path = Path.of(context.get(PATH));
    if (context.get(PATH).isEmpty() || !Files.isDirectory(path)) {
      throw context.error("path=%s is no folder of the host".formatted(context.get(PATH)));
    }
    try {
      FuseServer server = new FuseServer(path, context.get(READ_ONLY));
      return new VirtioFs(setup, tag, server, (int) size);
    } catch (IOException e) {
      throw context.error("path=%s: %s".formatted(path, e.getMessage()));
    }
  }

  @Override
  protected byte[] config() {
    return ByteBuffer.allocate(CONFIG_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put(Arrays.copyOf(tag.getBytes(StandardCharsets.UTF_8), TAG_BYTES))
        .putInt(1)
        .array();
  }

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    each(queue, chain -> begin(queue, chain));
  }

  private void begin(Virtqueue queue, DescriptorChain chain) throws VirtioError {
    if (chain.readableBytes() > MOST_REQUEST) {
      throw new VirtioError("a request of %d bytes".formatted(chain.readableBytes()));
    }
    byte[] request = chain.read((int) chain.readableBytes());
    int room = (int) Math.min(chain.writableBytes(), MOST_REQUEST);
    worker.execute(
        () -> {
          byte[] answer = server.handle(request, room);
          io().post(
                  () -> {
                    chain.write(answer, 0, answer.length);
                    queue.push(chain, chain.written());
                    queue.signal();
                  });
        });
  }

  @Override
  public Optional<String> migrationObstacle() {
    return server.isMounted()
        ? Optional.of(
            "Migration is disabled when the shared folder '%s' is mounted in the guest; unmount it"
                .formatted(tag))
        : Optional.empty();
  }

  @Override
  protected void resetDevice() {
    try {
      server.reset();
    } catch (IOException e) {
      log.warn("{}: {}", name(), e.getMessage());
    }
  }

  @Override
  public void close() {
    super.close();
    worker.shutdown();
    resetDevice();
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(STATE, this));
  }
}
