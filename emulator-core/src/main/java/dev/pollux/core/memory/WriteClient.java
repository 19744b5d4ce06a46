package dev.pollux.core.memory;

/** The fixed clients of page write tracking; the ordinal is the bit in a page's watch mask. */
public enum WriteClient {
  /** Translated or decoded code was made from the page. */
  CODE,
  /** Live migration and checkpoints collect dirty pages. */
  MIGRATION,
  /** A checkpoint still needs the page's old contents. */
  COPY,
  /** A display shows the page. */
  DISPLAY;

  public int bit() {
    return 1 << ordinal();
  }
}
