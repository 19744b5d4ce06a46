package dev.pollux.tests.hostile;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * What a secondary takes for its primary: it repeats a migration that was recorded, and then means
 * harm.
 */
public final class HostilePrimary extends HostileLink {
  private static final int PONG = 2;
  private static final int SHUT = 1;
  private static final long DIGEST_PRIME = 0x9e37_79b9_7f4a_7c15L;

  private static final byte SECTION_END = 3;
  private static final byte FOOTER = 0x7e;
  private static final byte END = 0;
  private static final int RAM_SECTION = 2;
  private static final long END_OF_RECORDS = 0x10;

  public HostilePrimary(int port) throws IOException {
    use(new Socket(InetAddress.getLoopbackAddress(), port));
  }

  /** Repeats a migration and waits until the secondary is ready for checkpoints. */
  public void migrate(byte[] stream) throws IOException {
    send(stream);
    for (int type = PONG; type != SHUT; ) {
      type = ByteBuffer.wrap(read(8)).getShort();
    }
    if (receive() != READY) {
      throw new IOException("the secondary is not ready");
    }
  }

  /** Sends a checkpoint that changes no memory, as it should be; returns when it is whole. */
  public void sendCheckpoint(byte[] states) throws IOException {
    send(REQUEST);
    if (receive() != REPLY) {
      throw new IOException("no reply");
    }
    send(checkpoint(states));
  }

  /** Memory without a page, device states, and their right digest. */
  public static byte[] checkpoint(byte[] states) {
    byte[] memory = noPages();
    return ByteBuffer.allocate(memory.length + 12 + states.length + 12)
        .put(memory)
        .putInt(VMSTATE_SIZE)
        .putLong(states.length)
        .put(states)
        .putInt(DIGEST)
        .putLong(digest(states))
        .array();
  }

  /** The memory of a checkpoint in which no page differs. */
  static byte[] noPages() {
    return noPages(new byte[0]);
  }

  /**
   * The same.
   *
   * @param more sections in front of the mark of their end
   */
  public static byte[] noPages(byte[] more) {
    return ByteBuffer.allocate(4 + 5 + 8 + 5 + more.length + 1)
        .putInt(VMSTATE_SEND)
        .put(SECTION_END)
        .putInt(RAM_SECTION)
        .putLong(END_OF_RECORDS)
        .put(FOOTER)
        .putInt(RAM_SECTION)
        .put(more)
        .put(END)
        .array();
  }

  /** What both sides reckon of device states when no page came. */
  private static long digest(byte[] states) {
    CRC32C crc = new CRC32C();
    crc.update(states);
    return (crc.getValue() + 1) * DIGEST_PRIME;
  }

  /** Device states, or a whole stream, that say something else of what the guest was doing. */
  public static byte[] withRunState(byte[] states, String state) {
    byte[] section = "globalstate".getBytes(StandardCharsets.US_ASCII);
    int at = indexOf(states, section) + section.length + 8; // instance and version
    int old = ByteBuffer.wrap(states).getInt(at);
    byte[] name = state.getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(states.length - old + name.length)
        .put(states, 0, at)
        .putInt(name.length)
        .put(name)
        .put(states, at + 4 + old, states.length - at - 4 - old)
        .array();
  }

  private static int indexOf(byte[] all, byte[] part) {
    for (int i = 0; i + part.length <= all.length; i++) {
      int n = 0;
      while (n < part.length && all[i + n] == part[n]) {
        n++;
      }
      if (n == part.length) {
        return i;
      }
    }
    throw new IllegalArgumentException("not in there");
  }
}
