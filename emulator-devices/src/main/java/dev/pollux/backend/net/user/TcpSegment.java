package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/**
 * A TCP segment as a guest sent it (RFC 9293, 3.1). One object is used for all, again and again.
 */
final class TcpSegment {
  static final int FIN = 1;
  static final int SYN = 2;
  static final int RST = 4;
  static final int PSH = 8;
  static final int ACK = 16;
  static final int HEADER = 20;

  private static final int OPTION_MSS = 2;
  private static final int OPTION_SCALE = 3;
  private static final int OPTION_SACK_PERMITTED = 4;

  ByteBuffer data;
  int flags;
  int sequence;
  int acknowledged;
  int window;

  /** Where the payload begins. */
  int payload;

  int length;

  /** The maximum segment size of a SYN; 0 where it has none. */
  int maxSegment;

  /** The window scale of a SYN; -1 where it has none. */
  int scale;

  /** Whether a SYN allows selective acknowledgements (RFC 2018). */
  boolean selective;

  void parse(ByteBuffer from, Packet packet) {
    int at = packet.transport();
    data = from;
    sequence = from.getInt(at + 4);
    acknowledged = from.getInt(at + 8);
    flags = from.get(at + 13) & 0x3f;
    window = from.getShort(at + 14) & 0xffff;
    payload = packet.payload();
    length = packet.end() - payload;
    maxSegment = 0;
    scale = -1;
    selective = false;
    if (has(SYN)) {
      options(from, at + HEADER, payload);
    }
  }

  private void options(ByteBuffer from, int start, int end) {
    int at = start;
    while (at < end) {
      int kind = from.get(at);
      if (kind == 0) {
        return;
      }
      if (kind == 1) {
        at++;
        continue;
      }
      int bytes = at + 1 < end ? from.get(at + 1) & 0xff : 0;
      if (bytes < 2 || at + bytes > end) {
        return;
      }
      if (kind == OPTION_MSS && bytes == 4) {
        maxSegment = from.getShort(at + 2) & 0xffff;
      } else if (kind == OPTION_SCALE && bytes == 3) {
        scale = Math.min(from.get(at + 2) & 0xff, 14);
      }
      selective |= kind == OPTION_SACK_PERMITTED;
      at += bytes;
    }
  }

  boolean has(int flag) {
    return (flags & flag) != 0;
  }

  /** Sequence numbers that it takes: a SYN and a FIN count one each. */
  int span() {
    return length + (has(SYN) ? 1 : 0) + (has(FIN) ? 1 : 0);
  }
}
