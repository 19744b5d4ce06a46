package dev.pollux.devices.storage.nvme;

import dev.pollux.core.state.StateDescriptor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;

/**
 * What the controller tells of its own accord (5.2): the driver leaves requests with it, each of
 * which ends with an event. After one of a type there is no other before the driver has read the
 * log that belongs to it. Machine lock held.
 */
final class AsyncEvents {
  private static final int MOST_REQUESTS = 256;
  private static final int EVENTS = 0xf;

  static final StateDescriptor<AsyncEvents> STATE =
      StateDescriptor.of(AsyncEvents.class, "nvme-events", 1)
          .varBytes("requests", MOST_REQUESTS * 2, e -> e.save(), (e, v) -> e.load(v))
          .u8("happened", EVENTS, e -> e.happened, (e, v) -> e.happened = v)
          .u8("masked", 7, e -> e.masked, (e, v) -> e.masked = v)
          .bool("namespace-changed", e -> e.namespaceChanged, (e, v) -> e.namespaceChanged = v);

  /** What can happen: type, information, and the log that says more. */
  enum Event {
    NO_SUCH_DOORBELL(0, 0, 1),
    BAD_DOORBELL_VALUE(0, 1, 1),
    TEMPERATURE(1, 1, 2),
    NAMESPACE_CHANGED(2, 0, 4);

    private final int type;
    private final int information;
    private final int log;

    Event(int type, int information, int log) {
      this.type = type;
      this.information = information;
      this.log = log;
    }

    private int bit() {
      return 1 << ordinal();
    }
  }

  /** The controller. */
  interface Owner {
    /** Whether a request can end now. */
    boolean canTell();

    /** A request ends. */
    void tell(int id, int result);
  }

  private final int most;
  private final Owner owner;
  private final ArrayDeque<Integer> requests = new ArrayDeque<>();
  private int happened;

  /** Types, of which nothing is told for now. */
  private int masked;

  private boolean namespaceChanged;

  /**
   * @param most requests at once
   */
  AsyncEvents(int most, Owner owner) {
    this.most = Math.min(most, MOST_REQUESTS);
    this.owner = owner;
  }

  void reset() {
    requests.clear();
    happened = 0;
    masked = 0;
    namespaceChanged = false;
  }

  /** A request to be told of something; false if there are enough. */
  boolean add(int id) {
    if (requests.size() >= most) {
      return false;
    }
    requests.add(id);
    return true;
  }

  void happened(Event event) {
    happened |= event.bit();
    namespaceChanged |= event == Event.NAMESPACE_CHANGED;
    tell();
  }

  /** Tells what there is to tell, if anybody has asked. */
  void tell() {
    for (Event event : Event.values()) {
      if ((happened & event.bit()) != 0
          && (masked & 1 << event.type) == 0
          && !requests.isEmpty()
          && owner.canTell()) {
        happened &= ~event.bit();
        masked |= 1 << event.type;
        owner.tell(requests.remove(), event.type | event.information << 8 | event.log << 16);
      }
    }
  }

  /** A log has been read: events that it belongs to may be told of again. */
  void read(int log) {
    for (Event event : Event.values()) {
      masked &= event.log == log ? ~(1 << event.type) : -1;
    }
    namespaceChanged &= log != Event.NAMESPACE_CHANGED.log;
  }

  /** Whether the namespace has changed since its log was read. */
  boolean namespaceChanged() {
    return namespaceChanged;
  }

  private byte[] save() {
    ByteBuffer out = ByteBuffer.allocate(requests.size() * 2).order(ByteOrder.LITTLE_ENDIAN);
    requests.forEach(id -> out.putShort((short) (int) id));
    return out.array();
  }

  private void load(byte[] bytes) {
    requests.clear();
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (in.remaining() >= 2) {
      requests.add(in.getShort() & 0xffff);
    }
  }
}
