package dev.pollux.backend.block.job;

import java.io.IOException;

/** What a job does. */
interface JobWork {
  /** Does it; returns when it is done. The job's thread. */
  void run(Job job) throws IOException;

  /**
   * Whether all is done, so that {@link #commit} may follow; where not, {@link #run} is called
   * again. No request of any device is under way. Event loop.
   */
  default boolean isDone() {
    return true;
  }

  /** It went well: changes the graph. No request of any device is under way. Event loop. */
  default void commit(Job job) throws IOException {}

  /** Lets go of everything, however it went; the thread has ended. Event loop. */
  void clean();
}
