package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.Locale;

/** How a new image gets its space. */
public enum Preallocation {
  OFF,
  /** Clusters have their places. */
  METADATA,
  /** The host keeps space, without writing it. */
  FALLOC,
  /** Zeros are written. */
  FULL;

  /** Makes an empty file so long. */
  public void raw(FileNode file, long size) throws IOException {
    file.resize(size);
    fill(file, this, 0);
  }

  /** Gives its space to what a file has become longer by. */
  public void grown(FileNode file, long before) throws IOException {
    fill(file, this, before);
  }

  /** Gives every cluster of an image without data its place; then also its space. */
  public void qcow2(BlockNode file) throws IOException {
    if (this == OFF) {
      return;
    }
    if (this != METADATA && !(file instanceof FileNode)) {
      throw new ErrnoException(
          Errno.EOPNOTSUPP,
          "Unsupported preallocation mode: %s".formatted(name().toLowerCase(Locale.ROOT)));
    }
    Qcow2Image image =
        Qcow2Image.open(NodeOptions.of("preallocated"), file, null, Qcow2Options.DEFAULTS);
    image.preallocate();
    image.close();
    if (file instanceof FileNode plain) {
      fill(plain, this == FULL ? FALLOC : this, 0); // the tables stay
    }
  }

  private static void fill(FileNode file, Preallocation how, long from) throws IOException {
    long bytes = file.length() - from;
    if (bytes <= 0) {
      return;
    }
    switch (how) {
      case FALLOC -> file.host().allocate(0, from, bytes);
      case FULL -> file.writePlainZeroes(from, bytes);
      case OFF, METADATA -> {}
    }
  }
}
