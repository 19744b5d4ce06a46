package dev.pollux.devices.storage.floppy;

import dev.pollux.devices.model.Property;

/** Kinds of drives, by what they hold at most. */
enum FloppyKind {
  /** 1.2 MB, 5.25 inches. */
  HIGH_5("120", 2),
  /** 1.44 MB, 3.5 inches. */
  HIGH_3("144", 4),
  /** 2.88 MB, 3.5 inches. */
  EXTRA_3("288", 5),
  /** What the disk suggests. */
  AUTO("auto", 0);

  static final Property<FloppyKind> PROPERTY =
      Property.choice("drive-type", "FdcDriveType", AUTO, "what the BIOS is told of the drive");

  private final String word;
  private final int cmosType;

  FloppyKind(String word, int cmosType) {
    this.word = word;
    this.cmosType = cmosType;
  }

  /** As the BIOS of a PC AT counts them, of a drive with a disk of that format or none. */
  int cmosType(FloppyFormat format) {
    return this == AUTO ? format.cmosType() : cmosType;
  }

  /** Whether such a drive takes disks of that format. */
  boolean takes(FloppyFormat format) {
    return switch (this) {
      case AUTO -> true;
      case HIGH_5 -> format.cmosType() == HIGH_5.cmosType;
      case HIGH_3 -> format.cmosType() == HIGH_3.cmosType;
      case EXTRA_3 -> format.cmosType() >= HIGH_3.cmosType;
    };
  }

  @Override
  public String toString() {
    return word;
  }
}
