package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;

/** Keeps what a guest writes in a file without a name, for {@code snapshot=on}. */
final class SnapshotOverlay {
  private static final FileAttribute<?> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

  private SnapshotOverlay() {}

  /** A node that reads as {@code below} does and leaves it as it is. */
  static BlockNode over(BlockGraph graph, BlockNode below) throws IOException {
    Path file = create();
    try {
      try (FileNode empty = FileNode.open(NodeOptions.of("new"), file.toString(), Locking.OFF)) {
        Qcow2Creator.of(below.length()).create(empty);
      }
      return graph.open(
          BlockOptions.of(
              "snapshot=on",
              Map.of(
                  "driver", "qcow2",
                  "file.filename", file.toString(),
                  "cache.no-flush", "on",
                  "discard", "unmap",
                  "backing", below.name())));
    } finally {
      Files.delete(file);
    }
  }

  /**
   * An empty file that nobody else has, for the user only. Its name need not be secret, as what
   * exists is not taken: a generator of such names takes longer to start than the rest.
   */
  private static Path create() throws IOException {
    Path folder = Path.of(System.getProperty("java.io.tmpdir"));
    while (true) {
      try {
        return Files.createFile(
            folder.resolve("pollux-" + Long.toHexString(System.nanoTime()) + ".overlay"), PRIVATE);
      } catch (FileAlreadyExistsException e) {
        // Another machine began in the same nanosecond.
      }
    }
  }
}
