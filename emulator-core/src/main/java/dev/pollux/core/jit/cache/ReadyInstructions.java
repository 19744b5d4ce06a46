package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;

/**
 * Instructions of translations that the interpreter has to execute, made ready for it. They are
 * known by their bytes, wherever these lie, and only what executes often is kept: nearly all that a
 * guest's processes execute a few times is decoded each time, so that nothing of it is on the heap
 * long enough to grow old. Used by the vCPU's thread only.
 */
public final class ReadyInstructions {
  private static final int PLACE_BITS = 12;

  /** So often, nothing else of its place coming between, has one to be asked for to be kept. */
  static final int OFTEN = 16;

  private static final long HASH = 0x9e37_79b9_7f4a_7c15L;

  private final Interpreter interpreter;
  private final Decoder decoder;
  private final byte[] bytes = new byte[Decoder.MAX_LENGTH];

  // By place: what is kept, and of what is not what was asked for last, how often, and its hash.

  private final Kept[] kept = new Kept[1 << PLACE_BITS];
  private final long[] asked = new long[1 << PLACE_BITS];
  private final byte[] times = new byte[1 << PLACE_BITS];

  /**
   * @param low the first eight bytes
   * @param high the other ones, and in the last byte the length and the size of the code
   */
  private record Kept(long low, long high, Interpreter.Prepared prepared) {}

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
    long high = word(address + 8, length - 8) | (long) (length | codeSize) << 56;
    long hash = (low * 31 + high) * HASH;
    int place = (int) (hash >>> Long.SIZE - PLACE_BITS);
    Kept known = kept[place];
    if (known != null && known.low == low && known.high == high) {
      return known.prepared;
    }
    RawMemory.copyOut(address, bytes, 0, length);
    Interpreter.Prepared prepared = interpreter.prepare(decoder.decode(bytes, 0, length, codeSize));
    if (asked[place] != hash) {
      asked[place] = hash;
      times[place] = 0;
    }
    if (++times[place] == OFTEN) {
      kept[place] = new Kept(low, high, prepared);
      times[place] = 0;
    }
    return prepared;
  }

  private static long word(long address, int count) {
    long word = 0;
    for (int i = count - 1; i >= 0; i--) {
      word = word << 8 | RawMemory.getByte(address + i) & 0xff;
    }
    return word;
  }
}
