package dev.pollux.devices.usb.xhci;

/** Kinds of TRBs that software writes (xHCI 1.2, table 6-91). */
enum TrbType {
  NORMAL(1),
  SETUP(2),
  DATA(3),
  STATUS(4),
  ISOCH(5),
  LINK(6),
  EVENT_DATA(7),
  NO_OP(8),
  ENABLE_SLOT(9),
  DISABLE_SLOT(10),
  ADDRESS_DEVICE(11),
  CONFIGURE_ENDPOINT(12),
  EVALUATE_CONTEXT(13),
  RESET_ENDPOINT(14),
  STOP_ENDPOINT(15),
  SET_DEQUEUE(16),
  RESET_DEVICE(17),
  NO_OP_COMMAND(23),
  UNKNOWN(0);

  private static final TrbType[] BY_NUMBER = new TrbType[64];

  static {
    java.util.Arrays.fill(BY_NUMBER, UNKNOWN);
    for (TrbType type : values()) {
      BY_NUMBER[type.number] = type;
    }
  }

  private final int number;

  TrbType(int number) {
    this.number = number;
  }

  /**
   * @param number 0 to 63
   */
  static TrbType of(int number) {
    return BY_NUMBER[number];
  }
}
