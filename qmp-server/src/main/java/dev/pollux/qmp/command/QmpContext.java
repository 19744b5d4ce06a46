package dev.pollux.qmp.command;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
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

  public BlockGraph blocks() {
    return emulator.blocks();
  }

  public MigrationService migration() {
    return emulator.migration();
  }
}
