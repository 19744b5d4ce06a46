package dev.pollux.backend.chr;

import dev.pollux.core.config.InternalErrors;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bytes and events on their way from a reader of the host to a front end. Bounded: the reader waits
 * while it is full. Delivery happens on the front end's executor.
 */
final class InputQueue {
  private static final Logger log = LoggerFactory.getLogger(InputQueue.class);
  static final int CAPACITY = 4096;
  private static final int MAX_EVENTS = 16;

  private final byte[] ring = new byte[CAPACITY];
  private int head;
  private int count;
  private final ArrayDeque<CharEvent> events = new ArrayDeque<>();

  /** Somebody is there. */
  private boolean open;

  /** The front end has been told so. */
  private boolean told;

  /** The front end has yet to hear that the one it was told of has left. */
  private boolean closePending;

  /** Bytes of that one, which come before. */
  private int before;

  /** What a reader waits for room with; null where none does. */
  private Runnable onRoom;

  private boolean scheduled;
  private boolean again;
  private CharFrontEnd frontEnd;
  private Executor executor;

  synchronized void attach(CharFrontEnd newFrontEnd, Executor newExecutor) {
    if (frontEnd != null) {
      throw new IllegalStateException("another front end is attached");
    }
    frontEnd = newFrontEnd;
    executor = newExecutor;
    told = false;
    closePending = false;
    events.clear();
    schedule();
  }

  synchronized void detach() {
    frontEnd = null;
    executor = null;
    scheduled = false;
    notifyAll();
  }

  synchronized boolean isAttached() {
    return frontEnd != null;
  }

  synchronized boolean isOpen() {
    return open;
  }

  /** Somebody has come; a device still gets what an earlier one sent. */
  synchronized void open() {
    if (!told || frontEnd == null || frontEnd.isConversation()) {
      count = 0;
    }
    onRoom = null;
    closePending = told;
    before = count;
    open = true;
    schedule();
  }

  /** Nobody is there any more; what was sent before is still delivered. */
  synchronized void close() {
    open = false;
    onRoom = null;
    schedule();
    notifyAll();
  }

  synchronized void event(CharEvent event) {
    if (frontEnd != null && events.size() < MAX_EVENTS) {
      events.add(event);
      schedule();
    }
  }

  /** Bytes that {@link #offer} would take. */
  synchronized int room() {
    return CAPACITY - count;
  }

  /** Takes as many bytes as there is room for. */
  synchronized int offer(byte[] from, int offset, int length) {
    int n = Math.min(length, CAPACITY - count);
    for (int i = 0; i < n; i++) {
      ring[(head + count + i) % CAPACITY] = from[offset + i];
    }
    count += n;
    if (n > 0) {
      schedule();
    }
    return n;
  }

  /**
   * Takes as many bytes as there is room for. Where that is not all, {@code whenRoom} is run once
   * there is room again, unless the other side is closed before; it must not block.
   */
  synchronized int offer(byte[] from, int offset, int length, Runnable whenRoom) {
    int n = offer(from, offset, length);
    onRoom = n < length ? whenRoom : null;
    return n;
  }

  /**
   * Takes all bytes, waiting for room; returns early when the other side is closed. Reader thread.
   */
  void put(byte[] from, int offset, int length) throws InterruptedException {
    int done = 0;
    while (done < length) {
      synchronized (this) {
        while (count == CAPACITY && open) {
          wait();
        }
        if (!open) {
          return;
        }
        done += offer(from, offset + done, length - done);
      }
    }
  }

  synchronized void acceptInput() {
    again = true;
    schedule();
  }

  private void schedule() {
    if (frontEnd != null && !scheduled) {
      scheduled = true;
      executor.execute(this::deliver);
    }
  }

  /** Runs {@code action} on the front end's executor, or drops it where none is attached. */
  void runForFrontEnd(Runnable action) {
    Executor to;
    synchronized (this) {
      to = executor;
    }
    if (to != null) {
      to.execute(action);
    }
  }

  private void deliver() {
    byte[] chunk = new byte[CAPACITY];
    while (true) {
      CharFrontEnd to;
      CharEvent event;
      synchronized (this) {
        to = frontEnd;
        event = nextEvent();
        again = false;
        if (to == null || (event == null && count == 0)) {
          scheduled = false;
          return;
        }
      }
      try {
        if (event != null) {
          to.event(event);
          continue;
        }
        int n = take(chunk, to.canReceive());
        if (n > 0) {
          to.receive(chunk, 0, n);
        } else if (n < 0) {
          return;
        }
      } catch (RuntimeException | Error e) {
        // What the front end took is lost to it; what follows must not be.
        InternalErrors.report(log, "of a character device's front end, which goes on", e);
      }
    }
  }

  private CharEvent nextEvent() {
    if (frontEnd == null) {
      return null;
    }
    if (closePending && before == 0) {
      closePending = false;
      told = false;
      return CharEvent.CLOSED;
    }
    // First, so that a front end that lost the keyboard before it was opened knows.
    if (!events.isEmpty()) {
      return events.poll();
    }
    if (!told && (open || count > 0)) {
      told = true;
      return CharEvent.OPENED;
    }
    if (told && !open && count == 0) {
      told = false;
      return CharEvent.CLOSED;
    }
    return null;
  }

  /** Moves bytes out; -1 ends the delivery until the front end asks for more. */
  private synchronized int take(byte[] to, int room) {
    int n = Math.min(Math.max(room, 0), closePending ? before : count);
    if (n == 0 && !again) {
      scheduled = false;
      return -1;
    }
    for (int i = 0; i < n; i++) {
      to[i] = ring[(head + i) % CAPACITY];
    }
    head = (head + n) % CAPACITY;
    count -= n;
    before -= closePending ? n : 0;
    if (n > 0 && onRoom != null) {
      onRoom.run();
      onRoom = null;
    }
    notifyAll();
    return n;
  }
}
