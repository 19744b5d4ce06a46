package dev.pollux.cli;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.DriveSpec;
import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.storage.flash.FlashChip;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A disk whose contents are in flash memory.
 *
 * @param option how the user asked for it, for messages
 * @param number 0 for the one with the firmware
 * @param disk name of the backend or node
 */
record FlashDrive(String option, int number, String disk) {
  private static final int MOST = 2;

  /** How distributions call firmware that checks signatures, guarded by system management mode. */
  private static final String SECURE = "secboot";

  /** All of them by {@code -drive if=pflash} and {@code -machine pflash0=}, in order. */
  static List<FlashDrive> of(MachineOption machine, DiskConfig disks) {
    TreeMap<Integer, FlashDrive> found = new TreeMap<>();
    for (DiskConfig.Drive drive : disks.drives()) {
      if (drive.spec().bus() == DriveSpec.Interface.PFLASH) {
        String option = "-drive if=pflash,unit=%d".formatted(drive.number());
        checkNotSecure(option, drive.spec());
        add(found, new FlashDrive(option, drive.number(), drive.name()));
      }
    }
    machine
        .flash()
        .forEach(
            (number, node) ->
                add(
                    found,
                    new FlashDrive("-machine pflash%d=%s".formatted(number, node), number, node)));
    if (!found.isEmpty() && found.firstKey() != 0) {
      throw new ConfigException(
          found.firstEntry().getValue().option
              + ": there is no flash with firmware; add -drive if=pflash,unit=0");
    }
    if (!found.isEmpty() && !machine.type().bootsFirmware()) {
      throw new ConfigException(
          found.firstEntry().getValue().option + ": the machine has no flash; give -machine q35");
    }
    return new ArrayList<>(found.values());
  }

  private static void add(TreeMap<Integer, FlashDrive> found, FlashDrive drive) {
    if (drive.number >= MOST) {
      throw new ConfigException(
          "%s: a PC has two flash memories, 0 with the firmware and 1 with its variables"
              .formatted(drive.option));
    }
    FlashDrive other = found.put(drive.number, drive);
    if (other != null) {
      throw new ConfigException(
          "%s and %s are the same flash memory; leave one of them out"
              .formatted(other.option, drive.option));
    }
  }

  private static void checkNotSecure(String option, DriveSpec spec) {
    Optional<String> file = spec.medium().flatMap(m -> m.own().string("filename"));
    if (file.isPresent() && leadsToSecure(Path.of(file.get()))) {
      throw new ConfigException(
          "%s: %s is for secure boot, which needs system management mode, and machines have none;"
                  .formatted(option, file.get())
              + " give OVMF_CODE_4M.fd");
    }
  }

  private static boolean leadsToSecure(Path file) {
    try {
      return Files.exists(file) && file.toRealPath().getFileName().toString().contains(SECURE);
    } catch (IOException e) {
      return false; // to open it will say more
    }
  }

  /**
   * Reads what is in it.
   *
   * @throws IOException if the host does not give the memory
   */
  FlashChip read(BlockGraph blocks) throws IOException {
    return FlashChip.read(option, number, blocks.claim(disk, false));
  }
}
