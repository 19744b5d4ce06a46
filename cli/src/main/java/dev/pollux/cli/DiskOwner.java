package dev.pollux.cli;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationListener;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a machine's stops, starts and moves mean to its disks. A stopped machine's writes reach the
 * disk, but for the short stops of checkpoints. When it goes to another process, files are handed
 * over with it: they are locked and looked at again where it arrives, with {@code
 * late-block-activate} only when it runs there.
 */
final class DiskOwner implements MachineListener, MigrationListener {
  private static final Logger log = LoggerFactory.getLogger(DiskOwner.class);

  private final Machine machine;
  private final BlockGraph blocks;
  private final LiveMigration migration;

  private DiskOwner(Machine machine, BlockGraph blocks, LiveMigration migration) {
    this.machine = machine;
    this.blocks = blocks;
    this.migration = migration;
  }

  /** From now on the disks follow the machine. */
  static void watch(Machine machine, BlockGraph blocks, LiveMigration migration) {
    DiskOwner owner = new DiskOwner(machine, blocks, migration);
    machine.addListener(owner);
    migration.addListener(owner);
  }

  @Override
  public void leaving() throws IOException {
    // Where a migration ends in COLO, either side has disks of its own.
    if (!migration.capabilities().has(MigrationCapability.X_COLO)) {
      try {
        blocks.inactivate();
      } catch (IOException e) {
        throw new IOException(
            "the disks cannot be written back before they are handed over: " + e.getMessage(), e);
      }
    }
  }

  @Override
  public void stays() {
    activate();
  }

  @Override
  public void arrived() {
    if (!migration.capabilities().has(MigrationCapability.LATE_BLOCK_ACTIVATE)) {
      activate();
    }
  }

  @Override
  public void stopped() {
    RunState state = machine.runState().current();
    if (state != RunState.FINISH_MIGRATE && state != RunState.COLO) {
      try {
        blocks.flushAll();
        blocks.jobs().heldStill();
      } catch (IOException e) {
        log.error("writing back the disks of the stopped machine: {}", e.getMessage());
      }
    }
  }

  @Override
  public void starting() {
    activate();
  }

  private void activate() {
    try {
      blocks.activate();
    } catch (IOException e) {
      log.error(
          "disks cannot be used, requests to them fail: {}", e.getMessage().replace('\n', ' '));
    }
  }

  @Override
  public void resumed() {
    blocks.machineResumed();
  }
}
