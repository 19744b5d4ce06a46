package dev.pollux.core.jit.store;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.cache.JitBlock;
import java.util.Arrays;

/**
 * Finds the fields of a block's guest code that are others when its kernel is at another place,
 * where Linux puts itself at each start: addresses, as immediates and displacements, and distances
 * from the code to a CPU's own variables, displacements relative to RIP on top of GS. A translation
 * is right for all of them if its own fields move as far: nothing else depends on their value.
 *
 * <p>That is known of a field of four bytes, or the lower half of one of eight whose upper half is
 * fixed; the host code has an address where the {@link CodeBuffer} has noted one, which it does of
 * all values in their range, and a distance plus a constant where the compiler has. Where that is
 * not so, or where bytes mean something else to another instruction, the block cannot move.
 */
public final class MovedFields {
  private static final int BYTES = 4;
  private static final int MOST = 255;
  private static final int[] NONE = {};

  // Instructions that were looked at: offset in the page, bytes.
  private int[] insns = new int[256];
  private int insnCount;

  // Fields: offset in the page, offset of their instruction, what is added in the code.
  private static final int PARTS = 3;
  private int[] fields = new int[64 * PARTS];
  private int fieldCount;
  private boolean unmovable;

  /** Begins with another block. */
  public void restart() {
    insnCount = 0;
    fieldCount = 0;
    unmovable = false;
  }

  /** Notes an instruction that the translation depends on, at an offset in the page. */
  public void add(Insn insn, int at, byte[] page) {
    if (2 * insnCount == insns.length) {
      insns = Arrays.copyOf(insns, 2 * insns.length);
    }
    insns[2 * insnCount] = at;
    insns[2 * insnCount++ + 1] = insn.length;
    int end = at + insn.length;
    boolean immediate = isAddress(insn.imm);
    boolean displacement = isAddress(insn.disp);
    // Numbers that are no addresses, but in the code look as if they were.
    unmovable |= !immediate && isNoted(insn.imm) || !displacement && isNoted(insn.disp);
    unmovable |= insn.kind0 == Insn.REL && isNoted(insn.imm + end);
    if (insn.ripRelative) {
      unmovable |= displacement || isNoted(insn.disp + end);
      if (insn.segment == CpuLayout.GS && JitBlock.isDistance((int) insn.disp)) {
        find((int) insn.disp, 1, end, insn, at, page);
      }
      displacement = false;
    }
    if (immediate || displacement) {
      addAddresses(insn, at, page, immediate, displacement);
    }
  }

  /** True for what the {@link CodeBuffer} notes. */
  private static boolean isNoted(long value) {
    return JitBlock.isAddress((int) value);
  }

  private static boolean isAddress(long value) {
    return isNoted(value) && (value == (int) value || value >>> Integer.SIZE == 0);
  }

  private void addAddresses(
      Insn insn, int at, byte[] page, boolean immediate, boolean displacement) {
    if (insn.kind0 == Insn.REL) {
      unmovable = true;
      return;
    }
    boolean alike = immediate && displacement && (int) insn.imm == (int) insn.disp;
    if (immediate) {
      find((int) insn.imm, alike ? 2 : 1, 0, insn, at, page);
    }
    if (displacement && !alike) {
      find((int) insn.disp, 1, 0, insn, at, page);
    }
  }

  /** Finds the fields of a value in an instruction's bytes, which are where the value is. */
  private void find(int value, int expected, int added, Insn insn, int at, byte[] page) {
    int found = 0;
    for (int i = at; i <= at + insn.length - BYTES; i++) {
      if (value(page, i) == value) {
        found++;
        if (PARTS * fieldCount == fields.length) {
          fields = Arrays.copyOf(fields, 2 * fields.length);
        }
        int field = PARTS * fieldCount++;
        fields[field] = i;
        fields[field + 1] = at;
        fields[field + 2] = added;
      }
    }
    unmovable |= found != expected;
  }

  private static int value(byte[] page, int at) {
    return page[at] & 0xff
        | (page[at + 1] & 0xff) << 8
        | (page[at + 2] & 0xff) << 16
        | page[at + 3] << 24;
  }

  /**
   * The fields of the block, as {@link JitBlock.Parts#moved} has them, or null if its translation
   * holds for these values only.
   *
   * @param code what the block was translated to
   */
  public int[] of(CodeBuffer code, byte[] page) {
    if (fieldCount == 0 && code.notedCount() == 0) {
      return NONE;
    }
    int count = fieldCount + code.notedCount();
    if (unmovable || count > MOST || !areApart()) {
      return null;
    }
    int[] moved = new int[2 * count];
    int size = 0;
    for (int i = 0; i < fieldCount; i++) {
      moved[size++] = fields[PARTS * i];
      moved[size++] = JitBlock.NOT_IN_CODE;
    }
    for (int i = 0; i < code.notedCount(); i++) {
      int field = inCode(code.get32(code.noted(i)), page);
      if (field < 0) {
        return null;
      }
      moved[size++] = field;
      moved[size++] = code.noted(i);
    }
    return moved;
  }

  /** A field that is a value in the code. */
  private int inCode(int value, byte[] page) {
    for (int i = 0; i < fieldCount; i++) {
      int field = fields[PARTS * i];
      if (value(page, field) + fields[PARTS * i + 2] == value) {
        return field;
      }
    }
    return -1;
  }

  /** True if no byte of a field is in another instruction. */
  private boolean areApart() {
    for (int f = 0; f < fieldCount; f++) {
      int field = fields[PARTS * f];
      for (int i = 0; i < insnCount; i++) {
        int from = insns[2 * i];
        boolean own = from == fields[PARTS * f + 1];
        if (!own && from < field + BYTES && field < from + insns[2 * i + 1]) {
          return false;
        }
      }
      for (int g = 0; g < f; g++) {
        int distance = Math.abs(field - fields[PARTS * g]);
        if (distance != 0 && distance < BYTES) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * Where no instruction is that was noted, as {@link JitBlock.Parts#gaps} has it.
   *
   * @param from offset in the page of the bytes looked at
   * @param to of what is behind them
   */
  public int[] gaps(int from, int to) {
    int[] gaps = NONE;
    int at = from;
    while (at < to && gaps.length < 2 * MOST) {
      int end = at;
      int next = to;
      for (int i = 0; i < insnCount; i++) {
        int insn = insns[2 * i];
        if (insn <= end) {
          end = Math.max(end, insn + insns[2 * i + 1]);
        } else {
          next = Math.min(next, insn);
        }
      }
      if (end == at) {
        gaps = Arrays.copyOf(gaps, gaps.length + 2);
        gaps[gaps.length - 2] = at;
        gaps[gaps.length - 1] = next - at;
        end = next;
      }
      at = end;
    }
    return gaps;
  }
}
