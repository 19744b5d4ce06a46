package dev.pollux.cli.img;

import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.node.FileNode;
import java.io.IOException;

/** Gets space for new images: {@code preallocation=}. */
final class Preallocation {
  private Preallocation() {}

  static void raw(FileNode file, long size, String mode) throws IOException {
    file.resize(size);
    fill(file, 0, size, mode);
  }

  private static void fill(FileNode file, long from, long to, String mode) throws IOException {
    if (from >= to) {
      return;
    }
    switch (mode) {
      case "falloc" -> file.host().allocate(0, from, to - from);
      case "full" -> file.writePlainZeroes(from, to - from);
      default -> {}
    }
  }

  /** Gives every cluster its place; with {@code falloc} and {@code full} also its space. */
  static void qcow2(FileNode file, String mode) throws IOException {
    if (mode.equals("off")) {
      return;
    }
    Qcow2Image image =
        Qcow2Image.open(NodeOptions.of("preallocated"), file, null, Qcow2Options.DEFAULTS);
    image.preallocate();
    image.close();
    fill(file, 0, file.length(), mode.equals("full") ? "falloc" : mode);
  }
}
