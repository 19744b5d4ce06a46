package dev.pollux.devices.storage.floppy;

import java.util.Optional;
import java.util.stream.Stream;

/**
 * How floppies are formatted: sectors of 512 bytes on two sides.
 *
 * @param rate as the data rate register has it: 0 for 500 kbit/s, 2 for 250, 3 for 1000
 * @param cmosType the drive that takes it, as the BIOS of a PC AT counts them
 */
record FloppyFormat(int tracks, int sectors, int rate, int cmosType) {
  static final int HEADS = 2;
  static final int SECTOR = 512;

  private static final FloppyFormat HIGH = new FloppyFormat(80, 18, 0, 4);
  private static final FloppyFormat EXTRA = new FloppyFormat(80, 36, 3, 5);

  /** 1.44 MB before all others: a drive for it takes them too. */
  private static final FloppyFormat[] ALL = {
    HIGH,
    EXTRA,
    new FloppyFormat(80, 15, 0, 2),
    new FloppyFormat(80, 9, 2, 4),
    new FloppyFormat(40, 9, 2, 4)
  };

  /** What drives are for that are empty. */
  static FloppyFormat usual() {
    return HIGH;
  }

  long bytes() {
    return (long) tracks * HEADS * sectors * SECTOR;
  }

  /** The format of an image of that length; what is shorter than one has no sectors at its end. */
  static Optional<FloppyFormat> of(long length) {
    return Stream.of(ALL)
        .filter(f -> f.bytes() == length)
        .findFirst()
        .or(() -> Stream.of(HIGH, EXTRA).filter(f -> length <= f.bytes()).findFirst());
  }
}
