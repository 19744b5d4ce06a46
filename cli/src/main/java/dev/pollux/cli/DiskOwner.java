package dev.pollux.cli;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import java.io.IOException;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a machine's stops and starts mean to its disks. A stopped machine's writes reach the disk,
 * but for the short stops of checkpoints. Where it stops to go to another process, files are handed
 * over with it: they are locked and looked at again where it runs next.
 */
final class DiskOwner implements MachineListener {
  private static final Logger log = LoggerFactory.getLogger(DiskOwner.class);

  private final Machine machine;
  private final BlockGraph blocks;

  /** Whether a migration ends in COLO, where either side has disks of its own. */
  private final BooleanSupplier colo;

  private DiskOwner(Machine machine, BlockGraph blocks, BooleanSupplier colo) {
    this.machine = machine;
    this.blocks = blocks;
    this.colo = colo;
  }

  /** From now on the disks follow the machine. */
  static void watch(Machine machine, BlockGraph blocks, BooleanSupplier colo) {
    DiskOwner owner = new DiskOwner(machine, blocks, colo);
    machine.addListener(owner);
    machine.runState().onChange((_, to) -> owner.handOver(to));
  }

  private void handOver(RunState to) {
    if (to == RunState.FINISH_MIGRATE && !colo.getAsBoolean()) {
      try {
        blocks.inactivate();
      } catch (IOException e) {
        log.error("writing back the disks before they are handed over: {}", e.getMessage());
      }
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
