package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockThreads;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.Connected;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.NodeOptions.DetectZeroes;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.job.Jobs;
import dev.pollux.backend.block.node.QuorumNode;
import dev.pollux.backend.block.node.ThrottleGroup;
import dev.pollux.backend.block.node.ThrottleLimits;
import dev.pollux.backend.block.node.ThrottleNode;
import dev.pollux.backend.block.replication.Replication;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All nodes and backends of a machine by name. A node stays as long as the monitor owns it, another
 * node or a backend stands on it, or somebody uses it. Guarded by the machine lock, or used by one
 * thread only.
 */
public final class BlockGraph implements AutoCloseable {
  /** What {@code blockdev-reopen} can change, or knows to be as it was. */
  private static final Set<String> REOPENED =
      Set.of(
          "driver",
          "node-name",
          "read-only",
          "auto-read-only",
          "discard",
          "detect-zeroes",
          "cache.writeback",
          "cache.direct",
          "cache.no-flush");

  private static final Pattern NAME = Pattern.compile("[A-Za-z][A-Za-z0-9._-]{0,30}");
  private static final int DEEPEST_CHAIN = 200;
  private static final int PROBED_BYTES = 2048;

  private static final Map<String, Boolean> DISCARD =
      Map.of("ignore", false, "off", false, "unmap", true, "on", true);

  private static final Map<String, DetectZeroes> DETECT_ZEROES =
      Map.of("off", DetectZeroes.OFF, "on", DetectZeroes.ON, "unmap", DetectZeroes.UNMAP);

  private final BlockListener listener;
  private final Map<String, BlockNode> nodes = new LinkedHashMap<>();
  private final Map<String, BlockBackend> backends = new LinkedHashMap<>();
  private final List<BlockBackend> unnamed = new ArrayList<>();
  private final Map<BlockBackend, ThreadPoolExecutor> pools = new HashMap<>();

  /** Nodes that {@code blockdev-add} or {@code -blockdev} made. */
  private final Set<BlockNode> owned = new HashSet<>();

  /** Who uses a node without being its parent: jobs, exports. */
  private final Map<BlockNode, List<String>> users = new HashMap<>();

  private final Map<String, ThrottleGroup> throttleGroups = new LinkedHashMap<>();

  /** What cuts a node's connection. Any thread. */
  private final Map<String, Runnable> connections = new ConcurrentHashMap<>();

  private final BlockExports exports = new BlockExports(this);
  private final Replication replication = new Replication(this);
  private final Jobs jobs;

  private boolean active = true;

  /** Nodes that belong to this process already while a migration is awaited. */
  private final Set<BlockNode> activeEarly = new HashSet<>();

  private int made;

  /** Images that are being opened, one standing on the other. */
  private int depth;

  public BlockGraph(BlockListener listener) {
    this(listener, Runnable::run);
  }

  /**
   * @param loop runs the steps by which jobs change the graph, with the machine lock held
   */
  public BlockGraph(BlockListener listener, Executor loop) {
    this.listener = listener;
    this.jobs = new Jobs(this, loop);
  }

  /** What takes its time while the guest runs. */
  public Jobs jobs() {
    return jobs;
  }

  public BlockListener listener() {
    return listener;
  }

  // ---- opening ----

  /**
   * Opens a node with all below it; it goes with the last who uses it.
   *
   * @throws IOException in one sentence
   */
  public BlockNode open(BlockOptions options) throws IOException {
    DeviceOptions own = options.own();
    if (!own.has("driver")) {
      throw options.error("Parameter 'driver' is missing");
    }
    BlockDriver driver = BlockDrivers.find(options, own.required("driver"));
    NodeOptions common = common(options);
    Set<BlockNode> before = new HashSet<>(nodes.values());
    depth++;
    try {
      if (depth > DEEPEST_CHAIN) {
        throw options.error("more than " + DEEPEST_CHAIN + " images stand on each other");
      }
      BlockNode node = driver.open(common, options, this);
      enter(node);
      return node;
    } catch (IOException | RuntimeException e) {
      nodes().stream().filter(node -> !before.contains(node)).forEach(this::release);
      throw e;
    } finally {
      depth--;
    }
  }

