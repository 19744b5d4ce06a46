package dev.pollux.core.machine;

import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.JitEngine;
import dev.pollux.core.jit.store.TranslationStore;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * A machine of RAM from address 0 and one vCPU on the caller's thread, without devices: for tests
 * and for comparisons with other processors.
 *
 * <pre>{@code
 * try (var m = new BareMachine(4 << 20)) {
 *   m.enterLongMode();                       // flat 64-bit code at privilege 0, memory mapped one to one
 *   m.load(0x10000, new byte[] {0x48, (byte) 0xff, (byte) 0xc0, (byte) 0xf4}); // inc rax; hlt
 *   m.state().setRip(0x10000);
 *   assertEquals(Interpreter.Stop.HALT, m.run(100));
 *   assertEquals(1, m.state().gpr(0));
 * }
 * }</pre>
 */
public final class BareMachine implements AutoCloseable {
  /** Page tables of {@link #enterLongMode} take the last 24 KiB of memory. */
  public static final int PAGE_TABLE_BYTES = 6 * 4096;

  private static final int CODE_32 = 0xc09b;
  private static final int CODE_64 = 0xa09b;
  private static final int DATA_32 = 0xc093;
  private static final int RFLAGS_FIXED = 2;

  private final Machine machine;
  private final RamBlock ram;
  private final Vcpu vcpu;
  private final CpuState state;
  private final Interpreter cpu;

  /** The code generator that executes, or null. */
  private final JitEngine jit;

  /**
   * @param ramBytes a multiple of 4096
   */
  public BareMachine(long ramBytes) {
    this(ramBytes, new CpuModel("max"));
  }

  public BareMachine(long ramBytes, CpuModel model) {
    this(ramBytes, model, false);
  }

  /**
   * @param translated {@link #run} translates all 64-bit code at once and executes that
   */
  public BareMachine(long ramBytes, CpuModel model, boolean translated) {
    this(ramBytes, model, translated, TraceLog.OFF);
  }

  /**
   * @param log of what is executed
   */
  public BareMachine(long ramBytes, CpuModel model, boolean translated, TraceLog log) {
    this(ramBytes, model, translated, log, null);
  }

  /** A machine that translates, and uses and keeps translations in a store. */
  public BareMachine(long ramBytes, CpuModel model, TranslationStore store) {
    this(ramBytes, model, true, TraceLog.OFF, store);
  }

