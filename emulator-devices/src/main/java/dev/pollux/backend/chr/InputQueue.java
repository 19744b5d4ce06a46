package dev.pollux.backend.chr;

import dev.pollux.core.config.InternalErrors;
import java.nio.ByteBuffer;
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
  static final int CAPACITY = CharFrontEnd.USUAL_BUFFER;
  private static final int MAX_EVENTS = 16;

  /** Bytes that may wait; with the last message there may be more. */
  private int most = CAPACITY;

  /** Has room for them, or for what waits for the next front end. */
  private byte[] ring = new byte[CAPACITY];

  /** Where the present front end gets its input; that of one before may still be in use. */
  private byte[] chunk = ring;

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

  /** Delivers what a reader brings that holds no lock. */
  private Executor atOnce;

  private final Runnable delivery = this::deliver;

  synchronized void attach(CharFrontEnd newFrontEnd, Executor newExecutor, Executor forReader) {
    if (frontEnd != null) {
      throw new IllegalStateException("another front end is attached");
    }
    frontEnd = newFrontEnd;
    executor = newExecutor;
    atOnce = forReader;
    most = newFrontEnd.buffer();
    resize(Math.max(count, most));
    chunk = new byte[ring.length];
    told = false;
    closePending = false;
    events.clear();
    schedule();
  }

  private void resize(int capacity) {
    byte[] larger = new byte[capacity];
    copy(larger, count);
    ring = larger;
    head = 0;
  }

  /** The first of the bytes that wait. */
  private void copy(byte[] to, int n) {
    int first = Math.min(n, ring.length - head);
    System.arraycopy(ring, head, to, 0, first);
    System.arraycopy(ring, 0, to, first, n - first);
  }

  synchronized void detach() {
    frontEnd = null;
    executor = null;
    atOnce = null;
    scheduled = false;
    notifyAll();
  }

  synchronized boolean isAttached() {
    return frontEnd != null;
  }

  synchronized boolean isOpen() {
    return open;
  }

  /** Whether the front end's connections are conversations. */
  synchronized boolean isConversation() {
    return frontEnd != null && frontEnd.isConversation();
  }

  /**
   * Whether what the front end writes is meant for one that has left: it holds conversations, and
   * has yet to hear of that and of who came next.
   */
  synchronized boolean speaksToFormer() {
    return isConversation() && told && (!open || closePending);
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

  /** Bytes that may wait. */
  synchronized int capacity() {
    return most;
  }

  /** Bytes that {@link #offer} would take. */
  synchronized int room() {
    return Math.max(0, most - count);
  }

  /** Takes as many bytes as there is room for. */
  synchronized int offer(byte[] from, int offset, int length) {
    int n = add(from, offset, length);
    if (n > 0) {
      schedule();
    }
    return n;
  }

  private int add(byte[] from, int offset, int length) {
    int n = Math.min(length, room());
    int tail = (head + count) % ring.length;
    int first = Math.min(n, ring.length - tail);
    System.arraycopy(from, offset, ring, tail, first);
    System.arraycopy(from, offset + first, ring, 0, n - first);
    count += n;
    return n;
  }

  /** Takes a message as long as fewer bytes wait than may, all of it even where it is longer. */
  synchronized boolean offerWhole(byte[] message) {
    return offerWhole(ByteBuffer.wrap(message));
  }

  /** The same for messages in a buffer, which are taken out of it. */
  synchronized boolean offerWhole(ByteBuffer messages) {
    if (count >= most) {
      return false;
    }
    int n = messages.remaining();
    if (n > ring.length - count) {
      resize(count + n);
    }
    int tail = (head + count) % ring.length;
    int first = Math.min(n, ring.length - tail);
    messages.get(ring, tail, first).get(ring, 0, n - first);
    count += n;
    schedule();
    return true;
  }

  /** Runs {@code action} once there is room, or now; it must not block. */
  synchronized void whenRoom(Runnable action) {
    if (open && count >= most) {
      onRoom = action;
    } else {
      action.run();
    }
  }

  /**
   * Takes as many bytes as there is room for. Where that is not all, {@code whenRoom} is run once
   * there is room again, unless the other side is closed before; it must not block. For a reader
   * that holds no lock.
   */
  int offer(byte[] from, int offset, int length, Runnable whenRoom) {
    int n;
    Executor deliverer = null;
    synchronized (this) {
      n = add(from, offset, length);
      onRoom = n < length ? whenRoom : null;
      if (n > 0 && frontEnd != null && !scheduled) {
        scheduled = true;
        deliverer = atOnce;
      }
    }
    if (deliverer != null) {
      deliverer.execute(delivery);
    }
    return n;
  }

  /**
   * Takes all bytes, waiting for room; returns early when the other side is closed. Reader thread.
   */
  void put(byte[] from, int offset, int length) throws InterruptedException {
    int done = 0;
    while (done < length) {
      synchronized (this) {
        while (count >= most && open) {
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
      executor.execute(delivery);
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
    while (true) {
      CharFrontEnd to;
      CharEvent event;
      byte[] bytes;
      synchronized (this) {
        to = frontEnd;
        bytes = chunk;
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
        int n = take(bytes, to.canReceive());
        if (n > 0) {
          to.receive(bytes, 0, n);
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
    int n = Math.clamp(room, 0, Math.min(to.length, closePending ? before : count));
    if (n == 0 && !again) {
      scheduled = false;
      return -1;
    }
    copy(to, n);
    head = (head + n) % ring.length;
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
