package dev.pollux.devices.virtio.scsi;

import dev.pollux.devices.storage.scsi.ScsiBus;
import dev.pollux.devices.storage.scsi.ScsiDisk;
import java.nio.ByteBuffer;

/**
 * The eight bytes by which a unit is called (5.6.6.1): 1, the target, and a unit in the flat or the
 * peripheral format of SAM.
 *
 * @param valid whether it has that form
 */
record ScsiAddress(boolean valid, int target, int unit) {
  static final int BYTES = 8;

  static ScsiAddress read(ByteBuffer from) {
    byte[] bytes = new byte[BYTES];
    from.get(bytes);
    int unit = (bytes[2] & 0xff) << 8 | bytes[3] & 0xff;
    boolean flat = unit >= ScsiBus.UNITS && unit < 2 * ScsiBus.UNITS;
    boolean valid = bytes[0] == 1 && (flat || unit < 256);
    return new ScsiAddress(valid, bytes[1] & 0xff, unit & ScsiBus.UNITS - 1);
  }

  static byte[] of(ScsiDisk disk) {
    int unit = disk.unit() < 256 ? disk.unit() : disk.unit() | ScsiBus.UNITS;
    return new byte[] {1, (byte) disk.target(), (byte) (unit >> 8), (byte) unit, 0, 0, 0, 0};
  }
}
