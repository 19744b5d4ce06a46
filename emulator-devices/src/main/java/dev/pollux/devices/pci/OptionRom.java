package dev.pollux.devices.pci;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Expansion ROMs from files of the host (PCI Firmware Specification 3.0, chapter 5). */
final class OptionRom {
  private static final Logger log = LoggerFactory.getLogger(OptionRom.class);
  private static final long MOST = 16 << 20;
  private static final int SIGNATURE_LOW = 0x55;
  private static final int SIGNATURE_HIGH = 0xaa;

  /** Where an image says where its PCI data structure lies (5.1.2). */
  private static final int STRUCTURE = 0x18;

  private static final byte[] PCIR = {'P', 'C', 'I', 'R'};

  /** A byte that images keep free for what makes the sum of all bytes zero. */
  private static final int SUM = 6;

  private OptionRom() {}

  /** One that the host need not have: a line tells the user where it is missing. */
  static Optional<RamBlock> loadIfThere(String name, int identity) {
    if (FirmwareFolders.find(name).isEmpty()) {
      log.info(
          "{} is not on this host: firmware cannot use the device; \"pollux guest firmware\""
              + " fetches it",
          name);
      return Optional.empty();
    }
    return Optional.of(load(name, identity));
  }

  /**
   * Reads a file into a ROM whose size is a power of two.
   *
   * @param identity the first four bytes of the function's configuration space: vendor and device
   * @throws ConfigException if there is none, or it is no option ROM
   */
  static RamBlock load(String name, int identity) {
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
      adopt(bytes, identity);
      long size = Math.max(RamBlock.PAGE_SIZE, Long.highestOneBit(bytes.length * 2L - 1));
      RamBlock rom = new RamBlock(file.getFileName().toString(), size, true);
      rom.write(0, bytes, 0, bytes.length);
      return rom;
    } catch (IOException e) {
      throw new ConfigException("romfile=%s: %s".formatted(name, e.getMessage()), e);
    }
  }

  /**
   * Makes a ROM for several devices of a maker one for this device: firmware runs only the ROM that
   * names the device on which it is.
   */
  private static void adopt(byte[] bytes, int identity) {
    ByteBuffer rom = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int at = bytes.length < STRUCTURE + 2 ? 0 : rom.getShort(STRUCTURE) & 0xffff;
    if (at + 8 > bytes.length || !Arrays.equals(bytes, at, at + 4, PCIR, 0, 4)) {
      return;
    }
    int before = rom.getInt(at + 4);
    if ((short) before == (short) identity && before != identity) {
      rom.putInt(at + 4, identity);
      rom.put(SUM, (byte) (rom.get(SUM) - sum(identity) + sum(before)));
    }
  }

  private static int sum(int bytes) {
    return bytes + (bytes >> 8) + (bytes >> 16) + (bytes >> 24);
  }
}
