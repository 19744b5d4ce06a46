package dev.pollux.tests.speed;

import com.sun.management.ThreadMXBean;
import dev.pollux.cli.training.TrainingGuest;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.jit.emit.BlockCompiler;
import dev.pollux.core.jit.emit.BlockDecoder;
import dev.pollux.core.jit.emit.Stubs;
import java.lang.management.ManagementFactory;
import java.util.EnumSet;

/**
 * Translates the training guest's code, without executing it, and counts. As a program it prints a
 * line for each round, the first of which is what a guest meets while it boots.
 *
 * <p>The argument is the number of rounds, 10 without.
 */
final class TranslationCost {

  /** The multiboot header; code follows. */
  private static final int HEADER = 32;

  private static final long CODE_ADDRESS = 0x1000_0000;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /**
   * What a round has cost.
   *
   * @param insns guest instructions
   * @param codeBytes host code
   * @param heapBytes allocated by decoding and translating
   */
  record Round(int blocks, int insns, long codeBytes, long heapBytes, long nanoseconds) {
    double codePerInsn() {
      return (double) codeBytes / insns;
    }

    double heapPerInsn() {
      return (double) heapBytes / insns;
    }

    @Override
    public String toString() {
      return "%,d blocks of %.1f instructions; per instruction %.1f bytes of code, %.0f of heap, %.0f ns"
          .formatted(
              blocks,
              (double) insns / blocks,
              codePerInsn(),
              heapPerInsn(),
              (double) nanoseconds / insns);
    }
  }

  private final byte[] code = TrainingGuest.image();
  private final Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
  private final BlockCompiler compiler = new BlockCompiler(new Stubs(CODE_ADDRESS, false, 0));
  private final BlockDecoder blockDecoder = new BlockDecoder(decoder);

  /** Translates everything once. */
  Round round() {
    int blocks = 0;
    int translated = 0;
    long codeBytes = 0;
    long heap = THREADS.getCurrentThreadAllocatedBytes();
    long start = System.nanoTime();
    for (int at = HEADER; at < code.length; ) {
      BlockCompiler.Context context =
          new BlockCompiler.Context(at & 4095, 0, 0, false, true, true, true, true, 0, false);
      int count = blockDecoder.decode(context, code, at, code.length);
      if (count == 0) {
        break; // the table behind the code
      }
      int first = at;
      compiler.compile(
          context,
          blockDecoder.insns(),
          blockDecoder.offsets(),
          count,
          CODE_ADDRESS,
          offset -> decoder.decode(code, (int) (first + offset), code.length, 64));
      codeBytes += compiler.assembler().position();
      at += blockDecoder.insns()[count - 1].nextOffset;
      blocks++;
      translated += count;
    }
    long nanoseconds = System.nanoTime() - start;
    heap = THREADS.getCurrentThreadAllocatedBytes() - heap;
    return new Round(blocks, translated, codeBytes, heap, nanoseconds);
  }

  public static void main(String[] args) {
    int rounds = args.length == 0 ? 10 : Integer.parseInt(args[0]);
    TranslationCost cost = new TranslationCost();
    for (int i = 1; i <= rounds; i++) {
      System.out.println("round " + i + ": " + cost.round());
    }
  }
}
