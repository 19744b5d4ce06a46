package dev.pollux.core.jit.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

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

  @Test
  void theSameBytesAreOneInstruction() {
    Interpreter.Prepared inc = at(0x1000, 64, 0xff, 0x05, 1, 0, 0, 0);
    assertEquals(Op.INC, inc.insn().op);
    assertSame(inc, at(0x1ffd, 64, 0xff, 0x05, 1, 0, 0, 0), "elsewhere");
    assertNotSame(inc, at(0x1000, 64, 0xff, 0x05, 2, 0, 0, 0), "another operand");
    assertNotSame(inc, at(0x1000, 32, 0xff, 0x05, 1, 0, 0, 0), "a mode where it is not relative");
    assertSame(inc, at(0x1000, 64, 0xff, 0x05, 1, 0, 0, 0), "at first");
    assertEquals(3, ready.count());
  }

  @Test
  void longOnesDifferInTheirLastByte() {
    int[] bytes = {0x66, 0x66, 0x66, 0x66, 0x48, 0xc7, 0x80, 1, 2, 3, 4, 4, 5, 6, 7};
    Interpreter.Prepared one = at(0x1000, 64, bytes);
    assertEquals(0x0706_0504, one.insn().imm);
    bytes[bytes.length - 1]++;
    assertEquals(0x0806_0504, at(0x1000, 64, bytes).insn().imm);
  }

  @Test
  void theyAreForgottenWhenThereAreTooMany() {
    for (int i = 0; i < ReadyInstructions.MOST; i++) {
      at(0x1000, 64, 0xb8, i, i >> 8, 0, 0);
    }
    assertEquals(ReadyInstructions.MOST, ready.count());
    Interpreter.Prepared known = at(0x1000, 64, 0xb8, 1, 0, 0, 0);
    assertEquals(ReadyInstructions.MOST, ready.count());
    assertEquals(Op.CPUID, at(0x1000, 64, 0x0f, 0xa2).insn().op);
    assertEquals(1, ready.count());
    assertNotSame(known, at(0x1000, 64, 0xb8, 1, 0, 0, 0));
    assertEquals(1, at(0x1000, 64, 0xb8, 1, 0, 0, 0).insn().imm);
  }
}
