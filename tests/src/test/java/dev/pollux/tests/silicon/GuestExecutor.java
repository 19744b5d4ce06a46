package dev.pollux.tests.silicon;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.CpuTopology;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.HostSupport;
import dev.pollux.core.jit.store.TranslationStore;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;

/**
 * Runs instructions in the interpreter or in generated code, with user privilege and in one of two
 * address spaces like the host's: the first has nothing at second addresses. Not thread-safe.
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

  /** Tables of the second address space, its root first. */
  private static final long MOVED_TABLES = 0x1_1000;

  private static final long FLAT = 0xffff_ffffL;
  private static final long NO_EXECUTE = Long.MIN_VALUE;
  private static final int PRESENT_USER = 0x65;
  private static final int WRITABLE_DIRTY = 0x42;

  /** More than any sequence executes, repetitions included. */
  private static final long LIMIT = 100_000;

  /** Runs after which generated code is dropped, so that it does not pile up, unless it is kept. */
  private static final int RUNS_BEFORE_FLUSH = 512;

  /** Short code, quick code, what changes from one to the other after two calls, and hot code. */
  private static final int[] PATIENCES = {1_000_000, 0, 2, -1};

  private static final int SNAPSHOT_BYTES =
      CpuLayout.SIZE + Window.DATA_LENGTH + Window.STACK_LENGTH;

  /** Places for {@link #save}. */
  static final int SNAPSHOTS = 4;

  /** Folder of translations that are kept, or null. */
  private static final String STORE = System.getProperty("silicon.store");

  private final BareMachine machine;
  private final CpuState state;
  private final long memoryShift;
  private int runs;

  /** For each place the vCPU's state block up to the engines' fields, then both windows. */
  private final long snapshots;

  private int mode;

  /** Root tables of both address spaces. */
  private final long homeRoot;

  private final long movedRoot;

  /**
   * @param translated by the code generator, all 64-bit code being translated at once
   */
  GuestExecutor(boolean translated) throws IOException {
    machine =
        translated && STORE != null
            ? new BareMachine(RAM_BYTES, model(), TranslationStore.open(Path.of(STORE), 1))
            : new BareMachine(RAM_BYTES, model(), translated);
    state = machine.state();
    memoryShift = machine.ram().hostAddress();
    snapshots =
        Libc.mapAnonymous((long) SNAPSHOTS * SNAPSHOT_BYTES, Libc.PROT_READ | Libc.PROT_WRITE);
    machine.enterLongMode();
    homeRoot = state.u64(CpuLayout.CR3);
    mapArenaOnly();
    movedRoot = mapSecondAddresses();
    state.setU64(CpuLayout.CR0, state.cr0() | CR0_AM);
    state.setU64(CpuLayout.CR4, state.cr4() | CR4_FSGSBASE | CR4_OSXSAVE);
    state.setU64(CpuLayout.XCR0, ALL_COMPONENTS);
    // A task state too short for an I/O permission bitmap: no ports.
    state.setSeg(CpuLayout.TR, 0x40, 0, 0x50, BUSY_TSS);
  }

  /** Blocks that needed a translation. */
  long translations() {
    return machine.jit().translations();
  }

  /** Blocks that needed no translation because an earlier run had kept theirs. */
  long storedTranslations() {
    return machine.jit().storedTranslations();
  }

  /**
   * Puts {@code start} into the machine, code of {@code bits} bits to be executed next, in the
   * address space that its RIP belongs to.
   */
  void load(int bits, SiliconState start) {
    long root = Window.moveOf(start.words[SiliconState.RIP]) == 0 ? homeRoot : movedRoot;
    if (root != state.u64(CpuLayout.CR3)) {
      state.setU64(CpuLayout.CR3, root);
      machine.vcpu().mmu().flushNonGlobal();
    }
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
    mapPages(Window.CODE, Window.CODE_END, WRITABLE_DIRTY);
    mapPages(Window.DATA_PAGES, Window.READ_ONLY, WRITABLE_DIRTY | NO_EXECUTE);
    mapPages(Window.READ_ONLY, Window.UNMAPPED, NO_EXECUTE);
    mapPages(Window.STACK_PAGES, Window.STACK_END, WRITABLE_DIRTY | NO_EXECUTE);
    RawMemory.fill(
        Window.READ_ONLY + memoryShift,
        Window.UNMAPPED - Window.READ_ONLY,
        Window.READ_ONLY_CONTENT);
  }

  /**
   * Makes an address space that has all of the first one's pages a second time, at either distance;
   * returns its root table.
   */
  private long mapSecondAddresses() {
    AddressSpace memory = machine.machine().memory();
    long pointers = homeRoot + 0x1000;
    long movedPointers = MOVED_TABLES + 0x1000;
    memory.write(MOVED_TABLES, 8, movedPointers | 7);
    memory.write(MOVED_TABLES + 8 * (Window.MOVE_64 >> 39), 8, pointers | 7);
    long directory = memory.read(pointers, 8);
    memory.write(movedPointers, 8, directory);
    memory.write(movedPointers + 8 * (Window.MOVE_32 >> 30), 8, directory);
    return MOVED_TABLES;
  }

  private void mapPages(long from, long to, long flags) {
    for (long at = from; at < to; at += RamBlock.PAGE_SIZE) {
      long entry = PAGE_TABLE + 8 * (at - Window.BASE >> RamBlock.PAGE_BITS);
      machine.machine().memory().write(entry, 8, at | PRESENT_USER | flags);
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
    place(bits, address, code);
    if (machine.jit() != null && Window.moveOf(address) == 0) {
      prepareCode();
    }
    Interpreter.Stop stop = machine.run(LIMIT);
    read(out);
    if (stop != Interpreter.Stop.EXCEPTION) {
      out.words[SiliconState.VECTOR] = STOPPED + stop.ordinal();
    } else if (machine.cpu().exceptionVector() == CpuException.PF
        && Window.home(state.rip()) == Window.exit(bits)) {
      out.words[SiliconState.RIP] = Window.home(address) + code.length + Window.moveOf(state.rip());
      out.setNoException();
    } else {
      out.setException(
          machine.cpu().exceptionVector(),
          machine.cpu().exceptionError(),
          state.u64(CpuLayout.CR2));
    }
    if (machine.jit() != null && machine.jit().failedTranslations() != 0) {
      throw new IllegalStateException("the code cannot be translated; see above");
    }
  }

  /** Before a case whose translations the same one may execute at its second address. */
  private void prepareCode() {
    if (++runs % RUNS_BEFORE_FLUSH == 0 && STORE == null) {
      machine.jit().flushCode();
    }
    machine.jit().setPatience(PATIENCES[runs % PATIENCES.length]);
  }

  /** Added to how execution stopped otherwise than by an exception: no processor's vector. */
  static final int STOPPED = 1000;

  /**
   * Puts code into memory unless it is there, a jump to the exit behind it, and RIP at its start.
   */
  void place(int bits, long address, byte[] code) {
    byte[] window = Window.codeWindow(bits, address, code);
    if (!RawMemory.equal(window, 0, Window.CODE + memoryShift, window.length)) {
      machine.load(Window.CODE, window);
    }
    state.setRip(address);
  }

  /** Executes the one instruction at RIP; false if it raised an exception. */
  boolean step() {
    return machine.run(1) != Interpreter.Stop.EXCEPTION;
  }

  /** Puts bytes that are not executed next into memory. */
  void write(long address, byte[] bytes) {
    machine.load(address, bytes);
  }

  /** What is in memory from {@code address} on. */
  byte[] read(long address, int length) {
    byte[] bytes = new byte[length];
    RawMemory.copyOut(address + memoryShift, bytes, 0, length);
    return bytes;
  }

  /** True if generated code of the present state would execute {@code insn} itself. */
  boolean translates(Insn insn) {
    return machine.jit().translates(insn);
  }

  /** The state as it is, without a vector. */
  void read(SiliconState out) {
    out.fromCpu(state);
    out.fromMemory(memoryShift);
  }

  CpuState state() {
    return state;
  }

  /** All that generated code can offer on this host. */
  private static CpuModel model() throws IOException {
    return new CpuModel("max", CpuTopology.single(), HostSupport.guestFeatures());
  }

  /** Features that the vCPU shows. */
  static Set<CpuFeature> features() throws IOException {
    return model().features();
  }

  /** Vector of the last exception. */
  int vector() {
    return machine.cpu().exceptionVector();
  }

  /** Keeps the state at one of the {@link #SNAPSHOTS}. */
  void save(int place) {
    long to = snapshots + (long) place * SNAPSHOT_BYTES;
    RawMemory.copy(state.address(), to, CpuLayout.SCRATCH);
    RawMemory.copy(Window.DATA + memoryShift, to + CpuLayout.SIZE, Window.DATA_LENGTH);
    RawMemory.copy(
        Window.STACK + memoryShift, to + CpuLayout.SIZE + Window.DATA_LENGTH, Window.STACK_LENGTH);
  }

  /** Goes back to what {@link #save} saw. */
  void restore(int place) {
    long from = snapshots + (long) place * SNAPSHOT_BYTES;
    RawMemory.copy(from, state.address(), CpuLayout.SCRATCH);
    RawMemory.copy(from + CpuLayout.SIZE, Window.DATA + memoryShift, Window.DATA_LENGTH);
    RawMemory.copy(
        from + CpuLayout.SIZE + Window.DATA_LENGTH,
        Window.STACK + memoryShift,
        Window.STACK_LENGTH);
  }

  @Override
  public void close() {
    machine.close();
    Libc.unmap(snapshots, (long) SNAPSHOTS * SNAPSHOT_BYTES);
  }
}
