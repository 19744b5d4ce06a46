package dev.pollux.devices.usb;

/** How fast a device and its port speak (USB 3.2, 5.3). */
public enum UsbSpeed {
  FULL(1, 12, 64),
  HIGH(3, 480, 512),
  SUPER(4, 5000, 1024);

  private final int portSpeed;
  private final int megabits;
  private final int bulkBytes;

  UsbSpeed(int portSpeed, int megabits, int bulkBytes) {
    this.portSpeed = portSpeed;
    this.megabits = megabits;
    this.bulkBytes = bulkBytes;
  }

  /** As a port of xHCI tells it (xHCI 1.2, 7.2.1). */
  public int portSpeed() {
    return portSpeed;
  }

  public int megabits() {
    return megabits;
  }

  /** Bytes of a packet of a bulk endpoint. */
  public int bulkBytes() {
    return bulkBytes;
  }
}