  /** Opens a node that the monitor owns ({@code blockdev-add}). */
  public BlockNode add(BlockOptions options) throws IOException {
    if (!options.has("node-name")) {
      throw options.error("'node-name' must be specified for the root node");
    }
    BlockNode node = open(options);
    owned.add(node);
    return node;
  }

  /**
   * A node that is being made, for drivers that wait for others ({@link #waitsForOthers}).
   *
   * @param common what every node can be told
   */
  public record Opening(NodeOptions common, BlockOptions options) {}

  /** Whether to open the node may take long, and needs nothing of the graph. */
  public static boolean waitsForOthers(BlockOptions options) {
    return options.own().string("driver", "").equals("nbd");
  }

  /** The first step of {@link #add} for a node that {@linkplain #waitsForOthers waits}. */
  public Opening prepare(BlockOptions options) {
    if (!options.has("node-name")) {
      throw options.error("'node-name' must be specified for the root node");
    }
    return new Opening(common(options), options);
  }

  /** The second step: opens the node. Any thread, without the machine lock. */
  public BlockNode open(Opening opening) throws IOException {
    BlockOptions options = opening.options;
    return BlockDrivers.find(options, options.own().required("driver"))
        .open(opening.common, options, this);
  }

  /** The last step: the monitor owns the node. */
  public void add(BlockNode node) {
    try {
      checkNewName(node.name());
    } catch (ConfigException e) {
      close(node); // another one was faster
      throw e;
    }
    enter(node);
    owned.add(node);
  }

  private void enter(BlockNode node) {
    nodes.put(node.name(), node);
    if (node instanceof Connected connected) {
      connections.put(node.name(), connected::cut);
    }
  }

  private NodeOptions common(BlockOptions options) {
    DeviceOptions own = options.own();
    String name = own.string("node-name", "");
    if (name.isEmpty()) {
      String number = Integer.toString(made++);
      name = "#block" + "0".repeat(Math.max(0, 3 - number.length())) + number;
    } else {
      checkNewName(name);
    }
    return common(options, name);
  }

  private static NodeOptions common(BlockOptions options, String name) {
    DeviceOptions own = options.own();
    boolean readOnly = own.bool("read-only", false);
    return new NodeOptions(
        name,
        readOnly,
        own.bool("auto-read-only", false),
        own.choice("discard", false, DISCARD),
        own.choice("detect-zeroes", DetectZeroes.OFF, DETECT_ZEROES),
        new CacheMode(
            own.bool("cache.writeback", true),
            own.bool("cache.direct", false),
            own.bool("cache.no-flush", false)));
  }

