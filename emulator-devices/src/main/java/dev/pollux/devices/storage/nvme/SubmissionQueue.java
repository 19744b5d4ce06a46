package dev.pollux.devices.storage.nvme;

import dev.pollux.core.state.StateDescriptor;

/** A ring of commands in guest memory (4.1). */
final class SubmissionQueue {
  static final int MOST_ENTRIES = 4096;

  static final StateDescriptor<SubmissionQueue> STATE =
      StateDescriptor.of(SubmissionQueue.class, "nvme-sq", 1)
          .u64("address", q -> q.address, (q, v) -> q.address = v)
          .u16("size", MOST_ENTRIES, q -> q.size, (q, v) -> q.size = v)
          .u16("head", MOST_ENTRIES - 1, q -> q.head, (q, v) -> q.head = v)
          .u16("tail", MOST_ENTRIES - 1, q -> q.tail, (q, v) -> q.tail = v)
          .u16("completion", q -> q.completion, (q, v) -> q.completion = v)
          .afterLoad(SubmissionQueue::keepInside);

  private long address;
  private int size;
  private int head;
  private int tail;
  private int completion;

  /**
   * @param entries 0 for a queue that is not there
   * @param completionQueue where its commands end
   */
  void set(long at, int entries, int completionQueue) {
    address = at;
    size = entries;
    head = 0;
    tail = 0;
    completion = completionQueue;
  }

  private void keepInside() {
    head = head < size ? head : 0;
    tail = tail < size ? tail : 0;
  }

  boolean exists() {
    return size != 0;
  }

  boolean isEmpty() {
    return head == tail;
  }

  int completion() {
    return completion;
  }

  int head() {
    return head;
  }

  /** Guest address of the next command. */
  long next() {
    return address + (long) head * NvmeCommand.BYTES;
  }

  void advance() {
    head = (head + 1) % size;
  }

  /** The doorbell; false if there is no such entry. */
  boolean setTail(int value) {
    if (value < 0 || value >= size) {
      return false;
    }
    tail = value;
    return true;
  }
}
