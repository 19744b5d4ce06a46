package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockListener;

/**
 * How a qcow2 image is opened.
 *
 * @param lazyRefcounts counts are written when the image is closed only, whatever the image says;
 *     null leaves it to the image
 * @param l2CacheBytes memory for L2 tables at most
 * @param discard clusters that the guest discards are given back to the host, too
 * @param repairing opened to be checked: as it is, damaged or not
 */
public record Qcow2Options(
    Boolean lazyRefcounts,
    long l2CacheBytes,
    boolean discard,
    boolean repairing,
    BlockListener listener) {
  /** Enough for 256 GiB of disk with clusters of the usual size. */
  public static final long DEFAULT_L2_CACHE = 32 << 20;

  private static final BlockListener NOBODY = new BlockListener() {};

  public static final Qcow2Options DEFAULTS =
      new Qcow2Options(null, DEFAULT_L2_CACHE, true, false, NOBODY);

  /** To be checked and repaired. */
  public static final Qcow2Options REPAIRING =
      new Qcow2Options(null, DEFAULT_L2_CACHE, true, true, NOBODY);
}
