package dev.pollux.qmp.command;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.migration.MigrationService;
import java.util.UUID;

/**
 * The emulator as its monitors see it.
 *
 * @param devices its devices, and what they are made with
 * @param uuid identity of the machine; all zero where none was given
 * @param version of the program
 */
public record Emulator(
    Machine machine, DeviceManager devices, MigrationService migration, UUID uuid, String version) {
  public CharDevices charDevices() {
    return devices.services().charDevices();
  }

  /** Its disks. */
  public BlockGraph blocks() {
    return devices.services().blocks();
  }
}
