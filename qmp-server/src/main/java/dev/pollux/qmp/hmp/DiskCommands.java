package dev.pollux.qmp.hmp;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockCounters;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest.Op;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.graph.BlockGraph;
import java.util.List;

/** Commands on disks. */
final class DiskCommands {
  private DiskCommands() {}

  static void declare(DeviceCommands.Declarer info) {
    info.declare(
        "block",
        "[device]",
        "disks with their images",
        (s, a) -> {
          String name = a.word();
          return out -> {
            for (BlockBackend backend : shown(blocks(s))) {
              if (name.isEmpty() || name.equals(nameOf(backend))) {
                disk(backend, out);
              }
            }
          };
        });
    info.declare(
        "blockstats",
        "",
        "what disks have done",
        (s, a) -> out -> shown(blocks(s)).forEach(backend -> counters(backend, out)));
  }

  private static BlockGraph blocks(HmpSession session) {
    return session.devices().services().blocks();
  }

  private static List<BlockBackend> shown(BlockGraph blocks) {
    return blocks.backends().stream()
        .filter(b -> !b.name().isEmpty() || b.device().isPresent())
        .toList();
  }

  private static String nameOf(BlockBackend backend) {
    return backend.name().isEmpty()
        ? backend.device().map(BlockDevice::id).orElse("")
        : backend.name();
  }

  private static void disk(BlockBackend backend, StringBuilder out) {
    out.append(nameOf(backend));
    backend
        .root()
        .ifPresentOrElse(
            root ->
                out.append(
                    " (%s): %s (%s%s)\n"
                        .formatted(
                            root.name(),
                            root.fileName(),
                            root.driver(),
                            root.readOnly() ? ", read-only" : "")),
            () -> out.append(": [not inserted]\n"));
    backend.device().ifPresent(device -> device(device, out));
    backend.root().ifPresent(root -> medium(backend, root, out));
    out.append('\n');
  }

  private static void device(BlockDevice device, StringBuilder out) {
    line("Attached to", device.qomPath(), out);
    if (device.removable()) {
      line(
          "Removable device",
          "%slocked, tray %s"
              .formatted(device.locked() ? "" : "not ", device.trayOpen() ? "open" : "closed"),
          out);
    }
  }

  private static void medium(BlockBackend backend, BlockNode root, StringBuilder out) {
    CacheMode cache = root.options().cache();
    line(
        "Cache mode",
        (backend.writeCache() ? "writeback" : "writethrough")
            + (cache.direct() ? ", direct" : "")
            + (cache.noFlush() ? ", ignore flushes" : ""),
        out);
    if (root.backing() != null) {
      int depth = 0;
      for (BlockNode below = root.backing(); below != null; below = below.backing()) {
        depth++;
      }
      line("Backing file", root.backing().fileName() + " (chain depth: " + depth + ")", out);
    }
    backend.limits().ifPresent(group -> line("I/O throttling", "group=" + group.id(), out));
  }

  private static void line(String title, String text, StringBuilder out) {
    out.append("    %-17s %s\n".formatted(title + ":", text));
  }

  private static void counters(BlockBackend backend, StringBuilder out) {
    BlockCounters c = backend.counters();
    out.append(
        ("%s: rd_bytes=%d wr_bytes=%d rd_operations=%d wr_operations=%d flush_operations=%d"
                + " wr_total_time_ns=%d rd_total_time_ns=%d flush_total_time_ns=%d rd_merged=%d"
                + " wr_merged=%d failed_rd_operations=%d failed_wr_operations=%d\n")
            .formatted(
                nameOf(backend),
                c.bytes(Op.READ),
                c.bytes(Op.WRITE) + c.bytes(Op.WRITE_ZEROES),
                c.operations(Op.READ),
                c.operations(Op.WRITE) + c.operations(Op.WRITE_ZEROES),
                c.operations(Op.FLUSH),
                c.nanos(Op.WRITE) + c.nanos(Op.WRITE_ZEROES),
                c.nanos(Op.READ),
                c.nanos(Op.FLUSH),
                c.mergedCount(Op.READ),
                c.mergedCount(Op.WRITE),
                c.failed(Op.READ),
                c.failed(Op.WRITE)));
  }
}
