package dev.pollux.devices.storage.scsi;

import java.nio.ByteBuffer;
import java.util.List;

/** Commands that a target answers whatever unit they name (SPC-4, 6.4 and 6.33). */
public final class ScsiUnits {
  private static final int REQUEST_SENSE = 0x03;
  private static final int INQUIRY = 0x12;
  private static final int REPORT_UNITS = 0xa0;
  private static final int HEADER = 8;

  private ScsiUnits() {}

  /** Whether a command is not about the unit that it names. */
  public static boolean isForTarget(byte[] cdb) {
    return (cdb[0] & 0xff) == REPORT_UNITS;
  }

  /** Tells which units there are. */
  public static void execute(ScsiRequest request, List<ScsiDisk> units) {
    ByteBuffer cdb = ByteBuffer.wrap(request.cdb());
    int kind = cdb.get(2) & 0xff;
    if (kind > 2) {
      request.fail(ScsiSense.BAD_FIELD);
      return;
    }
    // 1 asks for well-known units, of which there are none.
    List<ScsiDisk> listed = kind == 1 ? List.of() : units;
    ByteBuffer list = ByteBuffer.allocate(HEADER + 8 * listed.size());
    list.putInt(8 * listed.size()).putInt(0);
    for (ScsiDisk disk : listed) {
      int unit = disk.unit() < 256 ? disk.unit() : disk.unit() | ScsiBus.UNITS;
      list.putShort((short) unit).putShort((short) 0).putInt(0);
    }
    request.reply(list.array(), cdb.getInt(6) & 0xffff_ffffL);
  }

  /** A command to a unit that is not there, of a target that is. */
  public static void executeNowhere(ScsiRequest request) {
    byte[] cdb = request.cdb();
    int asked = ((cdb[3] & 0xff) << 8) | cdb[4] & 0xff;
    switch (cdb[0] & 0xff) {
      case INQUIRY -> request.reply(ScsiInquiry.noUnit(), asked);
      case REQUEST_SENSE -> request.reply(ScsiSense.BAD_UNIT.encode(), cdb[4] & 0xff);
      default -> request.fail(ScsiSense.BAD_UNIT);
    }
  }
}
