package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.machine.BareMachine;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What waits for a vCPU that does not look does not grow with what others write. */
class CodeWritesTest {
  private static final long PAGE = 4096;

  @Test
  void aPageThatIsWrittenAgainAndAgainIsNotedOnce() {
    try (BareMachine machine = new BareMachine(1 << 20)) {
      List<Runnable> tasks = new ArrayList<>();
      List<Long> dropped = new ArrayList<>();
      CodeWrites writes =
          new CodeWrites(machine.vcpu(), tasks::add, dropped::add, () -> dropped.add(-1L));
      for (int i = 0; i < 100_000; i++) {
        writes.add(PAGE);
        writes.add(2 * PAGE);
      }
      assertEquals(1, tasks.size());
      tasks.getFirst().run();
      dropped.sort(null);
      assertEquals(List.of(PAGE, 2 * PAGE), dropped);
      writes.add(PAGE);
      assertEquals(2, tasks.size(), "a write after the task has run asks again");
    }
  }

  @Test
  void beyondTheBoundAllIsDropped() {
    try (BareMachine machine = new BareMachine(1 << 20)) {
      List<Runnable> tasks = new ArrayList<>();
      List<Long> dropped = new ArrayList<>();
      CodeWrites writes =
          new CodeWrites(machine.vcpu(), tasks::add, dropped::add, () -> dropped.add(-1L));
      for (long page = 1; page <= 3L * CodeWrites.MOST_PAGES; page++) {
        writes.add(page * PAGE);
      }
      assertEquals(1, tasks.size());
      tasks.getFirst().run();
      assertEquals(List.of(-1L), dropped);
      writes.add(PAGE);
      tasks.get(1).run();
      assertEquals(List.of(-1L, PAGE), dropped);
    }
  }
}
