package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.backend.block.node.NullNode;
import dev.pollux.backend.block.node.RawNode;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** All drivers by their names. */
public final class BlockDrivers {
  private static final Map<String, Locking> LOCKING =
      Map.of("auto", Locking.ON, "on", Locking.ON, "off", Locking.OFF);

  private static final BlockOptions.Child NOBODY = new BlockOptions.Child.Nobody();
  private static final long NULL_BYTES = 1L << 30;

  private static final Map<String, BlockDriver> DRIVERS = new LinkedHashMap<>();

  static {
    DRIVERS.put("file", BlockDrivers::file);
    DRIVERS.put("host_device", BlockDrivers::file);
    DRIVERS.put("host_cdrom", BlockDrivers::file);
    DRIVERS.put("raw", BlockDrivers::raw);
    DRIVERS.put("qcow2", BlockDrivers::qcow2);
    DRIVERS.put("null-co", (common, options, _) -> nothing("null-co", common, options));
    DRIVERS.put("null-aio", (common, options, _) -> nothing("null-aio", common, options));
  }

  private BlockDrivers() {}

  public static Set<String> names() {
    return DRIVERS.keySet();
  }

  static BlockDriver find(BlockOptions options, String name) {
    BlockDriver driver = DRIVERS.get(name);
    if (driver == null) {
      throw options.error("Unknown driver '" + name + "'");
    }
    return driver;
  }

  private static BlockNode file(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    String path = own.required("filename").replaceFirst("^file:", "");
    Locking locking = own.choice("locking", Locking.ON, LOCKING);
    own.string("aio"); // threads, native and io_uring differ in speed at most
    own.string("x-check-cache-dropped");
    if (own.bool("force-share", false)) {
      locking = Locking.SHARED;
    }
    options.rejectUnknown();
    return FileNode.open(common, path, locking);
  }

  private static BlockNode raw(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    long offset = own.size("offset", 0, 'B');
    long size = own.size("size", -1, 'B');
    own.bool("force-share", false);
    if (!(options.child("backing").orElse(NOBODY) instanceof BlockOptions.Child.Nobody)) {
      throw options.error("Driver 'raw' does not support backing files");
    }
    BlockNode file = graph.openFile(common, options);
    options.rejectUnknown("file");
    return RawNode.over(common, file, offset, size);
  }

  private static BlockNode nothing(String name, NodeOptions common, BlockOptions options) {
    DeviceOptions own = options.own();
    own.string("filename");
    long size = own.size("size", NULL_BYTES, 'B');
    long latency = own.number("latency-ns", 0, 0, Long.MAX_VALUE);
    boolean zeroes = own.bool("read-zeroes", false);
    options.rejectUnknown();
    return new NullNode(common, name, size, latency, zeroes);
  }

  private static BlockNode qcow2(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    Boolean lazy = own.has("lazy-refcounts") ? own.bool("lazy-refcounts", false) : null;
    long cache =
        own.size("l2-cache-size", own.size("cache-size", Qcow2Options.DEFAULT_L2_CACHE, 'B'), 'B');
    boolean discard = own.bool("pass-discard-request", common.unmap());
    for (String tuning :
        new String[] {
          "pass-discard-snapshot",
          "pass-discard-other",
          "l2-cache-entry-size",
          "refcount-cache-size",
          "cache-clean-interval",
          "overlap-check",
          "force-share"
        }) {
      own.string(tuning);
    }
    BlockNode file = graph.openFile(common, options);
    Qcow2Image image;
    try {
      Qcow2Options how =
          new Qcow2Options(lazy, Math.max(cache, 1), discard, false, graph.listener());
      image = Qcow2Image.open(common, file, null, how);
      image.setBacking(graph.openBacking(image, file, options));
    } catch (IOException | RuntimeException e) {
      graph.release(file);
      throw e;
    }
    options.rejectUnknown("file", "backing");
    return image;
  }
}
