package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.nbd.NbdAddress;
import dev.pollux.backend.block.nbd.NbdNode;
import dev.pollux.backend.block.node.FaultNode;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.backend.block.node.NullNode;
import dev.pollux.backend.block.node.QuorumNode;
import dev.pollux.backend.block.node.RawNode;
import dev.pollux.backend.block.node.ThrottleGroup;
import dev.pollux.backend.block.node.ThrottleNode;
import dev.pollux.backend.block.replication.ReplicationNode;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.host.Errno;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** All drivers by their names. */
public final class BlockDrivers {
  private static final Map<String, Locking> LOCKING =
      Map.of("auto", Locking.ON, "on", Locking.ON, "off", Locking.OFF);

  private static final BlockOptions.Child NOBODY = new BlockOptions.Child.Nobody();

  private static final int MOST_CHILDREN = 32;

  private static final Map<String, QuorumNode.ReadPattern> READ_PATTERNS =
      Map.of("quorum", QuorumNode.ReadPattern.QUORUM, "fifo", QuorumNode.ReadPattern.FIFO);

  private static final Map<String, ReplicationNode.Mode> REPLICATION_MODES =
      Map.of(
          "primary", ReplicationNode.Mode.PRIMARY,
          "secondary", ReplicationNode.Mode.SECONDARY);

  /** The requests that a word means: kinds, and events of QEMU's that come with each of a kind. */
  private static final Map<String, Set<String>> FAULTY =
      Map.of(
          "none", Set.of("read", "write", "write-zeroes", "discard", "flush"),
          "read", Set.of("read"),
          "read_aio", Set.of("read"),
          "write", Set.of("write"),
          "write_aio", Set.of("write"),
          "pwritev", Set.of("write"),
          "write-zeroes", Set.of("write-zeroes"),
          "discard", Set.of("discard"),
          "flush", Set.of("flush"),
          "flush_to_disk", Set.of("flush"));

  private static final int MOST_SECONDS = 1 << 30;

  private static final long NULL_BYTES = 1L << 30;

  private static final Map<String, BlockDriver> DRIVERS = new LinkedHashMap<>();

  static {
    DRIVERS.put("file", BlockDrivers::file);
    DRIVERS.put("host_device", BlockDrivers::file);
    DRIVERS.put("host_cdrom", BlockDrivers::file);
    DRIVERS.put("raw", BlockDrivers::raw);
    DRIVERS.put("qcow2", BlockDrivers::qcow2);
    DRIVERS.put("throttle", BlockDrivers::throttle);
    DRIVERS.put("quorum", BlockDrivers::quorum);
    DRIVERS.put("replication", BlockDrivers::replication);
    DRIVERS.put("blkdebug", BlockDrivers::faults);
    DRIVERS.put("nbd", BlockDrivers::nbd);
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
    return FileNode.open(common, path, locking, graph.opensActive());
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
    Qcow2Options how = new Qcow2Options(lazy, Math.max(cache, 1), discard, false, graph.listener());
    Qcow2Image image = Qcow2Image.open(common, file, null, how);
    image.setBacking(graph.openBacking(image, file, options));
    options.rejectUnknown("file", "backing");
    return image;
  }

  private static BlockNode throttle(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    ThrottleGroup group = graph.throttleGroup(options.own().required("throttle-group"));
    BlockNode file = graph.openFile(common, options);
    options.rejectUnknown("file");
    return new ThrottleNode(common, file, group);
  }

  private static BlockNode quorum(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    own.required("vote-threshold");
    int threshold = (int) own.number("vote-threshold", 0, 1, MOST_CHILDREN);
    QuorumNode.ReadPattern pattern =
        own.choice("read-pattern", QuorumNode.ReadPattern.QUORUM, READ_PATTERNS);
    boolean rewrite = own.bool("rewrite-corrupted", false);
    if (own.bool("blkverify", false)) {
      throw options.error("blkverify=on is not supported");
    }
    List<BlockNode> children = new ArrayList<>();
    for (String role : options.roles("children")) {
      children.add(graph.openChild(options.child(role).orElse(NOBODY)));
    }
    if (children.isEmpty() || children.contains(null) || children.size() < threshold) {
      throw options.error(
          children.isEmpty()
              ? "Number of provided children must be 1 or more"
              : "threshold may not exceed children count");
    }
    for (BlockNode child : children) {
      if (child.length() != children.getFirst().length()) {
        throw options.error("all children of a quorum have the same length");
      }
    }
    options.rejectUnknown("children");
    return new QuorumNode(common, children, threshold, pattern, rewrite, graph.listener());
  }

