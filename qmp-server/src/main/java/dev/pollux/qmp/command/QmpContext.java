package dev.pollux.qmp.command;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.TypeTree;
import dev.pollux.migration.MigrationService;
import dev.pollux.qmp.protocol.QmpSession;

/**
 * What commands work on.
 *
 * @param session the client's
 */
public record QmpContext(Emulator emulator, CommandRegistry commands, QmpSession session) {
  public Machine machine() {
    return emulator.machine();
  }

  public CharDevices charDevices() {
    return emulator.charDevices();
  }

  public DeviceManager devices() {
    return emulator.devices();
  }

  /** All types of devices and objects. */
  public TypeTree types() {
    return new TypeTree(devices().catalog(), devices().services().objects().types());
  }

  public BlockGraph blocks() {
    return emulator.blocks();
  }

  public MigrationService migration() {
    return emulator.migration();
  }
}
