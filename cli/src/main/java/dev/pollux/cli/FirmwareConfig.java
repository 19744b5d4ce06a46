package dev.pollux.cli;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.devices.board.Firmware;
import dev.pollux.devices.boot.BootOptions;
import dev.pollux.devices.boot.FirmwareFile;
import dev.pollux.devices.boot.Smbios;
import dev.pollux.devices.storage.flash.FlashChip;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The firmware that a machine begins with, and what it is told about booting.
 *
 * @param file as found on the host; empty where it is in flash
 * @param flash the flash memories; the first one has the firmware
 */
record FirmwareConfig(Optional<Path> file, List<FlashDrive> flash, BootOptions boot) {
  private static final String USUAL = "bios-256k.bin";
  private static final String DRIVES = "abcdnop";
  private static final int LONGEST_WAIT = 0xffff;

  /**
   * What the options ask for; empty where the machine does without firmware.
   *
   * @param flash what is in flash memory
   * @param usual whether a machine of which nothing is said has some
   * @param smbios what the machine is said to be
   */
  static Optional<FirmwareConfig> of(
      RunOptions.Boot options,
      List<FlashDrive> flash,
      boolean noGraphics,
      boolean usual,
      Optional<Smbios> smbios) {
    BootOptions boot = boot(options, noGraphics, smbios);
    if (!flash.isEmpty()) {
      if (options.bios != null) {
        throw new ConfigException(
            "-bios %s: the firmware is in flash (%s); leave one of them out"
                .formatted(options.bios, flash.getFirst().option()));
      }
      return Optional.of(new FirmwareConfig(Optional.empty(), flash, boot));
    }
    if (options.bios != null) {
      Path file =
          FirmwareFolders.find(options.bios)
              .orElseThrow(
                  () ->
                      new ConfigException(
                          "-bios %s: no such file, neither as it is nor among the firmware of this"
                                  .formatted(options.bios)
                              + " host; \"pollux guest firmware\" fetches SeaBIOS and OVMF"));
      return Optional.of(inRom(file, boot));
    }
    return usual ? FirmwareFolders.find(USUAL).map(file -> inRom(file, boot)) : Optional.empty();
  }

  private static FirmwareConfig inRom(Path file, BootOptions boot) {
    return new FirmwareConfig(Optional.of(file), List.of(), boot);
  }

  /**
   * Reads it.
   *
   * @throws IOException if the host does not give the memory
   */
  Firmware read(BlockGraph blocks) throws IOException {
    if (file.isPresent()) {
      return new Firmware.Rom(FirmwareFile.read("-bios", file.get().toString()));
    }
    List<FlashChip> chips = new ArrayList<>();
    for (FlashDrive drive : flash) {
      chips.add(drive.read(blocks));
    }
    return new Firmware.Flash(chips);
  }

  private static BootOptions boot(
      RunOptions.Boot options, boolean noGraphics, Optional<Smbios> smbios) {
    DeviceOptions boot = DeviceOptions.parse("-boot", options.boot, "order");
    String order = drives(boot, "order", BootOptions.USUAL_ORDER);
    BootOptions read =
        new BootOptions(
            order,
            drives(boot, "once", order),
            boot.bool("menu", false),
            boot.has("splash-time")
                ? OptionalInt.of((int) boot.number("splash-time", 0, 0, LONGEST_WAIT))
                : OptionalInt.empty(),
            (int) boot.number("reboot-timeout", -1, -1, LONGEST_WAIT),
            boot.bool("strict", false),
            noGraphics,
            optionRoms(options.optionRom),
            smbios);
    boot.rejectUnknown();
    return read;
  }

  private static String drives(DeviceOptions boot, String key, String usual) {
    String letters = boot.string(key, usual);
    for (int i = 0; i < letters.length(); i++) {
      char letter = letters.charAt(i);
      if (DRIVES.indexOf(letter) < 0 || letters.indexOf(letter) != i) {
        throw boot.error(
            "%s=%s: '%c' is no drive or is there twice; a and b are floppies, c a disk, d a disc,"
                    .formatted(key, letters, letter)
                + " n to p the network");
      }
    }
    return letters;
  }

  private static Map<String, BootOptions.Rom> optionRoms(List<String> texts) {
    Map<String, BootOptions.Rom> roms = new LinkedHashMap<>();
    for (String text : texts) {
      DeviceOptions rom = DeviceOptions.parse("-option-rom", text, "romfile");
      String file = rom.required("romfile");
      long bootIndex = rom.number("bootindex", -1, -1, Integer.MAX_VALUE);
      rom.rejectUnknown();
      Path path = FirmwareFolders.find(file).orElse(Path.of(file));
      roms.put(
          path.getFileName().toString(),
          new BootOptions.Rom(
              FirmwareFile.readOptionRom("-option-rom", path.toString()), bootIndex));
    }
    return roms;
  }
}
