package dev.pollux.devices.pci;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Expansion ROMs from files of the host (PCI Firmware Specification 3.0, chapter 5). */
final class OptionRom {
  private static final Logger log = LoggerFactory.getLogger(OptionRom.class);
  private static final long MOST = 16 << 20;
  private static final int SIGNATURE_LOW = 0x55;
  private static final int SIGNATURE_HIGH = 0xaa;

  private OptionRom() {}

  /** One that the host need not have: a line tells the user where it is missing. */
  static Optional<RamBlock> loadIfThere(String name) {
    if (FirmwareFolders.find(name).isEmpty()) {
      log.info(
          "{} is not on this host: firmware cannot use the device; \"pollux guest firmware\""
              + " fetches it",
          name);
      return Optional.empty();
    }
    return Optional.of(load(name));
  }

  /**
   * Reads a file into a ROM whose size is a power of two.
   *
   * @throws ConfigException if there is none, or it is no option ROM
   */
  static RamBlock load(String name) {
    Path file =
        FirmwareFolders.find(name)
            .orElseThrow(() -> new ConfigException("romfile=%s: no such file".formatted(name)));
    try {
      if (Files.size(file) > MOST) {
        throw new ConfigException("romfile=%s: has more than 16 MiB".formatted(name));
      }
      byte[] bytes = Files.readAllBytes(file);
      if (bytes.length < 2
          || (bytes[0] & 0xff) != SIGNATURE_LOW
          || (bytes[1] & 0xff) != SIGNATURE_HIGH) {
        throw new ConfigException(
            "romfile=%s: is no option ROM; one begins with the bytes 55 AA".formatted(name));
      }
      long size = Math.max(RamBlock.PAGE_SIZE, Long.highestOneBit(bytes.length * 2L - 1));
      RamBlock rom = new RamBlock(file.getFileName().toString(), size, true);
      rom.write(0, bytes, 0, bytes.length);
      return rom;
    } catch (IOException e) {
      throw new ConfigException("romfile=%s: %s".formatted(name, e.getMessage()), e);
    }
  }
}
