package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.FileNames;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.job.Preallocation;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.HostFile;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code pollux img create}. */
final class CreateTool {
  private static final Map<String, Boolean> COMPRESSION = Map.of("zlib", false, "zstd", true);
  private static final Map<String, Integer> COMPAT = Map.of("0.10", 2, "v2", 2, "1.1", 3, "v3", 3);

  static final Map<String, Preallocation> PREALLOCATIONS =
      Map.of(
          "off", Preallocation.OFF,
          "metadata", Preallocation.METADATA,
          "falloc", Preallocation.FALLOC,
          "full", Preallocation.FULL);

  private CreateTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments("create", words, "F:b:f:ho:qu", "object=", "quiet:q", "unsafe:u");
    arguments.words(1, 2, "image file name" + " and at most a size");
    String file = arguments.words().getFirst();
    DeviceOptions options = arguments.creationOptions();
    String backing = arguments.value("b").or(() -> options.string("backing_file")).orElse("");
    String backingFormat = arguments.value("F").or(() -> options.string("backing_fmt")).orElse("");
    long size = -1;
    if (arguments.words().size() == 2) {
      size = Sizes.parse("image size", arguments.words().get(1));
    } else if (options.has("size")) {
      size = options.size("size", -1, 'B');
    }
    if (!backing.isEmpty()) {
      if (backingFormat.isEmpty() && !arguments.has("u")) {
        throw arguments.error(
            "%s: Backing file specified without backing format\nDetected format of %s."
                .formatted(file, detect(arguments, file, backing)));
      }
      if (!arguments.has("u")) {
        size = sizeFrom(arguments, file, backing, backingFormat, size);
      }
    }
    if (size < 0) {
      throw arguments.error("%s: Image creation needs a size parameter".formatted(file));
    }
    String format = arguments.value("f", "raw");
    NewImage image = NewImage.of(format, file, size, backing, backingFormat, options);
    if (!arguments.has("q")) {
      System.out.println(image.description());
    }
    image.create();
    return 0;
  }

  private static String detect(ImgArguments arguments, String file, String backing) {
    try (Images images = new Images(arguments)) {
      return images.open(FileNames.resolve(file, backing), Images.How.READ).driver();
    } catch (ConfigException e) {
      return "unknown format";
    }
  }

  private static long sizeFrom(
      ImgArguments arguments, String file, String backing, String format, long size) {
    try (Images images = new Images(arguments)) {
      BlockNode below =
          images.open(
              FileNames.resolve(file, backing),
              Images.How.READ.withFormat(Optional.of(format).filter(f -> !f.isEmpty())));
      return size >= 0 ? size : below.length();
    } catch (ConfigException e) {
      throw new ConfigException("%s: %s".formatted(file, e.getMessage()), e);
    }
  }

  /**
   * An image to be made.
   *
   * @param qcow2 null for raw
   * @param compat as it was given; empty where it was not
   */
  record NewImage(String file, long size, Qcow2Creator qcow2, String preallocation, String compat) {
    /** Reads what {@code -o} says; complains about what the format does not know. */
    static NewImage of(
        String format,
        String file,
        long size,
        String backing,
        String backingFormat,
        DeviceOptions options) {
      options.string("size");
      String preallocation = options.string("preallocation", "off");
      if (!PREALLOCATIONS.containsKey(preallocation)) {
        throw new ConfigException("invalid parameter value: " + preallocation);
      }
      if (format.equals("raw")) {
        if (!backing.isEmpty()) {
          throw new ConfigException(file + ": Backing file not supported for file format 'raw'");
        }
        options.rejectUnknown();
        return new NewImage(file, size, null, preallocation, "");
      }
      if (!format.equals("qcow2")) {
        throw new ConfigException("%s: Unknown file format '%s'".formatted(file, format));
      }
      options.string("backing_file");
      options.string("backing_fmt");
      Qcow2Creator creator = qcow2(file, size, backing, backingFormat, options);
      options.rejectUnknown();
      if (!backing.isEmpty() && !preallocation.equals("off")) { // it would hide what lies below
        throw new ConfigException(
            file + ": Backing file and preallocation cannot be used at the same time");
      }
      return new NewImage(
          file, creator.size(), creator, preallocation, options.string("compat", ""));
    }

    private static Qcow2Creator qcow2(
        String file, long size, String backing, String backingFormat, DeviceOptions options) {
      long clusterSize = options.size("cluster_size", 65536, 'B');
      if (clusterSize < 512 || clusterSize > 2 << 20 || Long.bitCount(clusterSize) != 1) {
        throw new ConfigException(
            file + ": Cluster size must be a power of two between 512 and 2048k");
      }
      long refcountBits = options.number("refcount_bits", 16, 1, 64);
      if (Long.bitCount(refcountBits) != 1) {
        throw new ConfigException(
            file + ": Refcount width must be a power of two and may not exceed 64 bits");
      }
      int version = options.choice("compat", 3, COMPAT);
      boolean lazy = options.bool("lazy_refcounts", false);
      if (options.bool("extended_l2", false)) {
        throw new ConfigException(file + ": extended_l2=on (subclusters) is not supported");
      }
      if (options.has("data_file")) {
        throw new ConfigException(file + ": external data files are not supported");
      }
      boolean zstd = options.choice("compression_type", false, COMPRESSION);
      if (version == 2 && (lazy || zstd || refcountBits != 16)) {
        throw new ConfigException(
            file + ": lazy_refcounts, compression_type and refcount_bits need compat=1.1 or later");
      }
      return new Qcow2Creator(
          version,
          size + 511 & -512L,
          Long.numberOfTrailingZeros(clusterSize),
          Long.numberOfTrailingZeros(refcountBits),
          lazy,
          zstd,
          backing,
          backingFormat);
    }

    /** The line that tells what is made. */
    String description() {
      if (qcow2 == null) {
        return "Formatting '%s', fmt=raw size=%d%s".formatted(file, size, preallocated());
      }
      StringBuilder text = new StringBuilder();
      text.append(
          "Formatting '%s', fmt=qcow2 cluster_size=%d".formatted(file, 1 << qcow2.clusterBits()));
      text.append(" extended_l2=off");
      if (!preallocation.equals("off")) {
        text.append(" preallocation=").append(preallocation);
      }
      text.append(" compression_type=%s size=%d".formatted(qcow2.zstd() ? "zstd" : "zlib", size));
      if (!compat.isEmpty()) {
        text.append(" compat=").append(compat);
      }
      if (!qcow2.backingFile().isEmpty()) {
        text.append(" backing_file=").append(qcow2.backingFile());
        if (!qcow2.backingFormat().isEmpty()) {
          text.append(" backing_fmt=").append(qcow2.backingFormat());
        }
      }
      text.append(
          " lazy_refcounts=%s refcount_bits=%d"
              .formatted(qcow2.lazyRefcounts() ? "on" : "off", 1 << qcow2.refcountOrder()));
      return text.toString();
    }

    private String preallocated() {
      return preallocation.equals("off") ? "" : " preallocation=" + preallocation;
    }

    void create() throws IOException {
      String path = file.replaceFirst("^file:", "");
      try (HostFile _ = HostFile.open(path, HostFile.O_RDWR | HostFile.O_CREAT)) {
        // Only to be there: it is emptied under its lock.
      } catch (IOException e) {
        throw new ConfigException(
            "%s: Could not create '%s': %s".formatted(file, path, e.getMessage()), e);
      }
      try (FileNode made = FileNode.open(NodeOptions.of("new").withUnmap(true), path, Locking.ON)) {
        if (made.driver().equals("file")) {
          made.resize(0);
        }
        if (qcow2 != null) {
          qcow2.create(made);
          PREALLOCATIONS.get(preallocation).qcow2(made);
        } else {
          PREALLOCATIONS.get(preallocation).raw(made, size);
        }
      } catch (IOException e) {
        throw new ConfigException("%s: %s".formatted(file, e.getMessage()), e);
      }
    }
  }
}
