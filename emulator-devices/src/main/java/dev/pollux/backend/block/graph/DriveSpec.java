package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.OnError;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What {@code -drive} and its short forms describe: a backend, its medium, and where it is plugged
 * in.
 *
 * @param id the backend's name
 * @param bus what it is plugged into; {@link Interface#NONE} leaves that to {@code -device}
 * @param number its place there, counted over all buses; -1 for the next one
 * @param cdrom a drive for discs
 * @param medium the root node; empty for an empty drive
 * @param snapshot writes go to a file that is forgotten
 */
public record DriveSpec(
    String id,
    Interface bus,
    int number,
    boolean cdrom,
    Optional<BlockOptions> medium,
    boolean snapshot,
    boolean writeback,
    OnError onReadError,
    OnError onWriteError) {

  /** What drives are plugged into: the values of {@code if=}. */
  public enum Interface {
    NONE,
    IDE,
    SCSI,
    FLOPPY,
    PFLASH,
    MTD,
    SD,
    VIRTIO;

    public String word() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Devices on one bus, by which a number is bus and unit. */
    public int perBus() {
      return this == IDE ? 2 : this == SCSI ? 7 : 0;
    }
  }

  private static final Map<String, Interface> INTERFACES = interfaces();

  /** How QEMU waits for the host: it makes no difference here. */
  private static final Map<String, String> AIO =
      Map.of("threads", "threads", "native", "native", "io_uring", "io_uring");

  private static final Map<String, Boolean> MEDIA = Map.of("disk", false, "cdrom", true);
  private static final Map<String, OnError> ERRORS =
      Map.of(
          "report", OnError.REPORT,
          "ignore", OnError.IGNORE,
          "enospc", OnError.ENOSPC,
          "stop", OnError.STOP);

  private static final int MOST_INDEX = 1024;

  private static Map<String, Interface> interfaces() {
    Map<String, Interface> words = new LinkedHashMap<>();
    for (Interface each : Interface.values()) {
      words.put(each.word(), each);
    }
    return words;
  }

  /**
   * Reads the argument of {@code -drive}.
   *
   * @param usual what a drive is plugged into when nothing is said
   * @param allSnapshots {@code -snapshot} was given
   */
  public static DriveSpec parse(String text, Interface usual, boolean allSnapshots) {
    return of(DeviceOptions.parse("-drive", text, "file"), usual, allSnapshots);
  }

  /** {@code -fda FILE} and {@code -fdb FILE}. */
  public static DriveSpec floppy(String option, String file, int number, boolean allSnapshots) {
    Map<String, String> values = new LinkedHashMap<>();
    values.put("file", file);
    values.put("index", Integer.toString(number));
    return of(DeviceOptions.of(option + " " + file, values), Interface.FLOPPY, allSnapshots);
  }

  /** {@code -hda FILE} to {@code -hdd FILE}, {@code -cdrom FILE} (number 2), as QEMU means them. */
  public static DriveSpec shortForm(
      String option, String file, int number, boolean cdrom, boolean allSnapshots) {
    Map<String, String> values = new LinkedHashMap<>();
    values.put("file", file);
    values.put("index", Integer.toString(number));
    values.put("media", cdrom ? "cdrom" : "disk");
    return of(DeviceOptions.of(option + " " + file, values), Interface.IDE, allSnapshots);
  }

  private static DriveSpec of(DeviceOptions own, Interface usual, boolean allSnapshots) {
    Interface bus = own.choice("if", usual, INTERFACES);
    boolean cdrom = own.choice("media", false, MEDIA);
    int number = number(own, bus);
    boolean readOnly = own.bool("read-only", own.bool("readonly", cdrom));
    boolean snapshot = own.bool("snapshot", allSnapshots) && !readOnly;
    CacheMode cache = cache(own);
    OnError onRead = own.choice("rerror", OnError.AUTO, ERRORS);
    OnError onWrite = own.choice("werror", OnError.AUTO, ERRORS);
    if (onRead == OnError.ENOSPC) {
      throw own.error("'enospc' is not supported for rerror");
    }
    if (own.bool("copy-on-read", false)) {
      throw own.error("copy-on-read=on is not supported; block-stream copies what lies below");
    }
    own.choice("aio", "threads", AIO);
    String id = own.string("id", "");
    Map<String, String> node = new LinkedHashMap<>();
    for (String key : own.keys()) {
      String value = own.string(key, "");
      switch (key) {
        case "if",
            "media",
            "index",
            "bus",
            "unit",
            "id",
            "snapshot",
            "cache",
            "rerror",
            "werror",
            "read-only",
            "readonly",
            "copy-on-read",
            "aio" -> {}
        case "file" -> node.put("filename", value);
        case "format" -> node.putIfAbsent("driver", value);
        default -> node.put(key, value);
      }
    }
    boolean empty =
        node.keySet().stream()
            .noneMatch(k -> k.equals("filename") || k.equals("driver") || k.startsWith("file."));
    if (!empty) {
      node.put("read-only", readOnly ? "on" : "off");
      node.putIfAbsent("auto-read-only", "on");
      node.putIfAbsent("cache.direct", cache.direct() ? "on" : "off");
      node.putIfAbsent("cache.no-flush", cache.noFlush() ? "on" : "off");
    }
    return new DriveSpec(
        id,
        bus,
        number,
        cdrom,
        empty
            ? Optional.empty()
            : Optional.of(
                BlockOptions.of(own.error("").getMessage().replaceFirst(": $", ""), node)),
        snapshot,
        cache.writeback(),
        onRead,
        onWrite);
  }

  private static int number(DeviceOptions own, Interface bus) {
    int index = (int) own.number("index", -1, 0, MOST_INDEX);
    int unit = (int) own.number("unit", -1, 0, MOST_INDEX);
    int busNumber = (int) own.number("bus", 0, 0, MOST_INDEX);
    if (index >= 0 && (unit >= 0 || own.has("bus"))) {
      throw own.error("index cannot be used with bus and unit");
    }
    if (index >= 0 || unit < 0) {
      return index;
    }
    return bus.perBus() == 0 ? unit : busNumber * bus.perBus() + unit;
  }

  private static CacheMode cache(DeviceOptions own) {
    Optional<String> word = own.string("cache");
    if (word.isEmpty()) {
      return new CacheMode(
          own.bool("cache.writeback", true),
          own.bool("cache.direct", false),
          own.bool("cache.no-flush", false));
    }
    CacheMode mode = CacheMode.WORDS.get(word.get());
    if (mode == null) {
      throw own.error("invalid cache option");
    }
    return mode;
  }

  /** The name QEMU gives a backend that has none: {@code ide0-hd1}, {@code virtio0}. */
  public String nameOr(int place) {
    if (!id.isEmpty()) {
      return id;
    }
    String kind = cdrom ? "cd" : "hd";
    return bus.perBus() > 0
        ? "%s%d-%s%d".formatted(bus.word(), place / bus.perBus(), kind, place % bus.perBus())
        : bus.word() + place;
  }

  /**
   * Opens the medium and makes the backend.
   *
   * @param name the backend's name
   */
  public BlockBackend open(BlockGraph graph, String name) {
    BlockNode root = null;
    if (medium.isPresent()) {
      try {
        BlockOptions image = medium.get().without("cache.writeback");
        root =
            snapshot
                ? SnapshotOverlay.over(graph, graph.openImage(image.with("read-only", "on")))
                : graph.openImage(image);
      } catch (IOException e) {
        throw new ConfigException("%s: %s".formatted(medium.get().context(), e.getMessage()), e);
      }
    }
    BlockBackend backend = graph.addBackend(name, root);
    backend.setWriteCache(writeback);
    backend.setOnError(onReadError, onWriteError);
    return backend;
  }
}
