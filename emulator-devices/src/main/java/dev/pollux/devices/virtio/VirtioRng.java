package dev.pollux.devices.virtio;

import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.security.SecureRandom;
import java.util.List;

/** An entropy device (5.4): fills each buffer with random bytes of the host. */
public final class VirtioRng extends VirtioDevice {
  private static final Kind KIND = new Kind(4, "virtio-rng");
  private static final int QUEUE_SIZE = 8;

  /** Bytes that one request gets at most. */
  private static final int MOST = 64 << 10;

  private static final Property<String> RNG =
      Property.text("rng", "link<rng-backend>", "object that the bytes come from");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-rng",
          DeviceCategory.MISC,
          "",
          0x00ff00,
          0x1005,
          2,
          List.of(RNG),
          VirtioRng::create);

  private final RandomSource source;

  private VirtioRng(VirtioSetup setup, RandomSource source) {
    super(KIND, setup, QUEUE_SIZE);
    this.source = source;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    SecureRandom random = new SecureRandom();
    return new VirtioRng(
        setup,
        context.get(RNG).isEmpty() ? random::nextBytes : context.object(RNG, RandomSource.class));
  }

  /** A device for tests. */
  static VirtioRng of(VirtioSetup setup, RandomSource source) {
    return new VirtioRng(setup, source);
  }

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    each(
        queue,
        chain -> {
          byte[] bytes = new byte[(int) Math.min(chain.writableBytes(), MOST)];
          source.fill(bytes);
          chain.write(bytes, 0, bytes.length);
          queue.push(chain, chain.written());
          queue.signal();
        });
  }
}