  private void checkNewName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new ConfigException("Invalid node-name: '" + name + "'");
    }
    if (backends.containsKey(name)) {
      throw new ConfigException("node-name=" + name + " is conflicting with a device id");
    }
    if (nodes.containsKey(name)) {
      throw new ConfigException("Duplicate nodes with node-name='" + name + "'");
    }
  }

  /** Opens a child, or finds it. */
  public BlockNode openChild(BlockOptions.Child child) throws IOException {
    return switch (child) {
      case BlockOptions.Child.Reference(String name) -> require(name);
      case BlockOptions.Child.Inline(BlockOptions inline) -> openImage(inline);
      case BlockOptions.Child.Nobody() -> null;
    };
  }

  /** Opens the child {@code file}, which does as its parent is told where nothing else is said. */
  public BlockNode openFile(NodeOptions parent, BlockOptions options) throws IOException {
    if (options.has("filename") && options.child("file").isEmpty()) {
      BlockOptions file =
          BlockOptions.of(
              options.context(), Map.of("filename", options.own().required("filename")));
      return openImage(inherit(parent, FileNames.protocol(file)));
    }
    return switch (options.child("file").orElse(new BlockOptions.Child.Nobody())) {
      case BlockOptions.Child.Inline(BlockOptions inline) ->
          openImage(inherit(parent, FileNames.protocol(inline)));
      case BlockOptions.Child.Reference(String name) -> require(name);
      case BlockOptions.Child.Nobody() ->
          throw options.error("A block device must be specified for \"file\"");
    };
  }

  private static BlockOptions inherit(NodeOptions parent, BlockOptions child) {
    return child
        .withDefault("read-only", onOff(parent.readOnly()))
        .withDefault("auto-read-only", onOff(parent.autoReadOnly()))
        .withDefault("discard", "unmap")
        .withDefault("cache.direct", onOff(parent.cache().direct()))
        .withDefault("cache.no-flush", onOff(parent.cache().noFlush()));
  }

  private static String onOff(boolean value) {
    return value ? "on" : "off";
  }

  /** Opens a node whose driver may have to be found out by looking at its file. */
  public BlockNode openImage(BlockOptions options) throws IOException {
    return options.has("driver") ? open(options) : openProbed(options);
  }

  /** Opens a file and on top of it what it seems to be. */
  private BlockNode openProbed(BlockOptions options) throws IOException {
    NodeOptions parent =
        NodeOptions.of("")
            .withReadOnly(options.own().bool("read-only", false))
            .withCache(
                new CacheMode(
                    true,
                    options.own().bool("cache.direct", false),
                    options.own().bool("cache.no-flush", false)));
    BlockNode file = openFile(parent, options);
    try {
      String format = ImageFormats.probe(file);
      BlockOptions rest = options.without("filename");
      for (String key : options.all().keySet()) {
        if (key.startsWith("file.")) {
          rest = rest.without(key);
        }
      }
      return open(rest.with("driver", format).with("file", file.name()));
    } catch (IOException | RuntimeException e) {
      release(file);
      throw e;
    }
  }

  /** What lies below an image: as the options say, or as the image says itself. */
  public BlockNode openBacking(Qcow2Image image, BlockNode file, BlockOptions options)
      throws IOException {
    Optional<BlockOptions.Child> child = options.child("backing");
    if (child.isPresent() && !isOverride(child.get())) {
      return openChild(child.get());
    }
    if (image.backingFile().isEmpty()) {
      return null;
    }
    BlockOptions below =
        BlockOptions.of(
            options.context(),
            Map.of("filename", FileNames.resolve(file.fileName(), image.backingFile())));
    if (!image.backingFormat().isEmpty()) {
      below = below.with("driver", image.backingFormat());
    }
    if (child.isPresent()) {
      for (Map.Entry<String, String> entry :
          ((BlockOptions.Child.Inline) child.get()).options().all().entrySet()) {
        below = below.with(entry.getKey(), entry.getValue());
      }
    }
    try {
      return openImage(
          below
              .withDefault("read-only", "on")
              .withDefault("cache.direct", onOff(image.options().cache().direct()))
              .withDefault("cache.no-flush", onOff(image.options().cache().noFlush())));
    } catch (ErrnoException e) {
      throw new ErrnoException(e.errno(), "Could not open backing file: " + e.getMessage());
    }
  }

  /** Options that add to what the image says, and do not replace it. */
  private static boolean isOverride(BlockOptions.Child child) {
    return child instanceof BlockOptions.Child.Inline(BlockOptions options)
        && !options.has("driver")
        && !options.has("filename")
        && options.all().keySet().stream().noneMatch(key -> key.startsWith("file"));
  }

  // ---- finding ----

  public Optional<BlockNode> node(String name) {
    return Optional.ofNullable(nodes.get(name));
  }

  /** The node of that name, or the root of the backend of that name. */
  public Optional<BlockNode> find(String deviceOrNode) {
    BlockBackend backend = backends.get(deviceOrNode);
    return backend != null ? backend.root() : node(deviceOrNode);
  }

  /** As {@link #find}, of one that has to be there. */
  public BlockNode require(String deviceOrNode) {
    return find(deviceOrNode)
        .orElseThrow(
            () ->
                new ConfigException(
                    "Cannot find device='%s' nor node-name='%s'"
                        .formatted(deviceOrNode, deviceOrNode)));
  }

  /** A node, which has to be there; the name of a backend does not stand for it. */
  public BlockNode requireNode(String name) {
    return node(name)
        .orElseThrow(
            () -> new ConfigException("Cannot find device='' nor node-name='" + name + "'"));
  }

  /** The nodes that hang on connections, and what cuts each. Any thread, without any lock. */
  public Map<String, Runnable> connections() {
    return Map.copyOf(connections);
  }

  public Collection<BlockNode> nodes() {
    return List.copyOf(nodes.values());
  }

  /** All backends, those without a name last. */
  public List<BlockBackend> backends() {
    List<BlockBackend> all = new ArrayList<>(backends.values());
    all.addAll(unnamed);
    return all;
  }

  public Optional<BlockBackend> backend(String name) {
    return Optional.ofNullable(backends.get(name));
  }

  /** The backend that the device of an id, or of a place among the objects, uses. */
  public Optional<BlockBackend> backendOfDevice(String idOrPath) {
    return backends().stream()
        .filter(
            b ->
                b.device()
                    .filter(d -> d.id().equals(idOrPath) || d.qomPath().equals(idOrPath))
                    .isPresent())
        .findFirst();
  }

  // ---- backends ----

  /**
   * Makes a backend.
   *
   * @param name of {@code -drive id=}; empty for one that only a device knows
   * @param root null without a medium
   */
  public BlockBackend addBackend(String name, BlockNode root) {
    if (!name.isEmpty() && backends.containsKey(name)) {
      throw new ConfigException("Device with id '" + name + "' already exists");
    }
    if (nodes.containsKey(name)) {
      throw new ConfigException("Device name '" + name + "' conflicts with an existing node name");
    }
    ThreadPoolExecutor workers = BlockThreads.make("disk " + name);
    BlockBackend backend = new BlockBackend(name, workers, listener);
    pools.put(backend, workers);
    backend.setRoot(root);
    if (name.isEmpty()) {
      unnamed.add(backend);
    } else {
      backends.put(name, backend);
    }
    return backend;
  }

  /**
   * The backend for a device's property {@code drive}: a backend of that name, or a new one on the
   * node of that name. A disk that can be written to has several devices only if all of them bear
   * that, as in QEMU.
   *
   * @param sharesWrites whether this one does
   */
  public BlockBackend claim(String drive, boolean sharesWrites) {
    BlockBackend backend = backends.get(drive);
    if (backend == null) {
      BlockNode node =
          node(drive)
              .orElseThrow(
                  () -> new ConfigException("Property 'drive' can't find value '" + drive + "'"));
      backend = addBackend("", node);
    }
    if (backend.device().isPresent()) {
      throw new ConfigException("Drive '" + drive + "' is already in use by another device");
    }
    try {
      checkShared(backend, sharesWrites);
    } catch (ConfigException e) {
      if (backend.name().isEmpty()) {
        removeBackend(backend);
      }
      throw e;
    }
    backend.setSharesWrites(sharesWrites);
    return backend;
  }

  private void checkShared(BlockBackend claimed, boolean sharesWrites) {
    Optional<BlockNode> disk = claimed.root().filter(node -> !node.readOnly());
    if (disk.isEmpty()) {
      return;
    }
    for (BlockBackend other : backends()) {
      if (other.device().isPresent()
          && other.root().equals(disk)
          && !(sharesWrites && other.sharesWrites())) {
        String node = disk.get().name();
        String old =
            "block device '%s' (uses node '%s' as 'root' child)"
                .formatted(other.device().orElseThrow().qomPath(), node);
        throw new ConfigException(
            "Permission conflict on node '%s': permissions 'write' are both required by %s and"
                    .formatted(node, sharesWrites ? "this device" : old)
                + " unshared by %s; give both share-rw=on"
                    .formatted(sharesWrites ? old : "this device"));
      }
    }
  }

  /** A device, or a drive, is gone: so is its backend, and the nodes that only it used. */
  public void removeBackend(BlockBackend backend) {
    backend.beginDrain();
    Optional<BlockNode> root = backend.root();
    backend.setRoot(null);
    backend.attach(null);
    backend.endDrain();
    backends.remove(backend.name(), backend);
    unnamed.remove(backend);
    pools.remove(backend); // its threads end when there is nothing to do
    root.ifPresent(this::release);
  }

  /** Gives a backend another root; the old one goes if nobody else uses it. */
  public void setRoot(BlockBackend backend, BlockNode root) {
    backend.beginDrain();
    Optional<BlockNode> old = backend.root();
    try {
      backend.setRoot(root);
    } finally {
      backend.endDrain();
    }
    old.ifPresent(this::release);
  }

  // ---- throttle groups ----

  /** Makes a group of disks that share limits ({@code -object throttle-group}). */
  public ThrottleGroup addThrottleGroup(String id, ThrottleLimits limits) {
    if (throttleGroups.containsKey(id)) {
      throw new ConfigException("attempt to add duplicate property '" + id + "'");
    }
    ThrottleGroup group = new ThrottleGroup(id);
    group.setLimits(limits);
    throttleGroups.put(id, group);
    return group;
  }

  /** Whether a disk keeps to the limits of a group. */
  public boolean isUsed(ThrottleGroup group) {
    return nodes.values().stream().anyMatch(n -> n instanceof ThrottleNode t && t.isIn(group))
        || backends().stream().anyMatch(b -> b.limits().filter(group::equals).isPresent());
  }

  /** Disks of the group keep it; others cannot find it any more. */
  public void removeThrottleGroup(String id) {
    throttleGroups.remove(id);
  }

  public ThrottleGroup throttleGroup(String id) {
    ThrottleGroup group = throttleGroups.get(id);
    if (group == null) {
      throw new ConfigException("Throttle group '" + id + "' does not exist");
    }
    return group;
  }

  /**
   * Has a backend keep to limits, together with the others of its group.
   *
   * @param group made if there is none of this name
   * @param limits none to leave the group
   */
  public void setLimits(BlockBackend backend, String group, ThrottleLimits limits) {
    if (limits.buckets().isEmpty()) {
      backend.setLimits(null);
      return;
    }
    ThrottleGroup used =
        Stream.concat(
                Stream.ofNullable(throttleGroups.get(group)),
                backends().stream().flatMap(b -> b.limits().stream()))
            .filter(each -> each.id().equals(group))
            .findFirst()
            .orElseGet(() -> new ThrottleGroup(group));
    used.setLimits(limits);
    backend.setLimits(used);
  }

  // ---- opening anew ----

  /**
   * Opens nodes anew with other options ({@code blockdev-reopen}): what all nodes have in common,
   * and what lies below an image. What is not said becomes what it is by default.
   */
  public void reopen(List<BlockOptions> changes) throws IOException {
    for (BlockOptions change : changes) {
      checkReopen(change);
    }
    drained(
        () -> {
          for (BlockOptions change : changes) {
            reopen(change);
          }
        });
  }

  private BlockNode toReopen(BlockOptions change) {
    String name = change.own().string("node-name", "");
    if (name.isEmpty()) {
      throw change.error("node-name not specified");
    }
    return node(name)
        .orElseThrow(() -> change.error("Failed to find node with node-name='" + name + "'"));
  }

  private void checkReopen(BlockOptions change) {
    BlockNode node = toReopen(change);
    if (!change.own().string("driver", "").equals(node.driver())) {
      throw change.error("Cannot change the option 'driver'");
    }
    if (node.backing() != null && change.child("backing").isEmpty()) {
      throw change.error("backing is missing for '%s'".formatted(node.name()));
    }
    for (String key : change.all().keySet()) {
      BlockNode child = node.child(key);
      boolean same = child != null && change.all().get(key).equals(child.name());
      boolean path = key.equals("filename") && change.all().get(key).equals(node.fileName());
      boolean below = key.equals("backing") && node instanceof Qcow2Image;
      if (!REOPENED.contains(key) && !same && !path && !below) {
        throw change.error("Cannot change the option '%s'".formatted(key));
      }
    }
    CacheMode now = node.options().cache();
    CacheMode then = common(change, node.name()).cache();
    if (now.direct() != then.direct()) {
      throw change.error("Cannot change the option 'cache.direct'");
    }
  }

  private void reopen(BlockOptions change) throws IOException {
    BlockNode node = toReopen(change);
    NodeOptions to = common(change, node.name());
    if (!node.readOnly()) {
      node.flush();
    }
    if (node instanceof Qcow2Image image && change.child("backing").isPresent()) {
      BlockNode old = image.backing();
      image.setBacking(openChild(change.child("backing").get()));
      if (old != null) {
        release(old);
      }
    }
    node.reopen(to);
  }

  // ---- using and releasing ----

  /** Somebody who is no node uses a node. */
  public void use(BlockNode node, String who) {
    users.computeIfAbsent(node, _ -> new ArrayList<>()).add(who);
  }

  /** And does not any more. */
  public void unuse(BlockNode node, String who) {
    List<String> list = users.get(node);
    if (list != null) {
      list.remove(who);
      if (list.isEmpty()) {
        users.remove(node);
      }
    }
    release(node);
  }

  /** The nodes that stand on a node, as {@code node: role}. */
  public List<String> parents(BlockNode node) {
    List<String> parents = new ArrayList<>();
    for (BlockNode other : nodes.values()) {
      for (BlockChild child : other.children()) {
        if (child.node().equals(node)) {
          parents.add(other.name() + ": " + child.role());
        }
      }
    }
    return parents;
  }

  public boolean isUsed(BlockNode node) {
    return users.containsKey(node)
        || backends().stream().anyMatch(b -> b.root().filter(node::equals).isPresent())
        || !parents(node).isEmpty();
  }

  /** Closes a node, and those below it, that nobody uses any more. */
  public void release(BlockNode node) {
    if (owned.contains(node) || isUsed(node)) {
      return;
    }
    List<BlockChild> children = node.children();
    nodes.remove(node.name(), node);
    connections.remove(node.name());
    close(node);
    children.forEach(child -> release(child.node()));
  }

  /** Got when there is something to say: with it all of logging starts, which takes a while. */
  private static Logger log() {
    return LoggerFactory.getLogger(BlockGraph.class);
  }

  private static void close(BlockNode node) {
    try {
      node.close();
    } catch (IOException e) {
      log().warn("closing {}: {}", node, e.getMessage());
    }
  }

  /**
   * Gives a quorum another child ({@code x-blockdev-change}).
   *
   * @throws ConfigException if the node has a parent already
   */
  public void addChild(String parent, String node) throws IOException {
    QuorumNode quorum = quorum(parent, "adding");
    BlockNode child =
        node(node).orElseThrow(() -> new ConfigException("Node '" + node + "' not found"));
    if (!parents(child).isEmpty()) {
      throw new ConfigException("The node " + node + " already has a parent");
    }
    if (child.length() < quorum.length()) {
      throw new ConfigException("The node " + node + " is shorter than " + parent);
    }
    drained(() -> quorum.add(child));
  }

  /** Takes a child from a quorum ({@code x-blockdev-change}). */
  public void removeChild(String parent, String role) throws IOException {
    QuorumNode quorum = quorum(parent, "removing");
    drained(() -> release(quorum.remove(role)));
  }

  private QuorumNode quorum(String name, String change) {
    if (require(name) instanceof QuorumNode quorum) {
      return quorum;
    }
    throw new ConfigException("The node %s does not support %s a child".formatted(name, change));
  }

  /** Puts a node in the place of another one, wherever that is used; no request is under way. */
  public void replace(BlockNode old, BlockNode with) {
    for (BlockNode parent : nodes()) {
      if (standsOn(parent, old) && !isBelow(parent, with)) {
        parent.replaceChild(old, with);
      }
    }
    for (BlockBackend backend : backends()) {
      if (backend.root().filter(old::equals).isPresent()) {
        backend.setRoot(with);
      }
    }
    release(old);
  }

  private static boolean isBelow(BlockNode node, BlockNode under) {
    return node.equals(under)
        || under.children().stream().anyMatch(child -> isBelow(node, child.node()));
  }

  /** Opens a node and the file below it for writing, where they were only read until now. */
  public void makeWritable(BlockNode node) throws IOException {
    drained(() -> writable(node));
  }

  private static void writable(BlockNode node) throws IOException {
    BlockNode file = node.child("file");
    if (file != null) {
      writable(file);
    }
    if (node.readOnly()) {
      node.reopen(node.options().withReadOnly(false));
    }
  }

  /** {@code blockdev-del}. */
  public void remove(String name) {
    BlockNode node =
        node(name)
            .orElseThrow(
                () -> new ConfigException("Failed to find node with node-name='" + name + "'"));
    if (backends().stream().anyMatch(b -> b.root().filter(node::equals).isPresent())) {
      throw new ConfigException("Node " + name + " is in use");
    }
    if (!owned.contains(node)) {
      throw new ConfigException("Node " + name + " is not owned by the monitor");
    }
    if (isUsed(node)) {
      throw new ConfigException("Block device " + name + " is in use");
    }
    owned.remove(node);
    release(node);
  }

  /** Runs a change while no request of any device is under way. */
  public void drained(Change change) throws IOException {
    List<BlockBackend> all = backends();
    all.forEach(BlockBackend::beginDrain);
    try {
      change.run();
    } finally {
      all.forEach(BlockBackend::endDrain);
    }
  }

  /** A change of the graph. */
  public interface Change {
    void run() throws IOException;
  }

  /** The machine goes on: devices try again what an error kept them from. */
  public void machineResumed() {
    for (BlockBackend backend : backends()) {
      if (backend.ioStatus() != 0) {
        backend.resetIoStatus();
        backend.device().ifPresent(BlockDevice::retry);
      }
    }
  }

  // ---- machines that come and go ----

  /** Whether files that are opened belong to this process at once. */
  boolean opensActive() {
    return active;
  }

  /** A migration is awaited: until {@link #activate} files belong to where the machine runs. */
  public void awaitMigration() {
    active = false;
  }

  /**
   * The machine is about to run somewhere else: waits for requests, writes everything back and lets
   * go of files. After an error all of them belong to this process as before.
   */
  public void inactivate() throws IOException {
    drained(
        () -> {
          ArrayDeque<BlockNode> done = new ArrayDeque<>();
          try {
            for (BlockNode node : topDown()) {
              node.inactivate();
              done.push(node);
            }
          } catch (IOException e) {
            for (BlockNode node : done) {
              try {
                node.activate();
              } catch (IOException again) {
                e.addSuppressed(again);
                log().error("{} cannot be written to any more: {}", node, again.getMessage());
              }
            }
            throw e;
          }
        });
    active = false;
  }

  /** The machine is about to run here. */
  public void activate() throws IOException {
    if (!active) {
      List<BlockNode> bottomUp = topDown();
      Collections.reverse(bottomUp);
      for (BlockNode node : bottomUp) {
        if (!activeEarly.contains(node)) {
          node.activate();
          activeEarly.add(node); // another try begins behind it
        }
      }
      activeEarly.clear();
      active = true;
    }
  }

  /** A node, with all it stands on, belongs to this process though a migration is awaited. */
  public void activateEarly(BlockNode node) throws IOException {
    if (!active && !activeEarly.contains(node)) {
      for (BlockChild child : node.children()) {
        activateEarly(child.node());
      }
      node.activate();
      activeEarly.add(node);
    }
  }

  /** All nodes, each before those it stands on. */
  private List<BlockNode> topDown() {
    List<BlockNode> order = new ArrayList<>();
    Set<BlockNode> left = new LinkedHashSet<>(nodes.values());
    while (!left.isEmpty()) {
      BlockNode top =
          left.stream()
              .filter(node -> left.stream().noneMatch(other -> standsOn(other, node)))
              .findFirst()
              .orElseThrow();
      left.remove(top);
      order.add(top);
    }
    return order;
  }

  private static boolean standsOn(BlockNode parent, BlockNode node) {
    return parent.children().stream().anyMatch(child -> child.node().equals(node));
  }

  /** Waits until everything that was written has reached the disks; tries all of them. */
  public void flushAll() throws IOException {
    IOException failure = null;
    for (BlockNode node : nodes()) {
      if (parents(node).isEmpty()) {
        try {
          node.flush();
        } catch (IOException e) {
          failure = failure == null ? e : failure;
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** The disks of a pair. */
  public Replication replication() {
    return replication;
  }

  /** The nodes that other programs reach. */
  public BlockExports exports() {
    return exports;
  }

  @Override
  public void close() {
    jobs.close();
    exports.close();
    for (BlockBackend backend : backends()) {
      removeBackend(backend);
    }
    owned.clear();
    users.clear();
    for (BlockNode node : nodes()) {
      release(node);
    }
    nodes().forEach(BlockGraph::close);
    pools.values().forEach(ThreadPoolExecutor::shutdown);
  }

  /** Bytes that are looked at to find out what an image is. */
  static int probedBytes() {
    return PROBED_BYTES;
  }
}
