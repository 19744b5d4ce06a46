package dev.pollux.backend.net.user;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/**
 * Bytes of a TCP stream that wait for a receiver, in memory outside the heap that grows with need.
 * Offsets count from the oldest byte. Not thread-safe.
 */
final class ByteRing {
  static final int SMALLEST = 16 * 1024;

  private static final ByteBuffer NONE = ByteBuffer.allocateDirect(0);

  private final MemoryBudget budget;
  private final int largest;
  private ByteBuffer ring = NONE;
  private int head;
  private int size;

  /**
   * @param largest bytes at the most, a power of two
   */
  ByteRing(MemoryBudget budget, int largest) {
    this.budget = budget;
    this.largest = largest;
  }

  int size() {
    return size;
  }

  /** Bytes for which there may be room. */
  int room() {
    return largest - size;
  }

  /** Bytes to ask a source for: what fits without growing, or as much again where nothing does. */
  int step() {
    int free = ring.capacity() - size;
    return Math.min(room(), free > 0 ? free : Math.max(ring.capacity(), SMALLEST));
  }

  /** Makes room for {@code bytes} behind the last one; returns how much of it there is. */
  int reserve(int bytes) {
    int want = (int) Math.min(largest, (long) size + bytes);
    int capacity = Math.max(ring.capacity(), SMALLEST);
    while (capacity < want) {
      capacity *= 2;
    }
    if (capacity > ring.capacity()) {
      grow(capacity);
    }
    return Math.min(bytes, ring.capacity() - size);
  }

  private void grow(int capacity) {
    // The smallest one is always granted, so that every connection moves.
    if (!budget.take(capacity - ring.capacity(), capacity == SMALLEST)) {
      return;
    }
    ByteBuffer larger = ByteBuffer.allocateDirect(capacity);
    // All of it: what lies behind the last byte may have come before what is missing.
    copyOut(0, ring.capacity(), larger, 0);
    ring = larger;
    head = 0;
  }

  /** Appends up to {@code length} bytes; returns how many there was room for. */
  int put(ByteBuffer from, int at, int length) {
    int room = reserve(length);
    putAt(size, from, at, room);
    size += room;
    return room;
  }

  /** Stores bytes behind the last one without counting them in; room has been reserved. */
  void putAt(int offset, ByteBuffer from, int at, int length) {
    int done = 0;
    while (done < length) {
      int place = index(offset + done);
      int part = Math.min(length - done, ring.capacity() - place);
      ring.put(place, from, at + done, part);
      done += part;
    }
  }

  /** Counts in bytes that {@link #putAt} has stored. */
  void extend(int bytes) {
    size += bytes;
  }

  /** Reads once from a channel: what it has and there is room for, up to {@code most}. */
  int readFrom(ReadableByteChannel channel, int most) throws IOException {
    int room = reserve(most);
    int place = index(size);
    int part = Math.min(room, ring.capacity() - place);
    if (part == 0) {
      return 0;
    }
    int read = channel.read(ring.limit(place + part).position(place));
    ring.clear();
    size += Math.max(read, 0);
    return read;
  }

  /** Writes once to a channel and forgets what it took. */
  int writeTo(WritableByteChannel channel) throws IOException {
    int part = Math.min(size, ring.capacity() - head);
    if (part == 0) {
      return 0;
    }
    try {
      int written = channel.write(ring.limit(head + part).position(head));
      discard(written);
      return written;
    } finally {
      ring.clear();
    }
  }

  void copyOut(int offset, int length, ByteBuffer to, int at) {
    int done = 0;
    while (done < length) {
      int place = index(offset + done);
      int part = Math.min(length - done, ring.capacity() - place);
      to.put(at + done, ring, place, part);
      done += part;
    }
  }

  /** Forgets the oldest bytes. */
  void discard(int bytes) {
    head = index(bytes);
    size -= bytes;
  }

  private int index(int offset) {
    return head + offset & ring.capacity() - 1;
  }

  /** Gives the memory back. */
  void release() {
    budget.give(ring.capacity());
    ring = NONE;
    head = 0;
    size = 0;
  }
}
