package dev.pollux.core.jit.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.Op;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ReadyInstructionsTest {
  private BareMachine machine;
  private ReadyInstructions ready;

  @BeforeEach
  void open() {
    machine = new BareMachine(4 << 20, new CpuModel("qemu64"), false);
    ready = new ReadyInstructions(machine.cpu(), machine.cpu().anotherDecoder());
  }

  @AfterEach
  void close() {
    machine.close();
  }

  /** Puts bytes into memory; what they are. */
  private Interpreter.Prepared at(int address, int codeSize, int... bytes) {
    byte[] code = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      code[i] = (byte) bytes[i];
    }
    machine.load(address, code);
    return ready.get(machine.ram().hostAddress() + address, code.length, codeSize);
  }

  /** The same, asked for until it is kept. */
  private Interpreter.Prepared keptAt(int address, int codeSize, int... bytes) {
    for (int i = 1; i < ReadyInstructions.OFTEN; i++) {
      at(address, codeSize, bytes);
    }
    return at(address, codeSize, bytes);
  }

  @Test
  void whatIsAskedForOftenIsKeptWhereverItLies() {
    Interpreter.Prepared inc = keptAt(0x1000, 64, 0xff, 0x05, 1, 0, 0, 0);
    assertEquals(Op.INC, inc.insn().op);
    assertSame(inc, at(0x1ffd, 64, 0xff, 0x05, 1, 0, 0, 0), "elsewhere");
    assertNotSame(inc, keptAt(0x1000, 64, 0xff, 0x05, 2, 0, 0, 0), "another operand");
    Interpreter.Prepared absolute = keptAt(0x1000, 32, 0xff, 0x05, 1, 0, 0, 0);
    assertNotSame(inc, absolute, "a mode where it is not relative");
    assertFalse(absolute.insn().ripRelative);
    assertTrue(inc.insn().ripRelative);
  }

  @Test
  void longOnesDifferInTheirLastByte() {
    int[] bytes = {0x66, 0x66, 0x66, 0x66, 0x48, 0xc7, 0x80, 1, 2, 3, 4, 4, 5, 6, 7};
    assertEquals(0x0706_0504, keptAt(0x1000, 64, bytes).insn().imm);
    bytes[bytes.length - 1]++;
    assertEquals(0x0806_0504, keptAt(0x1000, 64, bytes).insn().imm);
  }

  @Test
  void whatIsAskedForSeldomIsNotKept() {
    Interpreter.Prepared first = at(0x1000, 64, 0x0f, 0xa2);
    for (int i = 2; i < ReadyInstructions.OFTEN; i++) {
      assertNotSame(first, at(0x1000, 64, 0x0f, 0xa2));
    }
  }

  /** Many that are asked for a few times each do not drive away one that is asked for often. */
  @Test
  void whatIsKeptStaysWhereOthersAreSeldom() {
    Interpreter.Prepared kept = keptAt(0x1000, 64, 0x0f, 0xa2);
    for (int i = 0; i < 100_000; i++) {
      assertEquals(i, at(0x1000, 64, 0xb8, i, i >> 8, i >> 16, 0).insn().imm);
    }
    assertSame(kept, at(0x1000, 64, 0x0f, 0xa2));
  }
}
