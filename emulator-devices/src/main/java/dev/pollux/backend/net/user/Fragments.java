package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * Puts packets of IPv4 together again that a guest sent in parts (RFC 791, 3.2). A part that
 * overlaps another drops the whole packet, as RFC 5722 wants it. Guarded by the network's lock.
 */
final class Fragments {
  private static final int MAX_PACKETS = 32;
  private static final int MAX_LENGTH = 65535;

  /** With their own header. */
  private static final int MAX_PAYLOAD = MAX_LENGTH - 20;

  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(30);

  private record Key(Ip source, Ip target, int protocol, int identification) {}

  /** A packet of which parts are missing. */
  private static final class Parts {
    private final long since;
    private final ByteBuffer payload = ByteBuffer.allocateDirect(MAX_LENGTH);
    private final Reassembly ranges = new Reassembly();
    private int received;
    private int total = -1;
    private int count;

    Parts(long since) {
      this.since = since;
    }
  }

  private final Map<Key, Parts> packets =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Parts> eldest) {
          return size() > MAX_PACKETS && drop(eldest.getValue());
        }
      };

  private final LongAdder dropped;

  /**
   * @param dropped counts parts of packets that never were whole
   */
  Fragments(LongAdder dropped) {
    this.dropped = dropped;
  }

  private boolean drop(Parts parts) {
    dropped.add(parts.count);
    return true;
  }

  /**
   * Enters a part.
   *
   * @return the whole packet as an Ethernet frame of its own when this was the last missing part
   */
  Optional<ByteBuffer> add(ByteBuffer data, Packet packet, Ip source, Ip target) {
    long now = System.nanoTime();
    packets.values().removeIf(parts -> now - parts.since > PATIENCE && drop(parts));
    int ip = packet.ip();
    int field = data.getShort(ip + 6) & 0xffff;
    int offset = (field & 0x1fff) * 8;
    int length = packet.end() - packet.transport();
    boolean more = (field & 0x2000) != 0;
    if (length == 0 || more && length % 8 != 0 || offset + length > MAX_PAYLOAD) {
      dropped.increment();
      return Optional.empty();
    }
    Key key = new Key(source, target, packet.protocol(), data.getShort(ip + 4));
    Parts parts = packets.computeIfAbsent(key, k -> new Parts(now));
    parts.payload.put(offset, data, packet.transport(), length);
    parts.received += length;
    parts.count++;
    if (!parts.ranges.add(offset, offset + length)) {
      packets.remove(key);
      drop(parts);
      return Optional.empty();
    }
    if (!more) {
      parts.total = offset + length;
    }
    if (parts.total < 0 || parts.received < parts.total) {
      return Optional.empty();
    }
    packets.remove(key);
    if (parts.received > parts.total || parts.ranges.advance(0) != parts.total) {
      drop(parts);
      return Optional.empty();
    }
    return Optional.of(frame(data, ip, packet.protocol(), parts));
  }

  private static ByteBuffer frame(ByteBuffer data, int ip, int protocol, Parts parts) {
    int start = data.position();
    int headers = ip - start + 20;
    int length = parts.total;
    ByteBuffer frame = ByteBuffer.allocateDirect(headers + length);
    frame.put(0, data, start, headers);
    int at = ip - start;
    frame.put(at, (byte) 0x45).putShort(at + 2, (short) (20 + length)).putShort(at + 6, (short) 0);
    frame.put(at + 9, (byte) protocol);
    frame.put(headers, parts.payload, 0, length);
    return frame;
  }
}
