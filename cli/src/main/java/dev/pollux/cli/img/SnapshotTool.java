package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Snapshot;
import java.io.IOException;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** {@code pollux img snapshot}: lists internal snapshots. */
final class SnapshotTool {
  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss").withZone(ZoneId.systemDefault());

  private SnapshotTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "snapshot", words, "la:c:d:hqU", "object=", "image-opts", "force-share:U", "quiet:q");
    for (String change : new String[] {"a", "c", "d"}) {
      if (arguments.has(change)) {
        throw arguments.error(
            "snapshots are listed (-l) and kept; to make, apply and delete them is not supported");
      }
    }
    String file = arguments.words(1, 1, "one image file name").getFirst();
    try (Images images = new Images(arguments)) {
      BlockNode node = images.open(file, Images.How.READ.withoutBacking());
      if (node instanceof Qcow2Image image) {
        System.out.print(table(image.info().snapshots()));
      }
    }
    return 0;
  }

  /** The list as a table; empty without snapshots. */
  static String table(List<Qcow2Snapshot> snapshots) {
    if (snapshots.isEmpty()) {
      return "";
    }
    StringBuilder text = new StringBuilder("Snapshot list:\n");
    text.append(
        "%-9s %-16s %8s%20s%13s%11s\n"
            .formatted("ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT"));
    for (Qcow2Snapshot s : snapshots) {
      long millis = s.vmClockNanos() / 1_000_000;
      long seconds = millis / 1000;
      text.append(
          "%-9s %-16s %8s%20s%13s%11s\n"
              .formatted(
                  s.id(),
                  s.name(),
                  Sizes.human(s.vmStateBytes()),
                  DATE.format(Instant.ofEpochSecond(s.seconds())),
                  "%02d:%02d:%02d.%03d"
                      .formatted(seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000),
                  s.icount() < 0 ? "" : Long.toString(s.icount())));
    }
    return text.toString();
  }
}
