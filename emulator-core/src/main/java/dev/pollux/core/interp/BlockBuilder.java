package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Disassembler;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/** Decodes code into {@link Block}s. vCPU thread. */
class BlockBuilder {
  /** The most instructions of a block. */
  static final int MAX_INSNS = 48;

  private static final int MAX_BYTES = 512;

  /** What may fault for another reason than its memory operand. */
  private static final Set<OpcodeInfo.Property> MAY_FAULT =
      EnumSet.of(
          OpcodeInfo.Property.STACK,
          OpcodeInfo.Property.FAULT,
          OpcodeInfo.Property.PRIV,
          OpcodeInfo.Property.IOPL,
          OpcodeInfo.Property.IO,
          OpcodeInfo.Property.PM,
          OpcodeInfo.Property.FP,
          OpcodeInfo.Property.X87,
          OpcodeInfo.Property.MMX,
          OpcodeInfo.Property.SIMD,
          OpcodeInfo.Property.END);

  private final Decoder decoder;
  private final int coldRuns;
  private final byte[] code = new byte[MAX_BYTES];
  private final Insn[] insns = new Insn[MAX_INSNS];
  private final boolean[] flagsLive = new boolean[MAX_INSNS];

  /** All instructions get copies of templates at once. */
  BlockBuilder(Set<CpuFeature> features) {
    this(features, 0);
  }

  /**
   * @param coldRuns how often a block of 16- or 32-bit code is executed before its instructions get
   *     copies of templates
   */
  BlockBuilder(Set<CpuFeature> features, int coldRuns) {
    decoder = new Decoder(features);
    this.coldRuns = coldRuns;
  }

  /** Decodes the same instructions, for another user. */
  Decoder anotherDecoder() {
    return decoder.another();
  }

  /** The instructions in {@code code} as text, a line for each. */
  String listing(byte[] code, long address, int codeSize) {
    return Disassembler.listing(decoder, code, 0, code.length, address, codeSize, MAX_INSNS);
  }

  /**
   * Decodes from a host address to the end of its page at most.
   *
   * @return null if the first instruction goes on in the next page
   */
  Block build(long host, int codeSize, int maxInsns) {
    int available = (int) Math.min(MAX_BYTES, RamBlock.PAGE_SIZE - (host & RamBlock.PAGE_SIZE - 1));
    RawMemory.copyOut(host, code, 0, available);
    return decode(available, host, codeSize, maxInsns);
  }

  /** True if the first {@code length} bytes that {@link #build} saw are still there. */
  boolean stillReads(long host, int length) {
    return RawMemory.equal(code, 0, host, length);
  }

  /**
   * A block of the one instruction in {@code bytes}, or null if they are too few. It is not found
   * again by address.
   */
  Block buildOne(byte[] bytes, int length, int codeSize) {
    System.arraycopy(bytes, 0, code, 0, length);
    return decode(length, 0, codeSize, 1);
  }

  private Block decode(int available, long host, int codeSize, int maxInsns) {
    int count = 0;
    int at = 0;
    while (count < maxInsns) {
      Insn insn = decoder.decode(code, at, available, codeSize);
      if (insn == null) {
        break;
      }
      at += insn.length;
      insn.nextOffset = at;
      insns[count++] = insn;
      if (endsBlock(insn)) {
        break;
      }
    }
    if (count == 0) {
      return null;
    }
    return assemble(count, at, host, codeSize);
  }

  private Block assemble(int count, int length, long host, int codeSize) {
    boolean ended = endsBlock(insns[count - 1]);
    boolean joined = ended && count > 1 && NodeFactory.joins(insns[count - 2], insns[count - 1]);
    int body = joined ? count - 2 : ended ? count - 1 : count;
    boolean cold = codeSize != 64 && coldRuns > 0;
    long live = 0;
    findLiveFlags(count);
    Node[] nodes = new Node[body];
    short[] offsets = new short[body + 1];
    Insn[] executed = new Insn[body + 1];
    int n = 0;
    for (int i = 0; i < body; i++) {
      Insn insn = insns[i];
      if (!isNop(insn)) {
        nodes[n] = cold ? NodeFactory.shared(insn) : NodeFactory.node(insn, flagsLive[i]);
        live |= flagsLive[i] ? 1L << n : 0;
        offsets[n] = (short) (insn.nextOffset - insn.length);
        executed[n++] = insn;
      }
    }
    BlockEnd end;
    if (ended) {
      Insn first = insns[body];
      offsets[n] = (short) (first.nextOffset - first.length);
      executed[n] = first;
      end = joined ? NodeFactory.joinedEnd(first, insns[count - 1]) : NodeFactory.end(first);
    } else {
      offsets[n] = (short) length;
      executed[n] = insns[count - 1];
      end = new BlockEnd.FallThrough();
    }
    return new Block(
        Arrays.copyOf(nodes, n),
        cold ? new BlockEnd.Cold(end, live, coldRuns) : end,
        Arrays.copyOf(offsets, n + 1),
        Arrays.copyOf(executed, n + 1),
        count,
        length,
        host,
        codeSize);
  }

  private static boolean isNop(Insn insn) {
    return switch (insn.op) {
      case NOP, ENDBR32, ENDBR64 -> true;
      default -> false;
    };
  }

  /**
   * Which instructions set flags that somebody may see: a later one of the block that reads them
   * before all are replaced, whoever comes after the block, or the handler of a fault in between. A
   * write to memory may end the block there.
   */
  private void findLiveFlags(int count) {
    int live = OpcodeInfo.STATUS_FLAGS;
    for (int i = count - 1; i >= 0; i--) {
      Insn insn = insns[i];
      if (mayFault(insn)) {
        live = OpcodeInfo.STATUS_FLAGS;
        flagsLive[i] = true;
        continue;
      }
      int set = insn.info.flagsWritten | insn.info.flagsUndefined;
      flagsLive[i] = (set & live) != 0;
      int kept = isShiftByConstant(insn) ? 0 : insn.info.flagsConditional;
      live = live & ~(set & ~kept) | insn.flagsRead() & OpcodeInfo.STATUS_FLAGS;
    }
  }

  private static boolean mayFault(Insn insn) {
    return insn.info == null
        || insn.hasMemory() && insn.op != Op.LEA
        || insn.kind0 == Insn.STRING_DST
        || insn.kind1 == Insn.STRING_DST
        || !Collections.disjoint(insn.info.properties, MAY_FAULT);
  }

  private static boolean isShiftByConstant(Insn insn) {
    return switch (insn.op) {
      case SHL, SHR, SAR, ROL, ROR ->
          insn.kind1 == Insn.IMM && (insn.imm & (insn.size0 == 8 ? 63 : 31)) != 0;
      default -> false;
    };
  }

  /** A block of one instruction, to be executed for another engine. */
  static Block single(Insn insn) {
    boolean ended = endsBlock(insn);
    short length = (short) insn.length;
    insn.nextOffset = length;
    return new Block(
        ended ? new Node[0] : new Node[] {NodeFactory.shared(insn)},
        ended ? NodeFactory.end(insn) : new BlockEnd.FallThrough(),
        ended ? new short[] {0} : new short[] {0, length},
        new Insn[] {insn, insn},
        1,
        length,
        0,
        insn.mode);
  }

  /** INS and OUTS go back to themselves when they are interrupted. */
  private static boolean endsBlock(Insn insn) {
    return !insn.isValid() || insn.info.endsBlock() || insn.op == Op.INS || insn.op == Op.OUTS;
  }
}
