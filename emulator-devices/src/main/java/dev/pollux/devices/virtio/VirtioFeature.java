package dev.pollux.devices.virtio;

/** Feature bits that are not a device's own (chapter 6). */
public final class VirtioFeature {
  public static final long NOTIFY_ON_EMPTY = 1L << 24;
  public static final long ANY_LAYOUT = 1L << 27;
  public static final long INDIRECT = 1L << 28;
  public static final long EVENT_INDEX = 1L << 29;
  public static final long VERSION_1 = 1L << 32;
  public static final long PACKED_RING = 1L << 34;
  public static final long RING_RESET = 1L << 40;

  private VirtioFeature() {}
}
