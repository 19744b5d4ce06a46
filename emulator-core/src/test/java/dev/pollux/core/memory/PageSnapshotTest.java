package dev.pollux.core.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.JitEngine;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Snapshots of memory that somebody goes on writing. */
@Timeout(60)
class PageSnapshotTest {
  private static final long RAM = 4 << 20;
  private static final int CODE = 0x1000;
  private static final int FIRST = 0x10_0000;
  private static final int END = 0x20_0000;
  private static final long DEVICE_PAGE = 0x30_0000;

  @Test
  void handsOutWhatWasThereAndNothingElse() throws IOException {
    try (RamBlock ram = new RamBlock("ram", 16 << 12, false);
        PageBuffer buffer = new PageBuffer()) {
      DirtyLog log = new DirtyLog(ram);
      try (PageSnapshot snapshot = new PageSnapshot(List.of(log))) {
        log.start();
        put(ram, 3, 1);
        put(ram, 9, 1);
        assertEquals(2, snapshot.take());
        put(ram, 9, 2);
        put(ram, 5, 2);
        PageSnapshot.Page page = new PageSnapshot.Page();
        assertTrue(snapshot.next(buffer.address, page));
        assertEquals(9, page.number(), "the one that was put aside comes first");
        assertEquals(1, RawMemory.getInt(buffer.address));
        assertTrue(snapshot.next(buffer.address, page));
        assertEquals(3, page.number());
        assertFalse(snapshot.next(buffer.address, page));
        assertEquals(1, snapshot.putAside());

        assertEquals(2, snapshot.take(), "what was written since");
        assertTrue(snapshot.next(buffer.address, page));
        assertEquals(5, page.number());
        assertTrue(snapshot.next(buffer.address, page));
        assertEquals(9, page.number());
        assertEquals(2, RawMemory.getInt(buffer.address));
        assertFalse(snapshot.next(buffer.address, page));
        assertEquals(0, snapshot.take());
      }
    }
  }

  @Test
  void logOfAllPagesEndsAtTheBlocksEnd() throws IOException {
    try (RamBlock ram = new RamBlock("ram", 70 << 12, false)) {
      DirtyLog log = new DirtyLog(ram);
      log.start();
      assertEquals(0, log.count());
      log.addAll();
      assertEquals(70, log.count());
      long[] taken = log.emptySet();
      log.take(taken);
      assertEquals(70, DirtyLog.count(taken));
      assertEquals(0, log.count());
    }
  }

  /** A log that is taken in the middle of a write, whose page is armed again before it is made. */
  @Test
  void pageThatIsArmedWhileItsWriterTellsStaysArmed() throws IOException {
    try (RamBlock ram = new RamBlock("ram", 16 << 12, false)) {
      DirtyLog log = new DirtyLog(ram);
      log.start();
      long[] taken = log.emptySet();
      ram.setWatcher(
          WriteClient.MIGRATION,
          (block, page) -> {
            log.beforeWrite(block, page);
            log.take(taken);
            block.watch(WriteClient.MIGRATION.bit(), taken);
          });
      put(ram, 3, 1);
      assertEquals(1 << 3, taken[0]);
      assertTrue(ram.isWatched(WriteClient.MIGRATION, 3), "its next write is told again");
    }
  }

  @Test
  void armsExactlyThePagesOfASet() throws IOException {
    try (RamBlock ram = new RamBlock("ram", 200 << 12, false)) {
      ram.watch(WriteClient.CODE, 70);
      long[] set = {0, 1L << 6 | 1L << 63, 1, 1L << 7};
      ram.watch(WriteClient.COPY.bit() | WriteClient.MIGRATION.bit(), set);
      for (int page = 0; page < 200; page++) {
        boolean in = page == 70 || page == 127 || page == 128 || page == 199;
        assertEquals(in, ram.isWatched(WriteClient.COPY, page), "page " + page);
        assertEquals(in, ram.isWatched(WriteClient.MIGRATION, page), "page " + page);
        assertEquals(page == 70, ram.isWatched(WriteClient.CODE, page), "page " + page);
      }
      assertTrue(ram.unwatch(WriteClient.COPY, 127));
      assertFalse(ram.unwatch(WriteClient.COPY, 127));
      assertTrue(ram.isWatched(WriteClient.COPY, 128));
    }
  }

