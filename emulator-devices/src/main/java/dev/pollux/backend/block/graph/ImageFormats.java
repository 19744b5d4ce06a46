package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.image.Qcow2Image;
import java.io.IOException;

/** Finds out what an image is by looking at its beginning. */
public final class ImageFormats {
  private ImageFormats() {}

  /** The driver: {@code qcow2}, or {@code raw} for what nobody knows. */
  public static String probe(BlockNode file) throws IOException {
    int there = (int) Math.min(BlockGraph.probedBytes(), file.length());
    if (there == 0) {
      return "raw";
    }
    try (HostBuffer buffer = new HostBuffer(there)) {
      file.read(0, buffer.vector());
      return Qcow2Image.isQcow2(buffer.toBytes(0, there)) ? "qcow2" : "raw";
    }
  }
}
