package dev.pollux.tests.silicon;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/**
 * Makes a failing case small: instructions become NOPs of the same length, so that nothing moves,
 * and parts of the state become the default, as long as the case still fails.
 */
final class Shrinker {
  private final Predicate<SiliconCase> fails;

  /**
   * @param fails true for cases that still fail and whose result is defined
   */
  Shrinker(Predicate<SiliconCase> fails) {
    this.fails = fails;
  }

  SiliconCase shrink(SiliconCase failing) {
    SiliconCase small = shrinkCode(failing);
    small = shrinkState(small);
    return trim(shrinkCode(small));
  }

  private SiliconCase shrinkCode(SiliconCase failing) {
    SiliconCase small = failing;
    for (int i = failing.pieces().size() - 1; i >= 0; i--) {
      byte[] nops = new byte[small.pieces().get(i).length];
      Arrays.fill(nops, SiliconCase.NOP);
      List<byte[]> pieces = new ArrayList<>(small.pieces());
      pieces.set(i, nops);
      SiliconCase candidate = new SiliconCase(small.bits(), small.address(), pieces, small.start());
      if (fails.test(candidate)) {
        small = candidate;
      }
    }
    return small;
  }

  private SiliconCase shrinkState(SiliconCase failing) {
    SiliconCase small = failing;
    small = withDefaults(small, SiliconState.DATA, SiliconState.WORDS);
    small = withDefaults(small, SiliconState.YMM, SiliconState.DATA);
    small = withDefaults(small, SiliconState.FCW, SiliconState.YMM);
    for (int step : new int[] {64, 8, 1}) {
      for (int i = SiliconState.DATA; i < SiliconState.WORDS; i += step) {
        small = withDefaults(small, i, Math.min(i + step, SiliconState.WORDS));
      }
    }
    for (int i = 0; i < SiliconState.DATA; i++) {
      if (!SiliconCase.isResult(i)) {
        small = withDefaults(small, i, i + 1);
      }
    }
    return small;
  }

  private SiliconCase withDefaults(SiliconCase from, int low, int high) {
    long[] defaults = SiliconCase.defaultState().words;
    if (Arrays.equals(from.start().words, low, high, defaults, low, high)) {
      return from;
    }
    SiliconState start = new SiliconState();
    start.copyFrom(from.start());
    System.arraycopy(defaults, low, start.words, low, high - low);
    SiliconCase candidate = new SiliconCase(from.bits(), from.address(), from.pieces(), start);
    return fails.test(candidate) ? candidate : from;
  }

  /** Without the NOPs at both ends. */
  private SiliconCase trim(SiliconCase failing) {
    int first = 0;
    int last = failing.pieces().size();
    long address = failing.address();
    while (first < last && isNops(failing.pieces().get(first))) {
      address += failing.pieces().get(first).length;
      first++;
    }
    while (last > first && isNops(failing.pieces().get(last - 1))) {
      last--;
    }
    SiliconState start = new SiliconState();
    start.copyFrom(failing.start());
    start.words[SiliconState.RIP] = address;
    SiliconCase candidate =
        new SiliconCase(failing.bits(), address, failing.pieces().subList(first, last), start);
    return fails.test(candidate) ? candidate : failing;
  }

  private static boolean isNops(byte[] piece) {
    for (byte b : piece) {
      if (b != SiliconCase.NOP) {
        return false;
      }
    }
    return true;
  }
}
