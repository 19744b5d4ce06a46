package dev.pollux.core.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Marking entries of page tables follows the rules for writes to pages with code. */
class PhysicalMemoryTest {
  private static final long PAGE = 0x10;
  private static final long ENTRY = (PAGE << RamBlock.PAGE_BITS) + 0x18;
  private static final long BIG_PAGE = 0x60_0000;
  private static final int ACCESSED = 1 << 5;

  private final List<Long> dropped = new ArrayList<>();
  private BareMachine machine;
  private PhysicalMemory memory;

  @BeforeEach
  void open() {
    machine = new BareMachine(8 << 20);
    machine.machine().codeWatch().add((block, page) -> dropped.add(page));
    memory = new PhysicalMemory(machine.machine().memory());
  }

  @AfterEach
  void close() {
    machine.close();
  }

  /** Between the look at the page's watches and the write, another vCPU makes code of the page. */
  private void codeIsMadeMeanwhile(long page) {
    machine.ram().watch(WriteClient.MIGRATION, page);
    machine
        .ram()
        .setWatcher(
            WriteClient.MIGRATION,
            (block, written) -> assertEquals(RamBlock.CODE_WATCHED, block.watchCode(written)));
  }

  @Test
  void codeMadeMeanwhileIsDropped() {
    codeIsMadeMeanwhile(PAGE);
    assertTrue(memory.replace64(ENTRY, 0, 0x1_0000_0021L));
    assertEquals(List.of(PAGE), dropped);
    codeIsMadeMeanwhile(PAGE + 1);
    assertTrue(memory.replace32(ENTRY + RamBlock.PAGE_SIZE, 0, 0x21));
    assertEquals(List.of(PAGE, PAGE + 1), dropped);
    assertEquals(0x1_0000_0021L, memory.read64(ENTRY));
    assertEquals(0x21, memory.read32(ENTRY + RamBlock.PAGE_SIZE));
  }

  @Test
  void anEntryThatHasChangedStays() {
    assertTrue(memory.replace64(ENTRY, 0, 1));
    assertFalse(memory.replace64(ENTRY, 0, 2));
    assertFalse(memory.replace32(ENTRY, 0, 2));
    assertEquals(1, memory.read64(ENTRY));
  }

  /** The same in a whole walk. */
  @Test
  void aWalkDropsCodeMadeMeanwhile() {
    machine.enterLongMode();
    long entry = machine.state().u64(CpuLayout.CR3) + 0x2000 + 8 * (BIG_PAGE >> 21);
    machine.machine().memory().write(entry, 8, BIG_PAGE | 0x87);
    machine.vcpu().mmu().updateMode();
    long page = entry >> RamBlock.PAGE_BITS;
    codeIsMadeMeanwhile(page);
    assertEquals(0, machine.vcpu().mmu().readSystem(BIG_PAGE, 8));
    assertEquals(BIG_PAGE | 0x87 | ACCESSED, memory.read64(entry));
    assertEquals(List.of(page), dropped);
  }
}
