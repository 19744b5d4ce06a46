package dev.pollux.devices.usb.xhci;

import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.usb.UsbDevice;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A device slot: a device with its endpoints as the driver has set them up (xHCI 1.2, 4.5 and
 * 6.2.1). Machine lock held.
 *
 * <pre>
 *   device context   32 bytes each: slot, endpoint 1 (control), 2 (1 out), 3 (1 in), ...
 *   slot             0 route, speed, contexts   4 port   12 address and state
 *   endpoint         0 state, streams   4 type, packet   8 dequeue pointer and cycle
 * </pre>
 */
final class Slot {
  /**
   * The states of a slot (4.5.3), in the order of their numbers; it may be enabled in the first.
   */
  enum State {
    ENABLED,
    DEFAULT,
    ADDRESSED,
    CONFIGURED
  }

  /** Words of each context. */
  static final int CONTEXT_WORDS = 8;

  static final int CONTEXT_BYTES = CONTEXT_WORDS * 4;

  private static final int SAVED_ENDPOINT = 11;
  private static final int MOST_TYPE = 7;
  private static final int MOST_PORT = 255;

  static final StateDescriptor<Slot> STATE =
      StateDescriptor.of(Slot.class, "xhci-slot", 1)
          .bool("enabled", s -> s.enabled, (s, v) -> s.enabled = v)
          .u8(
              "state",
              State.values().length - 1,
              s -> s.state.ordinal(),
              (s, v) -> s.state = State.values()[v])
          .u8("port", MOST_PORT, s -> s.port, (s, v) -> s.port = v)
          .u64("context", s -> s.context, (s, v) -> s.context = v)
          .varBytes(
              "endpoints",
              Endpoint.COUNT * SAVED_ENDPOINT,
              Slot::saveEndpoints,
              Slot::loadEndpoints);

  private final Xhci controller;

  @HostOnly("which it is")
  private final int number;

  private boolean enabled;
  private State state = State.ENABLED;

  /** The root port, 1 for the first; 0 for none yet. */
  private int port;

  /** Where the device context is. */
  private long context;

  /** By number; null for those that are disabled. */
  private final Endpoint[] endpoints = new Endpoint[Endpoint.COUNT];

  Slot(Xhci controller, int number) {
    this.controller = controller;
    this.number = number;
  }

  int number() {
    return number;
  }

  boolean isEnabled() {
    return enabled;
  }

  State state() {
    return state;
  }

  int port() {
    return port;
  }

  void enable() {
    enabled = true;
  }

  /** Forgets all. */
  void reset() {
    enabled = false;
    state = State.ENABLED;
    port = 0;
    context = 0;
    Arrays.fill(endpoints, null);
  }

  /** The device; null if it is not there any more. */
  UsbDevice device() {
    return controller.device(port);
  }

  /** An endpoint, 1 to 31; null if it is disabled. */
  Endpoint endpoint(int which) {
    return which < 1 || which >= Endpoint.COUNT ? null : endpoints[which];
  }

  // ---- contexts ----

  /** The driver has said where the context is, and which port. */
  void place(long at, int rootPort) {
    context = at;
    port = rootPort;
  }

  private long at(int index) {
    return context + (long) index * CONTEXT_BYTES;
  }

  int[] slotContext() throws HostError {
    return controller.memory().words(context, CONTEXT_WORDS);
  }

  /** Writes the slot's own context, with a new state in it. */
  void write(int[] words, State to, int address) throws HostError {
    state = to;
    words[3] = to.ordinal() << 27 | address;
    controller.memory().putWords(context, words);
  }

  /** Enables an endpoint as its context says, which becomes a part of the device's. */
  void enable(int which, int[] words) throws HostError {
    int[] copy = words.clone();
    long pointer = words[2] & 0xffff_ffffL | (long) words[3] << 32;
    endpoints[which] =
        new Endpoint(
            controller, this, which, typeOf(words), Endpoint.State.RUNNING, Position.of(pointer));
    copy[0] = copy[0] & ~7 | Endpoint.State.RUNNING.ordinal();
    controller.memory().putWords(at(which), copy);
  }

  static int typeOf(int[] words) {
    return words[1] >> 3 & 7;
  }

  /** Disables an endpoint. */
  void disable(int which) throws HostError {
    if (endpoints[which] != null) {
      endpoints[which] = null;
      long first = at(which);
      controller.memory().putWords(first, controller.memory().word(first) & ~7);
    }
  }

  /** Tells the state of an endpoint and where its ring goes on. */
  void writeEndpoint(Endpoint endpoint) throws HostError {
    long first = at(endpoint.number());
    long pointer = endpoint.position().bits();
    controller
        .memory()
        .putWords(first, controller.memory().word(first) & ~7 | endpoint.state().ordinal());
    controller.memory().putWords(first + 8, (int) pointer, (int) (pointer >>> 32));
  }

  /** Changes the packet size of the control endpoint. */
  void writePacketSize(int word) throws HostError {
    long second = at(Endpoint.FIRST) + 4;
    controller
        .memory()
        .putWords(second, controller.memory().word(second) & 0xffff | word & 0xffff_0000);
  }

  // ---- state ----

  private byte[] saveEndpoints() {
    ByteBuffer out = ByteBuffer.allocate(Endpoint.COUNT * SAVED_ENDPOINT);
    for (Endpoint endpoint : endpoints) {
      if (endpoint != null) {
        out.put((byte) endpoint.number()).put((byte) endpoint.type());
        out.put((byte) endpoint.state().ordinal()).putLong(endpoint.position().bits());
      }
    }
    return Arrays.copyOf(out.array(), out.position());
  }

  private void loadEndpoints(byte[] bytes) {
    Arrays.fill(endpoints, null);
    ByteBuffer in = ByteBuffer.wrap(bytes);
    while (in.remaining() >= SAVED_ENDPOINT) {
      int which = in.get() & Endpoint.COUNT - 1;
      int type = in.get() & MOST_TYPE;
      int at = Math.floorMod(in.get(), Endpoint.State.values().length);
      Position position = Position.of(in.getLong());
      if (which != 0) {
        endpoints[which] =
            new Endpoint(controller, this, which, type, Endpoint.State.values()[at], position);
      }
    }
  }
}
