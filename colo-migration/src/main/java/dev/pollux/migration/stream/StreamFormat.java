package dev.pollux.migration.stream;

/** Numbers of the stream's layout. */
public final class StreamFormat {
  /** {@code QEVM}. */
  public static final int MAGIC = 0x5145_564d;

  public static final int VERSION = 3;

  public static final int END = 0x00;
  public static final int SECTION_START = 0x01;
  public static final int SECTION_PART = 0x02;
  public static final int SECTION_END = 0x03;
  public static final int SECTION_FULL = 0x04;
  public static final int SUBSECTION = 0x05;
  public static final int DESCRIPTION = 0x06;
  public static final int CONFIGURATION = 0x07;
  public static final int COMMAND = 0x08;
  public static final int FOOTER = 0x7e;

  /** Name of the section that holds the guest's memory. */
  public static final String RAM = "ram";

  public static final int RAM_VERSION = 4;

  /** Number of the section that holds the guest's memory. */
  public static final int RAM_SECTION = 2;

  private static final int LARGEST_BUFFER = 512 << 10;
  private static final int SMALLEST_BUFFER = 64 << 10;

  /** What the buffers of all connections of a migration may take together. */
  private static final int ALL_BUFFERS = 8 << 20;

  private StreamFormat() {}

  /** Bytes of one connection's buffer. */
  static int bufferCapacity(int connections) {
    return Math.clamp(ALL_BUFFERS / connections, SMALLEST_BUFFER, LARGEST_BUFFER);
  }
}
