package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Gives the secondary's TCP connections the primary's sequence numbers: each guest chooses its own
 * for a connection, and the other end knows the primary's only. Frames are changed in place. IPv4.
 * One thread.
 *
 * <p>What comes from the primary is what the client has said to it. The first acknowledgement tells
 * the primary's number, and from then on the difference is taken from what the secondary says and
 * added to what it is told, until a checkpoint gives both the same numbers.
 *
 * <p>So with timestamps (RFC 7323), whose clock begins anywhere for each connection: after a
 * failover the client would drop all that seems older than what the primary has said last.
 */
public final class SequenceRewriter {
  private static final int FIN = 1;
  private static final int SYN = 2;
  private static final int ACK = 16;

  private static final int SEQUENCE = 4;
  private static final int ACKNOWLEDGED = 8;
  private static final int FLAGS = 13;
  private static final int SUM = 16;

  // Options (RFC 9293, 3.2; RFC 7323, 3.2), and where its numbers are in that of timestamps.

  private static final int FIRST_OPTION = 20;
  private static final int END = 0;
  private static final int NO_OPERATION = 1;
  private static final int TIMESTAMPS = 8;
  private static final int TIMESTAMPS_LENGTH = 10;
  private static final int VALUE = 2;
  private static final int ECHO = 6;
  private static final int NONE = -1;

  private static final int MOST_CONNECTIONS = 16384;

  /**
   * Ticks by which the clock of a connection may differ because one guest was later than the other:
   * a minute, where a tick is a millisecond. Then it is the same clock.
   */
  private static final int LATER = 60_000;

  private enum State {
    CLOSED,
    SYN_SENT,
    SYN_RECEIVED,
    ESTABLISHED,
    /** The client has nothing more to say. */
    CLOSE_WAIT,
    /** Neither has the guest; its last byte is not acknowledged yet. */
    LAST_ACK,
    /** The guest has nothing more to say. */
    FIN_WAIT,
    /** Nor has the client: what is left are acknowledgements. */
    CLOSING
  }

  private static final class Connection {
    State state = State.CLOSED;

    /** The client's first number. */
    int first;

    /** What the secondary's numbers are more than the primary's. */
    int offset;

    /** What the secondary's timestamps are more than the primary's. */
    int clockOffset;

    /**
     * The guest has chosen its first number and timestamp, which {@link #offset} and {@link
     * #clockOffset} are until the others are known.
     */
    boolean chosen;

    /** The primary's number of the byte behind the guest's FIN. */
    int behindFin;

    void begin(int first) {
      this.first = first;
      state = State.SYN_RECEIVED;
      forget();
    }

    /** Both guests have the same numbers. */
    void forget() {
      offset = 0;
      clockOffset = 0;
      chosen = false;
    }

    /** If it is said again, the other end has the first timestamp, or soon will have. */
    void choose(int number, int timestamp) {
      clockOffset = chosen ? clockOffset : timestamp;
      offset = number;
      chosen = true;
    }

    /** The other end has the primary's first number and timestamp. */
    void compare(int number, int timestamp) {
      if (chosen) {
        offset -= number;
        clockOffset -= timestamp;
        clockOffset = Math.abs((long) clockOffset) < LATER ? 0 : clockOffset;
        chosen = false;
      }
    }

    boolean translates() {
      return offset != 0 || clockOffset != 0;
    }
  }

  private final Packet packet = new Packet();

