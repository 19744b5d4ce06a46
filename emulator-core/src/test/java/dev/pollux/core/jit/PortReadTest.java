package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.machine.BareMachine;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** IN under both engines, and what is made ready for guests that measure time by a device. */
class PortReadTest {
  private static final int CODE = 0x10_0000;
  private static final int FIRST_PORT = 0x40;
  private static final int PORT = 0x42;
  private static final int RAX = 0;
  private static final int RCX = 1;
  private static final int RDX = 2;

  private BareMachine m;

  /** Port and size of each access, as {@code 42:1}. */
  private final List<String> accesses = new ArrayList<>();

  private long answer = 0xdead_beefL;

  private void open(boolean translated) {
    if (translated) {
      GeneratorHost.assumeGenerator();
    }
    m = new BareMachine(8 << 20, new CpuModel("qemu64"), translated);
    m.enterLongMode();
    BusDevice device =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            accesses.add("%x:%d".formatted(FIRST_PORT + offset, size));
            return answer;
          }

          @Override
          public void write(long offset, int size, long value) {}
        };
    m.machine().io().map(FIRST_PORT, new Region.DeviceRegion("device", 8, 4, device));
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  private Interpreter.Stop run() {
    m.state().setRip(CODE);
    return m.run(1_000_000);
  }

  @ParameterizedTest
  @CsvSource({
    "false, e442, 42:1, 11223344556677ef",
    "true, e442, 42:1, 11223344556677ef",
    "false, 66e542, 42:2, 112233445566beef",
    "true, 66e542, 42:2, 112233445566beef",
    "false, e542, 42:4, deadbeef",
    "true, e542, 42:4, deadbeef",
    "false, ec, 43:1, 11223344556677ef",
    "true, ec, 43:1, 11223344556677ef",
    "false, 66ed, 43:2, 112233445566beef",
    "true, 66ed, 43:2, 112233445566beef",
    "false, 48ed, 43:4, deadbeef",
    "true, 48ed, 43:4, deadbeef"
  })
  void portSizeAndRegister(boolean translated, String in, String access, String rax) {
    open(translated);
    m.load(
        CODE,
        GuestPrograms.halting(
            CODE,
            asm -> {
              asm.db(HexFormat.of().parseHex(in));
              asm.add(DWORD, Gpr.RCX, 1);
            }));
    m.state().setGpr(RAX, 0x1122_3344_5566_7788L);
    m.state().setGpr(RCX, 1);
    m.state().setGpr(RDX, 0xffff_0043L);
    assertEquals(Interpreter.Stop.HALT, run());
    assertEquals(List.of(access), accesses);
    assertEquals(Long.parseUnsignedLong(rax, 16), m.state().gpr(RAX));
    assertEquals(2, m.state().gpr(RCX));
  }

  @ParameterizedTest
  @CsvSource({"false, 0", "true, 0", "false, 2", "true, 2", "false, 3", "true, 3"})
  void privilege(boolean translated, int iopl) {
    open(translated);
    m.load(
        CODE,
        GuestPrograms.assemble(
            CODE,
            asm -> {
              asm.db(0xe4, PORT);
              asm.op(NullaryOp.UD2);
            }));
    m.state().setSeg(CpuLayout.TR, 0x28, 0, 0, 0x8b); // without a bitmap
    m.setPrivilege(3);
    m.state().setRflags(Eflags.FIXED | iopl << Eflags.IOPL_SHIFT);
    assertEquals(Interpreter.Stop.EXCEPTION, run());
    assertEquals(iopl == 3 ? CpuException.UD : CpuException.GP, m.cpu().exceptionVector());
    assertEquals(iopl == 3 ? List.of("42:1") : List.of(), accesses);
  }

  /** A guest that reads again and again until something changes finds both ways on translated. */
  @Test
  void whatFollowsIsTranslatedWithIt() {
    open(true);
    m.load(
        CODE,
        GuestPrograms.halting(
            CODE,
            asm -> {
              Label changed = new Label();
              Label changedAgain = new Label();
              asm.db(0xe4, PORT);
              asm.alu(AluOp.CMP, BYTE, Gpr.RAX, 1);
              asm.jcc(Cond.E, changed);
              asm.mov(DWORD, Gpr.RCX, 1);
              asm.op(NullaryOp.HLT);
              asm.bind(changed);
              asm.db(0xe4, PORT + 1);
              asm.alu(AluOp.CMP, BYTE, Gpr.RAX, 1);
              asm.jcc(Cond.E, changedAgain);
              asm.mov(DWORD, Gpr.RCX, 2);
              asm.op(NullaryOp.HLT);
              asm.bind(changedAgain);
              asm.mov(DWORD, Gpr.RCX, 3);
            }));
    assertEquals(Interpreter.Stop.HALT, run());
    assertEquals(1, m.state().gpr(RCX));
    long translations = m.jit().translations();
    answer = 1;
    assertEquals(Interpreter.Stop.HALT, run());
    assertEquals(3, m.state().gpr(RCX));
    assertEquals(translations, m.jit().translations());
  }
}
