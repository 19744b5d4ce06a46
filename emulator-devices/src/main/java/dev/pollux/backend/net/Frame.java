package dev.pollux.backend.net;

import java.nio.ByteBuffer;

/**
 * One Ethernet frame on its way, with the work on it that is still to be done: virtio 1.2, 5.1.6
 * calls that the header. The bytes are a direct buffer's, from its position to its limit.
 *
 * <p>Whoever passes a frame on owns it: the receiver reads it during the call only, and copies what
 * it wants to keep. A receiver leaves position and limit as they were.
 */
public final class Frame {
  /** The largest frame: a TCP segment of 64 KiB with all headers in front of it. */
  public static final int MAX_LENGTH = 65536 + 256;

  /** The smallest frame that means something: two addresses and a type. */
  public static final int MIN_LENGTH = 14;

  /** {@link #flags}: the checksum from {@link #checksumStart} on is still to be filled in. */
  public static final int NEEDS_CHECKSUM = 1;

  /** {@link #flags}: the checksum has been verified by somebody before. */
  public static final int DATA_VALID = 2;

  public static final int GSO_NONE = 0;
  public static final int GSO_TCP4 = 1;
  public static final int GSO_UDP = 3;
  public static final int GSO_TCP6 = 4;
  public static final int GSO_ECN = 0x80;

  private ByteBuffer data;
  private int flags;
  private int gsoType;
  private int headerLength;
  private int segmentSize;
  private int checksumStart;
  private int checksumOffset;

  /** An empty frame; {@link #set} gives it bytes. */
  public Frame() {}

  /** A frame of finished bytes. */
  public Frame(ByteBuffer data) {
    set(data);
  }

  /** Makes this a frame of finished bytes: nothing is left to do on them. */
  public Frame set(ByteBuffer bytes) {
    data = bytes;
    flags = 0;
    gsoType = GSO_NONE;
    headerLength = 0;
    segmentSize = 0;
    checksumStart = 0;
    checksumOffset = 0;
    return this;
  }

  /** Says that whoever gives the frame on has filled in its checksums, or checked them. */
  public Frame verified() {
    flags |= DATA_VALID;
    return this;
  }

  /**
   * Leaves the checksum to the receiver.
   *
   * @param start bytes from the frame's start to where the sum begins
   * @param offset bytes from there to the 16-bit field, which holds the pseudo header's sum
   */
  public Frame needsChecksum(int start, int offset) {
    flags |= NEEDS_CHECKSUM;
    checksumStart = start;
    checksumOffset = offset;
    return this;
  }

  /**
   * Leaves cutting into segments to the receiver.
   *
   * @param type one of the GSO constants
   * @param header bytes of all headers
   * @param size payload bytes of each segment
   */
  public Frame segmented(int type, int header, int size) {
    gsoType = type;
    headerLength = header;
    segmentSize = size;
    return this;
  }

  /** Takes over a header as a guest wrote it; what it says is checked where it is acted upon. */
  public Frame header(int newFlags, int type, int header, int size, int start, int offset) {
    flags = newFlags;
    gsoType = type;
    headerLength = header;
    segmentSize = size;
    checksumStart = start;
    checksumOffset = offset;
    return this;
  }

  public ByteBuffer data() {
    return data;
  }

  public int length() {
    return data.remaining();
  }

  public int flags() {
    return flags;
  }

  public int gsoType() {
    return gsoType;
  }

  /** The GSO constant without the mark of congestion. */
  public int segmentation() {
    return gsoType & ~GSO_ECN;
  }

  public int headerLength() {
    return headerLength;
  }

  public int segmentSize() {
    return segmentSize;
  }

  public int checksumStart() {
    return checksumStart;
  }

  public int checksumOffset() {
    return checksumOffset;
  }

  public boolean lacksChecksum() {
    return (flags & NEEDS_CHECKSUM) != 0;
  }

  /** True where the bytes alone are the whole truth. */
  public boolean isFinished() {
    return !lacksChecksum() && segmentation() == GSO_NONE;
  }

  /** A frame of its own with the same bytes and header, for those who keep it. */
  public Frame copy() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(data.remaining());
    bytes.put(0, data, data.position(), data.remaining());
    return new Frame(bytes)
        .header(flags, gsoType, headerLength, segmentSize, checksumStart, checksumOffset);
  }
}
