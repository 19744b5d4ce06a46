package dev.pollux.cli.img;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.IOException;
import java.util.List;

/** {@code pollux img measure}. */
final class MeasureTool {
  private MeasureTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "measure",
            words,
            "f:hl:o:O:U",
            "output=",
            "object=",
            "image-opts",
            "size=",
            "force-share:U",
            "snapshot=");
    boolean json = arguments.json();
    String format = arguments.value("O", "raw");
    DeviceOptions options = arguments.creationOptions();
    if (arguments.has("size") == !arguments.words().isEmpty()) {
      throw arguments.error(
          arguments.has("size")
              ? "--size N cannot be used together with a filename."
              : "Either --size N or one filename must be specified.");
    }
    CreateTool.NewImage made;
    long data;
    boolean bitmaps = false;
    if (!arguments.has("size")) {
      String file = arguments.words(1, 1, "one image file name").getFirst();
      try (Images images = new Images(arguments)) {
        BlockNode node = images.open(file, Images.How.READ.withFormat(arguments.value("f")));
        made = CreateTool.NewImage.of(format, "", node.length(), "", "", options);
        data = dataBytes(node, made.qcow2());
        bitmaps = made.qcow2() != null && node instanceof Qcow2Image;
      }
    } else {
      long size = Sizes.parse("image size", arguments.value("size", ""));
      made = CreateTool.NewImage.of(format, "", size, "", "", options);
      data = 0;
    }
    if (!format.equals("raw") && !format.equals("qcow2")) {
      throw new ConfigException("Unknown file format '" + format + "'");
    }
    long required = required(made, data);
    long full = required(made, Long.MAX_VALUE);
    if (json) {
      ObjectNode object = JsonNodeFactory.instance.objectNode();
      if (bitmaps) {
        object.put("bitmaps", 0);
      }
      object.put("required", required);
      object.put("fully-allocated", full);
      System.out.println(JsonWriter.write(object, true));
    } else {
      System.out.println("required size: " + required);
      System.out.println("fully allocated size: " + full);
      if (bitmaps) {
        System.out.println("bitmaps size: 0");
      }
    }
    return 0;
  }

  /** Bytes of the clusters that hold something. */
  private static long dataBytes(BlockNode node, Qcow2Creator qcow2) throws IOException {
    if (qcow2 == null) {
      return 0;
    }
    long clusterSize = 1L << qcow2.clusterBits();
    long bytes = 0;
    long counted = 0;
    for (long at = 0; at < node.length(); ) {
      Extents.Extent extent = Extents.at(node, at, node.length() - at);
      if (extent.data() && !extent.zero()) {
        long from = Math.max(counted, at & -clusterSize);
        long to = at + extent.length() + clusterSize - 1 & -clusterSize;
        bytes += Math.max(0, to - from);
        counted = Math.max(counted, to);
      }
      at += extent.length();
    }
    return bytes;
  }

  private static long required(CreateTool.NewImage made, long data) {
    Qcow2Creator qcow2 = made.qcow2();
    if (qcow2 == null) {
      return made.size() + 511 & -512L;
    }
    long clusterSize = 1L << qcow2.clusterBits();
    long aligned = qcow2.size() + clusterSize - 1 & -clusterSize;
    boolean all = made.preallocation().equals("full") || made.preallocation().equals("falloc");
    long kept = all ? aligned : Math.min(data, aligned);
    return qcow2.metadataBytes() + kept;
  }
}
