package dev.pollux.devices.storage.scsi;

/** Why a command failed: sense key, additional code and qualifier (SPC-4, 4.5). */
public enum ScsiSense {
  NONE(0, 0, 0),
  NO_MEDIUM(2, 0x3a, 0),
  NOT_READY(2, 0x04, 2),
  READ_ERROR(3, 0x11, 0),
  WRITE_ERROR(3, 0x0c, 0),
  BAD_COMMAND(5, 0x20, 0),
  BAD_ADDRESS(5, 0x21, 0),
  BAD_FIELD(5, 0x24, 0),
  BAD_UNIT(5, 0x25, 0),
  BAD_PARAMETERS(5, 0x26, 0),
  LOCKED(5, 0x53, 2),
  MEDIUM_CHANGED(6, 0x28, 0),
  RESET(6, 0x29, 0),
  CAPACITY_CHANGED(6, 0x2a, 9),
  UNITS_CHANGED(6, 0x3f, 0x0e),
  WRITE_PROTECTED(7, 0x27, 0),
  MISCOMPARE(0xe, 0x1d, 0);

  /** Bytes of a description. */
  public static final int BYTES = 18;

  private final int key;
  private final int code;
  private final int qualifier;

  ScsiSense(int key, int code, int qualifier) {
    this.key = key;
    this.code = code;
    this.qualifier = qualifier;
  }

  /** As the guest reads it, in the fixed format. */
  public byte[] encode() {
    byte[] data = new byte[BYTES];
    data[0] = 0x70;
    data[2] = (byte) key;
    data[7] = BYTES - 8;
    data[12] = (byte) code;
    data[13] = (byte) qualifier;
    return data;
  }

  /** Code and qualifier, as an event of virtio-scsi has them. */
  public int reason() {
    return code | qualifier << 8;
  }
}
