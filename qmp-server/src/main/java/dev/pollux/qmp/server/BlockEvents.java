package dev.pollux.qmp.server;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.OnError;
import dev.pollux.core.host.Errno;
import dev.pollux.qmp.command.Events;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;

/** Tells clients what happens to disks. */
public final class BlockEvents implements BlockListener {
  private final Consumer<Events> sink;

  /**
   * @param sink {@link QmpServer#emit}
   */
  public BlockEvents(Consumer<Events> sink) {
    this.sink = sink;
  }

  @Override
  public void ioError(
      BlockBackend backend, boolean write, OnError.Action action, int errno, String reason) {
    sink.accept(
        new Events.BlockIoError(
            backend.device().map(BlockDevice::qomPath).orElse(""),
            backend.name(),
            backend.root().map(BlockNode::name),
            write ? Events.IoOperationType.WRITE : Events.IoOperationType.READ,
            Events.BlockErrorAction.valueOf(action.name()),
            Optional.of(errno == Errno.ENOSPC),
            reason));
  }

  @Override
  public void trayMoved(BlockBackend backend, boolean open) {
    sink.accept(
        new Events.DeviceTrayMoved(
            backend.name(),
            backend.device().map(d -> d.id().isEmpty() ? d.qomPath() : d.id()).orElse(""),
            open));
  }

  @Override
  public void imageCorrupted(
      String node, String device, String message, long offset, long size, boolean fatal) {
    sink.accept(
        new Events.BlockImageCorrupted(
            device,
            Optional.of(node),
            message,
            Optional.of(offset).filter(o -> o >= 0),
            Optional.of(size).filter(s -> s >= 0),
            fatal));
  }

  @Override
  public void quorumBad(
      String node, String operation, String error, long firstSector, long sectors) {
    sink.accept(
        new Events.QuorumReportBad(
            Events.QuorumOpType.valueOf(operation.toUpperCase(Locale.ROOT)),
            Optional.of(error).filter(text -> !text.isEmpty()),
            node,
            firstSector,
            sectors));
  }

  @Override
  public void exportDeleted(String id) {
    sink.accept(new Events.BlockExportDeleted(id));
  }

  @Override
  public void quorumFailure(String reference, long firstSector, long sectors) {
    sink.accept(new Events.QuorumFailure(reference, firstSector, sectors));
  }
}
