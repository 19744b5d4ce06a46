package dev.pollux.qmp.command;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockCounters;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest.Op;
import dev.pollux.backend.block.node.ThrottleGroup;
import dev.pollux.backend.block.node.ThrottleLimits;
import dev.pollux.core.config.Api;
import dev.pollux.core.host.Errno;
import dev.pollux.qmp.protocol.QmpException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Questions about disks. */
public sealed interface BlockQueries<R> extends QmpCommand<R> {
  /** How the host may cache. */
  record BlockdevCacheInfo(
      @Api.Doc("the guest sees a write cache") boolean writeback,
      @Api.Doc("the host's page cache is left out") boolean direct,
      @Api.Doc("flushes are ignored") boolean noFlush) {}

  /** What becomes of a write of zeros. */
  enum BlockdevDetectZeroesOptions {
    OFF,
    ON,
    UNMAP
  }

  /** A node. */
  record BlockDeviceInfo(
      @Api.Doc("file name") String file,
      Optional<String> nodeName,
      @Api.Doc("read-only") boolean ro,
      @Api.Doc("driver") String drv,
      @Api.Name("backing_file") Optional<String> backingFile,
      @Api.Name("backing_file_depth") long backingFileDepth,
      @Api.Doc("always false") boolean encrypted,
      @Api.Name("detect_zeroes") BlockdevDetectZeroesOptions detectZeroes,
      @Api.Name("bps") long bps,
      @Api.Name("bps_rd") long bpsRead,
      @Api.Name("bps_wr") long bpsWrite,
      @Api.Name("iops") long iops,
      @Api.Name("iops_rd") long iopsRead,
      @Api.Name("iops_wr") long iopsWrite,
      @Api.Doc("disks that share the limits") Optional<String> group,
      ImageFacts.ImageInfo image,
      BlockdevCacheInfo cache,
      @Api.Name("write_threshold") long writeThreshold,
      @Api.Doc("whether anything stands on it") boolean active) {

    static BlockDeviceInfo of(
        BlockNode node, boolean writeback, boolean flat, Optional<ThrottleGroup> group)
        throws QmpException {
      Map<String, Long> limits =
          group.map(ThrottleGroup::limits).orElse(ThrottleLimits.NONE).asMap();
      return new BlockDeviceInfo(
          node.fileName(),
          Optional.of(node.name()),
          node.readOnly(),
          node.driver(),
          ImageFacts.backingFile(node),
          depth(node),
          false,
          BlockdevDetectZeroesOptions.valueOf(node.options().detectZeroes().name()),
          limits.get("bps-total"),
          limits.get("bps-read"),
          limits.get("bps-write"),
          limits.get("iops-total"),
          limits.get("iops-read"),
          limits.get("iops-write"),
          group.map(ThrottleGroup::id),
          ImageFacts.of(node, !flat),
          new BlockdevCacheInfo(
              writeback, node.options().cache().direct(), node.options().cache().noFlush()),
          0,
          true);
    }

    private static long depth(BlockNode node) {
      long depth = 0;
      for (BlockNode below = node.backing(); below != null; below = below.backing()) {
        depth++;
      }
      return depth;
    }
  }

  /** Whether an error has stopped the machine. */
  enum BlockDeviceIoStatus {
    OK,
    FAILED,
    NOSPACE;

    static BlockDeviceIoStatus of(int errno) {
      return errno == 0 ? OK : errno == Errno.ENOSPC ? NOSPACE : FAILED;
    }
  }

  /** A disk of the machine. */
  record BlockInfo(
      @Api.Doc("the backend; empty where it has no name") String device,
      @Api.Doc("where the device is among the objects, or its id") Optional<String> qdev,
      @Api.Doc("always unknown") String type,
      boolean removable,
      @Api.Doc("the guest holds the medium fast") boolean locked,
      @Api.Doc("the medium") Optional<BlockDeviceInfo> inserted,
      @Api.Name("tray_open") Optional<Boolean> trayOpen,
      Optional<BlockDeviceIoStatus> ioStatus) {}

  @Api.Doc("The disks.")
  record QueryBlock() implements BlockQueries<List<BlockInfo>> {
    @Override
    public List<BlockInfo> run(QmpContext context) throws QmpException {
      List<BlockInfo> list = new ArrayList<>();
      for (BlockBackend backend : context.blocks().backends()) {
        if (!backend.name().isEmpty() || backend.device().isPresent()) {
          list.add(info(backend));
        }
      }
      return list;
    }

    private static BlockInfo info(BlockBackend backend) throws QmpException {
      Optional<BlockDevice> device = backend.device();
      boolean removable = device.map(BlockDevice::removable).orElse(true);
      Optional<BlockNode> root = backend.root();
      return new BlockInfo(
          backend.name(),
          device.map(d -> d.id().isEmpty() ? d.qomPath() : d.id()),
          "unknown",
          removable,
          device.map(BlockDevice::locked).orElse(false),
          root.isEmpty()
              ? Optional.empty()
              : Optional.of(
                  BlockDeviceInfo.of(root.get(), backend.writeCache(), false, backend.limits())),
          device.filter(BlockDevice::removable).map(BlockDevice::trayOpen),
          device.isPresent() || !removable
              ? Optional.of(BlockDeviceIoStatus.of(backend.ioStatus()))
              : Optional.empty());
    }
  }

  @Api.Doc("The nodes that have a name.")
  record QueryNamedBlockNodes(
      @Api.Doc("leaves out the images below each one") Optional<Boolean> flat)
      implements BlockQueries<List<BlockDeviceInfo>> {
    @Override
    public List<BlockDeviceInfo> run(QmpContext context) throws QmpException {
      List<BlockDeviceInfo> list = new ArrayList<>();
      for (BlockNode node : context.blocks().nodes()) {
        list.add(BlockDeviceInfo.of(node, true, flat.orElse(false), Optional.empty()));
      }
      return list;
    }
  }

