package dev.pollux.devices.usb.xhci;

/** How something ended, as events tell it (xHCI 1.2, table 6-90). */
enum CompletionCode {
  SUCCESS(1),
  BABBLE(3),
  TRANSACTION_ERROR(4),
  TRB_ERROR(5),
  STALL(6),
  BANDWIDTH_ERROR(8),
  NO_SLOTS(9),
  SLOT_NOT_ENABLED(11),
  ENDPOINT_NOT_ENABLED(12),
  SHORT_PACKET(13),
  PARAMETER_ERROR(17),
  CONTEXT_STATE_ERROR(19),
  EVENT_RING_FULL(21),
  COMMAND_RING_STOPPED(24),
  STOPPED(26);

  private final int code;

  CompletionCode(int code) {
    this.code = code;
  }

  /** In the place that it has in an event. */
  int shifted() {
    return code << 24;
  }
}
