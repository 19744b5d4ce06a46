package dev.pollux.devices.virtio;

import dev.pollux.backend.block.IoVector;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The buffers of one request: bytes that the device reads, then bytes that it writes (2.7.4). Both
 * are streams with a position of their own. Belongs to the thread that works on the queue.
 */
public final class DescriptorChain {
  private static final GuestMemory.Piece[] NONE = {};

  private final int id;
  private final int position;
  private final int slots;
  private final GuestMemory.Piece[] readable;
  private final GuestMemory.Piece[] writable;
  private final long readableBytes;
  private final long writableBytes;
  private long readAt;
  private long writeAt;

  /**
   * @param id by which the driver knows it
   * @param position in the ring, by which {@link Virtqueue#reopen} finds it again
   * @param slots descriptors of the ring that it takes
   */
  DescriptorChain(
      int id,
      int position,
      int slots,
      GuestMemory.Piece[] pieces,
      int count,
      int readableCount,
      long readableBytes,
      long writableBytes) {
    this.id = id;
    this.position = position;
    this.slots = slots;
    this.readable = readableCount == 0 ? NONE : Arrays.copyOf(pieces, readableCount);
    this.writable =
        readableCount == count ? NONE : Arrays.copyOfRange(pieces, readableCount, count);
    this.readableBytes = readableBytes;
    this.writableBytes = writableBytes;
  }

  int id() {
    return id;
  }

  /** Where it is in the ring: what a device saves of a request that it keeps. */
  public int position() {
    return position;
  }

  int slots() {
    return slots;
  }

  /** Bytes that the device may read, in all. */
  public long readableBytes() {
    return readableBytes;
  }

  /** Bytes that the device may write, in all. */
  public long writableBytes() {
    return writableBytes;
  }

  /** Bytes not read yet. */
  public long readableLeft() {
    return readableBytes - readAt;
  }

  /** Bytes not written yet. */
  public long writableLeft() {
    return writableBytes - writeAt;
  }

  /** Bytes written so far: what {@link Virtqueue#push} wants to know. */
  public int written() {
    return (int) writeAt;
  }

  /**
   * Reads as much as there is.
   *
   * @return bytes
   */
  public int read(byte[] to, int at, int length) {
    int count = (int) Math.min(length, readableLeft());
    int[] done = {0};
    each(
        readable,
        readAt,
        count,
        (piece, offset, n) -> {
          RawMemory.copyOut(piece.host() + offset, to, at + done[0], n);
          done[0] += n;
        });
    readAt += count;
    return count;
  }

  /**
   * Reads exactly as much.
   *
   * @throws VirtioError if there is less
   */
  public byte[] read(int length) throws VirtioError {
    byte[] bytes = new byte[length];
    if (read(bytes, 0, length) < length) {
      throw new VirtioError("a request has %d readable bytes, too few".formatted(readableBytes));
    }
    return bytes;
  }

  /** Passes over readable bytes. */
  public void skip(long bytes) {
    readAt += Math.min(bytes, readableLeft());
  }

  /**
   * Writes as much as there is room for.
   *
   * @return bytes
   */
  public int write(byte[] from, int at, int length) {
    int count = (int) Math.min(length, writableLeft());
    writeAt(writeAt, from, at, count);
    writeAt += count;
    return count;
  }

  /**
   * Writes somewhere, whatever the position; for a status behind the data, for instance. What does
   * not fit is left out.
   *
   * @param offset from the start of the writable bytes
   */
  public void writeAt(long offset, byte[] from, int at, int length) {
    int count = Math.clamp(writableBytes - offset, 0, length);
    int[] done = {0};
    each(
        writable,
        offset,
        count,
        (piece, start, n) -> {
          piece.block().beforeWrite(piece.offset() + start, n);
          RawMemory.copyIn(from, at + done[0], piece.host() + start, n);
          VarHandle.fullFence();
          piece.block().beforeWrite(piece.offset() + start, n);
          done[0] += n;
        });
  }

  /** Says that bytes were written by {@link #writableVector}; moves the position behind them. */
  public void wrote(long bytes) {
    writeAt += Math.min(bytes, writableLeft());
  }

  /** Readable bytes from the position on, in place; the position moves behind them. */
  public IoVector readableVector(long length) {
    IoVector vector = vector(readable, readAt, Math.min(length, readableLeft()));
    readAt += vector.bytes();
    return vector;
  }

  /**
   * Writable bytes in place, to be filled by somebody else: {@link #touch} is called now and again
   * when they are there.
   *
   * @param offset from the start of the writable bytes
   */
  public IoVector writableVector(long offset, long length) {
    return vector(writable, offset, Math.clamp(writableBytes - offset, 0, length));
  }

  /** Tells who watches guest memory that a part of the writable bytes is, or was, written. */
  public void touch(long offset, long length) {
    each(
        writable,
        offset,
        Math.clamp(writableBytes - offset, 0, length),
        (piece, start, n) -> piece.block().beforeWrite(piece.offset() + start, n));
  }

  /** Gives the pages that the writable bytes are in back to the host. */
  public void discard() {
    for (GuestMemory.Piece piece : writable) {
      piece.block().discard(piece.offset(), piece.length());
    }
  }

  private static IoVector vector(GuestMemory.Piece[] pieces, long offset, long length) {
    if (length == 0) {
      return IoVector.EMPTY;
    }
    long[] addresses = new long[pieces.length];
    long[] lengths = new long[pieces.length];
    int[] count = {0};
    each(
        pieces,
        offset,
        length,
        (piece, start, n) -> {
          addresses[count[0]] = piece.host() + start;
          lengths[count[0]++] = n;
        });
    return new IoVector(addresses, lengths, count[0]);
  }

  @FunctionalInterface
  private interface Visitor {
    /** A part of a piece. */
    void visit(GuestMemory.Piece piece, long offset, int length);
  }

  /** Visits {@code length} bytes from {@code offset} on, all of which are there. */
  private static void each(GuestMemory.Piece[] pieces, long offset, long length, Visitor visitor) {
    long skip = offset;
    long left = length;
    for (int i = 0; left > 0; i++) {
      GuestMemory.Piece piece = pieces[i];
      if (skip >= piece.length()) {
        skip -= piece.length();
        continue;
      }
      long n = Math.min(left, piece.length() - skip);
      visitor.visit(piece, skip, (int) n);
      left -= n;
      skip = 0;
    }
  }
}
