package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;

/** The file of a qcow2 image with its header: what all parts of the driver stand on. */
final class Qcow2File {
  private static final int MOST_HEADER = 1 << 21;

  private final BlockNode file;
  private final String node;
  private final boolean readOnly;
  private final BlockListener listener;

  /** Clusters that hold header or tables: no data is written there. */
  private final LongSet metadata = new LongSet();

  private Qcow2Header header;

  Qcow2File(BlockNode file, String node, boolean readOnly, BlockListener listener)
      throws IOException {
    this.file = file;
    this.node = node;
    this.readOnly = readOnly;
    this.listener = listener;
    byte[] first = Bytes.read(file, 0, (int) Math.min(MOST_HEADER, file.length()));
    this.header = Qcow2Header.parse(first);
    metadata.add(0);
    metadata.addRange(
        header.l1Offset() >>> header.clusterBits(),
        (header.l1Size() * 8L + header.clusterSize() - 1) >>> header.clusterBits());
  }

  BlockNode file() {
    return file;
  }

  Qcow2Header header() {
    return header;
  }

  LongSet metadata() {
    return metadata;
  }

  boolean readOnly() {
    return readOnly;
  }

  void writeHeader(Qcow2Header changed) throws IOException {
    byte[] bytes = changed.encode();
    Bytes.write(file, 0, bytes, 0, bytes.length);
    header = changed;
  }

  /**
   * The image makes no sense: says so, marks it, and gives the error that the request ends with.
   */
  ErrnoException corrupt(String message, long offset, long size) {
    boolean fatal = !readOnly && !header.isCorrupt();
    listener.imageCorrupted(node, "", message, offset, size, fatal);
    if (fatal) {
      try {
        if (header.version() == 3) {
          writeHeader(header.withIncompatible(header.incompatible() | Qcow2Header.CORRUPT));
        }
      } catch (IOException e) {
        // The mark is lost; the error is reported anyway.
      }
    }
    return new ErrnoException(Errno.EIO, "qcow2 image " + file.fileName() + ": " + message);
  }
}
