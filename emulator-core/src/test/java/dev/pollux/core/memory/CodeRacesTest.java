package dev.pollux.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Several that make code of a page and write to it, each step where it does the most harm: whoever
 * may read the page is told of every later write.
 */
class CodeRacesTest {
  private static final long PAGE = 3;
  private static final long OFFSET = PAGE << RamBlock.PAGE_BITS;

  private final List<Long> dropped = new ArrayList<>();
  private RamBlock ram;

  @BeforeEach
  void open() throws IOException {
    ram = new RamBlock("ram", 1 << 20, false);
    ram.setWatcher(WriteClient.CODE, (block, page) -> dropped.add(page));
  }

  @AfterEach
  void close() {
    ram.close();
  }

  private boolean readable() {
    return ram.watchCode(PAGE) == RamBlock.CODE_WATCHED;
  }

  @Test
  void nobodyWritesDirectly() {
    assertTrue(readable());
    assertFalse(ram.allowDirectWrites(PAGE));
    ram.beforeWrite(OFFSET, 1);
    assertEquals(List.of(PAGE), dropped);
    assertTrue(ram.allowDirectWrites(PAGE));
    assertFalse(readable(), "the writer is still on its way");
  }

  @Test
  void settlesOnceTheWritersAreThrough() {
    assertTrue(ram.allowDirectWrites(PAGE));
    int first = ram.watchCode(PAGE);
    assertNotEquals(RamBlock.CODE_WATCHED, first);
    assertFalse(ram.allowDirectWrites(PAGE));
    assertFalse(readable());
    ram.settleCode(PAGE, first);
    assertTrue(readable());
  }

  /**
   * The first waits while the page is written, a third gets a write tag, and a second arms the page
   * anew: the first has not waited for that tag, and must not settle the second's watch.
   */
  @Test
  void oneWatchDoesNotSettleAnother() {
    assertTrue(ram.allowDirectWrites(PAGE));
    int first = ram.watchCode(PAGE);
    ram.beforeWrite(OFFSET, 1);
    assertTrue(ram.allowDirectWrites(PAGE));
    int second = ram.watchCode(PAGE);
    ram.settleCode(PAGE, first);
    assertFalse(readable(), "somebody may still write directly");
    ram.settleCode(PAGE, second);
    assertTrue(readable());
  }

  /** A device looks, another begins to make code of the old bytes, the device stores. */
  @Test
  void whoBeginsBetweenADevicesLookAndItsStoreIsTold() {
    ram.watch(WriteClient.MIGRATION, PAGE);
    ram.setWatcher(
        WriteClient.MIGRATION,
        (block, page) -> {
          assertTrue(readable());
          assertEquals(0, RawMemory.getByte(ram.hostAddress() + OFFSET));
        });
    ram.write(OFFSET, new byte[] {1}, 0, 1);
    assertEquals(List.of(PAGE), dropped);
  }
}
