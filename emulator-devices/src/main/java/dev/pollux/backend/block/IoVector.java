package dev.pollux.backend.block;

import dev.pollux.core.host.HostFile;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.Objects;

/**
 * Pieces of memory outside the heap that a request reads into or writes from, one after the other.
 * The memory is the caller's and stays as it is until the request is done; nothing is copied.
 * Constant.
 */
public final class IoVector {
  public static final IoVector EMPTY = new IoVector(new long[0], new long[0], 0);

  private final long[] addresses;
  private final long[] lengths;
  private final int count;
  private final long bytes;

  /**
   * @param addresses host addresses; the array is kept, and so is the other
   * @param lengths bytes of each piece
   * @param count how many of them count
   */
  public IoVector(long[] addresses, long[] lengths, int count) {
    this.addresses = addresses;
    this.lengths = lengths;
    this.count = count;
    long sum = 0;
    for (int i = 0; i < count; i++) {
      sum += lengths[i];
    }
    this.bytes = sum;
  }

  /** One piece. */
  public static IoVector of(long address, long length) {
    return new IoVector(new long[] {address}, new long[] {length}, 1);
  }

  /** Several of them, one after the other. */
  public static IoVector concat(IoVector... parts) {
    int count = 0;
    for (IoVector part : parts) {
      count += part.count;
    }
    long[] addresses = new long[count];
    long[] lengths = new long[count];
    int at = 0;
    for (IoVector part : parts) {
      System.arraycopy(part.addresses, 0, addresses, at, part.count);
      System.arraycopy(part.lengths, 0, lengths, at, part.count);
      at += part.count;
    }
    return new IoVector(addresses, lengths, count);
  }

  public int count() {
    return count;
  }

  public long address(int piece) {
    return addresses[piece];
  }

  public long length(int piece) {
    return lengths[piece];
  }

  /** Sum of all lengths. */
  public long bytes() {
    return bytes;
  }

  /** Reads as much as one call of the host gives; returns bytes, 0 at the end of the file. */
  public long readFrom(HostFile file, long position) throws IOException {
    return count == 1
        ? file.read(position, addresses[0], lengths[0])
        : file.read(position, addresses, lengths, 0, count);
  }

  /** Writes as much as one call of the host takes; returns bytes. */
  public long writeTo(HostFile file, long position) throws IOException {
    return count == 1
        ? file.write(position, addresses[0], lengths[0])
        : file.write(position, addresses, lengths, 0, count);
  }

  /** A part, which shares the memory. */
  public IoVector slice(long offset, long length) {
    Objects.checkFromIndexSize(offset, length, bytes);
    if (length == bytes) {
      return this;
    }
    int first = 0;
    long skip = offset;
    while (first < count && skip >= lengths[first]) {
      skip -= lengths[first++];
    }
    int end = first;
    for (long covered = -skip; covered < length; end++) {
      covered += lengths[end];
    }
    long[] partAddresses = new long[end - first];
    long[] partLengths = new long[end - first];
    long left = length;
    for (int i = first; i < end; i++) {
      long from = i == first ? skip : 0;
      partAddresses[i - first] = addresses[i] + from;
      partLengths[i - first] = Math.min(left, lengths[i] - from);
      left -= partLengths[i - first];
    }
    return new IoVector(partAddresses, partLengths, end - first);
  }

  /** Clears all bytes. */
  public void clear() {
    for (int i = 0; i < count; i++) {
      RawMemory.fill(addresses[i], lengths[i], (byte) 0);
    }
  }

  public boolean isZero() {
    for (int i = 0; i < count; i++) {
      if (!RawMemory.isZero(addresses[i], lengths[i])) {
        return false;
      }
    }
    return true;
  }

  /** Copies all bytes to one place. */
  public void copyTo(long address) {
    long at = address;
    for (int i = 0; i < count; i++) {
      RawMemory.copy(addresses[i], at, lengths[i]);
      at += lengths[i];
    }
  }

  /** Fills all bytes from one place. */
  public void copyFrom(long address) {
    long at = address;
    for (int i = 0; i < count; i++) {
      RawMemory.copy(at, addresses[i], lengths[i]);
      at += lengths[i];
    }
  }

  /** Whether every piece's address and length is a multiple of a power of two. */
  public boolean isAligned(int to) {
    long bits = 0;
    for (int i = 0; i < count; i++) {
      bits |= addresses[i] | lengths[i];
    }
    return (bits & to - 1) == 0;
  }
}
