package dev.pollux.devices.usb;

import dev.pollux.core.state.StateDescriptor;

/**
 * Endpoint 0 of a device: the standard requests (USB 2.0, 9.4), and what they set. Machine lock
 * held.
 */
final class ControlEndpoint {
  /** The number of the one configuration that a device has. */
  static final byte CONFIGURED = 1;

  static final int SET_ADDRESS = 5;

  private static final int SELF = 0x0000;
  private static final int HALT = 0;
  private static final int REMOTE_WAKEUP = 1;
  private static final int MOST_ADDRESS = 127;
  private static final int TO_HOST = 0x8000;
  private static final int OF_INTERFACE = 0x0100;
  private static final int OF_ENDPOINT = 0x0200;

  static final StateDescriptor<ControlEndpoint> STATE =
      StateDescriptor.of(ControlEndpoint.class, "usb-control", 1)
          .u8("address", MOST_ADDRESS, c -> c.address, (c, v) -> c.address = v)
          .u8("configuration", CONFIGURED, c -> c.configuration, (c, v) -> c.configuration = v)
          .bool("remote-wakeup", c -> c.remoteWakeup, (c, v) -> c.remoteWakeup = v)
          .u32("halted", c -> c.halted, (c, v) -> c.halted = v);

  /** The device behind it. */
  interface Function {
    /** A request that is not standard, or a descriptor of the class; STALL if it is not served. */
    UsbAnswer request(SetupPacket setup, UsbData data);

    /** The device was configured, or is not any more. */
    void configured(boolean yes);
  }

  private final UsbDescriptors descriptors;
  private final Function function;
  private int address;
  private int configuration;
  private boolean remoteWakeup;

  /** A bit for each endpoint: 15:0 from the host, 31:16 towards it. */
  private int halted;

  ControlEndpoint(UsbDescriptors descriptors, Function function) {
    this.descriptors = descriptors;
    this.function = function;
  }

  /** What a bus reset leaves. */
  void reset() {
    address = 0;
    remoteWakeup = false;
    configure(0);
  }

  int address() {
    return address;
  }

  boolean isConfigured() {
    return configuration != 0;
  }

  String productName() {
    return descriptors.strings().get(UsbDescriptors.PRODUCT - 1);
  }

  // ---- halted endpoints ----

  private static int bit(int endpoint) {
    return 1 << (endpoint & 15) + (endpoint >> 3 & 16);
  }

  boolean isHalted(int endpoint) {
    return (halted & bit(endpoint)) != 0;
  }

  /** Halts an endpoint until the host clears that. */
  UsbAnswer halt(int endpoint) {
    halted |= bit(endpoint);
    return UsbAnswer.STALL;
  }

  // ---- requests ----

  UsbAnswer control(SetupPacket setup, UsbData data, UsbSpeed speed) {
    return switch (setup.code()) {
      case SELF | SET_ADDRESS -> done(setup.value() <= MOST_ADDRESS, () -> address = setup.value());
      case TO_HOST | 6 -> descriptor(setup, data, speed);
      case TO_HOST | 8 -> answer(data, configuration);
      case SELF | 9 -> done(setup.value() <= CONFIGURED, () -> configure(setup.value()));
      case TO_HOST -> answer(data, remoteWakeup ? 2 : 0, 0);
      case SELF | 1 -> done(setup.value() == REMOTE_WAKEUP, () -> remoteWakeup = false);
      case SELF | 3 -> done(setup.value() == REMOTE_WAKEUP, () -> remoteWakeup = true);
      case SELF | 0x30, SELF | 0x31 -> UsbAnswer.DONE; // SET_SEL, SET_ISOCH_DELAY: nothing to save
      case TO_HOST | OF_INTERFACE -> answer(data, 0, 0);
      case TO_HOST | OF_INTERFACE | 10 -> answer(data, 0);
      case OF_INTERFACE | 11 -> done(setup.value() == 0 && setup.index() == 0, () -> halted = 0);
      case OF_INTERFACE | 1, OF_INTERFACE | 3 -> UsbAnswer.DONE; // function suspend
      case TO_HOST | OF_ENDPOINT -> answer(data, isHalted(setup.index()) ? 1 : 0, 0);
      case OF_ENDPOINT | 1 -> done(setup.value() == HALT, () -> halted &= ~bit(setup.index()));
      case OF_ENDPOINT | 3 -> done(setup.value() == HALT, () -> halt(setup.index()));
      default -> function.request(setup, data);
    };
  }

  private static UsbAnswer done(boolean valid, Runnable action) {
    if (!valid) {
      return UsbAnswer.STALL;
    }
    action.run();
    return UsbAnswer.DONE;
  }

  static UsbAnswer answer(UsbData data, int... bytes) {
    byte[] answer = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      answer[i] = (byte) bytes[i];
    }
    data.put(answer);
    return UsbAnswer.DONE;
  }

  private UsbAnswer descriptor(SetupPacket setup, UsbData data, UsbSpeed speed) {
    byte[] found = descriptors.find(setup.value() >> 8, setup.value() & 0xff, speed);
    if (found == null) {
      return UsbAnswer.STALL;
    }
    data.put(found);
    return UsbAnswer.DONE;
  }

  private void configure(int number) {
    configuration = number;
    halted = 0;
    function.configured(number != 0);
  }
}
