package dev.pollux.devices.usb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What a device of one configuration and one interface says of itself (USB 2.0, 9.6; USB 3.2, 9.6).
 *
 * @param vendor number
 * @param product number
 * @param strings from number 1 on: manufacturer, product, serial number
 * @param power what it draws, in units of 2 mA
 */
record UsbDescriptors(
    int vendor, int product, List<String> strings, int power, Interface function) {
  /** Numbers of strings. */
  static final int PRODUCT = 2;

  private static final int SERIAL = 3;

  private static final int DEVICE_TYPE = 1;
  private static final int CONFIGURATION_TYPE = 2;
  private static final int STRING_TYPE = 3;
  private static final int QUALIFIER_TYPE = 6;
  private static final int OTHER_SPEED_TYPE = 7;
  private static final int BOS_TYPE = 15;

  private static final int ENGLISH = 0x409;
  private static final int MOST = 512;

  /**
   * The interface.
   *
   * @param kind class, subclass and protocol, a byte each
   * @param extra descriptor of the class; may be empty
   */
  record Interface(int kind, byte[] extra, List<Endpoint> endpoints) {}

  /** An endpoint besides 0. */
  sealed interface Endpoint {
    /** Its number, with bit 7 towards the host. */
    int address();

    /** For data that come now and then. */
    record Interrupt(int address, int bytes, int milliseconds) implements Endpoint {}

    /** For any amount of data. */
    record Bulk(int address) implements Endpoint {}
  }

  /** A descriptor that software asks for; null if there is none. */
  byte[] find(int type, int index, UsbSpeed speed) {
    return switch (type) {
      case DEVICE_TYPE -> device(speed);
      case CONFIGURATION_TYPE -> index == 0 ? configuration(speed, CONFIGURATION_TYPE) : null;
      case STRING_TYPE -> string(index);
      case QUALIFIER_TYPE -> speed == UsbSpeed.HIGH ? qualifier() : null;
      case OTHER_SPEED_TYPE ->
          speed == UsbSpeed.HIGH ? configuration(UsbSpeed.FULL, OTHER_SPEED_TYPE) : null;
      case BOS_TYPE -> speed == UsbSpeed.SUPER ? capabilities() : null;
      default -> null;
    };
  }

  private static ByteBuffer begin(int length, int type) {
    return ByteBuffer.allocate(MOST)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put((byte) length)
        .put((byte) type);
  }

  private static byte[] end(ByteBuffer out) {
    byte[] bytes = new byte[out.position()];
    out.get(0, bytes);
    return bytes;
  }

  private byte[] device(UsbSpeed speed) {
    int version = speed == UsbSpeed.SUPER ? 0x300 : 0x200;
    return end(
        begin(18, DEVICE_TYPE)
            .putShort((short) version)
            .put(new byte[3]) // the interface says the class
            .put((byte) (speed == UsbSpeed.SUPER ? 9 : 64))
            .putShort((short) vendor)
            .putShort((short) product)
            .putShort((short) 0)
            .put(new byte[] {1, PRODUCT, SERIAL, 1}));
  }

  private static byte[] qualifier() {
    return end(
        begin(10, QUALIFIER_TYPE).putShort((short) 0x200).put(new byte[] {0, 0, 0, 64, 1, 0}));
  }

  private byte[] configuration(UsbSpeed speed, int type) {
    ByteBuffer out = begin(9, type);
    boolean wakes = function.endpoints().stream().anyMatch(Endpoint.Interrupt.class::isInstance);
    out.putShort((short) 0).put(new byte[] {1, ControlEndpoint.CONFIGURED, 0});
    out.put((byte) (0x80 | (wakes ? 0x20 : 0))).put((byte) power);
    out.put(new byte[] {9, 4, 0, 0, (byte) function.endpoints().size()});
    out.put((byte) (function.kind() >> 16)).put((byte) (function.kind() >> 8));
    out.put((byte) function.kind()).put((byte) 0);
    out.put(function.extra());
    function.endpoints().forEach(endpoint -> put(out, endpoint, speed));
    return end(out.putShort(2, (short) out.position()));
  }

  private static void put(ByteBuffer out, Endpoint endpoint, UsbSpeed speed) {
    out.put(new byte[] {7, 5, (byte) endpoint.address()});
    switch (endpoint) {
      case Endpoint.Interrupt e ->
          out.put((byte) 3).putShort((short) e.bytes()).put((byte) interval(e, speed));
      case Endpoint.Bulk _ -> out.put((byte) 2).putShort((short) speed.bulkBytes()).put((byte) 0);
    }
    if (speed == UsbSpeed.SUPER) {
      boolean bulk = endpoint instanceof Endpoint.Bulk;
      out.put(new byte[] {6, 0x30, (byte) (bulk ? 15 : 0), 0, 0, 0});
    }
  }

  /** Milliseconds, or the logarithm of microframes. */
  private static int interval(Endpoint.Interrupt endpoint, UsbSpeed speed) {
    return speed == UsbSpeed.FULL
        ? endpoint.milliseconds()
        : 32 - Integer.numberOfLeadingZeros(endpoint.milliseconds() * 8);
  }

  private byte[] string(int index) {
    if (index == 0) {
      return end(begin(4, STRING_TYPE).putShort((short) ENGLISH));
    }
    if (index > strings.size()) {
      return null;
    }
    byte[] text = strings.get(index - 1).getBytes(StandardCharsets.UTF_16LE);
    int length = Math.min(text.length, 252);
    return end(begin(2 + length, STRING_TYPE).put(text, 0, length));
  }

  /** Also speaks USB 2, has no link states to save power, all speeds work. */
  private static byte[] capabilities() {
    return end(
        begin(5, BOS_TYPE)
            .putShort((short) 22)
            .put((byte) 2)
            .put(new byte[] {7, 16, 2, 0, 0, 0, 0})
            .put(new byte[] {10, 16, 3, 0, 0xe, 0, 1, 0, 0, 0}));
  }
}
