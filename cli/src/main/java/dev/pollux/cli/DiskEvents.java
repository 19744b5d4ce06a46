package dev.pollux.cli;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.OnError;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.server.BlockEvents;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Brings what happens to disks onto the event loop: to monitors, and to the machine itself. */
final class DiskEvents implements BlockListener {
  private static final Logger log = LoggerFactory.getLogger(DiskEvents.class);

  private final Machine machine;
  private final BlockEvents events;

  DiskEvents(Machine machine, Consumer<Events> sink) {
    this.machine = machine;
    this.events = new BlockEvents(sink);
  }

  @Override
  public void ioError(
      BlockBackend backend, boolean write, OnError.Action action, int errno, String reason) {
    machine
        .loop()
        .post(
            () -> {
              // Clients count on it that the stop follows.
              events.ioError(backend, write, action, errno, reason);
              if (action == OnError.Action.STOP) {
                log.warn("disk {}: {}; the machine stops until \"cont\"", backend.name(), reason);
                if (machine.runState().is(RunState.RUNNING)) {
                  machine.stop(RunState.IO_ERROR);
                }
              }
            });
  }

  @Override
  public void imageCorrupted(
      String node, String device, String message, long offset, long size, boolean fatal) {
    log.error("image {}: {}", node, message);
    machine.loop().post(() -> events.imageCorrupted(node, device, message, offset, size, fatal));
  }

  @Override
  public void quorumBad(
      String node, String operation, String error, long firstSector, long sectors) {
    machine.loop().post(() -> events.quorumBad(node, operation, error, firstSector, sectors));
  }

  @Override
  public void trayMoved(BlockBackend backend, boolean open) {
    machine.loop().post(() -> events.trayMoved(backend, open));
  }

  @Override
  public void exportDeleted(String id) {
    events.exportDeleted(id); // by a command, on the event loop
  }

  @Override
  public void quorumFailure(String reference, long firstSector, long sectors) {
    machine.loop().post(() -> events.quorumFailure(reference, firstSector, sectors));
  }
}
