package dev.pollux.backend.block.job;

import dev.pollux.backend.block.OnError;

/** Is told what happens to jobs; event loop, machine lock held. */
public interface JobListener {
  /** {@link Job#status} has changed. */
  default void statusChanged(Job job) {}

  /** It follows what is written from now on. */
  default void ready(Job job) {}

  /** Done but for the changes of the graph, which somebody has to ask for. */
  default void pending(Job job) {}

  /** It is over, with or without an error. */
  default void completed(Job job) {}

  default void cancelled(Job job) {}

  /** A request of the job has failed. */
  default void failed(Job job, boolean write, OnError.Action action) {}
}
