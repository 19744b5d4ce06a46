package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.List;

/** {@code pollux img map}. */
final class MapTool {
  private MapTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "map",
            words,
            "f:s:l:hU",
            "output=",
            "object=",
            "image-opts",
            "force-share:U",
            "start-offset=:s",
            "max-length=:l");
    String file = arguments.words(1, 1, "one image file name").getFirst();
    boolean json = arguments.json();
    try (Images images = new Images(arguments)) {
      BlockNode node = images.open(file, Images.How.READ.withFormat(arguments.value("f")));
      long start = arguments.has("s") ? Sizes.parse("start offset", arguments.value("s", "")) : 0;
      long length = node.length() - start;
      if (arguments.has("l")) {
        length = Math.min(length, Sizes.parse("max length", arguments.value("l", "")));
      }
      if (json) {
        System.out.print("[");
      } else {
        System.out.printf("%-16s%-16s%-16s%s%n", "Offset", "Length", "Mapped to", "File");
      }
      Extents.Extent last = null;
      for (long at = start; at < start + length; ) {
        Extents.Extent extent = Extents.at(node, at, start + length - at);
        at += extent.length();
        if (last != null && extent.follows(last)) {
          last = last.and(extent);
          continue;
        }
        print(last, json, false);
        last = extent;
      }
      print(last, json, true);
      if (json) {
        System.out.println("]");
      }
    }
    return 0;
  }

  private static void print(Extents.Extent e, boolean json, boolean isLast) {
    if (e == null) {
      return;
    }
    if (json) {
      System.out.printf(
          "{ \"start\": %d, \"length\": %d, \"depth\": %d, \"present\": %b, \"zero\": %b,"
              + " \"data\": %b%s}%s",
          e.start(),
          e.length(),
          e.depth(),
          e.present(),
          e.zero(),
          e.data(),
          e.offset() < 0 ? "" : ", \"offset\": " + e.offset(),
          isLast ? "" : ",\n");
      return;
    }
    if (!e.data() || e.zero()) {
      return;
    }
    if (e.offset() < 0) {
      throw new ConfigException("File contains external, encrypted or compressed clusters.");
    }
    System.out.printf(
        "%-16s%-16s%-16s%s%n",
        hex(e.start()), hex(e.length()), hex(e.offset()), e.node().fileName());
  }

  /** As C's {@code %#x}. */
  private static String hex(long value) {
    return value == 0 ? "0" : "0x" + Long.toHexString(value);
  }
}
