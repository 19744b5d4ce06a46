package dev.pollux.core.jit.emit;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import java.util.Arrays;

/**
 * Instructions that follow each other, among them accesses through one base register, for which one
 * probe of the TLB is enough: what they touch is known relative to what the register is at the
 * first of them. It either does not change, or it is RSP, which changes by constants.
 *
 * @param first number of the first instruction, an access
 * @param last number of the last, an access
 * @param base guest register
 * @param low offset of the first byte from the register at the first instruction
 * @param bytes from there to the end of the last byte
 * @param write the first access writes; if it does not, none does: what is only read may not be
 *     writable
 * @param places by instruction, from the first: offset of its access from what the register is at
 *     the first, or {@link #NONE}
 */
record SharedProbe(int first, int last, int base, int low, int bytes, boolean write, int[] places) {
  private static final int NONE = Integer.MIN_VALUE;

  /** Guest register number. */
  private static final int RSP = 4;

  /** Instructions: their code is there twice, as the probe may fail. */
  private static final int MOST = 32;

  /** Accesses for which it pays to have the code twice; the stack is rarely unknown. */
  private static final int FEWEST = 3;

  private static final int FEWEST_ON_STACK = 2;

  /** Bytes, few enough that they rarely lie in two pages. */
  private static final int MOST_BYTES = 256;

  /** No address that moves with the guest's kernel is a displacement so small. */
  private static final int MOST_DISTANCE = 4096;

  /** True if an instruction is one of the accesses. */
  boolean has(int insn) {
    return insn >= first && insn <= last && places[insn - first] != NONE;
  }

  /** Offset of such an instruction's access from the first byte of all. */
  int place(int insn) {
    return places[insn - first] - low;
  }

  /** Those that begin at an instruction, or null if it shares its probe with no other. */
  static SharedProbe at(BlockDraft draft, int first) {
    int base = base(draft, draft.insn(first));
    return base == Insn.REG_ZERO || draft.interpreted()[first]
        ? null
        : new Finder(draft, first, base).find();
  }

  /** The base register of the access that an instruction makes, or {@link Insn#REG_ZERO}. */
  private static int base(BlockDraft draft, Insn insn) {
    return switch (insn.op) {
      case PUSH, POP, RET -> insn.hasMemory() ? Insn.REG_ZERO : RSP;
      case CALL -> insn.kind0 == Insn.REL ? RSP : Insn.REG_ZERO;
      default -> hasPlainAddress(draft, insn) ? insn.base : Insn.REG_ZERO;
    };
  }

  private static boolean hasPlainAddress(BlockDraft draft, Insn insn) {
    return insn.hasMemory()
        && Translatable.needsAccess(insn)
        && insn.index == Insn.REG_ZERO
        && !insn.ripRelative
        && insn.segment < CpuLayout.FS
        && insn.addrSize == draft.word()
        && Math.abs(insn.disp) < MOST_DISTANCE;
  }

  /** Goes through the instructions behind the first. */
  private static final class Finder {
    private final BlockDraft draft;
    private final int first;
    private final int base;
    private final int[] places = new int[MOST];

    /** What has been added to the base register. */
    private int moved;

    private int low = Integer.MAX_VALUE;
    private int high = Integer.MIN_VALUE;
    private boolean write;
    private int last;

    /** Accesses, those that need one probe anyway counted once. */
    private int count;

    Finder(BlockDraft draft, int first, int base) {
      this.draft = draft;
      this.first = first;
      this.base = base;
    }

    SharedProbe find() {
      Arrays.fill(places, NONE);
      int end = Math.min(draft.count(), first + MOST);
      int i = first;
      while (i < end && goesOn(i) && take(i)) {
        i++;
      }
      return count < (base == RSP ? FEWEST_ON_STACK : FEWEST)
          ? null
          : new SharedProbe(first, last, base, low, high - low, write, places);
    }

    /** True if an instruction can be among them. */
    private boolean goesOn(int i) {
      Insn insn = draft.insn(i);
      return !draft.interpreted()[i]
          && switch (insn.op) {
            case PUSH, POP -> !insn.hasMemory();
            case CALL -> base == RSP && insn.kind0 == Insn.REL;
            case RET -> base == RSP;
            case BT, BTS, BTR, BTC -> !insn.hasMemory();
            case PUSHF, LEAVE, PAUSE, SERIALIZE -> false;
            default -> !insn.info.endsBlock() && Translatable.isPlain(insn, draft.context());
          };
    }

    /** Takes an instruction; false if it is the last. */
    private boolean take(int i) {
      Insn insn = draft.insn(i);
      if (base(draft, insn) == base && !takeAccess(i, insn)) {
        return false;
      }
      if (base == RSP && moves(insn)) {
        return true;
      }
      return (RegistersWritten.by(insn) >> base & 1) == 0;
    }

    /** Takes an access; false if it is too far from the others, or the first that writes. */
    private boolean takeAccess(int i, Insn insn) {
      int word = draft.word();
      boolean pushes = insn.op == Op.PUSH || insn.op == Op.CALL;
      boolean stack = pushes || insn.op == Op.POP || insn.op == Op.RET;
      int at = moved + (stack ? pushes ? -word : 0 : (int) insn.disp);
      int newLow = Math.min(low, at);
      int newHigh = Math.max(high, at + (stack ? word : insn.memSize()));
      boolean writes = pushes || !stack && Translatable.writesMemory(insn);
      if (newHigh - newLow > MOST_BYTES || writes && !write && count > 0) {
        return false;
      }
      low = newLow;
      high = newHigh;
      write |= writes;
      places[i - first] = at;
      boolean joins = stack && i > first && last == i - 1 && joins(draft.insn(last).op, insn.op);
      count += joins ? 0 : 1;
      last = i;
      return true;
    }

    /** True if {@link StackCode} executes an instruction together with the one before. */
    private static boolean joins(Op before, Op op) {
      return before == op || before == Op.POP && op == Op.RET;
    }

    /** Follows RSP; false if it becomes another otherwise. */
    private boolean moves(Insn insn) {
      switch (insn.op) {
        case PUSH -> moved -= draft.word();
        case POP -> {
          moved += draft.word();
          return insn.reg0 != RSP;
        }
        case ADD, SUB -> {
          if (insn.kind0 != Insn.GPR
              || insn.reg0 != RSP
              || insn.kind1 != Insn.IMM
              || insn.size0 != draft.word()
              || Math.abs(insn.imm) > MOST_BYTES) {
            return false;
          }
          moved += (int) (insn.op == Op.ADD ? insn.imm : -insn.imm);
        }
        default -> {
          return false;
        }
      }
      return true;
    }
  }
}
