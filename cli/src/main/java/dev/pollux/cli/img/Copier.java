package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** Copies what an image shows into another one, on several threads, and leaves out zeros. */
final class Copier {
  /** What a processor keeps close by: it is read, looked at and written there. */
  private static final int CHUNK = 256 << 10;

  private static final int SECTOR = 512;

  private final BlockNode from;
  private final BlockNode to;
  private final int threads;
  private final boolean targetIsZero;
  private final boolean compress;

  /** Zeros of at least this many bytes are left out. */
  private final long sparse;

  /** Bytes that a thread copies at a time, whole clusters. */
  private final int chunk;

  private final Progress progress;
  private final AtomicLong done = new AtomicLong();
  private final long bytes;

  /** Hears of sectors that cannot be read and become zeros; null where they end the copy. */
  private final Consumer<String> salvage;

  /** Guarded by this: where the next thread goes on, and the extent it is in. */
  private long next;

  private Extents.Extent extent;
  private IOException failure;

  /** An extent found in the lowest image of this depth or below is not copied. */
  private final int keptDepth;

  /**
   * @param keptDepth what lies that deep or deeper is left to the target's own backing file; a
   *     large number copies everything
   * @param salvage hears of what cannot be read and becomes zeros; null where it ends the copy
   */
  Copier(
      BlockNode from,
      BlockNode to,
      int threads,
      boolean targetIsZero,
      boolean compress,
      long sparse,
      int keptDepth,
      Consumer<String> salvage,
      Progress progress) {
    this.from = from;
    this.to = to;
    this.threads = threads;
    this.targetIsZero = targetIsZero;
    this.compress = compress;
    this.sparse = sparse;
    this.keptDepth = keptDepth;
    this.salvage = salvage;
    this.progress = progress;
    this.chunk = to instanceof Qcow2Image image ? Math.max(CHUNK, image.clusterSize()) : CHUNK;
    this.bytes = Math.min(from.length(), to.length());
  }

  /** Copies everything; the first error ends it. */
  void run() throws IOException {
    ArrayDeque<Thread> others = new ArrayDeque<>();
    for (int i = 1; i < threads; i++) {
      others.add(Thread.ofPlatform().daemon(true).start(this::work));
    }
    work();
    for (Thread other : others) {
      try {
        other.join();
      } catch (InterruptedException e) {
        throw new IOException("interrupted", e);
      }
    }
    synchronized (this) {
      if (failure != null) {
        throw failure;
      }
    }
  }

  /** A piece that one thread copies. */
  private record Piece(long offset, int length, boolean zero) {}

  private synchronized Piece take() throws IOException {
    while (failure == null && next < bytes) {
      if (extent == null || next >= extent.start() + extent.length()) {
        extent = extentAt(next);
      }
      long left = extent.start() + extent.length() - next;
      if (extent.depth() >= keptDepth || (extent.zero() && targetIsZero)) {
        done.addAndGet(left);
        next += left;
        continue;
      }
      int length = (int) Math.min(left, chunk - next % chunk);
      Piece piece = new Piece(next, length, extent.zero());
      next += length;
      return piece;
    }
    return null;
  }

  private Extents.Extent extentAt(long offset) throws IOException {
    try {
      return Extents.at(from, offset, bytes - offset);
    } catch (IOException e) {
      if (salvage == null) {
        throw e;
      }
      long length = Math.min(chunk - offset % chunk, bytes - offset);
      return new Extents.Extent(offset, length, 0, from, true, false, true, false, -1);
    }
  }

  private void work() {
    try (HostBuffer buffer = new HostBuffer(chunk)) {
      for (Piece piece = take(); piece != null; piece = take()) {
        if (piece.zero) {
          writeZeroes(piece.offset, piece.length);
        } else {
          IoVector data = buffer.vector(piece.length);
          read(piece, data);
          if (compress && to instanceof Qcow2Image image) {
            compress(image, piece, buffer);
          } else {
            write(piece, buffer.address());
          }
        }
        progress.show(done.addAndGet(piece.length) * 100.0 / Math.max(1, bytes));
      }
    } catch (IOException e) {
      synchronized (this) {
        failure = failure == null ? e : failure;
      }
    }
  }

  /** Writes runs of data, and nothing or zeros in between. */
  private void write(Piece piece, long address) throws IOException {
    long step = sparse <= 0 ? piece.length : sparse;
    long at = 0;
    while (at < piece.length) {
      long end = at;
      boolean zero = isZero(address, at, step, piece.length);
      do {
        end = Math.min(piece.length, end + step);
      } while (end < piece.length && isZero(address, end, step, piece.length) == zero);
      if (!zero || sparse <= 0) {
        write(piece.offset + at, IoVector.of(address + at, end - at));
      } else if (!targetIsZero) {
        writeZeroes(piece.offset + at, end - at);
      }
      at = end;
    }
  }

  private void read(Piece piece, IoVector data) throws IOException {
    try {
      from.read(piece.offset, data);
    } catch (IOException e) {
      if (salvage == null) {
        throw failed("reading", piece.offset, e);
      }
      readSectors(piece, data);
    }
  }

  private void readSectors(Piece piece, IoVector data) {
    int lost = 0;
    IOException reason = null;
    for (int at = 0; at < piece.length; at += SECTOR) {
      IoVector sector = data.slice(at, Math.min(SECTOR, piece.length - at));
      try {
        from.read(piece.offset + at, sector);
      } catch (IOException e) {
        sector.clear();
        lost += (int) sector.bytes();
        reason = e;
      }
    }
    if (reason != null) {
      salvage.accept(
          "error while reading %d of the %d bytes at offset %d, which become zeros: %s"
              .formatted(lost, piece.length, piece.offset, reason.getMessage()));
    }
  }

  private void write(long offset, IoVector data) throws IOException {
    try {
      to.write(offset, data, 0);
    } catch (IOException e) {
      throw failed("writing", offset, e);
    }
  }

  private void writeZeroes(long offset, long length) throws IOException {
    try {
      to.writeZeroes(offset, length, BlockNode.MAY_UNMAP);
    } catch (IOException e) {
      throw failed("writing", offset, e);
    }
  }

  private static IOException failed(String what, long offset, IOException e) {
    return new IOException(
        "error while %s at byte %d: %s".formatted(what, offset, e.getMessage()), e);
  }

  private static boolean isZero(long address, long at, long step, long length) {
    return RawMemory.isZero(address + at, Math.min(step, length - at));
  }

  private void compress(Qcow2Image image, Piece piece, HostBuffer buffer) throws IOException {
    int clusterSize = image.clusterSize();
    for (int at = 0; at < piece.length; at += clusterSize) {
      int length = Math.min(clusterSize, piece.length - at);
      if (targetIsZero && RawMemory.isZero(buffer.address() + at, length)) {
        continue;
      }
      byte[] cluster = new byte[clusterSize];
      RawMemory.copyOut(buffer.address() + at, cluster, 0, length);
      try {
        image.writeCompressed(piece.offset + at, cluster);
      } catch (IOException e) {
        throw failed("writing", piece.offset + at, e);
      }
    }
  }
}
