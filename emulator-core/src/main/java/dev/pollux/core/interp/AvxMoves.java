package dev.pollux.core.interp;

import static dev.pollux.core.interp.AvxOps.commit;
import static dev.pollux.core.interp.AvxOps.hi;
import static dev.pollux.core.interp.AvxOps.lo;
import static dev.pollux.core.interp.AvxOps.put;
import static dev.pollux.core.interp.AvxOps.result;
import static dev.pollux.core.interp.AvxOps.set;
import static dev.pollux.core.interp.AvxOps.vectorSize;
import static dev.pollux.core.interp.VectorUnit.checkAvx;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * AVX moves, broadcasts, permutations across lanes, masked moves and gathers (Intel SDM vol. 2).
 */
final class AvxMoves {
  private AvxMoves() {}

  static void register(HandlerTable t) {
    for (Op op : new Op[] {Op.VMOVUPS, Op.VMOVUPD, Op.VMOVDQU, Op.VLDDQU}) {
      t.bind(op, (cpu, insn) -> whole(cpu, insn, false));
    }
    for (Op op :
        new Op[] {
          Op.VMOVAPS, Op.VMOVAPD, Op.VMOVDQA, Op.VMOVNTPS, Op.VMOVNTPD, Op.VMOVNTDQ, Op.VMOVNTDQA
        }) {
      t.bind(op, (cpu, insn) -> whole(cpu, insn, true));
    }
    t.bind(Op.VMOVSS, (cpu, insn) -> scalar(cpu, insn, 4));
    t.bind(Op.VMOVSD, (cpu, insn) -> scalar(cpu, insn, 8));
    t.bind(Op.VMOVLPS, AvxMoves::low);
    t.bind(Op.VMOVLPD, AvxMoves::low);
    t.bind(Op.VMOVHPS, AvxMoves::high);
    t.bind(Op.VMOVHPD, AvxMoves::high);
    t.bind(Op.VMOVLHPS, AvxMoves::high);
    t.bind(Op.VMOVHLPS, AvxMoves::highToLow);
    t.bind(Op.VMOVDDUP, AvxMoves::movddup);
    t.bind(Op.VMOVD, AvxMoves::movd);
    t.bind(Op.VMOVQ, AvxMoves::movq);
    t.bind(Op.VMOVMSKPS, (cpu, insn) -> moveMask(cpu, insn, Op.VMOVMSKPS));
    t.bind(Op.VMOVMSKPD, (cpu, insn) -> moveMask(cpu, insn, Op.VMOVMSKPD));
    t.bind(Op.VPMOVMSKB, (cpu, insn) -> moveMask(cpu, insn, Op.VPMOVMSKB));
    for (Op op : new Op[] {Op.VPEXTRB, Op.VPEXTRW, Op.VPEXTRD, Op.VEXTRACTPS}) {
      t.bind(op, AvxMoves::extractLane);
    }
    for (Op op : new Op[] {Op.VPINSRB, Op.VPINSRW, Op.VPINSRD}) {
      t.bind(op, AvxMoves::insertLane);
    }
    t.bind(Op.VINSERTPS, AvxMoves::insertps);
    for (Op op :
        new Op[] {
          Op.VBROADCASTSS,
          Op.VBROADCASTSD,
          Op.VPBROADCASTB,
          Op.VPBROADCASTW,
          Op.VPBROADCASTD,
          Op.VPBROADCASTQ
        }) {
      t.bind(op, AvxMoves::broadcast);
    }
    t.bind(Op.VBROADCASTF128, AvxMoves::broadcast128);
    t.bind(Op.VBROADCASTI128, AvxMoves::broadcast128);
    t.bind(Op.VINSERTF128, AvxMoves::insert128);
    t.bind(Op.VINSERTI128, AvxMoves::insert128);
    t.bind(Op.VEXTRACTF128, AvxMoves::extract128);
    t.bind(Op.VEXTRACTI128, AvxMoves::extract128);
    t.bind(Op.VPERM2F128, AvxMoves::permute128);
    t.bind(Op.VPERM2I128, AvxMoves::permute128);
    t.bind(Op.VPERMD, AvxMoves::permuteDoublewords);
    t.bind(Op.VPERMPS, AvxMoves::permuteDoublewords);
    t.bind(Op.VPERMQ, AvxMoves::permuteQuadwords);
    t.bind(Op.VPERMPD, AvxMoves::permuteQuadwords);
    for (Op op : new Op[] {Op.VMASKMOVPS, Op.VPMASKMOVD}) {
      t.bind(op, (cpu, insn) -> masked(cpu, insn, 4));
    }
    for (Op op : new Op[] {Op.VMASKMOVPD, Op.VPMASKMOVQ}) {
      t.bind(op, (cpu, insn) -> masked(cpu, insn, 8));
    }
    registerGathers(t);
    t.bind(Op.VZEROUPPER, (cpu, insn) -> zero(cpu, false));
    t.bind(Op.VZEROALL, (cpu, insn) -> zero(cpu, true));
    t.bind(
        Op.VLDMXCSR,
        (cpu, insn) -> {
          checkAvx(cpu);
          SseMoves.loadMxcsr(cpu, insn);
        });
    t.bind(
        Op.VSTMXCSR,
        (cpu, insn) -> {
          checkAvx(cpu);
          SseMoves.storeMxcsr(cpu, insn);
        });
    t.bind(
        Op.VMASKMOVDQU,
        (cpu, insn) -> {
          checkAvx(cpu);
          SseMoves.storeMaskedBytes(cpu, insn);
        });
  }

