package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.List;

/** {@code pollux img compare}: 0 for images that read the same, 1 for others, 2 for errors. */
final class CompareTool {
  private static final int CHUNK = 2 << 20;
  private static final int FAILED = 2;

  private CompareTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "compare", words, "f:F:T:hpqsU", "object=", "image-opts", "force-share:U", "quiet:q");
    arguments.words(2, 2, "two image file names");
    try {
      return compare(arguments);
    } catch (ConfigException | IOException e) {
      System.err.println("pollux img: " + e.getMessage());
      return FAILED;
    }
  }

  private static int compare(ImgArguments arguments) throws IOException {
    try (Images images = new Images(arguments)) {
      BlockNode one =
          images.open(arguments.words().get(0), Images.How.READ.withFormat(arguments.value("f")));
      BlockNode two =
          images.open(arguments.words().get(1), Images.How.READ.withFormat(arguments.value("F")));
      Progress progress = new Progress(arguments.has("p") && !arguments.has("q"));
      String difference = difference(one, two, arguments.has("s"), arguments.has("q"), progress);
      if (difference.isEmpty()) {
        progress.end();
      }
      if (!arguments.has("q")) {
        System.out.println(difference.isEmpty() ? "Images are identical." : difference);
      }
      return difference.isEmpty() ? 0 : 1;
    }
  }

  private static String difference(
      BlockNode one, BlockNode two, boolean strict, boolean quiet, Progress progress)
      throws IOException {
    if (strict && one.length() != two.length()) {
      return "Strict mode: Image size mismatch!";
    }
    long common = Math.min(one.length(), two.length());
    long longest = Math.max(one.length(), two.length());
    try (HostBuffer a = new HostBuffer(CHUNK);
        HostBuffer b = new HostBuffer(CHUNK)) {
      for (long at = 0; at < common; ) {
        Extents.Extent first = Extents.at(one, at, common - at);
        Extents.Extent second = Extents.at(two, at, common - at);
        long length = Math.min(first.length(), second.length());
        if (strict && first.present() != second.present()) {
          return "Strict mode: Offset %d block status mismatch!".formatted(at);
        }
        if (!(first.zero() && second.zero())) {
          length = Math.min(length, CHUNK);
          one.read(at, a.vector(length));
          two.read(at, b.vector(length));
          long mismatch = mismatch(a.address(), b.address(), length);
          if (mismatch >= 0) {
            return "Content mismatch at offset %d!".formatted(at + mismatch & -512L);
          }
        }
        at += length;
        progress.show(at * 100.0 / longest);
      }
      if (one.length() != two.length()) {
        if (!quiet) {
          System.out.println("Warning: Image size mismatch!");
        }
        return tail(one.length() > two.length() ? one : two, common, a);
      }
    }
    return "";
  }

  /** What only the longer one has must be zeros. */
  private static String tail(BlockNode longer, long from, HostBuffer buffer) throws IOException {
    for (long at = from; at < longer.length(); ) {
      Extents.Extent extent = Extents.at(longer, at, longer.length() - at);
      long length = extent.length();
      if (!extent.zero()) {
        length = Math.min(length, CHUNK);
        longer.read(at, buffer.vector(length));
        for (long i = 0; i < length; i++) {
          if (RawMemory.getByte(buffer.address() + i) != 0) {
            return "Content mismatch at offset %d!".formatted(at + i & -512L);
          }
        }
      }
      at += length;
    }
    return "";
  }

  private static long mismatch(long a, long b, long length) {
    return RawMemory.segment(a, length).mismatch(RawMemory.segment(b, length));
  }
}
