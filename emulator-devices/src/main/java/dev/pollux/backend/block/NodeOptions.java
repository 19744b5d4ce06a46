package dev.pollux.backend.block;

/**
 * What every node can be told, whatever its driver.
 *
 * @param name unique among the nodes
 * @param readOnly writes are refused
 * @param autoReadOnly becomes read-only by itself where the file below cannot be written
 * @param unmap discards reach what lies below ({@code discard=unmap}); otherwise they do nothing
 * @param detectZeroes what becomes of writes that are all zeros
 * @param cache how the host may cache
 */
public record NodeOptions(
    String name,
    boolean readOnly,
    boolean autoReadOnly,
    boolean unmap,
    DetectZeroes detectZeroes,
    CacheMode cache) {

  /** What becomes of a write of zeros. */
  public enum DetectZeroes {
    /** It is written. */
    OFF,
    /** It becomes a request to write zeros, which need not take space. */
    ON,
    /** As {@link #ON}, and space may be given back. */
    UNMAP
  }

  /** Writable, cached, nothing special. */
  public static NodeOptions of(String name) {
    return new NodeOptions(name, false, false, false, DetectZeroes.OFF, CacheMode.WRITEBACK);
  }

  public NodeOptions withReadOnly(boolean to) {
    return new NodeOptions(name, to, autoReadOnly, unmap, detectZeroes, cache);
  }

  public NodeOptions withUnmap(boolean to) {
    return new NodeOptions(name, readOnly, autoReadOnly, to, detectZeroes, cache);
  }

  public NodeOptions withDetectZeroes(DetectZeroes to) {
    return new NodeOptions(name, readOnly, autoReadOnly, unmap, to, cache);
  }

  public NodeOptions withCache(CacheMode to) {
    return new NodeOptions(name, readOnly, autoReadOnly, unmap, detectZeroes, to);
  }

  public NodeOptions withName(String to) {
    return new NodeOptions(to, readOnly, autoReadOnly, unmap, detectZeroes, cache);
  }
}