  private static void registerGathers(HandlerTable t) {
    t.bind(Op.VPGATHERDD, (cpu, insn) -> gather(cpu, insn, 4, 4));
    t.bind(Op.VGATHERDPS, (cpu, insn) -> gather(cpu, insn, 4, 4));
    t.bind(Op.VPGATHERDQ, (cpu, insn) -> gather(cpu, insn, 4, 8));
    t.bind(Op.VGATHERDPD, (cpu, insn) -> gather(cpu, insn, 4, 8));
    t.bind(Op.VPGATHERQD, (cpu, insn) -> gather(cpu, insn, 8, 4));
    t.bind(Op.VGATHERQPS, (cpu, insn) -> gather(cpu, insn, 8, 4));
    t.bind(Op.VPGATHERQQ, (cpu, insn) -> gather(cpu, insn, 8, 8));
    t.bind(Op.VGATHERQPD, (cpu, insn) -> gather(cpu, insn, 8, 8));
  }

  // ---- whole vectors ----------------------------------------------------------------------------

  private static void copyToResult(Interpreter cpu, long from, int size) {
    long to = result(cpu);
    put(to, lo(from), hi(from));
    if (size == 32) {
      put(to + 16, lo(from + 16), hi(from + 16));
    }
  }

  private static void whole(Interpreter cpu, Insn insn, boolean aligned) {
    checkAvx(cpu);
    int size = vectorSize(insn);
    if (insn.kind0 == Insn.MEM) {
      long linear = cpu.address(insn, size, true);
      if (aligned) {
        VectorUnit.requireAligned(cpu, linear, size);
      }
      VectorUnit.store(cpu, linear, cpu.vectorAddress(insn.reg1), size);
      return;
    }
    long from = aligned ? VectorUnit.alignedSource(cpu, insn, 1) : source(cpu, insn, 1);
    copyToResult(cpu, from, size);
    commit(cpu, insn.reg0, size);
  }

  /** VMOVSS and VMOVSD: a store, a load that clears the rest, or a merge of two registers. */
  private static void scalar(Interpreter cpu, Insn insn, int size) {
    checkAvx(cpu);
    if (insn.kind0 == Insn.MEM) {
      long value = lo(cpu.vectorAddress(insn.reg1));
      cpu.mmu().write(cpu.address(insn, size, true), size, value);
    } else if (insn.kind1 == Insn.MEM) {
      set(cpu, insn.reg0, cpu.mmu().read(cpu.address(insn, size, false), size), 0);
    } else {
      long a = cpu.vectorAddress(insn.reg1);
      long b = lo(cpu.vectorAddress(insn.reg2));
      long low = size == 8 ? b : lo(a) & ~0xffff_ffffL | b & 0xffff_ffffL;
      set(cpu, insn.reg0, low, hi(a));
    }
  }

  private static void low(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    if (insn.kind0 == Insn.MEM) {
      cpu.mmu().write64(cpu.address(insn, 8, true), lo(cpu.vectorAddress(insn.reg1)));
    } else {
      long value = lo(source(cpu, insn, 2));
      set(cpu, insn.reg0, value, hi(cpu.vectorAddress(insn.reg1)));
    }
  }

