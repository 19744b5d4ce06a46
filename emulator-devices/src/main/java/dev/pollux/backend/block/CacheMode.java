package dev.pollux.backend.block;

import java.util.Map;

/**
 * How the host may cache what is written.
 *
 * @param writeback a device tells its guest that there is a write cache; without, each write
 *     reaches the disk before it is acknowledged
 * @param direct the host's page cache is left out (O_DIRECT)
 * @param noFlush flushes are ignored: fast, and lost with the host
 */
public record CacheMode(boolean writeback, boolean direct, boolean noFlush) {
  public static final CacheMode WRITEBACK = new CacheMode(true, false, false);

  /** The words of {@code cache=}. */
  public static final Map<String, CacheMode> WORDS =
      Map.of(
          "writeback", WRITEBACK,
          "none", new CacheMode(true, true, false),
          "off", new CacheMode(true, true, false),
          "writethrough", new CacheMode(false, false, false),
          "directsync", new CacheMode(false, true, false),
          "unsafe", new CacheMode(true, false, true));
}
