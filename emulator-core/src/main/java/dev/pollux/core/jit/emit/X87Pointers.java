package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * Stores what FNSTENV tells of the last x87 instruction as the interpreter does: nobody can see the
 * host's.
 */
final class X87Pointers {
  private final BlockDraft draft;
  private final MemoryCode memory;
  private final X86Assembler asm;

  X87Pointers(BlockDraft draft, MemoryCode memory) {
    this.draft = draft;
    this.memory = memory;
    this.asm = draft.asm();
  }

  /**
   * Stores those of the current instruction. Behind it, as it may have faulted; none changes its
   * operand's address. Destroys scratch 1 and 2; the host's flags stay.
   */
  void keep(Insn insn) {
    if (insn.hasMemory()) {
      memory.effectiveAddress(insn, S1, insn.addrSize == 4 ? DWORD : QWORD);
      asm.mov(QWORD, state(CpuLayout.FDP), S1);
      keepSelector(insn.segment, CpuLayout.FDS);
    }
    if (!nextReplaces()) {
      draft.address(S1, draft.offset());
      asm.mov(QWORD, state(CpuLayout.FIP), S1);
      asm.mov(DWORD, state(CpuLayout.FOP), (insn.opcode & 7) << 8 | insn.modRm & 0xff);
      keepSelector(CpuLayout.CS, CpuLayout.FCS);
    }
  }

  private void keepSelector(int segment, int place) {
    int selector = CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + CpuLayout.SEG_SELECTOR;
    asm.movzx(DWORD, S1, WORD, state(selector));
    asm.mov(DWORD, state(place), S1);
  }

  /** True if the next instruction is executed, whatever comes, and stores its own. */
  private boolean nextReplaces() {
    int next = draft.current() + 1;
    return next < draft.count()
        && !draft.interpreted()[next]
        && Translatable.movesX87Pointers(draft.insn(next))
        && !draft.insn(next).hasMemory();
  }
}