  private static void high(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    if (insn.kind0 == Insn.MEM) {
      cpu.mmu().write64(cpu.address(insn, 8, true), hi(cpu.vectorAddress(insn.reg1)));
    } else {
      long value = lo(source(cpu, insn, 2));
      set(cpu, insn.reg0, lo(cpu.vectorAddress(insn.reg1)), value);
    }
  }

  private static void highToLow(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long value = hi(cpu.vectorAddress(insn.reg2));
    set(cpu, insn.reg0, value, hi(cpu.vectorAddress(insn.reg1)));
  }

  private static void movddup(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long from = source(cpu, insn, 1);
    long to = result(cpu);
    put(to, lo(from), lo(from));
    if (insn.vexL != 0) {
      put(to + 16, lo(from + 16), lo(from + 16));
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void movd(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    if (insn.kind0 == Insn.XMM) {
      set(cpu, insn.reg0, cpu.read(insn, 1), 0);
    } else {
      cpu.write(insn, 0, lo(cpu.vectorAddress(insn.reg1)));
    }
  }

  private static void movq(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    if (insn.kind0 == Insn.MEM) {
      cpu.mmu().write64(cpu.address(insn, 8, true), lo(cpu.vectorAddress(insn.reg1)));
    } else {
      set(cpu, insn.reg0, lo(source(cpu, insn, 1)), 0);
    }
  }

  private static void moveMask(Interpreter cpu, Insn insn, Op op) {
    checkAvx(cpu);
    long from = cpu.vectorAddress(insn.reg1);
    int mask = 0;
    for (int i = vectorSize(insn) / 8 - 1; i >= 0; i--) {
      long a = lo(from + 8L * i);
      mask =
          switch (op) {
            case VMOVMSKPS -> mask << 2 | SseMoves.signsOfSingles(a);
            case VMOVMSKPD -> mask << 1 | (int) (a >>> 63);
            default -> mask << 8 | Packed.pmovmskb(a);
          };
    }
    cpu.setGpr32(insn.reg0, mask);
  }

  private static void zero(Interpreter cpu, boolean all) {
    checkAvx(cpu);
    for (int i = 0; i < (cpu.codeSize() == 64 ? 16 : 8); i++) {
      long register = cpu.vectorAddress(i);
      if (all) {
        put(register, 0, 0);
      }
      put(register + 16, 0, 0);
    }
  }

  // ---- insertions and extractions ---------------------------------------------------------------

  private static void extractLane(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    SseMoves.extractLane(cpu, insn, SseMoves.laneSize(PackedLanes.legacy(insn.op), insn));
  }

  private static void insertLane(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    int size = SseMoves.laneSize(PackedLanes.legacy(insn.op), insn);
    long value = SseMoves.laneOperand(cpu, insn, 2, size);
    copyToResult(cpu, cpu.vectorAddress(insn.reg1), 16);
    SseMoves.putLane(result(cpu), (int) insn.imm, size, value);
    commit(cpu, insn.reg0, 16);
  }

  private static void insertps(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    int value = SseMoves.insertpsSource(cpu, insn, 2);
    copyToResult(cpu, cpu.vectorAddress(insn.reg1), 16);
    SseMoves.insertps(result(cpu), (int) insn.imm, value);
    commit(cpu, insn.reg0, 16);
  }

  private static void broadcast(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long a = lo(source(cpu, insn, 1));
    long repeated =
        switch (insn.op) {
          case VPBROADCASTB -> (a & 0xff) * 0x0101_0101_0101_0101L;
          case VPBROADCASTW -> (a & 0xffff) * 0x0001_0001_0001_0001L;
          case VBROADCASTSS, VPBROADCASTD -> SseMoves.evenTwice(a);
          default -> a;
        };
    long to = result(cpu);
    put(to, repeated, repeated);
    put(to + 16, repeated, repeated);
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void broadcast128(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long from = source(cpu, insn, 1);
    long to = result(cpu);
    put(to, lo(from), hi(from));
    put(to + 16, lo(from), hi(from));
    commit(cpu, insn.reg0, 32);
  }

  private static void insert128(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 2);
    copyToResult(cpu, cpu.vectorAddress(insn.reg1), 32);
    put(result(cpu) + ((insn.imm & 1) != 0 ? 16 : 0), lo(b), hi(b));
    commit(cpu, insn.reg0, 32);
  }

  private static void extract128(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long from = cpu.vectorAddress(insn.reg1) + ((insn.imm & 1) != 0 ? 16 : 0);
    if (insn.kind0 == Insn.MEM) {
      VectorUnit.store(cpu, cpu.address(insn, 16, true), from, 16);
    } else {
      set(cpu, insn.reg0, lo(from), hi(from));
    }
  }

  // ---- permutations across lanes ----------------------------------------------------------------

  private static void permute128(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    for (int lane = 0; lane < 2; lane++) {
      int control = (int) insn.imm >> 4 * lane;
      long from = ((control & 2) != 0 ? b : a) + ((control & 1) != 0 ? 16 : 0);
      boolean zero = (control & 8) != 0;
      put(result(cpu) + 16L * lane, zero ? 0 : lo(from), zero ? 0 : hi(from));
    }
    commit(cpu, insn.reg0, 32);
  }

  private static void permuteDoublewords(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 2);
    long control = cpu.vectorAddress(insn.reg1);
    for (int i = 0; i < 8; i++) {
      int from = RawMemory.getInt(control + 4L * i) & 7;
      RawMemory.putInt(result(cpu) + 4L * i, RawMemory.getInt(b + 4L * from));
    }
    commit(cpu, insn.reg0, 32);
  }

  private static void permuteQuadwords(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 1);
    for (int i = 0; i < 4; i++) {
      int from = (int) insn.imm >> 2 * i & 3;
      RawMemory.putLong(result(cpu) + 8L * i, lo(b + 8L * from));
    }
    commit(cpu, insn.reg0, 32);
  }