  /**
   * A guest that writes a megabyte all the time and a device that writes a page: each snapshot
   * makes a copy equal to what memory was at the stop.
   */
  @ParameterizedTest
  @ValueSource(strings = {"interpreter", "generator"})
  void isOfOneMomentWhileGuestAndDeviceWrite(String engine) throws Exception {
    try (Machine machine = new Machine("", new Machine.EndPolicy(true, false));
        PageBuffer buffer = new PageBuffer()) {
      RamBlock ram = guest(machine, engine.equals("interpreter") ? Interpreter::new : this::jit);
      DirtyLog log = new DirtyLog(ram);
      try (PageSnapshot snapshot = new PageSnapshot(List.of(log))) {
        log.start();
        log.addAll();
        byte[] replica = new byte[(int) RAM];
        byte[] truth = new byte[(int) RAM];
        for (int round = 0; round < 40; round++) {
          locked(
              machine,
              () -> {
                machine.stop(RunState.PAUSED);
                snapshot.take();
                machine.vcpus().forEach(vcpu -> vcpu.mmu().protectAll());
                ram.read(0, truth, 0, truth.length);
                machine.start();
              });
          byte[] dma = {(byte) round};
          locked(machine, () -> machine.memory().write(DEVICE_PAGE, dma, 0, 1));
          PageSnapshot.Page page = new PageSnapshot.Page();
          while (snapshot.next(buffer.address, page)) {
            RawMemory.copyOut(
                buffer.address, replica, (int) page.number() << 12, RamBlock.PAGE_SIZE);
          }
          assertArrayEquals(truth, replica, "round " + round);
          Thread.sleep(2);
        }
        assertTrue(snapshot.putAside() > 0, "the guest never came first");
        locked(machine, () -> machine.stop(RunState.PAUSED));
      }
    }
  }

  private ExecutionEngine jit(Vcpu vcpu) {
    try {
      return new JitEngine(vcpu, new Interpreter(vcpu));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void locked(Machine machine, Runnable work) {
    machine.lock().lock();
    try {
      work.run();
    } finally {
      machine.lock().unlock();
    }
  }

  private static void put(RamBlock ram, long page, int value) {
    ram.write(page << 12, new byte[] {(byte) value}, 0, 1);
  }

  /** Flat 32-bit code that counts up the first word of each page from FIRST to END, for ever. */
  private static RamBlock guest(Machine machine, Function<Vcpu, ExecutionEngine> engine)
      throws IOException {
    RamBlock ram = new RamBlock("pc.ram", RAM, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
    CpuState state = new CpuState();
    Vcpu vcpu = new Vcpu(machine, 0, new CpuModel("qemu64"), state, engine);
    machine.add(vcpu);
    vcpu.reset();
    state.setU32(CpuLayout.A20, 1);
    for (int segment = CpuLayout.ES; segment <= CpuLayout.GS; segment++) {
      state.setSeg(segment, 8, 0, 0xffff_ffffL, segment == CpuLayout.CS ? 0xc09b : 0xc093);
    }
    state.setU64(CpuLayout.CR0, 0x11);
    state.setRip(CODE);
    vcpu.mmu().flushAll();
    vcpu.mmu().updateMode();

    X86Assembler asm = new X86Assembler(CodeMode.BITS32);
    Label again = asm.here();
    asm.mov(OpSize.DWORD, Gpr.RDI, FIRST);
    Label next = asm.here();
    asm.alu(AluOp.ADD, OpSize.DWORD, Mem.of(Gpr.RDI), 1);
    asm.alu(AluOp.ADD, OpSize.DWORD, Gpr.RDI, RamBlock.PAGE_SIZE);
    asm.alu(AluOp.CMP, OpSize.DWORD, Gpr.RDI, END);
    asm.jcc(Cond.B, next);
    asm.jmp(again);
    byte[] code = asm.finish();
    ram.write(CODE, code, 0, code.length);
    return ram;
  }

  /** Room for a page outside the heap. */
  private static final class PageBuffer implements AutoCloseable {
    final long address;

    PageBuffer() throws IOException {
      address = Libc.mapAnonymous(RamBlock.PAGE_SIZE, Libc.PROT_READ | Libc.PROT_WRITE);
    }

    @Override
    public void close() {
      Libc.unmap(address, RamBlock.PAGE_SIZE);
    }
  }
}