  /** By the client's direction; the one that was used longest ago is the first. */
  private final LinkedHashMap<ConnectionKey, Connection> connections =
      new LinkedHashMap<>(64, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ConnectionKey, Connection> eldest) {
          return size() > MOST_CONNECTIONS; // its numbers will differ, which calls for a checkpoint
        }
      };

  /** This guest is the only one: connections from now on have numbers that are right. */
  private boolean alone;

  /** A frame on its way to the guest. */
  public void towardsGuest(Frame frame) {
    ByteBuffer data = frame.data();
    if (!isTcp(data)) {
      return;
    }
    ConnectionKey key = ConnectionKey.of(data, packet);
    Connection connection = connection(key);
    if (connection == null) {
      return;
    }
    int flags = flags(data);
    switch (flags & (SYN | ACK)) {
      case SYN -> begin(connection, data.getInt(packet.transport() + SEQUENCE));
      case SYN | ACK -> {
        if (connection.state == State.SYN_SENT || connection.state == State.ESTABLISHED) {
          accept(frame, connection);
        }
      }
      case ACK -> acknowledge(frame, key, connection);
      default -> {}
    }
    if ((flags & FIN) != 0) {
      connection.state =
          switch (connection.state) {
            case ESTABLISHED -> State.CLOSE_WAIT;
            case FIN_WAIT -> State.CLOSING;
            default -> connection.state;
          };
    }
  }

  /**
   * The client begins a connection, or has had no answer and says so again: then its next word may
   * be here before the guest repeats the answer, which it has heard by now.
   */
  private static void begin(Connection connection, int first) {
    boolean again =
        connection.first == first
            && (connection.state == State.SYN_RECEIVED || connection.state == State.ESTABLISHED);
    if (!again) {
      connection.begin(first);
    }
  }

  /** The other end accepts what the guest has begun, and has the primary's number for it. */
  private void accept(Frame frame, Connection connection) {
    int number = frame.data().getInt(packet.transport() + ACKNOWLEDGED);
    connection.compare(number - 1, timestamp(frame, ECHO));
    connection.state = State.ESTABLISHED;
    tell(frame, connection, number);
  }

  private void tell(Frame frame, Connection connection, int number) {
    put(frame, ACKNOWLEDGED, number + connection.offset);
    putTimestamp(frame, ECHO, connection.clockOffset);
  }

  private void acknowledge(Frame frame, ConnectionKey key, Connection connection) {
    int number = frame.data().getInt(packet.transport() + ACKNOWLEDGED);
    if (connection.state == State.SYN_RECEIVED) {
      connection.compare(number - 1, timestamp(frame, ECHO));
      connection.state = State.ESTABLISHED;
    }
    tell(frame, connection, number);
    if (connection.state == State.LAST_ACK && number == connection.behindFin) {
      connections.remove(key);
    }
  }

  /** A frame that the guest has sent. */
  public void fromGuest(Frame frame) {
    ByteBuffer data = frame.data();
    if (!isTcp(data)) {
      return;
    }
    Connection connection = connection(ConnectionKey.of(data, packet).reversed());
    if (connection == null) {
      return;
    }
    int flags = flags(data);
    int number = data.getInt(packet.transport() + SEQUENCE);
    switch (flags & (SYN | ACK)) {
      case SYN -> {
        if (isClosed(connection.state)) {
          connection.state = State.SYN_SENT;
          connection.choose(number, timestamp(frame, VALUE));
        }
      }
      case SYN | ACK -> {
        if (connection.state == State.SYN_RECEIVED) {
          connection.choose(number, timestamp(frame, VALUE));
        }
      }
      default -> {
        if (!connection.chosen) {
          number -= connection.offset;
          put(frame, SEQUENCE, number);
          putTimestamp(frame, VALUE, -connection.clockOffset);
        }
      }
    }
    if ((flags & FIN) != 0) {
      connection.behindFin = number + packet.end() - packet.payload() + 1;
      connection.state =
          switch (connection.state) {
            case ESTABLISHED -> State.FIN_WAIT;
            case CLOSE_WAIT -> State.LAST_ACK;
            default -> connection.state;
          };
    }
  }

  /** Whether the guest may begin the same connection anew. */
  private static boolean isClosed(State state) {
    return switch (state) {
      case CLOSED, SYN_SENT, LAST_ACK, CLOSING -> true;
      case SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT, FIN_WAIT -> false;
    };
  }

  private boolean isTcp(ByteBuffer data) {
    return packet.parse(data)
        && packet.type() == Packet.TYPE_IPV4
        && packet.protocol() == Packet.TCP
        && !packet.isFragment();
  }

  private int flags(ByteBuffer data) {
    return data.get(packet.transport() + FLAGS);
  }

  private Connection connection(ConnectionKey key) {
    return alone ? connections.get(key) : connections.computeIfAbsent(key, _ -> new Connection());
  }

  /** A number of the option of timestamps, or 0 where there is none. */
  private int timestamp(Frame frame, int field) {
    int at = timestamps(frame.data());
    return at == NONE ? 0 : frame.data().getInt(packet.transport() + at + field);
  }

  private void putTimestamp(Frame frame, int field, int more) {
    int at = more == 0 ? NONE : timestamps(frame.data());
    if (at != NONE) {
      int old = frame.data().getInt(packet.transport() + at + field);
      put(frame, at + field, old + more);
    }
  }

  /** Where the option of timestamps is in the TCP header, or {@link #NONE}. */
  private int timestamps(ByteBuffer data) {
    int end = packet.payload() - packet.transport();
    int length;
    for (int at = FIRST_OPTION; at < end; at += length) {
      int kind = data.get(packet.transport() + at);
      length = kind == NO_OPERATION ? 1 : at + 1 < end ? data.get(packet.transport() + at + 1) : 0;
      if (kind == TIMESTAMPS && length == TIMESTAMPS_LENGTH && at + length <= end) {
        return at;
      }
      if (kind == END || kind != NO_OPERATION && length < 2) {
        return NONE;
      }
    }
    return NONE;
  }

  /** Replaces a number in the TCP header, and keeps the checksum right. */
  private void put(Frame frame, int field, int value) {
    ByteBuffer data = frame.data();
    int at = packet.transport() + field;
    int old = data.getInt(at);
    if (old == value) {
      return;
    }
    data.putInt(at, value);
    if (!frame.lacksChecksum()) {
      // At an odd place its bytes are the other halves of the words that are summed.
      int turn = (field & 1) * Byte.SIZE;
      Checksum.replace(
          data,
          packet.transport() + SUM,
          Integer.rotateLeft(old, turn),
          Integer.rotateLeft(value, turn));
    }
  }

  /** Both guests have the same numbers from now on. */
  public void checkpoint() {
    connections.values().removeIf(connection -> connection.state == State.CLOSING);
    connections.values().forEach(Connection::forget);
  }

  /**
   * This guest goes on alone; connections that it has begun as the secondary stay translated. In
   * those that are being begun, the other end's answer says whose number it knows.
   */
  public void failover() {
    alone = true;
    connections.values().removeIf(connection -> !connection.translates() && !connection.chosen);
  }

  /** Connections whose numbers are translated. */
  public long translated() {
    return connections.values().stream().filter(Connection::translates).count();
  }
}
