package dev.pollux.devices.boot;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.lang.foreign.ValueLayout;

/** Firmware images and option ROMs as files. */
public final class FirmwareFile {
  private static final int UNIT = 64 << 10;
  private static final long LEAST = 128 << 10;
  private static final long MOST = 16 << 20;

  /** An option ROM begins with these bytes (PCI Firmware Specification 3.0, 5.1). */
  private static final int ROM_SIGNATURE = 0xaa55;

  private static final long MOST_ROM = 16 << 20;

  private FirmwareFile() {}

  /**
   * Reads firmware for {@link dev.pollux.devices.board.BoardConfig}.
   *
   * @param option how the user asked for it, for messages
   * @throws ConfigException if it cannot be read or is none
   * @throws IOException if the host does not give the memory
   */
  public static RamBlock read(String option, String file) throws IOException {
    FileImage image = FileImage.read(option, file);
    if (image.size() % UNIT != 0 || image.size() < LEAST || image.size() > MOST) {
      throw image.error(
          "has %d bytes; firmware has a multiple of 64 KiB, from 128 KiB to 16 MiB"
              .formatted(image.size()));
    }
    RamBlock rom = new RamBlock("pc.bios", image.size(), true);
    byte[] bytes = image.part("contents", 0, image.size()).toArray(ValueLayout.JAVA_BYTE);
    rom.write(0, bytes, 0, bytes.length);
    return rom;
  }

  /**
   * Reads an option ROM.
   *
   * @throws ConfigException if it cannot be read or is none
   */
  public static byte[] readOptionRom(String option, String file) {
    FileImage image = FileImage.read(option, file);
    if (image.size() > MOST_ROM || image.u16("signature", 0) != ROM_SIGNATURE) {
      throw image.error("is no option ROM; one begins with the bytes 55 AA and has up to 16 MiB");
    }
    return image.part("contents", 0, image.size()).toArray(ValueLayout.JAVA_BYTE);
  }
}
