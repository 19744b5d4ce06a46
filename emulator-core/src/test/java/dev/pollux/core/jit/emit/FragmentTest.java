package dev.pollux.core.jit.emit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;
import org.junit.jupiter.api.Test;

/** Copied code is what the assembler makes where it stands. */
class FragmentTest {
  private final X86Assembler copied = new X86Assembler(CodeMode.BITS64);
  private final X86Assembler assembled = new X86Assembler(CodeMode.BITS64);
  private final CommonCode common = new CommonCode(copied);

  @Test
  void jumpsReachTheirTargetInEitherDirection() {
    Fragment compare = Fragment.jumping(Cond.NE, asm -> asm.cmp(OpSize.QWORD, Gpr.RAX, Gpr.RBX));
    Label behind = new Label();
    Label start = copied.here();
    compare.appendTo(copied.code());
    copied.displacementTo(behind);
    compare.appendTo(copied.code());
    copied.displacementTo(start);
    copied.bind(behind);
    // 48 39 d8: cmp rax, rbx; 0f 85: jne
    assertArrayEquals(
        new byte[] {
          0x48, 0x39, (byte) 0xd8, 0x0f, (byte) 0x85, 9, 0, 0, 0,
          0x48, 0x39, (byte) 0xd8, 0x0f, (byte) 0x85, -18, -1, -1, -1
        },
        copied.finish());
  }

  @Test
  void targetMustBeBound() {
    common.poll(new Label());
    assertThrows(IllegalStateException.class, copied::finish);
  }

  @Test
  void probeComparesWithTheSizeOfTheAccess() {
    Label slow = new Label();
    common.findPage(TlbLayout.USER, 8, true, slow);
    common.addHostPage(TlbLayout.USER);
    copied.bind(slow);

    Label expectedSlow = new Label();
    int table = CpuLayout.TLB + TlbLayout.USER * TlbLayout.TABLE_SIZE;
    assembled.mov(OpSize.QWORD, RegisterMap.S2, RegisterMap.S1);
    assembled.shr(OpSize.QWORD, RegisterMap.S2, 12 - TlbLayout.ENTRY_BITS);
    assembled.and(OpSize.DWORD, RegisterMap.S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
    assembled.xor(OpSize.QWORD, RegisterMap.S1, entry(table + TlbLayout.WRITE_TAG));
    assembled.cmp(OpSize.QWORD, RegisterMap.S1, 4096 - 8);
    assembled.jcc(Cond.A, expectedSlow);
    assembled.add(OpSize.QWORD, RegisterMap.S1, entry(table + TlbLayout.HOST_PAGE));
    assembled.bind(expectedSlow);
    assertArrayEquals(assembled.finish(), copied.finish());
  }

  @Test
  void jumpNamesBothFieldsOfTheEntry() {
    int table = JitLayout.jumpTable(3);
    common.findTarget(table);
    common.compareRequest();
    common.enterPage();
    common.jumpToTarget(table);

    assembled.imul(OpSize.DWORD, RegisterMap.S2, RegisterMap.S1, JitLayout.JUMP_HASH);
    assembled.shr(OpSize.DWORD, RegisterMap.S2, JitLayout.JUMP_HASH_SHIFT);
    assembled.and(OpSize.DWORD, RegisterMap.S2, -(1 << JitLayout.JUMP_ENTRY_BITS));
    assembled.cmp(OpSize.QWORD, RegisterMap.S1, entry(table));
    assembled.cmp(OpSize.DWORD, RegisterMap.state(CpuLayout.EXIT_REQUEST), 0);
    assembled.and(OpSize.QWORD, RegisterMap.S1, -4096);
    assembled.mov(OpSize.QWORD, RegisterMap.state(JitLayout.PAGE), RegisterMap.S1);
    assembled.jmp(entry(table + 8));
    assertArrayEquals(assembled.finish(), copied.finish());
  }

  private static Mem entry(int offset) {
    return RegisterMap.state(RegisterMap.S2, 1, offset);
  }
}
