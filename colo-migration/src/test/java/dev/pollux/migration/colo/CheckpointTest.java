package dev.pollux.migration.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.migration.ColoStatistics;
import dev.pollux.migration.stream.StreamException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The parts of a checkpoint, each for itself. */
@Timeout(30)
class CheckpointTest {
  private static final int PAGE = RamBlock.PAGE_SIZE;

  // ---- messages

  @Test
  void numbersOfMessagesAreQemusAndOurs() throws IOException {
    List<String> names =
        List.of(
            "CHECKPOINT_READY",
            "CHECKPOINT_REQUEST",
            "CHECKPOINT_REPLY",
            "VMSTATE_SEND",
            "VMSTATE_SIZE",
            "VMSTATE_RECEIVED",
            "VMSTATE_LOADED");
    for (int code = 0; code < names.size(); code++) {
      assertEquals(names.get(code), ColoMessage.of(code).name());
    }
    for (int code : new int[] {7, 8, 0xff, 0x104, -1}) {
      assertThrows(StreamException.class, () -> ColoMessage.of(code));
    }
  }

  // ---- triggers

  private static long seconds(long seconds) {
    return TimeUnit.SECONDS.toNanos(seconds);
  }

  @Test
  void callsBeforeACheckpointAreOne() {
    CheckpointTrigger trigger = new CheckpointTrigger(() -> 60_000);
    assertEquals(Optional.empty(), trigger.await(0));
    trigger.call(CheckpointCause.COMMAND);
    trigger.call(CheckpointCause.NETWORK);
    assertEquals(Optional.of(CheckpointCause.COMMAND), trigger.await(seconds(10)));
    assertEquals(Optional.of(CheckpointCause.COMMAND), trigger.await(0), "until it is made");
    trigger.taken();
    trigger.call(CheckpointCause.PARAMETER);
    trigger.clear();
    assertEquals(Optional.empty(), trigger.await(0));
  }

  /** What guests say after their state was taken is not in that checkpoint. */
  @Test
  void differenceThatComesWhileACheckpointIsSentCallsForAnother() {
    CheckpointTrigger trigger = new CheckpointTrigger(() -> 60_000);
    trigger.call(CheckpointCause.COMMAND);
    trigger.taken();
    trigger.call(CheckpointCause.PARAMETER);
    trigger.call(CheckpointCause.NETWORK);
    trigger.clear();
    assertEquals(Optional.of(CheckpointCause.NETWORK), trigger.await(0));
    trigger.taken();
    trigger.clear();
    assertEquals(Optional.empty(), trigger.await(0));
  }

  @Test
  void timerCallsAndIsSetAnewByEveryCall() {
    AtomicLong delay = new AtomicLong(5);
    CheckpointTrigger trigger = new CheckpointTrigger(delay::get);
    assertEquals(Optional.of(CheckpointCause.TIMER), trigger.await(seconds(10)));
    delay.set(60_000);
    trigger.clear();
    trigger.call(CheckpointCause.PARAMETER);
    trigger.clear();
    assertEquals(Optional.empty(), trigger.await(TimeUnit.MILLISECONDS.toNanos(30)));
  }

  @Test
  void interruptEndsWaiting() throws InterruptedException {
    CheckpointTrigger trigger = new CheckpointTrigger(() -> 60_000);
    Thread thread = Thread.ofPlatform().start(trigger::interrupt);
    assertEquals(Optional.empty(), trigger.await(seconds(20)));
    thread.join();
    trigger.call(CheckpointCause.COMMAND);
    assertEquals(Optional.empty(), trigger.await(seconds(20)), "for good");
  }

  // ---- statistics

  @Test
  void statisticsCountWhatHappened() {
    CheckpointLog log = new CheckpointLog();
    assertEquals(
        new ColoStatistics(0, List.of(), List.of(), 0, 0, 0, 0, 0, 0, Optional.empty()), log.get());
    for (int i = 1; i <= 100; i++) {
      log.called(i == 7 ? CheckpointCause.COMMAND : CheckpointCause.TIMER);
      log.stopped(TimeUnit.MICROSECONDS.toNanos(i == 100 ? 2_000_000 : i * 10));
      log.carried(2, 9000);
      log.completed();
    }
    log.failed("gone");
    ColoStatistics got = log.get();
    assertEquals(100, got.checkpoints());
    assertEquals(
        List.of(new ColoStatistics.Cause("timer", 99), new ColoStatistics.Cause("command", 1)),
        got.causes());
    assertEquals(
        List.of(
            new ColoStatistics.StopTimes(100, 9),
            new ColoStatistics.StopTimes(200, 10),
            new ColoStatistics.StopTimes(500, 30),
            new ColoStatistics.StopTimes(1000, 50),
            new ColoStatistics.StopTimes(Long.MAX_VALUE, 1)),
        got.stopTimes());
    assertEquals(510, got.medianStop());
    assertEquals(2_000_000, got.percentile99Stop());
    assertEquals(2_000_000, got.longestStop());
    assertEquals(200, got.pages());
    assertEquals(900_000, got.bytes());
    assertEquals(Optional.of("gone"), got.lastError());
  }

