package dev.pollux.devices.usb.xhci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.util.function.Supplier;

/** A driver of xHCI by its registers and rings, on a machine that runs. */
final class XhciDriver implements AutoCloseable {
  static final long DATA = 0x20_0000;
  static final int SUCCESS = 1;
  static final int STALL = 6;
  static final int SHORT_PACKET = 13;

  static final int NORMAL = 1;
  static final int LINK = 6;
  static final int IOC = 1 << 5;

  private static final long BASE = 0x8000_0000L;
  private static final long CONTEXTS = 0x1000;
  private static final long COMMANDS = 0x2000;
  private static final long EVENT_TABLE = 0x3000;
  static final long EVENTS = 0x4000;
  static final int EVENT_COUNT = 64;
  private static final long INPUT = 0x6000;
  private static final long RINGS = 0x4_0000;
  static final int RING_TRBS = 16;

  /**
   * An event.
   *
   * @param code how it ended
   * @param length what is left, or the data of an event-data TRB
   */
  record Event(int type, long pointer, int code, int length, int slot, int endpoint) {}

  /** Where a driver is in a ring. */
  private static final class Ring {
    final long base;
    int next;
    boolean cycle = true;

    Ring(long base) {
      this.base = base;
    }
  }

  final PciFixture pci;
  final Xhci device;
  private final PciFunction function;
  private final Thread loop;
  private final Ring[] rings = new Ring[64 * 32];
  private final Ring commands = new Ring(COMMANDS);
  private int nextEvent;
  private boolean eventCycle = true;

  /**
   * @param controller with its properties
   */
  XhciDriver(PciFixture pci, String controller, String... devices) {
    this.pci = pci;
    var node = pci.add(controller);
    device = (Xhci) node.device();
    function = device.pci();
    for (String plugged : devices) {
      pci.add(plugged);
    }
    locked(
        () -> {
          function.write(0x10, 4, (int) BASE);
          function.write(4, 2, 6);
          return 0;
        });
    pci.machine.loop().post(pci.machine::start);
    loop = Thread.ofPlatform().start(pci.machine.loop()::run);
    pci.await(() -> pci.machine.runState().current().isRunning(), "the machine to run");
  }

  <T> T locked(Supplier<T> action) {
    pci.machine.lock().lock();
    try {
      return action.get();
    } finally {
      pci.machine.lock().unlock();
    }
  }

  int read(int register) {
    return locked(() -> (int) pci.machine.memory().read(BASE + register, 4));
  }

  void write(int register, int value) {
    locked(
        () -> {
          pci.machine.memory().write(BASE + register, 4, value & 0xffff_ffffL);
          return 0;
        });
  }

  long load(long address) {
    return locked(() -> pci.machine.memory().read(address, 8));
  }

  void store(long address, long... quads) {
    locked(
        () -> {
          for (int i = 0; i < quads.length; i++) {
            pci.machine.memory().write(address + i * 8L, 8, quads[i]);
          }
          return 0;
        });
  }

  byte[] bytes(long address, int count) {
    byte[] bytes = new byte[count];
    locked(
        () -> {
          pci.machine.memory().read(address, bytes, 0, count);
          return 0;
        });
    return bytes;
  }

  void store(long address, byte[] bytes) {
    locked(
        () -> {
          pci.machine.memory().write(address, bytes, 0, bytes.length);
          return 0;
        });
  }

  // ---- the controller ----

  /** Resets the controller, gives it rings and lets it run. */
  void start() {
    write(0x40, 2);
    commands.next = 0;
    commands.cycle = true;
    nextEvent = 0;
    eventCycle = true;
    store(COMMANDS, new byte[RING_TRBS * 16]);
    store(EVENTS, new byte[EVENT_COUNT * 16]);
    store(CONTEXTS, new byte[65 * 8]);
    write(0x78, 64);
    write(0x70, (int) CONTEXTS);
    write(0x74, 0);
    write(0x58, (int) COMMANDS | 1);
    write(0x5c, 0);
    store(EVENT_TABLE, EVENTS, EVENT_COUNT);
    write(0x1028, 1);
    write(0x1038, (int) EVENTS);
    write(0x103c, 0);
    write(0x1030, (int) EVENT_TABLE);
    write(0x1034, 0);
    write(0x1020, 2);
    write(0x40, 5);
    assertEquals(0, read(0x44) & 1, "halted");
  }

  private void put(Ring ring, long parameter, int status, int control) {
    if (ring.next == RING_TRBS - 1) {
      store(
          ring.base + ring.next * 16L,
          ring.base,
          (long) (LINK << 10 | 2 | (control & 0x10) | (ring.cycle ? 1 : 0)) << 32);
      ring.next = 0;
      ring.cycle = !ring.cycle;
    }
    store(
        ring.base + ring.next * 16L,
        parameter,
        status & 0xffff_ffffL | (long) (control | (ring.cycle ? 1 : 0)) << 32);
    ring.next++;
  }

  /** What is at a place of the event ring; null for nothing. */
  Event peek(int index) {
    long at = EVENTS + index * 16L;
    long rest = load(at + 8);
    int status = (int) rest;
    int control = (int) (rest >>> 32);
    return (control & 1) == 1 != eventCycle
        ? null
        : new Event(
            control >> 10 & 0x3f,
            load(at),
            status >>> 24,
            status & 0xff_ffff,
            control >>> 24,
            control >> 16 & 0x1f);
  }

  /** The next event, if there is one. */
  Event poll() {
    Event event = peek(nextEvent);
    if (event != null) {
      if (++nextEvent == EVENT_COUNT) {
        nextEvent = 0;
        eventCycle = !eventCycle;
      }
      write(0x1038, (int) (EVENTS + nextEvent * 16L) | 8);
    }
    return event;
  }

