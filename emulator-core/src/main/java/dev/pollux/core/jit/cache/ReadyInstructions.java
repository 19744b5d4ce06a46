package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import java.util.Arrays;

/**
 * Instructions of translations that the interpreter has executed, made ready for it, by their
 * bytes: one that stands in many places, or in pages that come and go with short processes, is
 * decoded once. So code that is new to the guest leaves nothing on the heap that grows old. Used by
 * the vCPU's thread only.
 */
public final class ReadyInstructions {
  /** The most, some 300 bytes each; when there are more all are forgotten. */
  static final int MOST = 1 << 14;

  private static final int BUCKET_BITS = 12;

  private final Interpreter interpreter;
  private final Decoder decoder;
  private final Entry[] buckets = new Entry[1 << BUCKET_BITS];
  private final byte[] bytes = new byte[Decoder.MAX_LENGTH];
  private int count;

  /**
   * @param low the first eight bytes
   * @param high the other ones, and the length in the last byte
   */
  private record Entry(
      long low, long high, int codeSize, Interpreter.Prepared prepared, Entry next) {}

  public ReadyInstructions(Interpreter interpreter, Decoder decoder) {
    this.interpreter = interpreter;
    this.decoder = decoder;
  }

  /**
   * An instruction that lies at a host address.
   *
   * @param length of it in bytes
   * @param codeSize 32 or 64
   */
  public Interpreter.Prepared get(long address, int length, int codeSize) {
    long low = word(address, Math.min(length, 8));
    long high = word(address + 8, length - 8) | (long) length << 56;
    int bucket = bucket(low, high, codeSize);
    for (Entry entry = buckets[bucket]; entry != null; entry = entry.next) {
      if (entry.low == low && entry.high == high && entry.codeSize == codeSize) {
        return entry.prepared;
      }
    }
    if (count == MOST) {
      Arrays.fill(buckets, null);
      count = 0;
    }
    count++;
    Interpreter.Prepared prepared = prepare(address, length, codeSize);
    buckets[bucket] = new Entry(low, high, codeSize, prepared, buckets[bucket]);
    return prepared;
  }

  private Interpreter.Prepared prepare(long address, int length, int codeSize) {
    RawMemory.copyOut(address, bytes, 0, length);
    return interpreter.prepare(decoder.decode(bytes, 0, length, codeSize));
  }

  private static int bucket(long low, long high, int codeSize) {
    long mixed = (low * 31 + high + codeSize) * 0x9e37_79b9_7f4a_7c15L;
    return (int) (mixed >>> 64 - BUCKET_BITS);
  }

  private static long word(long address, int count) {
    long word = 0;
    for (int i = count - 1; i >= 0; i--) {
      word = word << 8 | RawMemory.getByte(address + i) & 0xff;
    }
    return word;
  }

  /** How many are known. */
  int count() {
    return count;
  }
}
