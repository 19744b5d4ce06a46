package dev.pollux.core.jit;

import dev.pollux.core.decode.Op;
import java.util.Comparator;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;

/**
 * What a {@link JitEngine} has done since its start. Counted on the vCPU's thread; others see a
 * momentary view.
 */
final class JitStatistics {
  private static final int MOST_LINES = 12;

  /** Entries into generated code: at a block's start, and behind an interpreted instruction. */
  long entries;

  /** Blocks that the interpreter executed. */
  long coldBlocks;

  long translations;

  /** Blocks of earlier runs, which needed no translation. */
  long storedBlocks;

  /** Blocks that another vCPU had translated. */
  long sharedBlocks;

  /** Blocks left to the interpreter because an error kept them from being translated. */
  long failures;

  /** Blocks translated a second time because they execute often. */
  long quickened;

  /** Quick blocks translated once more because they execute most of the time. */
  long heated;

  /** Times that all generated code was dropped. */
  long clears;

  /** Blocks dropped because the guest or a device wrote to their page. */
  long droppedBlocks;

  /** Of these, blocks put back because their own bytes were still the same. */
  long revivedBlocks;

  /** Times that jumps were forgotten because the guest's mappings changed. */
  long forgottenMappings;

  private long links;
  private long jumps;

  /** By instruction: left to the interpreter always. */
  private final long[] untranslated = new long[Op.values().length];

  /** By instruction: left to the interpreter this time. */
  private final long[] slow = new long[Op.values().length];

  /**
   * Counts a way out of generated code to another block.
   *
   * @param link the jump may be linked to it
   */
  void left(boolean link) {
    if (link) {
      links++;
    } else {
      jumps++;
    }
  }

  /**
   * Counts an instruction that the interpreter executes for generated code.
   *
   * @param translated it has host code, which could not carry it out
   */
  void interpreted(Op op, boolean translated) {
    (translated ? slow : untranslated)[op.ordinal()]++;
  }

  /** Lines for people: the ways out of generated code with their shares, then instructions. */
  void print(StringBuilder out) {
    long slowSum = sum(op -> slow[op.ordinal()]);
    long untranslatedSum = sum(op -> untranslated[op.ordinal()]);
    long exits = Math.max(1, links + jumps + slowSum + untranslatedSum);
    out.append(
        "translations %d, from earlier runs %d, from other CPUs %d, made quicker %d, hot %d, dropped by writes %d, put back %d, all dropped %d times, mappings changed %d times%n"
            .formatted(
                translations,
                storedBlocks,
                sharedBlocks,
                quickened,
                heated,
                droppedBlocks,
                revivedBlocks,
                clears,
                forgottenMappings));
    if (failures != 0) {
      out.append("left to the interpreter because of internal errors: %d%n".formatted(failures));
    }
    out.append("entries %d, blocks interpreted %d%n".formatted(entries, coldBlocks));
    out.append("ways out of generated code:\n");
    share(out, "to a block of the same page, not linked yet", links, exits);
    share(out, "to another page, or because of a request", jumps, exits);
    share(out, "translated instruction that host code could not finish", slowSum, exits);
    share(out, "instruction that is not translated", untranslatedSum, exits);
    instructions(out, "not translated", untranslated, exits);
    instructions(out, "that host code could not finish (TLB, device, fault)", slow, exits);
  }

  private static long sum(ToLongFunction<Op> count) {
    return Stream.of(Op.values()).mapToLong(count).sum();
  }

  private static void share(StringBuilder out, String what, long count, long all) {
    out.append("  %5.1f %%  %12d  %s%n".formatted(100.0 * count / all, count, what));
  }

  private static void instructions(StringBuilder out, String title, long[] counts, long all) {
    out.append("instructions ").append(title).append(":\n");
    Stream.of(Op.values())
        .filter(op -> counts[op.ordinal()] != 0)
        .sorted(Comparator.comparingLong(op -> -counts[op.ordinal()]))
        .limit(MOST_LINES)
        .forEach(op -> share(out, op.name(), counts[op.ordinal()], all));
  }
}
