package dev.pollux.cli.img;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.ImageFormats;
import dev.pollux.backend.block.image.Qcow2Check;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.IOException;
import java.util.List;
import java.util.Locale;

/** {@code pollux img check}. */
final class CheckTool {
  private static final int ERRORS = 2;
  private static final int LEAKS = 3;
  private static final int NOT_SUPPORTED = 63;

  private CheckTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "check",
            words,
            "f:hqr:T:U",
            "output=",
            "repair=:r",
            "object=",
            "image-opts",
            "force-share:U",
            "quiet:q");
    String file = arguments.words(1, 1, "one image file name").getFirst();
    Qcow2Check.Repair repair =
        switch (arguments.value("r", "")) {
          case "" -> Qcow2Check.Repair.NONE;
          case "leaks" -> Qcow2Check.Repair.LEAKS;
          case "all" -> Qcow2Check.Repair.ALL;
          default ->
              throw arguments.error(
                  "--repair/-r expects 'leaks' or 'all' not '%s'"
                      .formatted(arguments.value("r", "")));
        };
    boolean json = arguments.json();
    boolean quiet = arguments.has("q");
    NodeOptions options = NodeOptions.of("checked").withReadOnly(repair == Qcow2Check.Repair.NONE);
    try (FileNode node = open(file, options, arguments.has("U"))) {
      String format = arguments.value("f", ImageFormats.probe(node));
      if (!format.equals("qcow2")) {
        System.err.println("pollux img: This image format does not support checks");
        return NOT_SUPPORTED;
      }
      Qcow2Check.Result result;
      try (Qcow2Image image = openImage(file, options, node)) {
        result = new Qcow2Check(image, line -> report(line, quiet || json)).run(repair);
        if (repair != Qcow2Check.Repair.NONE
            && (result.leaksFixed > 0 || result.corruptionsFixed > 0)) {
          tellRepairs(result, quiet || json);
        }
      }
      if (repair != Qcow2Check.Repair.NONE
          && (result.leaksFixed > 0 || result.corruptionsFixed > 0)) {
        long leaks = result.leaksFixed;
        long corruptions = result.corruptionsFixed;
        try (Qcow2Image again = openImage(file, options, node)) {
          result = new Qcow2Check(again).run(Qcow2Check.Repair.NONE);
        }
        result.leaksFixed = leaks;
        result.corruptionsFixed = corruptions;
      }
      if (json) {
        System.out.println(JsonWriter.write(json(file, result), true));
      } else if (!quiet) {
        System.out.print(human(result));
      }
      return result.corruptions > 0
          ? ERRORS
          : result.leaks > 0 ? LEAKS : result.checkErrors > 0 ? 1 : 0;
    }
  }

  private static FileNode open(String file, NodeOptions options, boolean shared) {
    try {
      return FileNode.open(
          options, file.replaceFirst("^file:", ""), shared ? Locking.SHARED : Locking.ON);
    } catch (IOException e) {
      throw new ConfigException(
          e.getMessage().startsWith("Could not open")
              ? e.getMessage()
              : "Could not open '%s': %s".formatted(file, e.getMessage()),
          e);
    }
  }

  private static Qcow2Image openImage(String file, NodeOptions options, FileNode node) {
    try {
      return Qcow2Image.open(options, node, null, Qcow2Options.REPAIRING);
    } catch (IOException e) {
      throw new ConfigException("Could not open '%s': %s".formatted(file, e.getMessage()), e);
    }
  }

  private static void report(String line, boolean quiet) {
    if (!quiet) {
      System.err.println(line);
    }
  }

  private static void tellRepairs(Qcow2Check.Result result, boolean quiet) {
    if (!quiet) {
      System.out.printf(
          "The following inconsistencies were found and repaired:%n%n"
              + "    %d leaked clusters%n    %d corruptions%n%n"
              + "Double checking the fixed image now...%n",
          result.leaksFixed, result.corruptionsFixed);
    }
  }

  private static String human(Qcow2Check.Result result) {
    StringBuilder text = new StringBuilder();
    if (result.corruptions + result.leaks + result.checkErrors == 0) {
      text.append("No errors were found on the image.\n");
    } else {
      if (result.corruptions > 0) {
        text.append(
            "\n%d errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n"
                .formatted(result.corruptions));
      }
      if (result.leaks > 0) {
        text.append(
            "\n%d leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n"
                .formatted(result.leaks));
      }
      if (result.checkErrors > 0) {
        text.append(
            "\n%d internal errors have occurred during the check.\n".formatted(result.checkErrors));
      }
    }
    if (result.totalClusters > 0 && result.allocatedClusters > 0) {
      text.append(
          String.format(
              Locale.ROOT,
              "%d/%d = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed clusters\n",
              result.allocatedClusters,
              result.totalClusters,
              result.allocatedClusters * 100.0 / result.totalClusters,
              result.fragmentedClusters * 100.0 / result.allocatedClusters,
              result.compressedClusters * 100.0 / result.allocatedClusters));
    }
    text.append("Image end offset: %d\n".formatted(result.imageEnd));
    return text.toString();
  }

  private static ObjectNode json(String file, Qcow2Check.Result result) {
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    object.put("image-end-offset", result.imageEnd);
    object.put("total-clusters", result.totalClusters);
    object.put("check-errors", result.checkErrors);
    putIfAny(object, "corruptions", result.corruptions);
    putIfAny(object, "leaks", result.leaks);
    putIfAny(object, "corruptions-fixed", result.corruptionsFixed);
    putIfAny(object, "leaks-fixed", result.leaksFixed);
    putIfAny(object, "allocated-clusters", result.allocatedClusters);
    putIfAny(object, "fragmented-clusters", result.fragmentedClusters);
    putIfAny(object, "compressed-clusters", result.compressedClusters);
    object.put("filename", file);
    object.put("format", "qcow2");
    return object;
  }

  private static void putIfAny(ObjectNode object, String name, long value) {
    if (value > 0) {
      object.put(name, value);
    }
  }
}
