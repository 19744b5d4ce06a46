package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.cpu.TraceLog.Item;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.io.StringWriter;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What {@code -d} shows where code is generated, and what {@code info jit} counts. */
class JitLogTest {
  private static final int CODE = 0x1_0000;
  private static final int ROUNDS = 10;

  private String description;

  @BeforeEach
  void onlyOnX86() {
    GeneratorHost.assumeGenerator();
  }

  /** The log of a loop of ten rounds. */
  private String log(boolean translated, Set<Item> items) {
    StringWriter out = new StringWriter();
    try (BareMachine m =
        new BareMachine(4 << 20, new CpuModel("qemu64"), translated, TraceLog.to(out, items))) {
      m.enterLongMode();
      X86Assembler asm = new X86Assembler(CodeMode.BITS64);
      asm.org(CODE);
      asm.mov(DWORD, Gpr.RCX, ROUNDS);
      Label again = asm.here();
      asm.add(DWORD, Gpr.RAX, Gpr.RCX);
      asm.op(NullaryOp.FNINIT);
      asm.mov(DWORD, Gpr.RCX, Gpr.RBP);
      asm.dec(DWORD, Gpr.RDI);
      asm.jcc(Cond.NE, again);
      asm.op(NullaryOp.HLT);
      m.load(CODE, asm.finish());
      m.state().setGpr(7, ROUNDS);
      m.state().setRip(CODE);
      assertEquals(Interpreter.Stop.HALT, m.run(1000));
      description = translated ? m.jit().describe() : "";
    }
    return out.toString();
  }

  private static long count(String text, String start) {
    return text.lines().filter(line -> line.startsWith(start)).count();
  }

  @Test
  void guestAndHostCodeSideBySide() {
    String log = log(true, EnumSet.of(Item.OUT_ASM));
    assertTrue(log.contains("OUT: [size="), log);
    String line = "(?s).*0x0000000000010005:  add eax, ecx +\\| 0x[0-9a-f]+:  add eax, ecx\n.*";
    assertTrue(log.matches(line), log);
    assertTrue(log.contains("(ways out)"), log);
  }

  @Test
  void whatIsLeftToTheInterpreter() {
    String log = log(true, EnumSet.of(Item.OP, Item.JIT, Item.IN_ASM));
    assertTrue(count(log, "interpreter  0x0000000000010007:  fninit") > 0, log);
    assertTrue(count(log, "host         0x0000000000010005:  add eax, ecx") > 0, log);
    assertTrue(count(log, "JIT 0: translated 0000000000010005") > 0, log);
    assertTrue(count(log, "IN:") > 0, log);
    assertTrue(description.contains("FNINIT"), description);
    String end = log.substring(log.indexOf("JIT 0: at the end\n"));
    assertEquals(description, end.substring(end.indexOf('\n') + 1));
  }

  @Test
  void eachBlockIsShownWhereNoneIsChained() {
    String chained = log(true, EnumSet.of(Item.EXEC));
    String alone = log(true, EnumSet.of(Item.EXEC, Item.NOCHAIN));
    String start = "Trace 0: 0000000000010005/";
    assertTrue(count(chained, start) < ROUNDS - 2, chained);
    // The first round belongs to the block at the start.
    assertEquals(ROUNDS - 1, count(alone, start), alone);
    assertEquals(ROUNDS - 1, count(log(false, EnumSet.of(Item.EXEC)), start));
  }

  @Test
  void registersBeforeEachBlock() {
    String log = log(true, EnumSet.of(Item.CPU, Item.NOCHAIN));
    assertTrue(log.contains("RDI=000000000000000a"), log);
    assertTrue(log.contains("RDI=0000000000000001"), log);
  }
}
