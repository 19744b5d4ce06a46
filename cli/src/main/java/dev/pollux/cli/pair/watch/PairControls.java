package dev.pollux.cli.pair.watch;

import java.util.concurrent.CompletableFuture;

/** What may be asked of a pair while it runs. Any thread; no call waits. */
public interface PairControls {
  /**
   * Types into the console of the guest.
   *
   * @return why not; empty where it was taken
   */
  String type(byte[] keys);

  /**
   * Has the other side run the guest.
   *
   * @return why not; empty where it was begun
   */
  CompletableFuture<String> failover();

  /**
   * Has the copy made again, in full.
   *
   * @return why not; empty where it was begun
   */
  CompletableFuture<String> resync();
}
