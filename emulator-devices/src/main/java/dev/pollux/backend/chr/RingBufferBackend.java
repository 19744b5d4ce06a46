package dev.pollux.backend.chr;

/** Keeps the last bytes written, for {@code ringbuf-read}. */
public final class RingBufferBackend extends QueuedBackend {
  private final byte[] ring;
  private long produced;
  private long consumed;

  /**
   * @param size bytes, a power of two
   */
  RingBufferBackend(String id, int size) {
    super(id);
    ring = new byte[size];
    input.open();
  }

  /** Bytes of the ring. */
  int size() {
    return ring.length;
  }

  @Override
  public String describe() {
    return "ringbuf";
  }

  @Override
  public synchronized int write(byte[] from, int offset, int length) {
    for (int i = 0; i < length; i++) {
      ring[(int) (produced++ & (ring.length - 1))] = from[offset + i];
    }
    consumed = Math.max(consumed, produced - ring.length);
    return length;
  }

  /** Takes the oldest bytes, at most {@code max}. */
  public synchronized byte[] read(int max) {
    byte[] taken = new byte[(int) Math.min(Math.max(max, 0), produced - consumed)];
    for (int i = 0; i < taken.length; i++) {
      taken[i] = ring[(int) (consumed++ & (ring.length - 1))];
    }
    return taken;
  }

  /** Sends bytes to the front end as {@code ringbuf-write} does; returns how many found room. */
  public int send(byte[] bytes) {
    return input.offer(bytes, 0, bytes.length);
  }

  @Override
  public void close() {
    input.close();
  }
}
