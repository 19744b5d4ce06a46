package dev.pollux.devices.pci;

import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * The bytes of a configuration space, and which bits software can change. Little-endian; sizes are
 * 1, 2 or 4 bytes. Machine lock held.
 */
public final class PciConfig {
  public static final int VENDOR_ID = 0x00;
  public static final int DEVICE_ID = 0x02;
  public static final int COMMAND = 0x04;
  public static final int STATUS = 0x06;
  public static final int REVISION = 0x08;
  public static final int CLASS = 0x09;
  public static final int HEADER_TYPE = 0x0e;
  public static final int BAR0 = 0x10;
  public static final int SUBSYSTEM_VENDOR = 0x2c;
  public static final int SUBSYSTEM = 0x2e;
  public static final int CAPABILITIES = 0x34;
  public static final int INTERRUPT_LINE = 0x3c;
  public static final int INTERRUPT_PIN = 0x3d;

  public static final int COMMAND_IO = 1;
  public static final int COMMAND_MEMORY = 2;
  public static final int COMMAND_MASTER = 4;
  public static final int COMMAND_INTX_DISABLE = 1 << 10;
  public static final int STATUS_INTERRUPT = 1 << 3;
  public static final int STATUS_CAPABILITIES = 1 << 4;

  /** Bytes of a conventional function. */
  static final int CONVENTIONAL = 256;

  /** Bytes of an Express function. */
  static final int EXPRESS = 4096;

  private static final int MULTIFUNCTION = 0x80;

  private final byte[] bytes;

  @HostOnly("which bits software writes; fixed by the device")
  private final byte[] writable;

  @HostOnly("which bits clear when a 1 is written; fixed by the device")
  private final byte[] clearable;

  /** Bits that the device itself changes: state too. */
  @HostOnly("fixed by the device")
  private final byte[] changing;

  @HostOnly("what a reset brings back; fixed by the device")
  private final byte[] powerOn;

  PciConfig(PciIdentity id, boolean express) {
    int size = express ? EXPRESS : CONVENTIONAL;
    bytes = new byte[size];
    writable = new byte[size];
    clearable = new byte[size];
    changing = new byte[size];
    powerOn = new byte[size];
    init(VENDOR_ID, 2, id.vendor());
    init(DEVICE_ID, 2, id.device());
    init(REVISION, 1, id.revision());
    init(CLASS, 1, id.classCode());
    init(CLASS + 1, 2, id.classCode() >> 8);
    init(SUBSYSTEM_VENDOR, 2, id.subsystemVendor());
    init(SUBSYSTEM, 2, id.subsystem());
    allow(
        COMMAND,
        2,
        COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | 1 << 6 | 1 << 8 | COMMAND_INTX_DISABLE);
    allowClear(STATUS, 2, 0xf900);
    mark(STATUS, 2, STATUS_INTERRUPT);
    allow(0x0c, 1, 0xff); // cache line size
    allow(INTERRUPT_LINE, 1, 0xff);
  }

  /** The declaration of the state, for spaces of this size. */
  StateDescriptor<PciConfig> descriptor() {
    return StateDescriptor.of(PciConfig.class, "pci-config", 1)
        .varBytes("bytes", bytes.length, c -> c.bytes.clone(), PciConfig::load);
  }

  /** Takes only what software or the device could have changed. */
  private void load(byte[] loaded) {
    for (int i = 0; i < Math.min(loaded.length, bytes.length); i++) {
      int mask = writable[i] | clearable[i] | changing[i];
      bytes[i] = (byte) (bytes[i] & ~mask | loaded[i] & mask);
    }
  }

  void reset() {
    System.arraycopy(powerOn, 0, bytes, 0, bytes.length);
  }

  /** Bytes. */
  public int size() {
    return bytes.length;
  }

  private static void put(byte[] array, int offset, int size, long value) {
    for (int i = 0; i < size; i++) {
      array[offset + i] = (byte) (value >>> i * 8);
    }
  }

  /** Sets a register's value now and after each reset. While the device is made. */
  public PciConfig init(int offset, int size, long value) {
    put(bytes, offset, size, value);
    put(powerOn, offset, size, value);
    return this;
  }

  /** Lets software write these bits, beside those that it could write. While it is made. */
  public PciConfig allow(int offset, int size, long mask) {
    for (int i = 0; i < size; i++) {
      writable[offset + i] |= (byte) (mask >>> i * 8);
    }
    return this;
  }

  /** Lets software clear these bits by writing 1. While the device is made. */
  public PciConfig allowClear(int offset, int size, long mask) {
    for (int i = 0; i < size; i++) {
      clearable[offset + i] |= (byte) (mask >>> i * 8);
    }
    return this;
  }

  /** Says that the device itself changes these bits. While it is made. */
  public PciConfig mark(int offset, int size, long mask) {
    for (int i = 0; i < size; i++) {
      changing[offset + i] |= (byte) (mask >>> i * 8);
    }
    return this;
  }

  void setMultifunction() {
    init(HEADER_TYPE, 1, get(HEADER_TYPE, 1) | MULTIFUNCTION);
  }

  boolean isMultifunction() {
    return (get(HEADER_TYPE, 1) & MULTIFUNCTION) != 0;
  }

  /** A register. The offset is a constant of the caller's, or checked. */
  public int get(int offset, int size) {
    int value = 0;
    for (int i = 0; i < size; i++) {
      value |= (bytes[offset + i] & 0xff) << i * 8;
    }
    return value;
  }

  /** Sets a register as the device itself does. */
  public void set(int offset, int size, long value) {
    put(bytes, offset, size, value);
  }

  /** What software reads; beyond the end all ones. */
  int read(int offset, int size) {
    return offset + size <= bytes.length ? get(offset, size) : -1 >>> 32 - size * 8;
  }

  /** What software writes; only the bits that it may change do. */
  void write(int offset, int size, int value) {
    for (int i = 0; i < size && offset + i < bytes.length; i++) {
      int at = offset + i;
      int b = value >>> i * 8 & 0xff;
      bytes[at] = (byte) ((bytes[at] & ~writable[at] | b & writable[at]) & ~(b & clearable[at]));
    }
  }
}
