package dev.pollux.backend.block;

/** Is told what happens to backends and nodes; any thread. */
public interface BlockListener {
  /**
   * A request failed.
   *
   * @param write it was not a read
   * @param reason the error's words
   */
  default void ioError(
      BlockBackend backend, boolean write, OnError.Action action, int errno, String reason) {}

  /** A child of a quorum failed, or answered differently. */
  default void quorumBad(
      String node, String operation, String error, long firstSector, long sectors) {}

  /** Too few children of a quorum did what was asked. */
  default void quorumFailure(String reference, long firstSector, long sectors) {}

  /** An export is gone, and its clients with it. */
  default void exportDeleted(String id) {}

  /** An image turned out to be damaged. */
  default void imageCorrupted(
      String node, String device, String message, long offset, long size, boolean fatal) {}

  /** The tray of a drive was opened or closed. */
  default void trayMoved(BlockBackend backend, boolean open) {}
}