  // ---- digest and cache

  private static long host(int pages) throws IOException {
    return Libc.mapAnonymous((long) pages * PAGE, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  @Test
  void digestKnowsPlacesAndContentsButNoOrder() throws IOException {
    long memory = host(2);
    RawMemory.putLong(memory + 4000, 77);
    try (RamBlock ram = new RamBlock("a", 4 * PAGE, false);
        RamBlock other = new RamBlock("b", 4 * PAGE, false)) {
      PageDigest digest = new PageDigest();
      digest.add(ram, 0, memory);
      digest.addZero(ram, PAGE);
      digest.add(new byte[] {1, 2});
      final long right = digest.take();
      digest.add(new byte[] {1, 2});
      digest.add(ram, PAGE, memory + PAGE); // a page of zeros, spelt out
      digest.add(ram, 0, memory);
      assertEquals(right, digest.take());
      digest.add(other, 0, memory);
      digest.addZero(ram, PAGE);
      digest.add(new byte[] {1, 2});
      assertNotEquals(right, digest.take(), "another block");
      digest.add(ram, PAGE, memory);
      digest.addZero(ram, 0);
      digest.add(new byte[] {1, 2});
      assertNotEquals(right, digest.take(), "other places");
      for (int bit = 0; bit < PAGE * 8; bit += 97) {
        byte old = RawMemory.getByte(memory + bit / 8);
        RawMemory.putByte(memory + bit / 8, (byte) (old ^ 1 << bit % 8));
        digest.add(ram, 0, memory);
        digest.addZero(ram, PAGE);
        digest.add(new byte[] {1, 2});
        assertNotEquals(right, digest.take(), "bit " + bit);
        RawMemory.putByte(memory + bit / 8, old);
      }
    } finally {
      Libc.unmap(memory, 2 * PAGE);
    }
  }

  @Test
  void cacheRestoresWhatCameAndWhatTheGuestWrote() throws IOException {
    long page = host(1);
    try (RamBlock ram = new RamBlock("ram", 8 * PAGE, false);
        ColoCache cache = new ColoCache(List.of(ram))) {
      DirtyLog log = new DirtyLog(ram);
      fill(page, 1);
      for (int i = 0; i < 8; i++) {
        cache.page(ram, (long) i * PAGE, page);
      }
      assertEquals(1, first(ram, 3), "the first migration fills memory too");
      log.start();
      cache.goLive();

      // The secondary's guest goes its own way; the primary sends page 5 and empties page 6.
      write(ram, 2, 9);
      write(ram, 5, 9);
      fill(page, 2);
      cache.page(ram, 5 * PAGE, page);
      cache.zeroPage(ram, 6 * PAGE);
      assertEquals(9, first(ram, 5), "nothing is in place yet");
      assertEquals(1, first(ram, 6));

      boolean[] dropped = new boolean[8];
      ram.setWatcher(WriteClient.CODE, (block, number) -> dropped[(int) number] = true);
      ram.watch(WriteClient.CODE, 2);
      ram.watch(WriteClient.CODE, 3);
      assertEquals(3, cache.apply(List.of(log)));
      assertEquals(
          List.of(1, 1, 2, 0), List.of(first(ram, 2), first(ram, 3), first(ram, 5), first(ram, 6)));
      assertTrue(dropped[2] && !dropped[3], "code goes where memory changed");
      assertEquals(0, log.count());
      assertTrue(ram.isWatched(WriteClient.MIGRATION, 2), "and is logged anew");
      assertEquals(0, cache.apply(List.of(log)), "nothing twice");

      // A checkpoint that never became whole leaves pages behind; the next one overwrites them.
      fill(page, 7);
      cache.page(ram, 1 * PAGE, page);
      fill(page, 3);
      cache.page(ram, 1 * PAGE, page);
      assertEquals(1, cache.apply(List.of(log)));
      assertEquals(3, first(ram, 1));
    } finally {
      Libc.unmap(page, PAGE);
    }
  }

  private static void fill(long page, int value) {
    RawMemory.fill(page, PAGE, (byte) value);
  }

  private static void write(RamBlock ram, int page, int value) {
    ram.write((long) page * PAGE, new byte[] {(byte) value}, 0, 1);
  }

  private static int first(RamBlock ram, int page) {
    return RawMemory.getByte(ram.hostAddress() + (long) page * PAGE);
  }
}
