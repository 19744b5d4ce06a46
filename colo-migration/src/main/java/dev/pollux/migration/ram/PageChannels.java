package dev.pollux.migration.ram;

import dev.pollux.core.memory.RamBlock;
import java.io.IOException;

/** Takes pages past the main connection, as multifd does. Migration thread. */
public interface PageChannels {
  /** Has a page sent soon, as it is then. */
  void send(RamBlock block, long offset) throws IOException;

  /**
   * Has a page sent with contents that are copied now.
   *
   * @param contents host address
   */
  void send(RamBlock block, long offset, long contents) throws IOException;

  /** Has all pages sent, followed by a mark in each connection. */
  void synchronize() throws IOException;
}
