package dev.pollux.cli.img;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Bitmaps;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Info;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.IOException;
import java.util.List;

/** {@code pollux img measure}. */
final class MeasureTool {
  /** Bytes of a bitmap's entry in the directory, without its name. */
  private static final int DIRECTORY_ENTRY = 24;

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
    long bitmaps = -1;
    if (!arguments.has("size")) {
      String file = arguments.words(1, 1, "one image file name").getFirst();
      try (Images images = new Images(arguments)) {
        BlockNode node = images.open(file, Images.How.READ.withFormat(arguments.value("f")));
        made = CreateTool.NewImage.of(format, "", node.length(), "", "", options);
        data = dataBytes(node, made.qcow2());
        if (made.qcow2() != null && node instanceof Qcow2Image image) {
          bitmaps = bitmapBytes(image, made.qcow2());
        }
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
      if (bitmaps >= 0) {
        object.put("bitmaps", bitmaps);
      }
      object.put("required", required);
      object.put("fully-allocated", full);
      System.out.println(JsonWriter.write(object, true));
    } else {
      System.out.println("required size: " + required);
      System.out.println("fully allocated size: " + full);
      if (bitmaps >= 0) {
        System.out.println("bitmaps size: " + bitmaps);
      }
    }
    return 0;
  }

  /** Bytes that copies of an image's bitmaps would take, all of them set; -1 of version 2. */
  private static long bitmapBytes(Qcow2Image from, Qcow2Creator to) throws IOException {
    Qcow2Info info = from.info();
    if (info.compat().equals("0.10")) {
      return -1;
    }
    int clusterBits = to.clusterBits();
    long bytes = 0;
    long directory = 0;
    for (Qcow2Bitmaps.Bitmap bitmap : info.bitmaps()) {
      long bits = Math.ceilDiv(from.length(), bitmap.granularity());
      long clusters = Math.ceilDiv(Math.ceilDiv(bits, 8), 1L << clusterBits);
      bytes += clusters << clusterBits;
      bytes += Math.ceilDiv(clusters * 8, 1L << clusterBits) << clusterBits;
      directory += DIRECTORY_ENTRY + bitmap.name().getBytes(UTF_8).length + 7 & -8;
    }
    return bytes + (Math.ceilDiv(directory, 1L << clusterBits) << clusterBits);
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
