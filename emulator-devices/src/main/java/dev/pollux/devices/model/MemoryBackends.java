package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.HostMapping;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.List;

/**
 * The object types that guest RAM can be made of: {@code -machine memory-backend=ID}. The RAM is
 * closed with the machine.
 */
public final class MemoryBackends {
  private static final String PARENT = "memory-backend";
  private static final long PAGE = 4096;

  private static final Property<Long> SIZE =
      Property.size("size", 0, PAGE, 1L << 40, "bytes, a multiple of 4096");
  private static final Property<Boolean> SHARE =
      Property.flag("share", false, "other processes see what the guest writes");
  private static final Property<Boolean> SHARE_MEMFD =
      Property.flag("share", true, "other processes see what the guest writes");
  private static final Property<Boolean> PREALLOC =
      Property.flag("prealloc", false, "has the host give all memory at once");
  private static final Property<Boolean> MERGE =
      Property.flag("merge", true, "the host may merge equal pages");
  private static final Property<Boolean> DUMP =
      Property.flag("dump", true, "is part of core dumps");
  private static final Property<String> PATH = Property.text("mem-path", "file that is mapped");

  public static final ObjectType RAM =
      new ObjectType(
          "memory-backend-ram",
          PARENT,
          "memory of the host",
          List.of(SIZE, SHARE, PREALLOC, MERGE, DUMP),
          (node, _, options) ->
              make(node, options, size -> HostMapping.anonymous(size, node.get(SHARE))));

  public static final ObjectType MEMFD =
      new ObjectType(
          "memory-backend-memfd",
          PARENT,
          "memory of the host with a descriptor",
          List.of(SIZE, SHARE_MEMFD, PREALLOC, MERGE, DUMP),
          (node, _, options) ->
              make(node, options, size -> HostMapping.memfd(size, node.get(SHARE_MEMFD))));

  public static final ObjectType FILE =
      new ObjectType(
          "memory-backend-file",
          PARENT,
          "a file of the host",
          List.of(SIZE, SHARE, PREALLOC, MERGE, DUMP, PATH),
          (node, _, options) ->
              make(
                  node,
                  options,
                  size -> HostMapping.file(options.required("mem-path"), size, node.get(SHARE))));

  @FunctionalInterface
  private interface Mapper {
    HostMapping map(long size) throws IOException;
  }

  private MemoryBackends() {}

  private static RamBlock make(UserObject node, DeviceOptions options, Mapper mapper) {
    long size = node.get(SIZE);
    if (size == 0 || size % PAGE != 0) {
      throw options.error("size=%d is no multiple of 4096; add size=...".formatted(size));
    }
    try {
      RamBlock block = new RamBlock(options.required("id"), mapper.map(size), false);
      if (node.get(PREALLOC)) {
        block.populate();
      }
      return block;
    } catch (IOException e) {
      throw options.error("the host does not give that memory: " + e.getMessage());
    }
  }
}
