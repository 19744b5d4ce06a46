package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Big-endian numbers in arrays, and arrays from and to nodes. */
final class Bytes {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private static final int CHUNK = 1 << 20;

  private Bytes() {}

  static long getLong(byte[] bytes, int offset) {
    return (long) LONGS.get(bytes, offset);
  }

  static void putLong(byte[] bytes, int offset, long value) {
    LONGS.set(bytes, offset, value);
  }

  /** Reads a range; what lies behind the end of the node is zeros. */
  static byte[] read(BlockNode node, long offset, int length) throws IOException {
    byte[] bytes = new byte[length];
    read(node, offset, bytes, 0, length);
    return bytes;
  }

  static void read(BlockNode node, long offset, byte[] to, int at, int length) throws IOException {
    long there = Math.max(0, Math.min(length, node.length() - offset));
    try (HostBuffer buffer = new HostBuffer(Math.min(CHUNK, Math.max(there, 1)))) {
      for (int done = 0; done < there; done += CHUNK) {
        int n = (int) Math.min(CHUNK, there - done);
        node.read(offset + done, buffer.vector(n));
        RawMemory.copyOut(buffer.address(), to, at + done, n);
      }
    }
  }

  static void write(BlockNode node, long offset, byte[] from, int at, int length)
      throws IOException {
    try (HostBuffer buffer = new HostBuffer(Math.min(CHUNK, Math.max(length, 1)))) {
      for (int done = 0; done < length; done += CHUNK) {
        int n = Math.min(CHUNK, length - done);
        RawMemory.copyIn(from, at + done, buffer.address(), n);
        node.write(offset + done, buffer.vector(n), 0);
      }
    }
  }

  static long[] toLongs(byte[] bytes) {
    long[] longs = new long[bytes.length / 8];
    for (int i = 0; i < longs.length; i++) {
      longs[i] = getLong(bytes, i * 8);
    }
    return longs;
  }

  static byte[] ofLongs(long[] longs, int from, int to) {
    byte[] bytes = new byte[(to - from) * 8];
    for (int i = from; i < to; i++) {
      putLong(bytes, (i - from) * 8, longs[i]);
    }
    return bytes;
  }
}
