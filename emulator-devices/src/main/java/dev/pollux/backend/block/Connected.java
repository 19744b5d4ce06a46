package dev.pollux.backend.block;

/** A node that hangs on a connection to another process. */
public interface Connected {
  /** Cuts the connection at once, so that nothing waits for it any more. Any thread. */
  void cut();
}
