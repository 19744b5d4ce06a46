package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.Balloon;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/**
 * A memory balloon (5.5): the guest gives up pages, which go back to the host, and takes them again
 * when it is told to. Pages given up read as zeros; who watches guest memory hears of them as of
 * any write.
 */
public final class VirtioBalloon extends VirtioDevice implements Balloon {
  private static final Kind KIND = new Kind(5, "virtio-balloon");

  private static final long STATISTICS = 1 << 1;
  private static final long DEFLATE_ON_OOM = 1 << 2;
  private static final long REPORTING = 1 << 5;

  private static final int INFLATE = 0;
  private static final int DEFLATE = 1;
  private static final int STATISTICS_QUEUE = 2;
  private static final int QUEUE_SIZE = 128;

  private static final int CONFIG_BYTES = 8;
  private static final int CONFIG_ACTUAL = 4;
  private static final int PAGE_BITS = 12;

  /** Page numbers of one request at most: as many as fit where Linux puts them, and more. */
  private static final int MOST_PAGES = 16 << 10;

  private static final Property<Boolean> ON_OOM =
      Property.flag("deflate-on-oom", false, "the guest may take pages back when it is short");
  private static final Property<Boolean> FREE_PAGES =
      Property.flag("free-page-reporting", false, "the guest tells of pages that it does not use");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-balloon",
          DeviceCategory.MISC,
          "",
          0x00ff00,
          0x1002,
          2,
          List.of(ON_OOM, FREE_PAGES),
          VirtioBalloon::create);

  private static final StateDescriptor<VirtioBalloon> STATE =
      StateDescriptor.of(VirtioBalloon.class, "virtio-balloon", 1)
          .u32("target-pages", d -> d.targetPages, (d, v) -> d.targetPages = v)
          .u32("actual-pages", d -> d.actualPages, (d, v) -> d.actualPages = v)
          .struct("statistics", BalloonStatistics.STATE, d -> d.statistics);

  private final long features;
  private final GuestMemory memory;
  private final LongConsumer listener;
  private final BalloonStatistics statistics;

  /** Pages that the guest should give up, and those that it says it has given up. */
  private int targetPages;

  private int actualPages;

  /**
   * @param features of its own that it offers
   * @param listener hears how many bytes the guest has now
   */
  VirtioBalloon(VirtioSetup setup, long features, LongConsumer listener) {
    super(KIND, setup, sizes(features));
    this.features = features;
    this.memory = new GuestMemory(setup.machine().memory());
    this.listener = listener;
    this.statistics =
        new BalloonStatistics(
            setup.machine().clocks(), action -> setUp(action), queue(STATISTICS_QUEUE));
  }

  private static int[] sizes(long features) {
    int[] sizes = new int[(features & REPORTING) != 0 ? 4 : 3];
    Arrays.fill(sizes, QUEUE_SIZE);
    return sizes;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    if (context.services().balloon().isPresent()) {
      throw context.error("Only one balloon device is supported");
    }
    long features =
        STATISTICS
            | (context.get(ON_OOM) ? DEFLATE_ON_OOM : 0)
            | (context.get(FREE_PAGES) ? REPORTING : 0);
    VirtioBalloon balloon =
        new VirtioBalloon(
            setup, features, actual -> context.devices().tell(l -> l.balloonChanged(actual)));
    balloon.statistics.properties().forEach(context::expose);
    context.services().setBalloon(balloon);
    context.onRemove(() -> context.services().setBalloon(null));
    return balloon;
  }

  @Override
  protected long deviceFeatures() {
    return features;
  }

  @Override
  protected byte[] config() {
    return ByteBuffer.allocate(CONFIG_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(targetPages)
        .putInt(actualPages)
        .array();
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    if (offset < CONFIG_ACTUAL || offset + bytes.length > CONFIG_BYTES) {
      return;
    }
    byte[] config = config();
    System.arraycopy(bytes, 0, config, offset, bytes.length);
    int pages = ByteBuffer.wrap(config).order(ByteOrder.LITTLE_ENDIAN).getInt(CONFIG_ACTUAL);
    if (pages != actualPages) {
      actualPages = pages;
      listener.accept(actual());
    }
  }

  // ---- for monitors ----

  /** Bytes of the machine's memory: of the block at its start. */
  private long allMemory() {
    GuestMemory.Piece first = memory.find(0, 1, true);
    return first == null ? 0 : first.block().size();
  }

  @Override
  public long actual() {
    return Math.max(0, allMemory() - (Integer.toUnsignedLong(actualPages) << PAGE_BITS));
  }

  @Override
  public void setTarget(long bytes) {
    long all = allMemory();
    targetPages = (int) (all - Math.min(bytes, all) >> PAGE_BITS);
    configChanged();
  }

  // ---- queues; I/O thread's lock held ----

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    switch (queue.index()) {
      case INFLATE -> each(queue, chain -> done(queue, chain, this::inflate));
      case DEFLATE -> each(queue, chain -> done(queue, chain, c -> {}));
      case STATISTICS_QUEUE -> each(queue, statistics::take);
      default -> each(queue, chain -> done(queue, chain, DescriptorChain::discard));
    }
  }

  private static void done(Virtqueue queue, DescriptorChain chain, Handler work)
      throws VirtioError {
    work.handle(chain);
    queue.push(chain, 0);
    queue.signal();
  }

  /** Page numbers follow each other upwards or downwards mostly: whole runs go at once. */
  private void inflate(DescriptorChain chain) throws VirtioError {
    long bytes = chain.readableBytes();
    if (bytes % 4 != 0 || bytes > MOST_PAGES * 4) {
      throw new VirtioError("%d bytes of page numbers".formatted(bytes));
    }
    ByteBuffer numbers = ByteBuffer.wrap(chain.read((int) bytes)).order(ByteOrder.LITTLE_ENDIAN);
    long[] pages = new long[(int) bytes / 4];
    for (int i = 0; i < pages.length; i++) {
      pages[i] = Integer.toUnsignedLong(numbers.getInt());
    }
    Arrays.sort(pages);
    for (int i = 0; i < pages.length; ) {
      int end = i + 1;
      while (end < pages.length && pages[end] == pages[end - 1] + 1) {
        end++;
      }
      discard(pages[i] << PAGE_BITS, (long) (end - i) << PAGE_BITS);
      i = end;
    }
  }

  /** What is not RAM is left alone, as the guest harms nobody by naming it. */
  private void discard(long address, long length) {
    for (long done = 0; done < length; ) {
      GuestMemory.Piece piece = memory.find(address + done, length - done, true);
      if (piece == null) {
        done += RamBlock.PAGE_SIZE;
      } else {
        piece.block().discard(piece.offset(), piece.length());
        done += piece.length();
      }
    }
  }

  // ---- state ----

  @Override
  protected void resetDevice() {
    actualPages = 0;
    statistics.reset();
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(STATE, this));
  }
}
