package dev.pollux.devices.usb;

/**
 * The request of a control transfer (USB 2.0, 9.3).
 *
 * @param type bit 7 to the host; 6:5 standard, class, vendor; 4:0 device, interface, endpoint
 * @param request what is asked for
 * @param value 16 bits, the request's
 * @param index 16 bits, the request's
 * @param length bytes of data
 */
public record SetupPacket(int type, int request, int value, int index, int length) {
  static final int TO_HOST = 0x80;

  /** From the eight bytes of the packet, the first lowest. */
  public static SetupPacket of(long bytes) {
    return new SetupPacket(
        (int) bytes & 0xff,
        (int) (bytes >> 8) & 0xff,
        (int) (bytes >> 16) & 0xffff,
        (int) (bytes >> 32) & 0xffff,
        (int) (bytes >> 48) & 0xffff);
  }

  /** Gives the device its address. */
  public static SetupPacket setAddress(int address) {
    return new SetupPacket(0, ControlEndpoint.SET_ADDRESS, address, 0, 0);
  }

  public boolean toHost() {
    return (type & TO_HOST) != 0;
  }

  /** Type and request together, as tables of requests have them. */
  int code() {
    return type << 8 | request;
  }
}
