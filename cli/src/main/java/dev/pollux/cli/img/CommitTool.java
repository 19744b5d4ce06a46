package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.FileNames;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** {@code pollux img commit}: writes what an image holds into the one below, and empties it. */
final class CommitTool {
  private CommitTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments("commit", words, "f:ht:b:dpqr:", "object=", "image-opts", "quiet:q");
    String file = arguments.words(1, 1, "one image file name").getFirst();
    try (Images images = new Images(arguments)) {
      BlockNode top =
          images.open(
              file, new Images.How(arguments.value("f", ""), true, CacheMode.WRITEBACK, false));
      if (!(top instanceof Qcow2Image image) || image.backingFile().isEmpty()) {
        throw new ConfigException("Image does not have a backing file");
      }
      String below = FileNames.resolve(file, image.backingFile());
      BlockNode base =
          images.open(
              below,
              Images.How.READ
                  .withFormat(Optional.of(image.backingFormat()))
                  .writing(CacheMode.WRITEBACK));
      Optional<String> asked = arguments.value("b");
      if (asked.isPresent() && !FileNames.resolve(file, asked.get()).equals(base.fileName())) {
        throw new ConfigException(
            "Did not find '%s' right below '%s'; commit step by step".formatted(asked.get(), file));
      }
      if (base.length() < top.length()) {
        base.resize(top.length());
      }
      Progress progress = new Progress(arguments.has("p") && !arguments.has("q"));
      image.setBacking(base);
      new Copier(top, base, 1, false, false, 0, 1, null, progress).run();
      base.flush();
      if (!arguments.has("d")) {
        image.reopen(NodeOptions.of(image.name()).withUnmap(true));
        image.makeEmpty();
      }
      images.finish(top);
      progress.end();
      if (!arguments.has("q")) {
        System.out.println("Image committed.");
      }
      image.setBacking(null);
    }
    return 0;
  }
}
