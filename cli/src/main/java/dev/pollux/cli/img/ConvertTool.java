package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** {@code pollux img convert}. */
final class ConvertTool {
  private static final long USUAL_SPARSE = 4096;
  private static final int EVERYTHING = Integer.MAX_VALUE;
  private static final int MOST_THREADS = 16;

  private ConvertTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "convert",
            words,
            "hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:",
            "object=",
            "image-opts",
            "source-image-opts:image-opts",
            "target-image-opts",
            "force-share:U",
            "target-is-zero",
            "salvage",
            "bitmaps",
            "skip-broken-bitmaps",
            "quiet:q");
    if (arguments.words().size() < 2) {
      throw arguments.error("Must specify image file name");
    }
    if (arguments.words().size() > 2) {
      throw arguments.error("Concatenating several source images is not supported; convert one");
    }
    for (String missing : new String[] {"l", "target-image-opts", "bitmaps"}) {
      if (arguments.has(missing)) {
        throw arguments.error("option %s is not supported".formatted(missing));
      }
    }
    String format = arguments.value("O", "raw");
    boolean compress = arguments.has("c");
    if (compress && format.equals("raw")) {
      throw arguments.error("Compression not supported for this file format");
    }
    long sparse =
        arguments.has("S") ? Sizes.parse("sparse size", arguments.value("S", "")) : USUAL_SPARSE;
    String output = arguments.words().get(1);
    try (Images images = new Images(arguments)) {
      BlockNode from =
          images.open(
              arguments.words().get(0),
              new Images.How(
                  arguments.value("f", ""),
                  false,
                  Images.cache(arguments, "T", "writeback"),
                  true));
      String backing = backing(arguments);
      if (!arguments.has("n")) {
        create(arguments, format, output, from, backing);
      }
      copy(images, arguments, from, output, format, compress, sparse, backing);
    }
    return 0;
  }

  private static String backing(ImgArguments arguments) {
    return arguments
        .value("B")
        .or(() -> arguments.creationOptions().string("backing_file"))
        .orElse("");
  }

  private static void create(
      ImgArguments arguments, String format, String output, BlockNode from, String backing)
      throws IOException {
    DeviceOptions options = arguments.creationOptions();
    String backingFormat = arguments.value("F").or(() -> options.string("backing_fmt")).orElse("");
    if (!backing.isEmpty() && backingFormat.isEmpty()) {
      throw new ConfigException("backing file given without backing format; add -F FMT");
    }
    CreateTool.NewImage.of(format, output, from.length(), backing, backingFormat, options).create();
  }

  private static void copy(
      Images images,
      ImgArguments arguments,
      BlockNode from,
      String output,
      String format,
      boolean compress,
      long sparse,
      String backing)
      throws IOException {
    BlockNode to =
        images.open(
            output,
            Images.How.READ
                .withFormat(Optional.of(format))
                .writing(Images.cache(arguments, "t", "unsafe")));
    if (to.length() < from.length()) {
      throw new ConfigException("output file is smaller than input file");
    }
    boolean zero = arguments.has("target-is-zero") || (!arguments.has("n") && backing.isEmpty());
    int kept = backing.isEmpty() ? EVERYTHING : depthOf(from, backing);
    int threads = threads(arguments);
    if (to instanceof Qcow2Image image && sparse > 0 && zero) {
      sparse = Math.max(sparse, Math.min(image.clusterSize(), 1 << 16));
    }
    Progress progress = new Progress(arguments.has("p") && !arguments.has("q"));
    try {
      new Copier(from, to, threads, zero, compress, sparse, kept, salvage(arguments), progress)
          .run();
      images.finish(to);
    } catch (IOException e) {
      images.abandon(to);
      throw e;
    }
    progress.end();
  }

  private static int threads(ImgArguments arguments) {
    if (!arguments.has("m")) {
      return Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 8);
    }
    String text = arguments.value("m", "");
    if (!text.matches("0*([1-9]|1[0-6])")) {
      throw arguments.error(
          "Invalid number of coroutines. Allowed number of coroutines is between 1 and "
              + MOST_THREADS);
    }
    return Integer.parseInt(text);
  }

  /** Who hears of what cannot be read; null where that ends the conversion. */
  private static Consumer<String> salvage(ImgArguments arguments) {
    if (!arguments.has("salvage")) {
      return null;
    }
    return arguments.has("q")
        ? _ -> {}
        : warning -> System.err.println("pollux img: warning: " + warning);
  }

  /**
   * How deep below the source the new image's backing file lies: from there on nothing is copied.
   */
  private static int depthOf(BlockNode from, String backing) {
    int depth = 0;
    for (BlockNode node = from; node != null; node = node.backing(), depth++) {
      if (depth > 0 && node.fileName().equals(backing)) {
        return depth;
      }
    }
    return EVERYTHING;
  }
}
