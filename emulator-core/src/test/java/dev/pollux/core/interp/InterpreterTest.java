package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.machine.BareMachine;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The run loop: blocks, chains, faults, code that changes. */
class InterpreterTest {
  private static final long CODE = 0x10000;
  private final BareMachine m = new BareMachine(8 << 20);

  @AfterEach
  void close() {
    m.close();
  }

  private void code(long address, String hex) {
    m.load(address, HexFormat.of().parseHex(hex.replace(" ", "")));
  }

  private Interpreter.Stop run64(String hex) {
    m.enterLongMode();
    code(CODE, hex);
    m.state().setRip(CODE);
    m.state().setGpr(4, 0x80000);
    return m.run(1_000_000);
  }

  @Test
  void addsInALoop() {
    // mov ecx, 1000; xor eax, eax; L: add rax, rcx; dec ecx; jnz L; hlt
    assertEquals(Interpreter.Stop.HALT, run64("b9e8030000 31c0 4801c8 ffc9 75f9 f4"));
    assertEquals(500500, m.state().gpr(0));
    assertEquals(CODE + 15, m.state().rip());
  }

  @Test
  void callsAndReturns() {
    // call F; add eax, 1; hlt; F: mov eax, 41; ret
    assertEquals(Interpreter.Stop.HALT, run64("e804000000 83c001 f4 b829000000 c3"));
    assertEquals(42, m.state().gpr(0));
    assertEquals(0x80000, m.state().gpr(4));
  }

  @Test
  void stopsExactlyAtTheLimit() {
    m.enterLongMode();
    code(CODE, "48ffc0 48ffc0 48ffc0 48ffc0 ebf2");
    m.state().setRip(CODE);
    assertEquals(Interpreter.Stop.LIMIT, m.run(1003));
    assertEquals(803, m.state().gpr(0));
    assertEquals(CODE + 9, m.state().rip());
  }

  @Test
  void divideErrorLeavesRipAtTheInstruction() {
    // mov eax, 5; xor ecx, ecx; div ecx
    assertEquals(Interpreter.Stop.EXCEPTION, run64("b805000000 31c9 f7f1 f4"));
    assertEquals(CpuException.DE, m.cpu().exceptionVector());
    assertEquals(CODE + 7, m.state().rip());
    assertEquals(0x46, m.state().rflags());
  }

  @Test
  void pageFaultHasAddressAndCode() {
    // mov rbx, 1 << 33; mov [rbx + 8], eax
    assertEquals(Interpreter.Stop.EXCEPTION, run64("48bb0000000002000000 894308"));
    assertEquals(CpuException.PF, m.cpu().exceptionVector());
    assertEquals(2, m.cpu().exceptionError());
    assertEquals((1L << 33) + 8, m.state().u64(CpuLayout.CR2));
  }

  @Test
  void nonCanonicalStackIsAStackFault() {
    // mov rsp, 1 << 62; push rax
    assertEquals(Interpreter.Stop.EXCEPTION, run64("48bc0000000000000040 50"));
    assertEquals(CpuException.SS, m.cpu().exceptionVector());
    // mov rbx, 1 << 62; mov [rbx], eax
    assertEquals(Interpreter.Stop.EXCEPTION, run64("48bb0000000000000040 8903"));
    assertEquals(CpuException.GP, m.cpu().exceptionVector());
  }

  @Test
  void aBlockThatChangesItselfExecutesTheNewBytes() {
    // mov byte [rip + 1], 2 (the immediate of the next instruction): mov eax, 1 -> 2; hlt
    assertEquals(Interpreter.Stop.HALT, run64("c6050100000002 b801000000 f4"));
    assertEquals(2, m.state().gpr(0));
    m.state().setRip(CODE + 7);
    assertEquals(Interpreter.Stop.HALT, m.run(10));
    assertEquals(2, m.state().gpr(0));
  }

  @Test
  void aLoopThatChangesItselfAgainAndAgain() {
    // xor eax,eax; mov ecx,100; L: inc byte [rip+X]; add eax, imm32; dec ecx; jnz L; hlt
    // 0: 31c0; 2: b964000000; 7: fe0501000000; 13: 05 00000000; 18: ffc9; 20: 75f1; 22: f4
    assertEquals(
        Interpreter.Stop.HALT, run64("31c0 b964000000 fe0501000000 0500000000 ffc9 75f1 f4"));
    assertEquals(5050, m.state().gpr(0));
  }

  @Test
  void dataBesideCodeKeepsTheCode() {
    // mov ecx, 100; L: inc dword [rip + 0x200]; dec ecx; jnz L; mov eax, [rip+...]; hlt
    // b9: 0-4; 5: ff05 00020000 (next 11 -> 0x20b); 11: ffc9; 13: 75f6; 15: 8b05 f6010000 (next 21
    // -> 21+0x1f6=0x20b); f4
    assertEquals(Interpreter.Stop.HALT, run64("b964000000 ff0500020000 ffc9 75f6 8b05f6010000 f4"));
    assertEquals(100, m.state().gpr(0));
  }

  @Test
  void instructionsThatCrossPages() {
    m.enterLongMode();
    code(0x10ffc, "b878563412 f4");
    m.state().setRip(0x10ffc);
    assertEquals(Interpreter.Stop.HALT, m.run(10));
    assertEquals(0x12345678, m.state().gpr(0));
    code(0x11000, "00");
    m.state().setRip(0x10ffc);
    assertEquals(Interpreter.Stop.HALT, m.run(10));
    assertEquals(0x00345678, m.state().gpr(0));
  }

  @Test
  void realModeWrapsAndChecksLimits() {
    m.enterRealMode();
    // mov ax, 0x1234; mov [0xffff], ax
    code(CODE, "b83412 a3ffff");
    m.state().setSeg(CpuLayout.CS, 0x1000, CODE, 0xffff, 0x9b);
    m.state().setRip(0);
    assertEquals(Interpreter.Stop.EXCEPTION, m.run(10));
    assertEquals(CpuException.GP, m.cpu().exceptionVector());
    assertEquals(3, m.state().rip());
  }

  @Test
  void repeatedMoves() {
    // mov esi, 0x20000; mov edi, 0x20001; mov ecx, 9999; rep movsb; hlt: spreads the first byte
    m.load(0x20000, new byte[] {7});
    assertEquals(Interpreter.Stop.HALT, run64("be00000200 bf01000200 b90f270000 f3a4 f4"));
    assertEquals(7, m.memory(0x20000 + 9999, 1)[0]);
    assertEquals(0, m.memory(0x20000 + 10000, 1)[0]);
    assertEquals(0, m.state().gpr(1));
    assertEquals(0x20001 + 9999, m.state().gpr(7));
  }

  @Test
  void noOperationsAloneAndSteppedOver() {
    assertEquals(Interpreter.Stop.HALT, run64("90 0f1f00 f4"));
    m.state().setRip(CODE);
    assertEquals(Interpreter.Stop.LIMIT, m.run(1));
    assertEquals(CODE + 1, m.state().rip());
    m.state().setU32(CpuLayout.INTERRUPT_SHADOW, 1);
    assertEquals(Interpreter.Stop.LIMIT, m.run(1));
    assertEquals(CODE + 4, m.state().rip());
  }
}
