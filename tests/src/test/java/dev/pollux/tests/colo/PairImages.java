package dev.pollux.tests.colo;

import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Images of a pair's disk. */
final class PairImages {
  private PairImages() {}

  /** An empty disk of so many bytes, raw or qcow2. */
  static Path make(Path path, int bytes, boolean qcow2) throws IOException {
    Files.write(path, new byte[0]);
    try (FileNode file = FileNode.open(NodeOptions.of("new"), path.toString(), Locking.OFF)) {
      if (qcow2) {
        Qcow2Creator.of(bytes).create(file);
      } else {
        file.resize(bytes);
      }
    }
    return path;
  }
}
