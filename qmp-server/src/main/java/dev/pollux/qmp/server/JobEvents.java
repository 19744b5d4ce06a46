package dev.pollux.qmp.server;

import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.job.Job;
import dev.pollux.backend.block.job.JobListener;
import dev.pollux.qmp.command.Events;
import java.util.function.Consumer;

/** Tells clients what jobs do. */
public final class JobEvents implements JobListener {
  private final Consumer<Events> sink;

  /**
   * @param sink {@link QmpServer#emit}
   */
  public JobEvents(Consumer<Events> sink) {
    this.sink = sink;
  }

  @Override
  public void statusChanged(Job job) {
    sink.accept(new Events.JobStatusChange(job.id(), job.status()));
  }

  @Override
  public void ready(Job job) {
    sink.accept(
        new Events.BlockJobReady(job.type(), job.id(), job.total(), job.done(), job.speed()));
  }

  @Override
  public void pending(Job job) {
    sink.accept(new Events.BlockJobPending(job.type(), job.id()));
  }

  @Override
  public void completed(Job job) {
    sink.accept(
        new Events.BlockJobCompleted(
            job.type(), job.id(), job.total(), job.done(), job.speed(), job.error()));
  }

  @Override
  public void cancelled(Job job) {
    sink.accept(
        new Events.BlockJobCancelled(job.type(), job.id(), job.total(), job.done(), job.speed()));
  }

  @Override
  public void failed(Job job, boolean write, OnError.Action action) {
    sink.accept(
        new Events.BlockJobError(
            job.id(),
            write ? Events.IoOperationType.WRITE : Events.IoOperationType.READ,
            Events.BlockErrorAction.valueOf(action.name())));
  }
}
