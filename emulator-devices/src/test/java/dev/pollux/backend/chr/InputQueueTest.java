package dev.pollux.backend.chr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import org.junit.jupiter.api.Test;

class InputQueueTest {
  private static final int BUFFER = 4096;
  private static final int MESSAGE = 1000;

  private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
  private int room;
  private int received;

  private final CharFrontEnd slow =
      new CharFrontEnd() {
        @Override
        public int canReceive() {
          return room;
        }

        @Override
        public void receive(byte[] bytes, int offset, int length) {
          received += length;
          room -= length;
        }

        @Override
        public int buffer() {
          return BUFFER;
        }
      };

  private void runTasks() {
    while (!tasks.isEmpty()) {
      tasks.remove().run();
    }
  }

  /** A front end that takes a byte at a time: each makes room for a message, which is longer. */
  @Test
  void wholeMessagesWaitUpToABound() {
    InputQueue queue = new InputQueue();
    queue.attach(slow, tasks::add, tasks::add);
    queue.open();
    runTasks();
    int sent = 0;
    for (int i = 0; i < 3 * BUFFER; i++) {
      while (queue.offerWhole(new byte[MESSAGE])) {
        sent += MESSAGE;
        assertTrue(sent - received < BUFFER + MESSAGE, sent + " less " + received);
      }
      room++;
      queue.acceptInput();
      runTasks();
    }
    assertEquals(3 * BUFFER, received);
    assertEquals(BUFFER, queue.capacity());
    assertTrue(sent > 2 * BUFFER, "all was refused");
  }
}
