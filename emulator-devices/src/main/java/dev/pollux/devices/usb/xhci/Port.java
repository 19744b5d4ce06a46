package dev.pollux.devices.usb.xhci;

import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.usb.UsbDevice;
import dev.pollux.devices.usb.UsbSpeed;

/**
 * A root port of one of the two protocols (xHCI 1.2, 4.19 and 5.4.8). Machine lock held.
 *
 * <pre>
 *   0 device there  1 enabled  4 reset  8:5 state of the link  9 power  13:10 speed
 *   17 device came or went  18 disabled  19 warm reset done  21 reset done  22 link changed
 * </pre>
 */
final class Port {
  /** Bytes of its registers. */
  static final int SIZE = 0x10;

  private static final int CONNECTED = 1;
  private static final int ENABLED = 1 << 1;
  private static final int RESET = 1 << 4;
  private static final int LINK = 0xf << 5;
  private static final int POWER = 1 << 9;
  private static final int SPEED = 0xf << 10;
  private static final int WRITE_LINK = 1 << 16;
  private static final int CONNECT_CHANGED = 1 << 17;
  private static final int WARM_RESET_DONE = 1 << 19;
  private static final int RESET_DONE = 1 << 21;
  private static final int LINK_CHANGED = 1 << 22;
  private static final int CHANGES = 0x7f << 17;

  /** What the driver sets and reads back: wake on connect, disconnect, over-current. */
  private static final int WAKES = 7 << 25;

  private static final int WARM_RESET = 1 << 31;

  // States of the link.
  private static final int U0 = 0;
  private static final int U3 = 3;
  private static final int DISABLED = 4;
  private static final int RX_DETECT = 5;
  private static final int POLLING = 7;
  private static final int RESUME = 15;

  private static final int EMPTY = POWER | RX_DETECT << 5;
  private static final int STORED = CONNECTED | ENABLED | LINK | POWER | SPEED | CHANGES | WAKES;

  static final StateDescriptor<Port> STATE =
      StateDescriptor.of(Port.class, "xhci-port", 1)
          .u32("status", p -> p.status, (p, v) -> p.status = v & STORED);

  /** The controller. */
  interface Owner {
    /** The device in the socket at this protocol; null if there is none. */
    UsbDevice device(Port port);

    /** A change bit was set. */
    void portChanged(Port port);
  }

  private final int number;
  private final int socket;
  private final boolean superSpeed;
  private final Owner owner;
  private int status = EMPTY;

  /**
   * @param number 1 for the controller's first
   * @param socket 1 for the bus's first
   */
  Port(int number, int socket, boolean superSpeed, Owner owner) {
    this.number = number;
    this.socket = socket;
    this.superSpeed = superSpeed;
    this.owner = owner;
  }

  int number() {
    return number;
  }

  int socket() {
    return socket;
  }

  /** Whether a device of that speed shows here. */
  boolean carries(UsbSpeed speed) {
    return superSpeed == (speed == UsbSpeed.SUPER);
  }

  /** Whether it shows a device. */
  boolean hasDevice() {
    return (status & CONNECTED) != 0;
  }

  /** Whether it has a device that may be spoken to. */
  boolean isEnabled() {
    return (status & ENABLED) != 0;
  }

  private int link() {
    return (status & LINK) >> 5;
  }

  private void setLink(int state) {
    status = status & ~LINK | state << 5;
  }

  private void change(int bits) {
    status |= bits;
    owner.portChanged(this);
  }

  /** Looks anew at what is plugged in. */
  void plugged() {
    UsbDevice device = owner.device(this);
    int kept = status & (WAKES | CHANGES);
    if (device == null) {
      status = kept | EMPTY;
    } else {
      // USB 3 trains its link by itself, USB 2 needs a reset (4.3).
      int up = superSpeed ? ENABLED | U0 << 5 : POLLING << 5;
      status = kept | POWER | CONNECTED | up | device.port().speed().portSpeed() << 10;
    }
    change(CONNECT_CHANGED);
  }

  /** The controller's reset. */
  void reset() {
    status = EMPTY;
    if (owner.device(this) != null) {
      plugged();
    }
  }

  /** The device has something to say: if it sleeps, it asks to be woken. */
  void wake() {
    if (hasDevice() && link() == U3) {
      setLink(RESUME);
      change(LINK_CHANGED);
    }
  }

  // ---- registers ----

  int read(int offset) {
    return offset == 0 ? status : 0;
  }

  void write(int offset, int value) {
    if (offset != 0) {
      return;
    }
    status &= ~(value & CHANGES);
    status = status & ~WAKES | value & WAKES;
    if ((value & RESET) != 0 || (value & WARM_RESET) != 0 && superSpeed) {
      resetDevice((value & WARM_RESET) != 0);
      return;
    }
    if ((value & ENABLED) != 0 && isEnabled()) {
      status &= ~ENABLED;
      setLink(superSpeed ? DISABLED : POLLING);
    }
    if ((value & WRITE_LINK) != 0) {
      writeLink((value & LINK) >> 5);
    }
  }

  private void resetDevice(boolean warm) {
    UsbDevice device = owner.device(this);
    if (device == null) {
      return;
    }
    device.busReset();
    setLink(U0);
    status |= ENABLED;
    change(RESET_DONE | (warm && superSpeed ? WARM_RESET_DONE : 0));
  }

  private void writeLink(int to) {
    switch (to) {
      case U0 -> {
        boolean changes = isEnabled() && link() != U0;
        if (changes) {
          setLink(U0);
          change(LINK_CHANGED);
        }
      }
      case U3 -> {
        if (isEnabled() && link() < U3) {
          setLink(U3);
        }
      }
      case RX_DETECT -> {
        if (superSpeed && link() == DISABLED) {
          plugged();
        }
      }
      default -> {}
    }
  }
}