  /** The next event of a type; others before it are passed over. */
  Event await(int type) {
    Event[] found = new Event[1];
    pci.await(
        () -> {
          Event event = poll();
          found[0] = event != null && event.type() == type ? event : null;
          return found[0] != null;
        },
        "an event of type " + type);
    return found[0];
  }

  /** Gives a command. */
  void give(int type, long parameter, int control) {
    put(commands, parameter, 0, type << 10 | control);
    write(0x2000, 0);
  }

  /** Gives a command and waits for its end. */
  Event command(int type, long parameter, int control) {
    give(type, parameter, control);
    return await(33);
  }

  // ---- devices ----

  int enableSlot() {
    Event event = command(9, 0, 0);
    assertEquals(SUCCESS, event.code());
    assertNotEquals(0, event.slot());
    return event.slot();
  }

  private Ring ring(int slot, int endpoint) {
    return rings[slot * 32 + endpoint];
  }

  private Ring newRing(int slot, int endpoint) {
    Ring ring = new Ring(RINGS + (slot * 32L + endpoint) * RING_TRBS * 16);
    store(ring.base, new byte[RING_TRBS * 16]);
    rings[slot * 32 + endpoint] = ring;
    return ring;
  }

  static long context(int slot) {
    return 0x1_0000 + slot * 0x400L;
  }

  /** Resets the device of a port, and gives it an address. */
  int address(int port) {
    write(0x440 + (port - 1) * 16, 1 << 4 | 1 << 9);
    int slot = enableSlot();
    int speed = read(0x440 + (port - 1) * 16) >> 10 & 0xf;
    store(CONTEXTS + slot * 8L, context(slot));
    Ring ring = newRing(slot, 1);
    store(INPUT, new byte[0x420]);
    store(INPUT, 3L << 32);
    store(INPUT + 32, (long) speed << 20 | 1 << 27 | (long) port << 48);
    store(INPUT + 64, (4L << 3 | 64 << 16) << 32, ring.base | 1);
    assertEquals(SUCCESS, command(11, INPUT, slot << 24).code());
    return slot;
  }

  /**
   * Configures endpoints.
   *
   * @param endpoints number and type, by turns
   */
  int configure(int slot, int... endpoints) {
    int flags = 1;
    store(INPUT, new byte[0x420]);
    for (int i = 0; i < endpoints.length; i += 2) {
      flags |= 1 << endpoints[i];
      Ring ring = newRing(slot, endpoints[i]);
      store(
          INPUT + 32L * (endpoints[i] + 1),
          ((long) endpoints[i + 1] << 3 | 512 << 16) << 32,
          ring.base | 1);
    }
    store(INPUT, (long) flags << 32);
    return command(12, INPUT, slot << 24).code();
  }

  void doorbell(int slot, int endpoint) {
    write(0x2000 + slot * 4, endpoint);
  }

  /** Puts a TRB into a ring and rings no bell; returns where it is. */
  void put(int slot, int endpoint, long parameter, int status, int control) {
    put(ring(slot, endpoint), parameter, status, control);
  }

  /**
   * Fills a new ring with transfers of one TRB at {@link #DATA} that follow each other for ever;
   * rings no bell.
   *
   * @param ofFirst added to the first one's control
   */
  void putForEver(int slot, int endpoint, int length, int control, int ofFirst) {
    for (int i = 0; i < RING_TRBS - 1; i++) {
      put(slot, endpoint, DATA, length, control | (i == 0 ? ofFirst : 0));
    }
    long link = place(slot, endpoint);
    store(link, link - (RING_TRBS - 1) * 16L, (long) (LINK << 10 | 1) << 32);
  }

  /** Takes the events that there are; how many. */
  int takeAll() {
    int count = 0;
    while (poll() != null) {
      count++;
    }
    return count;
  }

  /** Where the next TRB goes. */
  long place(int slot, int endpoint) {
    Ring ring = ring(slot, endpoint);
    return ring.base + ring.next * 16L;
  }

  /** Moves the ring of a stopped endpoint to where the driver is. */
  void skip(int slot, int endpoint) {
    Ring ring = ring(slot, endpoint);
    long pointer = ring.base + ring.next * 16L | (ring.cycle ? 1 : 0);
    assertEquals(SUCCESS, command(16, pointer, slot << 24 | endpoint << 16).code());
  }

  /** A control transfer whose data, if any, are at {@link #DATA}; its last event. */
  Event control(int slot, int type, int request, int value, int index, int length) {
    long setup =
        type | request << 8 | (long) value << 16 | (long) index << 32 | (long) length << 48;
    boolean in = (type & 0x80) != 0;
    put(slot, 1, setup, 8, 2 << 10 | 1 << 6 | (length == 0 ? 0 : in ? 3 << 16 : 2 << 16));
    if (length > 0) {
      put(slot, 1, DATA, length, 3 << 10 | (in ? 1 << 16 : 0));
    }
    put(slot, 1, 0, 0, 4 << 10 | IOC | (in ? 0 : 1 << 16));
    doorbell(slot, 1);
    return await(32);
  }

  /** A transfer of one TRB. */
  void transfer(int slot, int endpoint, long address, int length) {
    put(slot, endpoint, address, length, NORMAL << 10 | IOC | 1 << 2);
    doorbell(slot, endpoint);
  }

  /** Takes over where another driver is, whose machine's memory this one has. */
  void follow(XhciDriver other) {
    for (int i = 0; i < rings.length; i++) {
      rings[i] = other.rings[i];
    }
    commands.next = other.commands.next;
    commands.cycle = other.commands.cycle;
    nextEvent = other.nextEvent;
    eventCycle = other.eventCycle;
  }

  @Override
  public void close() {
    pci.machine.loop().stop();
    try {
      loop.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    pci.close();
  }
}