  /** What a disk has done. Bytes, and nanoseconds. */
  record BlockDeviceStats(
      @Api.Name("rd_bytes") long readBytes,
      @Api.Name("wr_bytes") long writeBytes,
      @Api.Name("unmap_bytes") long unmapBytes,
      @Api.Name("rd_operations") long readOperations,
      @Api.Name("wr_operations") long writeOperations,
      @Api.Name("flush_operations") long flushOperations,
      @Api.Name("unmap_operations") long unmapOperations,
      @Api.Name("rd_total_time_ns") long readNanos,
      @Api.Name("wr_total_time_ns") long writeNanos,
      @Api.Name("flush_total_time_ns") long flushNanos,
      @Api.Name("unmap_total_time_ns") long unmapNanos,
      @Api.Name("wr_highest_offset") @Api.Doc("where the farthest write ended") long highestWrite,
      @Api.Name("rd_merged") long readsMerged,
      @Api.Name("wr_merged") long writesMerged,
      @Api.Name("unmap_merged") long unmapsMerged,
      @Api.Name("idle_time_ns") @Api.Doc("since the last request") Optional<Long> idleNanos,
      @Api.Name("failed_rd_operations") long readsFailed,
      @Api.Name("failed_wr_operations") long writesFailed,
      @Api.Name("failed_flush_operations") long flushesFailed,
      @Api.Name("failed_unmap_operations") long unmapsFailed,
      @Api.Name("invalid_rd_operations") long readsInvalid,
      @Api.Name("invalid_wr_operations") long writesInvalid,
      @Api.Name("invalid_flush_operations") long flushesInvalid,
      @Api.Name("invalid_unmap_operations") long unmapsInvalid,
      @Api.Name("account_invalid") boolean accountInvalid,
      @Api.Name("account_failed") boolean accountFailed) {

    /** Of a node only this is counted. */
    static BlockDeviceStats of(BlockNode node) {
      return new BlockDeviceStats(
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          node.highestWrite(),
          0,
          0,
          0,
          Optional.empty(),
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          false,
          false);
    }

    static BlockDeviceStats of(BlockCounters c) {
      return new BlockDeviceStats(
          c.bytes(Op.READ),
          c.bytes(Op.WRITE) + c.bytes(Op.WRITE_ZEROES),
          c.bytes(Op.DISCARD),
          c.operations(Op.READ),
          c.operations(Op.WRITE) + c.operations(Op.WRITE_ZEROES),
          c.operations(Op.FLUSH),
          c.operations(Op.DISCARD),
          c.nanos(Op.READ),
          c.nanos(Op.WRITE) + c.nanos(Op.WRITE_ZEROES),
          c.nanos(Op.FLUSH),
          c.nanos(Op.DISCARD),
          c.highestWrite(),
          c.mergedCount(Op.READ),
          c.mergedCount(Op.WRITE),
          c.mergedCount(Op.DISCARD),
          c.lastAccess() == 0 ? Optional.empty() : Optional.of(System.nanoTime() - c.lastAccess()),
          c.failed(Op.READ),
          c.failed(Op.WRITE) + c.failed(Op.WRITE_ZEROES),
          c.failed(Op.FLUSH),
          c.failed(Op.DISCARD),
          c.invalidCount(Op.READ),
          c.invalidCount(Op.WRITE),
          c.invalidCount(Op.FLUSH),
          c.invalidCount(Op.DISCARD),
          true,
          true);
    }
  }

  /** What a disk, or a node, has done. */
  record BlockStats(
      Optional<String> device,
      @Api.Doc("where the device is among the objects") Optional<String> qdev,
      Optional<String> nodeName,
      BlockDeviceStats stats,
      @Api.Doc("of the file below") Optional<BlockNodeStats> parent,
      @Api.Doc("of the image below") Optional<BlockNodeStats> backing) {}

  /** A node below a disk. */
  record BlockNodeStats(Optional<String> nodeName, BlockDeviceStats stats) {
    static Optional<BlockNodeStats> of(BlockNode node) {
      return Optional.ofNullable(node)
          .map(n -> new BlockNodeStats(Optional.of(n.name()), BlockDeviceStats.of(n)));
    }
  }

  @Api.Doc("What the disks have done.")
  record QueryBlockstats(@Api.Doc("asks about all nodes, instead") Optional<Boolean> queryNodes)
      implements BlockQueries<List<BlockStats>> {
    @Override
    public List<BlockStats> run(QmpContext context) {
      if (queryNodes.orElse(false)) {
        return context.blocks().nodes().stream().map(QueryBlockstats::ofNode).toList();
      }
      return context.blocks().backends().stream()
          .filter(b -> !b.name().isEmpty() || b.device().isPresent())
          .map(QueryBlockstats::ofBackend)
          .toList();
    }

    private static BlockStats ofBackend(BlockBackend backend) {
      Optional<BlockNode> root = backend.root();
      return new BlockStats(
          Optional.of(backend.name()),
          backend.device().map(BlockDevice::qomPath),
          root.map(BlockNode::name),
          BlockDeviceStats.of(backend.counters()),
          BlockNodeStats.of(root.map(r -> r.child("file")).orElse(null)),
          BlockNodeStats.of(root.map(BlockNode::backing).orElse(null)));
    }

    private static BlockStats ofNode(BlockNode node) {
      return new BlockStats(
          Optional.empty(),
          Optional.empty(),
          Optional.of(node.name()),
          BlockDeviceStats.of(node),
          BlockNodeStats.of(node.child("file")),
          BlockNodeStats.of(node.backing()));
    }
  }
}
