package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.job.Preallocation;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.List;

/** {@code pollux img resize}. */
final class ResizeTool {
  private ResizeTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "resize",
            words,
            "f:hq",
            "object=",
            "image-opts",
            "preallocation=",
            "shrink",
            "quiet:q");
    arguments.words(2, 2, "image file name and size");
    String file = arguments.words().get(0);
    String text = arguments.words().get(1);
    boolean relative = text.startsWith("+") || text.startsWith("-");
    long amount = Sizes.parse("image size", relative ? text.substring(1) : text);
    try (Images images = new Images(arguments)) {
      BlockNode node =
          images.open(
              file, Images.How.READ.withFormat(arguments.value("f")).writing(CacheMode.WRITEBACK));
      long now = node.length();
      long wanted = !relative ? amount : text.startsWith("+") ? now + amount : now - amount;
      if (wanted <= 0) {
        throw new ConfigException("New image size must be positive");
      }
      if (!(node instanceof Qcow2Image)) { // which refuses what is no multiple
        wanted = Math.min(wanted, BlockNode.MOST_BYTES) + 511 & -512L;
      }
      if (wanted < now && !arguments.has("shrink")) {
        throw new ConfigException(
            "Use the --shrink option to perform a shrink operation.\n"
                + "pollux img: warning: Shrinking an image will delete all data beyond the shrunken"
                + " image's end. Before performing such an operation, make sure there is no"
                + " important data there.");
      }
      Preallocation how = preallocation(arguments, node, wanted > now);
      node.resize(wanted);
      if (node.child("file") instanceof FileNode host && how != Preallocation.OFF) {
        how.grown(host, now);
      }
      images.finish(node);
      if (!arguments.has("q")) {
        System.out.println("Image resized.");
      }
    }
    return 0;
  }

  private static Preallocation preallocation(
      ImgArguments arguments, BlockNode node, boolean grows) {
    String name = arguments.value("preallocation", "off");
    Preallocation how = CreateTool.PREALLOCATIONS.get(name);
    if (how == null) {
      throw arguments.error("Invalid preallocation mode '%s'".formatted(name));
    }
    if (how != Preallocation.OFF && !grows) {
      throw new ConfigException("Preallocation can only be used for growing images");
    }
    boolean raw = node.driver().equals("raw");
    if (how == Preallocation.METADATA && raw || how != Preallocation.OFF && !raw) {
      throw new ConfigException(
          "Unsupported preallocation mode: %s (images of format %s)"
              .formatted(name, node.driver()));
    }
    return how;
  }
}
