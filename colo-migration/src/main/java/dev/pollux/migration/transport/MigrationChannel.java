package dev.pollux.migration.transport;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A connection of a migration. One thread may read while another writes; both block. Anybody may
 * cut it.
 */
public interface MigrationChannel extends Closeable {
  /**
   * Reads at least one byte, unless the buffer is full.
   *
   * @return the number of bytes, -1 at the end
   */
  int read(ByteBuffer to) throws IOException;

  /** Writes all of the buffer's bytes. */
  void write(ByteBuffer from) throws IOException;

  /** Nanoseconds since something came; 0 where that says nothing of the other side. Any thread. */
  default long quietNanos() {
    return 0;
  }

  /**
   * Nanoseconds for which a {@link #write} has waited without the other side taking anything; 0
   * where none waits. Any thread.
   */
  default long stalledNanos() {
    return 0;
  }

  /** Whether the destination can answer through it. */
  boolean isTwoWay();

  /**
   * Cuts both directions at once: whoever reads or writes fails, and so does who tries later. Any
   * thread, without any lock; again without effect.
   */
  void shutdown();

  /**
   * Cuts the direction from the peer, as {@link #shutdown}; the other too where that is all one.
   */
  default void shutdownInput() {
    shutdown();
  }

  /**
   * Ends what is written and waits where there is something to wait for.
   *
   * @throws IOException if the other side says that it failed, as a program does
   */
  @Override
  void close() throws IOException;
}