  // ---- masked moves and gathers -----------------------------------------------------------------

  private static boolean selected(long mask, int size, int index) {
    return RawMemory.getByte(mask + (long) size * index + size - 1) < 0;
  }

  private static void masked(Interpreter cpu, Insn insn, int size) {
    checkAvx(cpu);
    int count = vectorSize(insn) / size;
    long mask = cpu.vectorAddress(insn.reg1);
    boolean store = insn.kind0 == Insn.MEM;
    long linear = cpu.address(insn, vectorSize(insn), store);
    if (store) {
      long from = cpu.vectorAddress(insn.reg2);
      for (int i = 0; i < count; i++) {
        if (selected(mask, size, i)) {
          cpu.mmu().probeWrite(linear + (long) size * i, size);
        }
      }
      for (int i = 0; i < count; i++) {
        if (selected(mask, size, i)) {
          long value = element(from, size, i);
          cpu.mmu().write(linear + (long) size * i, size, value);
        }
      }
      return;
    }
    for (int i = 0; i < count; i++) {
      long value = selected(mask, size, i) ? cpu.mmu().read(linear + (long) size * i, size) : 0;
      putElement(result(cpu), size, i, value);
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static long element(long vector, int size, int index) {
    return size == 4
        ? RawMemory.getInt(vector + 4L * index)
        : RawMemory.getLong(vector + 8L * index);
  }

  private static void putElement(long vector, int size, int index, long value) {
    if (size == 4) {
      RawMemory.putInt(vector + 4L * index, (int) value);
    } else {
      RawMemory.putLong(vector + 8L * index, value);
    }
  }

  /**
   * Loads the elements whose mask element is negative from addresses with a vector of indices. What
   * has been loaded before a fault stays loaded, with its mask element cleared.
   */
  private static void gather(Interpreter cpu, Insn insn, int indexSize, int size) {
    checkAvx(cpu);
    if (insn.reg0 == insn.index || insn.reg0 == insn.reg2 || insn.reg2 == insn.index) {
      throw AvxOps.undefined(cpu);
    }
    int count = vectorSize(insn) / Math.max(indexSize, size);
    long indices = cpu.vectorAddress(insn.index);
    long mask = cpu.vectorAddress(insn.reg2);
    long to = cpu.vectorAddress(insn.reg0);
    for (int i = 0; i < count; i++) {
      if (selected(mask, size, i)) {
        long offset =
            cpu.gpr64(insn.base) + (element(indices, indexSize, i) << insn.scale) + insn.disp;
        long effective = insn.addrSize == 4 ? offset & 0xffff_ffffL : offset;
        long linear = cpu.linear(insn.segment, effective, size, false);
        putElement(to, size, i, cpu.mmu().read(linear, size));
      }
      putElement(mask, size, i, 0);
    }
    RawMemory.fill(mask, 32, (byte) 0);
    int bytes = count * size;
    RawMemory.fill(to + bytes, 32 - bytes, (byte) 0);
  }
}
