package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.graph.FileNames;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * An image that a job copies to, given by its file.
 *
 * @param file its name, or {@code nbd://host:port/export}
 * @param format its driver; empty for that of the source, or for what the file seems to be
 * @param nodeName of its node; empty for one that nobody has to know
 * @param existing it is there
 */
public record TargetImage(
    String file, Optional<String> format, Optional<String> nodeName, boolean existing) {

  /**
   * Makes the image, unless it is there, and opens it.
   *
   * @param onTop it holds only what the source's own image holds, and stands on what that stands on
   */
  public BlockNode open(BlockGraph graph, BlockNode source, boolean onTop) throws IOException {
    BlockNode below = onTop ? source.backing() : null;
    if (!existing) {
      create(source, below);
    }
    Map<String, String> values = new LinkedHashMap<>();
    values.put("filename", file);
    values.put("discard", "unmap");
    format
        .or(() -> existing ? Optional.empty() : Optional.of(usualFormat(source)))
        .ifPresent(driver -> values.put("driver", driver));
    nodeName.ifPresent(name -> values.put("node-name", name));
    if (below != null) {
      values.put("backing", below.name());
    }
    return graph.openImage(BlockOptions.of(file, values));
  }

  private static String usualFormat(BlockNode source) {
    return source.driver().equals("qcow2") ? "qcow2" : "raw";
  }

  private void create(BlockNode source, BlockNode below) throws IOException {
    if (!FileNames.protocolOf(file).isEmpty()) {
      throw new ConfigException(file + ": nothing can be made there; say mode existing");
    }
    String driver = format.orElse(usualFormat(source));
    if (!driver.equals("raw") && !driver.equals("qcow2")) {
      throw new ConfigException("Unknown file format '" + driver + "'");
    }
    if (below != null && !driver.equals("qcow2")) {
      throw new ConfigException("Backing file not supported for file format '" + driver + "'");
    }
    Files.newByteChannel(
            Path.of(file),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)
        .close();
    try (FileNode empty = FileNode.open(NodeOptions.of("new"), file, Locking.ON)) {
      if (driver.equals("raw")) {
        empty.resize(source.length());
      } else {
        Qcow2Creator creator = Qcow2Creator.of(source.length());
        (below == null ? creator : creator.withBacking(below.fileName(), below.driver()))
            .create(empty);
      }
    }
  }
}
