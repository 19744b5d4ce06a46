package dev.pollux.devices.storage.nvme;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * A ring in guest memory that tells of commands that have ended (4.1, 4.6). A command is only taken
 * when there will be room for telling of its end.
 */
final class CompletionQueue {
  static final int ENTRY = 16;

  static final StateDescriptor<CompletionQueue> STATE =
      StateDescriptor.of(CompletionQueue.class, "nvme-cq", 1)
          .u64("address", q -> q.address, (q, v) -> q.address = v)
          .u16("size", SubmissionQueue.MOST_ENTRIES, q -> q.size, (q, v) -> q.size = v)
          .u16("head", SubmissionQueue.MOST_ENTRIES - 1, q -> q.head, (q, v) -> q.head = v)
          .u16("tail", SubmissionQueue.MOST_ENTRIES - 1, q -> q.tail, (q, v) -> q.tail = v)
          .u8("phase", 1, q -> q.phase, (q, v) -> q.phase = v)
          .u16("vector", q -> q.vector, (q, v) -> q.vector = v)
          .bool("interrupts", q -> q.interrupts, (q, v) -> q.interrupts = v)
          .afterLoad(CompletionQueue::keepInside);

  private long address;
  private int size;
  private int head;
  private int tail;

  /** Of the entries that come next; the other one is in those that the guest has seen. */
  private int phase = 1;

  private int vector;
  private boolean interrupts;

  @HostOnly("commands that were taken and have not ended; counted when a state was loaded")
  private int promised;

  /**
   * @param entries 0 for a queue that is not there
   * @param withInterrupts whether it interrupts by {@code vector}
   */
  void set(long at, int entries, int interruptVector, boolean withInterrupts) {
    address = at;
    size = entries;
    head = 0;
    tail = 0;
    phase = 1;
    vector = interruptVector;
    interrupts = withInterrupts;
    promised = 0;
  }

  private void keepInside() {
    head = head < size ? head : 0;
    tail = tail < size ? tail : 0;
    promised = 0;
  }

  boolean exists() {
    return size != 0;
  }

  boolean isEmpty() {
    return head == tail;
  }

  int vector() {
    return vector;
  }

  boolean interrupts() {
    return interrupts;
  }

  /** Whether one more command may be taken. */
  boolean hasRoom() {
    int used = (tail - head + size) % size;
    return size - 1 - used > promised;
  }

  /** A command was taken. */
  void promise() {
    promised++;
  }

  /** A command ends now, or is of those that wait until something happens. */
  void release() {
    promised--;
  }

  /** The doorbell; false if there is no such entry. */
  boolean setHead(int value) {
    if (value < 0 || value >= size) {
      return false;
    }
    head = value;
    return true;
  }

  /**
   * Tells of a command's end.
   *
   * <pre>
   *   0 result   8 15:0 the queue's head, 31:16 its number   c 15:0 identifier, 16 phase, 31:17 status
   * </pre>
   *
   * @return false if there is no memory
   */
  boolean post(GuestMemory memory, int result, int queue, int queueHead, int id, int status) {
    GuestMemory.Piece piece = memory.whole(address + (long) tail * ENTRY, ENTRY, true);
    if (piece == null) {
      return false;
    }
    piece.touch();
    RawMemory.putLong(piece.host(), result & 0xffff_ffffL);
    long how = (long) status << 49 | (long) phase << 48 | (long) id << 32;
    RawMemory.putLongVolatile(piece.host() + 8, how | (long) queue << 16 | queueHead);
    piece.touch();
    tail++;
    if (tail == size) {
      tail = 0;
      phase ^= 1;
    }
    return true;
  }
}
