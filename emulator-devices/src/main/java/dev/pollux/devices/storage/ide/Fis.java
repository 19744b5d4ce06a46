package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;

/**
 * Frames between a port of AHCI and its drive (Serial ATA 3.0, 10.3), as they lie in guest memory.
 */
final class Fis {
  /** What the driver sends: a command or the control register. */
  static final int FROM_HOST = 0x27;

  /** Of byte 1 of {@link #FROM_HOST}: it has a command. */
  static final int COMMAND = 0x80;

  /** Of its control register. */
  static final int SOFT_RESET = 0x04;

  /** Bytes of {@link #FROM_HOST}. */
  static final int BYTES = 20;

  // Where in the area of received frames each kind lies (AHCI 1.3.1, 4.2.1).
  private static final int PIO_SETUP_AT = 0x20;
  private static final int REGISTERS_AT = 0x40;
  private static final int DEVICE_BITS_AT = 0x58;

  private static final int INTERRUPT = 0x40;
  private static final int FROM_DRIVE = 0x20;

  private Fis() {}

  /** The drive's registers (Register, Device to Host). */
  static void registers(GuestMemory memory, long area, IdeDrive drive) {
    byte[] fis = registers(0x34, INTERRUPT, drive);
    store(memory, area + REGISTERS_AT, fis);
  }

  /** Announces data by PIO, and what the registers say when they have passed. */
  static void pioSetup(GuestMemory memory, long area, IdeDrive drive, long bytes) {
    byte[] fis = registers(0x5f, INTERRUPT | FROM_DRIVE, drive);
    fis[15] = (byte) drive.status;
    fis[16] = (byte) bytes;
    fis[17] = (byte) (bytes >> 8);
    store(memory, area + PIO_SETUP_AT, fis);
  }

  /**
   * Queued commands have ended (Set Device Bits).
   *
   * @param slots a bit for each of them
   */
  static void deviceBits(GuestMemory memory, long area, int status, int error, int slots) {
    byte[] fis = new byte[8];
    fis[0] = (byte) 0xa1;
    fis[1] = INTERRUPT;
    fis[2] = (byte) (status & 0x77);
    fis[3] = (byte) error;
    for (int i = 0; i < 4; i++) {
      fis[4 + i] = (byte) (slots >>> i * 8);
    }
    store(memory, area + DEVICE_BITS_AT, fis);
  }

  private static byte[] registers(int type, int flags, IdeDrive drive) {
    byte[] fis = new byte[BYTES];
    fis[0] = (byte) type;
    fis[1] = (byte) flags;
    fis[2] = (byte) drive.status;
    fis[3] = (byte) drive.error;
    fis[4] = (byte) drive.lbaLow;
    fis[5] = (byte) drive.lbaMid;
    fis[6] = (byte) drive.lbaHigh;
    fis[7] = (byte) drive.readRegister(6, false);
    fis[8] = (byte) drive.oldLow;
    fis[9] = (byte) drive.oldMid;
    fis[10] = (byte) drive.oldHigh;
    fis[12] = (byte) drive.count;
    fis[13] = (byte) drive.oldCount;
    return fis;
  }

  private static void store(GuestMemory memory, long address, byte[] fis) {
    GuestMemory.Piece piece = memory.whole(address, fis.length, true);
    if (piece != null) {
      piece.touch();
      RawMemory.copyIn(fis, 0, piece.host(), fis.length);
      piece.touch();
    }
  }
}
