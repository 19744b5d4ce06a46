package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.node.ThrottleLimits;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.Qmp;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** Commands on disks. */
public sealed interface BlockCommands<R> extends QmpCommand<R> {
  @Api.Doc("Makes a node of the block graph; which members there are depends on the driver.")
  record BlockdevAdd(String driver, Optional<String> nodeName, @Qmp.Rest ObjectNode options)
      implements BlockCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) throws QmpException {
      Map<String, String> values = new LinkedHashMap<>();
      values.put("driver", driver);
      nodeName.ifPresent(name -> values.put("node-name", name));
      values.putAll(FlatJson.of(options));
      BlockOptions all = BlockOptions.of("blockdev-add", values);
      BlockGraph blocks = context.blocks();
      if (!BlockGraph.waitsForOthers(all)) {
        return CompletableFuture.completedFuture(io(() -> blocks.add(all)));
      }
      BlockGraph.Opening opening = blocks.prepare(all);
      return Background.run("blockdev-add", () -> open(blocks, opening))
          .thenAcceptAsync(node -> add(blocks, node), context.machine().loop()::post);
    }

    private static BlockNode open(BlockGraph blocks, BlockGraph.Opening opening)
        throws QmpException {
      try {
        return blocks.open(opening);
      } catch (IOException | ConfigException e) {
        throw new QmpException(e.getMessage());
      }
    }

    private static void add(BlockGraph blocks, BlockNode node) {
      try {
        blocks.add(node);
      } catch (ConfigException e) {
        throw new CompletionException(new QmpException(e.getMessage()));
      }
    }
  }

  @Api.Doc("Removes a node that blockdev-add made and nobody uses.")
  record BlockdevDel(String nodeName) implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().remove(nodeName);
      return null;
    }
  }

  @Api.Unstable
  @Api.Name("x-blockdev-change")
  @Api.Doc("Gives a quorum another child, or takes one away.")
  record BlockdevChange(
      String parent,
      @Api.Doc("the child to take away, for instance children.1") Optional<String> child,
      @Api.Doc("the node to add") Optional<String> node)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      if (child.isPresent() == node.isPresent()) {
        throw new QmpException(
            child.isPresent()
                ? "The parameters child and node are in conflict"
                : "Either child or node must be specified");
      }
      return io(
          () -> {
            if (node.isPresent()) {
              context.blocks().addChild(parent, node.get());
            } else {
              context.blocks().removeChild(parent, child.get());
            }
          });
    }
  }

  @Api.Name("block_resize")
  @Api.Doc("Makes a disk larger or smaller; one of device and node-name names it.")
  record BlockResize(
      Optional<String> device, Optional<String> nodeName, @Api.Doc("bytes") long size)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockNode node = node(context.blocks(), device, nodeName);
      if (size < 0) {
        throw new QmpException("Parameter 'size' expects a >0 size");
      }
      io(() -> context.blocks().drained(() -> node.resize(size + 511 & -512L)));
      for (BlockBackend backend : context.blocks().backends()) {
        if (backend.root().filter(node::equals).isPresent()) {
          backend.device().ifPresent(BlockDevice::resized);
        }
      }
      return null;
    }
  }

  @Api.Doc("Takes a medium out.")
  record Eject(
      @Api.Obsolete(since = "2.8", reason = "a device has an id", instead = "id")
          Optional<String> device,
      @Api.Doc("the device's id") Optional<String> id,
      @Api.Doc("even if the guest holds it fast") Optional<Boolean> force)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend = backend(context.blocks(), device, id);
      if (!openTray(backend, force.orElse(false))) {
        throw new QmpException(
            "Device '%s' is locked and force was not specified, wait for tray to open and try again"
                .formatted(nameOf(backend)));
      }
      context.blocks().setRoot(backend, null);
      return null;
    }
  }

  /** What becomes of a medium's write protection. */
  enum BlockdevChangeReadOnlyMode {
    RETAIN,
    READ_ONLY,
    READ_WRITE
  }

  @Api.Doc("Puts another medium in.")
  record BlockdevChangeMedium(
      @Api.Obsolete(since = "2.8", reason = "a device has an id", instead = "id")
          Optional<String> device,
      @Api.Doc("the device's id") Optional<String> id,
      String filename,
      @Api.Doc("driver; found out where it is left out") Optional<String> format,
      @Api.Doc("even if the guest holds the old one fast") Optional<Boolean> force,
      Optional<BlockdevChangeReadOnlyMode> readOnlyMode)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend = backend(context.blocks(), device, id);
      boolean readOnly =
          switch (readOnlyMode.orElse(BlockdevChangeReadOnlyMode.RETAIN)) {
            case RETAIN -> backend.readOnly();
            case READ_ONLY -> true;
            case READ_WRITE -> false;
          };
      Map<String, String> values = new LinkedHashMap<>();
      values.put("filename", filename);
      values.put("read-only", readOnly ? "on" : "off");
      values.put("auto-read-only", "on");
      format.ifPresent(driver -> values.put("driver", driver));
      BlockNode medium =
          ioResult(
              () -> context.blocks().openImage(BlockOptions.of("blockdev-change-medium", values)));
      if (!openTray(backend, force.orElse(false))) {
        context.blocks().release(medium);
        throw new QmpException(
            "Device '%s' is locked and force was not specified, wait for tray to open and try again"
                .formatted(nameOf(backend)));
      }
      context.blocks().setRoot(backend, medium);
      backend.device().ifPresent(d -> d.mediumChanged(true));
      return null;
    }
  }

  @Api.Doc("Opens a tray, if the guest lets it go.")
  record BlockdevOpenTray(Optional<String> device, Optional<String> id, Optional<Boolean> force)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      openTray(backend(context.blocks(), device, id), force.orElse(false));
      return null;
    }
  }

  @Api.Doc("Closes a tray.")
  record BlockdevCloseTray(Optional<String> device, Optional<String> id)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend = removable(backend(context.blocks(), device, id));
      backend.device().filter(BlockDevice::trayOpen).ifPresent(d -> d.mediumChanged(true));
      return null;
    }
  }

  @Api.Doc("Takes the medium from an open tray.")
  record BlockdevRemoveMedium(String id) implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend =
          removable(backend(context.blocks(), Optional.empty(), Optional.of(id)));
      needOpenTray(backend);
      context.blocks().setRoot(backend, null);
      return null;
    }
  }

  @Api.Doc("Puts a node into an open tray as its medium.")
  record BlockdevInsertMedium(String id, String nodeName) implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend =
          removable(backend(context.blocks(), Optional.empty(), Optional.of(id)));
      BlockNode node =
          context
              .blocks()
              .node(nodeName)
              .orElseThrow(() -> new QmpException("Node '" + nodeName + "' not found"));
      needOpenTray(backend);
      if (backend.root().isPresent()) {
        throw new QmpException("There already is a medium in device '" + nameOf(backend) + "'");
      }
      context.blocks().setRoot(backend, node);
      return null;
    }
  }

  @Api.Doc("Opens nodes anew with other options; what is left out becomes what it is by default.")
  record BlockdevReopen(
      @Api.Doc("for each node what blockdev-add takes; children by name") List<JsonNode> options)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      List<BlockOptions> changes = new ArrayList<>();
      for (JsonNode each : options) {
        if (!(each instanceof ObjectNode object)) {
          throw new QmpException("Invalid parameter type for 'options', expected: object");
        }
        changes.add(BlockOptions.of("blockdev-reopen", FlatJson.of(object)));
      }
      return io(() -> context.blocks().reopen(changes));
    }
  }

  @Api.Name("block_set_io_throttle")
  @Api.Doc("Limits what a disk does in a second, in bytes and requests; 0 is no limit.")
  record BlockSetIoThrottle(
      Optional<String> device,
      @Api.Doc("the device's id") Optional<String> id,
      long bps,
      @Api.Name("bps_rd") long bpsRead,
      @Api.Name("bps_wr") long bpsWrite,
      long iops,
      @Api.Name("iops_rd") long iopsRead,
      @Api.Name("iops_wr") long iopsWrite,
      @Api.Name("bps_max") Optional<Long> bpsMost,
      @Api.Name("bps_rd_max") Optional<Long> bpsReadMost,
      @Api.Name("bps_wr_max") Optional<Long> bpsWriteMost,
      @Api.Name("iops_max") Optional<Long> iopsMost,
      @Api.Name("iops_rd_max") Optional<Long> iopsReadMost,
      @Api.Name("iops_wr_max") Optional<Long> iopsWriteMost,
      @Api.Name("bps_max_length") Optional<Long> bpsLength,
      @Api.Name("bps_rd_max_length") Optional<Long> bpsReadLength,
      @Api.Name("bps_wr_max_length") Optional<Long> bpsWriteLength,
      @Api.Name("iops_max_length") Optional<Long> iopsLength,
      @Api.Name("iops_rd_max_length") Optional<Long> iopsReadLength,
      @Api.Name("iops_wr_max_length") Optional<Long> iopsWriteLength,
      @Api.Name("iops_size") @Api.Doc("a longer request counts as several") Optional<Long> iopsSize,
      @Api.Doc("disks that share the limits; the device's own by default") Optional<String> group)
      implements BlockCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockBackend backend = backend(context.blocks(), device, id);
      Map<String, String> values = new LinkedHashMap<>();
      put(values, "bps-total", bps, bpsMost, bpsLength);
      put(values, "bps-read", bpsRead, bpsReadMost, bpsReadLength);
      put(values, "bps-write", bpsWrite, bpsWriteMost, bpsWriteLength);
      put(values, "iops-total", iops, iopsMost, iopsLength);
      put(values, "iops-read", iopsRead, iopsReadMost, iopsReadLength);
      put(values, "iops-write", iopsWrite, iopsWriteMost, iopsWriteLength);
      iopsSize.ifPresent(size -> values.put("iops-size", Long.toString(size)));
      ThrottleLimits limits =
          ThrottleLimits.of(DeviceOptions.of("block_set_io_throttle", values), "");
      context.blocks().setLimits(backend, group.orElse(device.or(() -> id).orElseThrow()), limits);
      return null;
    }

    private static void put(
        Map<String, String> values,
        String name,
        long average,
        Optional<Long> most,
        Optional<Long> seconds) {
      values.put(name, Long.toString(average));
      most.ifPresent(value -> values.put(name + "-max", Long.toString(value)));
      seconds.ifPresent(value -> values.put(name + "-max-length", Long.toString(value)));
    }
  }

  /** Work on images. */
  @FunctionalInterface
  interface Io<T> {
    T run() throws IOException;
  }

  /** Work on images without a result. */
  @FunctionalInterface
  interface IoAction {
    void run() throws IOException;
  }

  private static Void io(IoAction work) throws QmpException {
    return ioResult(
        () -> {
          work.run();
          return null;
        });
  }

  private static <T> T ioResult(Io<T> work) throws QmpException {
    try {
      return work.run();
    } catch (IOException e) {
      throw new QmpException(e.getMessage());
    }
  }

  private static BlockNode node(BlockGraph blocks, Optional<String> device, Optional<String> name)
      throws QmpException {
    if (device.isPresent() == name.isPresent()) {
      throw new QmpException("Must specify exactly one of 'device' and 'node-name'");
    }
    if (name.isPresent()) {
      return blocks.requireNode(name.get());
    }
    BlockBackend backend = backend(blocks, device, Optional.empty());
    return backend
        .root()
        .orElseThrow(() -> new QmpException("Device '" + device.get() + "' has no medium"));
  }

  private static BlockBackend backend(
      BlockGraph blocks, Optional<String> device, Optional<String> id) throws QmpException {
    if (device.isPresent() == id.isPresent()) {
      throw new QmpException("Need exactly one of 'device' and 'id'");
    }
    Optional<BlockBackend> found =
        device.isPresent() ? blocks.backend(device.get()) : blocks.backendOfDevice(id.get());
    return found.orElseThrow(
        () ->
            new QmpException(
                ErrorClass.DEVICE_NOT_FOUND,
                "Device '" + device.or(() -> id).get() + "' not found"));
  }

  private static String nameOf(BlockBackend backend) {
    return backend.name().isEmpty()
        ? backend.device().map(BlockDevice::id).orElse("")
        : backend.name();
  }

  private static BlockBackend removable(BlockBackend backend) throws QmpException {
    if (backend.device().filter(d -> !d.removable()).isPresent()) {
      throw new QmpException("Device '" + nameOf(backend) + "' is not removable");
    }
    return backend;
  }

  private static void needOpenTray(BlockBackend backend) throws QmpException {
    if (backend.device().filter(d -> !d.trayOpen()).isPresent()) {
      throw new QmpException("Tray of device '" + nameOf(backend) + "' is not open");
    }
  }

  /** Opens the tray, or asks the guest to; false if it holds it fast. */
  private static boolean openTray(BlockBackend backend, boolean force) throws QmpException {
    removable(backend);
    Optional<BlockDevice> device = backend.device();
    if (device.isEmpty() || device.get().trayOpen()) {
      return true;
    }
    boolean locked = device.get().locked();
    if (locked) {
      device.get().ejectRequested(force);
    }
    if (!locked || force) {
      device.get().mediumChanged(false);
      return true;
    }
    return false;
  }
}
