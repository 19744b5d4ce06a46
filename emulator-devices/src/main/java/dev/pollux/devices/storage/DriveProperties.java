package dev.pollux.devices.storage;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.BootDevices;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.OnOffAuto;
import dev.pollux.devices.model.Property;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The properties of every device that shows a disk to the guest, and how it gets the disk.
 *
 * @param logicalBlock bytes that a request counts in
 * @param physicalBlock bytes that the medium writes at once
 * @param minIo least good size of requests in bytes, 0 where it does not matter
 * @param optIo best size of requests in bytes, 0 where it does not matter
 */
public record DriveProperties(long logicalBlock, long physicalBlock, long minIo, long optIo) {
  public static final Property<String> DRIVE =
      Property.text("drive", "node name or ID of the disk");
  public static final Property<String> SERIAL = Property.text("serial", "serial number");
  private static final Property<Long> LOGICAL_BLOCK = blockSize("logical_block_size");
  private static final Property<Long> PHYSICAL_BLOCK = blockSize("physical_block_size");
  private static final Property<Long> MIN_IO =
      Property.size("min_io_size", 0, 0, 1L << 25, "least good size of requests");
  private static final Property<Long> OPT_IO =
      Property.size("opt_io_size", 0, 0, 0xffff_ffffL, "best size of requests");
  private static final Property<OnOffAuto> WRITE_CACHE =
      Property.choice("write-cache", "OnOffAuto", OnOffAuto.AUTO, "whether the guest is to flush");
  private static final Property<OnError> WRITE_ERROR =
      onError("werror", "what a failed write does");
  private static final Property<OnError> READ_ERROR = onError("rerror", "what a failed read does");
  private static final Property<Boolean> SHARE =
      Property.flag("share-rw", false, "other devices with share-rw=on may write to the disk, too");

  /** All of them. */
  public static final List<Property<?>> ALL =
      List.of(
          DRIVE,
          SERIAL,
          BootDevices.INDEX,
          LOGICAL_BLOCK,
          PHYSICAL_BLOCK,
          MIN_IO,
          OPT_IO,
          WRITE_CACHE,
          WRITE_ERROR,
          READ_ERROR,
          SHARE);

  private static final int SECTOR = 512;

  private static Property<Long> blockSize(String name) {
    return Property.of(
        name,
        "size",
        0L,
        "a power of two between 512 B and 2 MiB",
        (options, key) -> checkBlockSize(options, key, options.size(key, 0, 'B')),
        size -> size);
  }

  private static long checkBlockSize(DeviceOptions options, String key, long size) {
    if (size != 0 && (Long.bitCount(size) != 1 || size < SECTOR || size > 2 << 20)) {
      throw options.error(
          "%s=%d is no block size; give a power of two between 512 and 2M".formatted(key, size));
    }
    return size;
  }

  private static Property<OnError> onError(String name, String description) {
    Map<String, OnError> words = new LinkedHashMap<>();
    for (OnError value : OnError.values()) {
      words.put(value.word(), value);
    }
    return Property.of(
        name,
        "BlockdevOnError",
        OnError.AUTO,
        description,
        (options, key) -> options.choice(key, OnError.AUTO, words),
        OnError::word);
  }

  /**
   * The disk that the device names, for it alone; given back when the device goes. Firmware may
   * boot from it.
   *
   * @param suffix see {@link BootDevices#add(DeviceContext, String)}
   * @throws dev.pollux.core.config.ConfigException if there is none, or it is in use
   */
  public static BlockBackend claim(DeviceContext context, String suffix) {
    String name = context.get(DRIVE);
    if (name.isEmpty()) {
      throw context.error("drive is missing; add drive=ID of a -drive or -blockdev");
    }
    BootDevices.add(context, suffix);
    BlockGraph graph = context.services().blocks();
    BlockBackend backend = graph.claim(name, context.get(SHARE));
    switch (context.get(WRITE_CACHE)) {
      case ON -> backend.setWriteCache(true);
      case OFF -> backend.setWriteCache(false);
      case AUTO -> {}
    }
    OnError reads = context.get(READ_ERROR);
    OnError writes = context.get(WRITE_ERROR);
    backend.setOnError(
        reads == OnError.AUTO ? backend.onReadError() : reads,
        writes == OnError.AUTO ? backend.onWriteError() : writes);
    return backend;
  }

  /** Says who uses the disk from now on. */
  public static void attach(DeviceContext context, BlockBackend backend, BlockDevice device) {
    backend.attach(device);
    context.onRemove(() -> context.services().blocks().removeBackend(backend));
  }

  /**
   * Sizes as the guest sees them.
   *
   * @throws dev.pollux.core.config.ConfigException if they do not fit together
   */
  public static DriveProperties of(DeviceContext context) {
    long logical = Math.max(SECTOR, context.get(LOGICAL_BLOCK));
    long physical = Math.max(SECTOR, context.get(PHYSICAL_BLOCK));
    if (context.get(PHYSICAL_BLOCK) == 0) {
      physical = Math.max(physical, logical);
    }
    if (logical > physical) {
      throw context.error("logical_block_size is above physical_block_size");
    }
    if (context.get(MIN_IO) % logical != 0 || context.get(OPT_IO) % logical != 0) {
      throw context.error("min_io_size and opt_io_size are multiples of logical_block_size");
    }
    return new DriveProperties(logical, physical, context.get(MIN_IO), context.get(OPT_IO));
  }
}
