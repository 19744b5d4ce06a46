package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.util.Set;

/**
 * Runs instructions in the interpreter, with user privilege and in an address space like the
 * host's. Not thread-safe.
 */
final class GuestExecutor implements AutoCloseable {
  private static final long RAM_BYTES = 32 << 20;
  private static final int CR0_AM = 1 << 18;
  private static final int CR4_FSGSBASE = 1 << 16;
  private static final int CR4_OSXSAVE = 1 << 18;
  private static final int ALL_COMPONENTS = 7;
  private static final int CODE_64 = 0xa0fb;
  private static final int CODE_32 = 0xc0fb;
  private static final int DATA = 0xc0f3;
  private static final int BUSY_TSS = 0x8b;
  private static final long PAGE_TABLE = 0x1_0000;
  private static final long FLAT = 0xffff_ffffL;

  /** More than any sequence executes, repetitions included. */
  private static final long LIMIT = 100_000;

  private static final byte[] UD2 = {0x0f, 0x0b};

  private static final CpuModel MODEL = new CpuModel("max");

  private final BareMachine machine = new BareMachine(RAM_BYTES, MODEL);
  private final CpuState state = machine.state();
  private final long memoryShift = machine.ram().hostAddress();

  /** The vCPU's state block up to the engines' fields, then both windows. */
  private final long snapshot;

  private int mode;

  GuestExecutor() throws IOException {
    snapshot =
        Libc.mapAnonymous(
            CpuLayout.SIZE + Window.DATA_LENGTH + Window.STACK_LENGTH,
            Libc.PROT_READ | Libc.PROT_WRITE);
    machine.enterLongMode();
    mapArenaOnly();
    state.setU64(CpuLayout.CR0, state.cr0() | CR0_AM);
    state.setU64(CpuLayout.CR4, state.cr4() | CR4_FSGSBASE | CR4_OSXSAVE);
    state.setU64(CpuLayout.XCR0, ALL_COMPONENTS);
    // A task state too short for an I/O permission bitmap: no ports.
    state.setSeg(CpuLayout.TR, 0x40, 0, 0x50, BUSY_TSS);
  }

  /** Puts {@code start} into the machine, code of {@code bits} bits to be executed next. */
  void load(int bits, SiliconState start) {
    if (bits != mode) {
      mode = bits;
      selectMode();
    }
    state.setU32(CpuLayout.PENDING_DEBUG, 0);
    state.setU32(CpuLayout.INTERRUPT_SHADOW, 0);
    state.setU32(CpuLayout.HALTED, 0);
    start.toCpu(state);
    start.toMemory(memoryShift);
  }

  /** Leaves only the arena's pages mapped, as on the host. */
  private void mapArenaOnly() {
    long directories = RAM_BYTES - BareMachine.PAGE_TABLE_BYTES + 0x2000;
    for (long at = directories; at < RAM_BYTES; at += 8) {
      machine.machine().memory().write(at, 8, 0);
    }
    long directoryEntry = directories + 8 * (Window.BASE >> 21);
    machine.machine().memory().write(directoryEntry, 8, PAGE_TABLE | 7);
    for (long page = 0; page < Window.LENGTH >> 12; page++) {
      machine.machine().memory().write(PAGE_TABLE + 8 * page, 8, Window.BASE + (page << 12) | 0x67);
    }
  }

  /** The selectors and segments of a Linux process. */
  private void selectMode() {
    boolean is64 = mode == 64;
    state.setSeg(CpuLayout.CS, is64 ? 0x33 : 0x23, 0, FLAT, is64 ? CODE_64 : CODE_32);
    state.setSeg(CpuLayout.SS, 0x2b, 0, FLAT, DATA);
    int selector = is64 ? 0 : 0x2b;
    state.setSeg(CpuLayout.DS, selector, 0, FLAT, DATA);
    state.setSeg(CpuLayout.ES, selector, 0, FLAT, DATA);
    state.setSeg(CpuLayout.FS, 0, 0, FLAT, DATA);
    state.setSeg(CpuLayout.GS, 0, 0, FLAT, DATA);
    machine.vcpu().mmu().updateMode();
    machine.vcpu().mmu().flushAll();
  }

  /** Executes the one instruction in {@code bytes}; false if it raised an exception. */
  boolean step(long address, byte[] bytes) {
    machine.load(address, bytes);
    state.setRip(address);
    return machine.run(1) != Interpreter.Stop.EXCEPTION;
  }

  /** Executes {@code code} to its end or to an exception. */
  void run(int bits, long address, byte[] code, SiliconState start, SiliconState out) {
    load(bits, start);
    machine.load(address, code);
    machine.load(address + code.length, UD2);
    state.setRip(address);
    Interpreter.Stop stop = machine.run(LIMIT);
    read(out);
    if (stop != Interpreter.Stop.EXCEPTION) {
      // The comparison shows it: no processor has such a vector.
      out.words[SiliconState.VECTOR] = 1000 + stop.ordinal();
      return;
    }
    int vector = machine.cpu().exceptionVector();
    boolean end = vector == CpuException.UD && state.rip() == address + code.length;
    out.words[SiliconState.VECTOR] = end ? SiliconState.NO_EXCEPTION : vector;
  }

  /** The state as it is, without a vector. */
  void read(SiliconState out) {
    out.fromCpu(state);
    out.fromMemory(memoryShift);
  }

  CpuState state() {
    return state;
  }

  /** Features that the vCPU shows. */
  static Set<CpuFeature> features() {
    return MODEL.features();
  }

  /** Vector of the last exception. */
  int vector() {
    return machine.cpu().exceptionVector();
  }

  void save() {
    RawMemory.copy(state.address(), snapshot, CpuLayout.SCRATCH);
    RawMemory.copy(Window.DATA + memoryShift, snapshot + CpuLayout.SIZE, Window.DATA_LENGTH);
    RawMemory.copy(
        Window.STACK + memoryShift,
        snapshot + CpuLayout.SIZE + Window.DATA_LENGTH,
        Window.STACK_LENGTH);
  }

  /** Goes back to what {@link #save} saw. */
  void restore() {
    RawMemory.copy(snapshot, state.address(), CpuLayout.SCRATCH);
    RawMemory.copy(snapshot + CpuLayout.SIZE, Window.DATA + memoryShift, Window.DATA_LENGTH);
    RawMemory.copy(
        snapshot + CpuLayout.SIZE + Window.DATA_LENGTH,
        Window.STACK + memoryShift,
        Window.STACK_LENGTH);
  }

  @Override
  public void close() {
    machine.close();
    Libc.unmap(snapshot, CpuLayout.SIZE + Window.DATA_LENGTH + Window.STACK_LENGTH);
  }
}
