package dev.pollux.cli.img;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.command.FlatJson;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** The images that a command works on. Closing closes them. */
final class Images implements AutoCloseable {
  private final BlockGraph graph =
      new BlockGraph(
          new BlockListener() {
            @Override
            public void imageCorrupted(
                String node, String device, String message, long offset, long size, boolean fatal) {
              System.err.println("qcow2: Marking image as corrupt: " + message);
            }
          });

  private final boolean options;
  private final boolean shared;

  /**
   * @param arguments of which {@code --image-opts} and {@code -U} count
   */
  Images(ImgArguments arguments) {
    this.options = arguments.has("image-opts");
    this.shared = arguments.has("U");
  }

  BlockGraph graph() {
    return graph;
  }

  /** How an image is opened. */
  record How(String format, boolean writable, CacheMode cache, boolean backing) {
    static final How READ = new How("", false, CacheMode.WRITEBACK, true);

    How withFormat(Optional<String> driver) {
      return new How(driver.orElse(""), writable, cache, backing);
    }

    How writing(CacheMode mode) {
      return new How(format, true, mode, backing);
    }

    How withoutBacking() {
      return new How(format, writable, cache, false);
    }
  }

  /** Opens the image of a name, or of a description with {@code --image-opts}. */
  BlockNode open(String name, How how) {
    Map<String, String> values = new LinkedHashMap<>();
    if (options) {
      DeviceOptions given = DeviceOptions.parse("--image-opts", name, "");
      given.keys().forEach(key -> values.put(key, given.string(key, "")));
    } else if (name.startsWith("json:")) {
      values.putAll(json(name));
    } else {
      values.put("filename", name);
      if (!how.format.isEmpty()) {
        values.put("driver", how.format);
      }
    }
    values.put("read-only", how.writable ? "off" : "on");
    values.put("discard", "unmap");
    values.put("cache.direct", how.cache.direct() ? "on" : "off");
    values.put("cache.no-flush", how.cache.noFlush() ? "on" : "off");
    if (shared) {
      values.put("file.force-share", "on");
      if (!options && values.containsKey("filename")) {
        values.put("file.filename", values.remove("filename"));
      }
    }
    if (!how.backing) {
      values.put("backing", "");
    }
    try {
      return graph.openImage(BlockOptions.of(name, values));
    } catch (IOException e) {
      String message = e.getMessage();
      throw new ConfigException(
          message.startsWith("Could not open '" + name + "'")
              ? message
              : "Could not open '%s': %s".formatted(name, message),
          e);
    } catch (ConfigException e) {
      throw new ConfigException(
          "Could not open '%s': %s".formatted(name, e.getMessage().replaceFirst("^.*?: ", "")), e);
    }
  }

  private static Map<String, String> json(String name) {
    try {
      return FlatJson.of(new ObjectMapper().readTree(name.substring(5)));
    } catch (JsonProcessingException e) {
      throw new ConfigException(
          "Could not open '%s': %s".formatted(name, e.getOriginalMessage()), e);
    }
  }

  /** The cache mode that {@code -t} or {@code -T} names. */
  static CacheMode cache(ImgArguments arguments, String option, String otherwise) {
    String word = arguments.value(option, otherwise);
    CacheMode mode = CacheMode.WORDS.get(word);
    if (mode == null) {
      throw arguments.error("Invalid cache option: " + word);
    }
    return mode;
  }

  /** Closes an image that was written, so that its errors are seen. */
  void finish(BlockNode node) throws IOException {
    node.flush();
  }

  /** Closes an image that could not be written; that this may fail as well is no news. */
  void abandon(BlockNode node) {
    try {
      node.close();
    } catch (IOException e) {
      // What went wrong before is told.
    }
  }

  @Override
  public void close() {
    graph.close();
  }
}
