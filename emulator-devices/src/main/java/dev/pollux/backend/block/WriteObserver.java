package dev.pollux.backend.block;

import java.io.IOException;

/**
 * Is told of everything that changes a node: jobs copy what is about to be overwritten, or note
 * what has to be copied again. Any thread, several at once.
 */
public interface WriteObserver {
  /** Nobody. */
  WriteObserver NONE = new WriteObserver() {};

  /** A range is about to be changed; the write waits. Failing makes the write fail. */
  default void before(long offset, long length) throws IOException {}

  /** A range was changed, or the write failed half-way. */
  default void after(long offset, long length) {}
}