  private static BlockNode replication(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    String word = own.string("mode").orElseThrow(() -> options.error("Missing the option mode"));
    ReplicationNode.Mode mode = REPLICATION_MODES.get(word);
    if (mode == null) {
      throw options.error("The option mode's value should be primary or secondary");
    }
    String topId = own.string("top-id", "");
    if (mode == ReplicationNode.Mode.PRIMARY && !topId.isEmpty()) {
      throw options.error("The primary side does not support option top-id");
    }
    if (mode == ReplicationNode.Mode.SECONDARY && topId.isEmpty()) {
      throw options.error("Missing the option top-id");
    }
    BlockNode file = graph.openFile(common, options);
    options.rejectUnknown("file");
    return new ReplicationNode(common, file, mode, topId);
  }

  private static BlockNode nbd(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    if (own.has("tls-creds")) {
      throw options.error("TLS is not supported; leave tls-creds out");
    }
    int reconnectDelay = (int) own.number("reconnect-delay", 0, 0, MOST_SECONDS);
    int openTimeout = (int) own.number("open-timeout", 0, 0, MOST_SECONDS);
    NbdAddress.Location location =
        own.has("filename")
            ? NbdAddress.Location.parse(own.required("filename"))
            : new NbdAddress.Location(nbdServer(options), own.string("export", ""));
    options.rejectUnknown();
    return NbdNode.open(
        common,
        new NbdNode.Target(location.address(), location.export(), reconnectDelay, openTimeout));
  }

  /** {@code server.type=inet,server.host=,server.port=}, or as {@code -drive} had it before. */
  private static NbdAddress nbdServer(BlockOptions options) {
    DeviceOptions own = options.own();
    String prefix = own.has("server.type") ? "server." : "";
    String type =
        own.string("server.type", own.has("path") ? "unix" : own.has("host") ? "inet" : "");
    for (String key : List.of("ipv4", "ipv6", "to", "numeric", "keep-alive", "abstract", "tight")) {
      own.string("server." + key); // the host decides
    }
    return switch (type) {
      case "unix" -> new NbdAddress.Unix(own.required(prefix + "path"));
      case "inet" ->
          new NbdAddress.Inet(
              own.required(prefix + "host"),
              NbdAddress.port(
                  own.string(prefix + "port", Integer.toString(NbdAddress.DEFAULT_PORT))));
      case "" -> throw options.error("NBD server address missing");
      default -> throw options.error("server.type=%s: give inet or unix".formatted(type));
    };
  }

  /** {@code inject-error.0.iotype=read,inject-error.0.errno=5}; also {@code event} in its place. */
  private static BlockNode faults(NodeOptions common, BlockOptions options, BlockGraph graph)
      throws IOException {
    DeviceOptions own = options.own();
    List<FaultNode.Fault> faults = new ArrayList<>();
    for (String key : options.roles("inject-error")) {
      String event = own.string(key + ".event", "none");
      Set<String> kinds = FAULTY.get(own.string(key + ".iotype", event));
      if (kinds == null) {
        throw own.error(
            "%s: unknown request; %s"
                .formatted(
                    key, Suggestions.hint(own.string(key + ".iotype", event), FAULTY.keySet())));
      }
      faults.add(
          new FaultNode.Fault(
              kinds,
              own.number(key + ".sector", -1, -1, Long.MAX_VALUE >> 9),
              (int) own.number(key + ".errno", Errno.EIO, 1, 4095),
              own.bool(key + ".once", false)));
      own.string(key + ".immediately");
    }
    BlockNode image =
        options.child("image").isPresent()
            ? graph.openChild(options.child("image").get())
            : graph.openFile(common, options);
    options.rejectUnknown("image", "file");
    return new FaultNode(common, image, faults);
  }
}
