package dev.pollux.backend.chr;

/** Drops output, has no input. */
final class NullBackend extends QueuedBackend {
  private final String kind;

  /**
   * @param kind {@code null}, or {@code vc} where no display would show the console
   */
  NullBackend(String id, String kind) {
    super(id);
    this.kind = kind;
  }

  @Override
  public String describe() {
    return kind;
  }

  @Override
  public int write(byte[] from, int offset, int length) {
    return length;
  }

  @Override
  public void close() {}
}
