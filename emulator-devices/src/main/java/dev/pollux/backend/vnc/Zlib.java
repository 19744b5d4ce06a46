package dev.pollux.backend.vnc;

import java.util.zip.Deflater;

/** A zlib stream that goes on from rectangle to rectangle. One thread. */
final class Zlib implements AutoCloseable {
  private final Deflater deflater = new Deflater(Deflater.BEST_SPEED);
  private final byte[] buffer = new byte[1 << 14];

  /** Appends all of the data, compressed, so that it can be read without what follows. */
  void compress(Bytes data, Bytes to) {
    deflater.setInput(data.array(), 0, data.size());
    int n;
    do {
      n = deflater.deflate(buffer, 0, buffer.length, Deflater.SYNC_FLUSH);
      to.put(buffer, 0, n);
    } while (n == buffer.length);
  }

  @Override
  public void close() {
    deflater.end();
  }
}