  private BareMachine(
      long ramBytes, CpuModel model, boolean translated, TraceLog log, TranslationStore store) {
    try {
      machine = new Machine("bare", new Machine.EndPolicy(true, false));
      machine.setTraceLog(log);
      ram = new RamBlock("pc.ram", ramBytes, false);
      machine.addRamBlock(ram);
      machine.memory().map(0, new Region.RamRegion(ram, 0, ramBytes));
      state = new CpuState();
      Engines engines = new Engines(translated, store);
      vcpu = new Vcpu(machine, 0, model, state, engines::make);
      machine.add(vcpu);
      cpu = engines.interpreter;
      jit = engines.jit;
      vcpu.reset();
      state.setU32(CpuLayout.A20, 1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static final class Engines {
    private final boolean translated;
    private final TranslationStore store;
    private Interpreter interpreter;
    private JitEngine jit;

    private Engines(boolean translated, TranslationStore store) {
      this.translated = translated;
      this.store = store;
    }

    private ExecutionEngine make(Vcpu vcpu) {
      interpreter = new Interpreter(vcpu, 0);
      if (!translated) {
        return interpreter;
      }
      try {
        jit = new JitEngine(vcpu, interpreter, JitEngine.CodeMemory.DEFAULT, store, null);
        return jit;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  public Machine machine() {
    return machine;
  }

  public RamBlock ram() {
    return ram;
  }

  public Vcpu vcpu() {
    return vcpu;
  }

  public CpuState state() {
    return state;
  }

  /** The interpreter: the engine, or what the code generator leaves instructions to. */
  public Interpreter cpu() {
    return cpu;
  }

  /** The code generator of a machine that translates. */
  public JitEngine jit() {
    return jit;
  }

  /** Copies bytes into guest-physical memory, dropping code decoded from there. */
  public void load(long address, byte[] bytes) {
    ram.write(address, bytes, 0, bytes.length);
  }

  public byte[] memory(long address, int length) {
    byte[] bytes = new byte[length];
    ram.read(address, bytes, 0, length);
    return bytes;
  }

  /** Real mode, all segments at 0 with limits of 64 KiB, interrupts off. */
  public void enterRealMode() {
    state.setU64(CpuLayout.CR0, 0x10);
    state.setU64(CpuLayout.CR4, 0);
    state.setU64(CpuLayout.EFER, 0);
    for (int segment = CpuLayout.ES; segment <= CpuLayout.GS; segment++) {
      state.setSeg(segment, 0, 0, 0xffff, segment == CpuLayout.CS ? 0x9b : 0x93);
    }
    state.setRflags(RFLAGS_FIXED);
    vcpu.mmu().flushAll();
  }

  /** Flat 32-bit protected mode at privilege 0 without paging, interrupts off. */
  public void enterProtectedMode() {
    enterFlat(CODE_32);
    state.setU64(CpuLayout.CR0, 0x11);
    state.setU64(CpuLayout.CR4, 0x600);
    state.setU64(CpuLayout.EFER, 0);
    vcpu.mmu().flushAll();
  }

  /**
   * 64-bit mode at privilege 0, the first 4 GiB mapped one to one, writable and open to user code,
   * in pages of 2 MiB whose tables are the last {@link #PAGE_TABLE_BYTES} of memory; SSE switched
   * on, interrupts off.
   */
  public void enterLongMode() {
    enterFlat(CODE_64);
    long tables = ram.size() - PAGE_TABLE_BYTES;
    machine.memory().write(tables, 8, tables + 0x1000 | 7);
    for (long i = 0; i < 4; i++) {
      machine.memory().write(tables + 0x1000 + i * 8, 8, tables + 0x2000 + i * 0x1000 | 7);
    }
    for (long i = 0; i < 4L * 512; i++) {
      machine.memory().write(tables + 0x2000 + i * 8, 8, i << 21 | 0xe7);
    }
    state.setU64(CpuLayout.CR3, tables);
    state.setU64(CpuLayout.CR0, 0x8001_0033L);
    state.setU64(CpuLayout.CR4, 0x620);
    state.setU64(CpuLayout.EFER, 0xd01);
    vcpu.mmu().flushAll();
  }

  /** Lowers or raises the privilege level, code and stack segments with it. */
  public void setPrivilege(int cpl) {
    setPrivilege(CpuLayout.CS, cpl);
    setPrivilege(CpuLayout.SS, cpl);
  }

  private void setPrivilege(int segment, int cpl) {
    state.setSeg(
        segment,
        state.segSelector(segment) & ~3 | cpl,
        state.segBase(segment),
        state.segLimit(segment),
        state.segAttr(segment) & ~0x60 | cpl << 5);
  }

  private void enterFlat(int codeAttributes) {
    state.setSeg(CpuLayout.CS, 8, 0, 0xffff_ffffL, codeAttributes);
    for (int segment = CpuLayout.ES; segment <= CpuLayout.GS; segment++) {
      if (segment != CpuLayout.CS) {
        state.setSeg(segment, 16, 0, 0xffff_ffffL, DATA_32);
      }
    }
    state.setRflags(RFLAGS_FIXED);
  }

  /**
   * Executes up to {@code limit} instructions; ends at HLT and at the first exception, which is not
   * delivered. A machine that translates knows no limit.
   */
  public Interpreter.Stop run(long limit) {
    return jit != null ? jit.runBare() : cpu.runBare(limit, false);
  }

  /**
   * As {@link #run}, exceptions and software interrupts being delivered through the guest's own
   * tables.
   */
  public Interpreter.Stop runDelivering(long limit) {
    return cpu.runBare(limit, true);
  }

  @Override
  public void close() {
    machine.close();
  }
}
