package dev.pollux.cli.img;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Bitmaps;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Info;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.command.ImageFacts;
import dev.pollux.qmp.protocol.JsonWriter;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.CompatPolicy;
import dev.pollux.qmp.schema.JsonMapper;
import dev.pollux.qmp.schema.TypeCatalog;
import java.io.IOException;
import java.util.List;

/** {@code pollux img info}. */
final class InfoTool {
  private InfoTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "info",
            words,
            "f:hU",
            "output=",
            "backing-chain",
            "object=",
            "image-opts",
            "force-share:U");
    String file = arguments.words(1, 1, "one image file name").getFirst();
    boolean json = arguments.json();
    try (Images images = new Images(arguments)) {
      boolean chain = arguments.has("backing-chain");
      Images.How how = Images.How.READ.withFormat(arguments.value("f"));
      BlockNode node = images.open(file, chain ? how : how.withoutBacking());
      ArrayNode all = JsonNodeFactory.instance.arrayNode();
      boolean first = true;
      for (BlockNode each = node; each != null; each = chain ? each.backing() : null) {
        if (json) {
          all.add(json(each));
        } else {
          System.out.print((first ? "" : "\n") + human(each));
        }
        first = false;
      }
      if (json) {
        System.out.println(JsonWriter.write(chain ? all : all.get(0), true));
      }
    }
    return 0;
  }

  private static JsonNode json(BlockNode node) {
    try {
      TypeCatalog types = new TypeCatalog();
      return new JsonMapper(CompatPolicy.ACCEPT_ALL)
          .write(types.of(ImageFacts.ImageInfo.class), ImageFacts.of(node, false));
    } catch (QmpException e) {
      throw new ConfigException(e.getMessage(), e);
    }
  }

  private static String human(BlockNode node) throws IOException {
    StringBuilder text = new StringBuilder();
    text.append("image: %s\n".formatted(node.fileName()));
    text.append("file format: %s\n".formatted(node.driver()));
    text.append(
        "virtual size: %s (%d bytes)\n".formatted(Sizes.human(node.length()), node.length()));
    if (node.allocatedBytes() >= 0) {
      text.append("disk size: %s\n".formatted(Sizes.human(node.allocatedBytes())));
    }
    if (node instanceof Qcow2Image image) {
      qcow2(text, node, image.info());
    }
    return text.toString();
  }

  private static void qcow2(StringBuilder text, BlockNode node, Qcow2Info info) {
    text.append("cluster_size: %d\n".formatted(info.clusterSize()));
    if (info.dirty()) {
      text.append("cleanly shut down: no\n");
    }
    if (!info.backingFile().isEmpty()) {
      text.append("backing file: ").append(info.backingFile());
      String full =
          dev.pollux.backend.block.graph.FileNames.resolve(node.fileName(), info.backingFile());
      if (!full.equals(info.backingFile())) {
        text.append(" (actual path: %s)".formatted(full));
      }
      text.append('\n');
      if (!info.backingFormat().isEmpty()) {
        text.append("backing file format: %s\n".formatted(info.backingFormat()));
      }
    }
    text.append(SnapshotTool.table(info.snapshots()));
    text.append("Format specific information:\n");
    text.append("    compat: %s\n".formatted(info.compat()));
    text.append("    compression type: %s\n".formatted(info.compression()));
    if (info.isVersion3()) {
      text.append("    lazy refcounts: %s\n".formatted(info.lazyRefcounts()));
    }
    if (!info.bitmaps().isEmpty()) {
      text.append("    bitmaps:\n");
      for (int i = 0; i < info.bitmaps().size(); i++) {
        bitmap(text, i, info.bitmaps().get(i));
      }
    }
    text.append("    refcount bits: %d\n".formatted(info.refcountBits()));
    if (info.isVersion3()) {
      text.append("    corrupt: %s\n".formatted(info.corrupt()));
      text.append("    extended l2: false\n");
    }
  }

  private static void bitmap(StringBuilder text, int index, Qcow2Bitmaps.Bitmap bitmap) {
    text.append("        [%d]:\n".formatted(index));
    text.append("            flags:");
    String flags =
        (bitmap.inUse() ? "\n                [0]: in-use" : "")
            + (bitmap.auto()
                ? "\n                [%d]: auto".formatted(bitmap.inUse() ? 1 : 0)
                : "");
    text.append(flags).append('\n');
    text.append("            name: %s\n".formatted(bitmap.name()));
    text.append("            granularity: %d\n".formatted(bitmap.granularity()));
  }
}
