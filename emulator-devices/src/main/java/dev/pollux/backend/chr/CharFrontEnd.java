package dev.pollux.backend.chr;

/**
 * A device or monitor as its back end sees it. Everything here is called on the executor given to
 * {@code attach}.
 */
public interface CharFrontEnd {
  /** What most exchange at once, in bytes. */
  int USUAL_BUFFER = 4096;

  /**
   * How many bytes {@link #receive} would take now. One that said 0 calls {@link
   * CharBackend#acceptInput} when that has changed.
   */
  int canReceive();

  /**
   * Takes {@code length} bytes, never more than {@link #canReceive} allowed. The array is the
   * caller's.
   */
  void receive(byte[] bytes, int offset, int length);

  default void event(CharEvent event) {}

  /**
   * Bytes of input that may wait for it, and that are read from a socket at once; always the same.
   * One that exchanges much has fewer wake-ups with a large buffer.
   */
  default int buffer() {
    return USUAL_BUFFER;
  }

  /**
   * Whether each connection is a conversation of its own: what one sent and nobody has taken is
   * dropped when the next comes. A device takes the bytes of all, one after the other.
   */
  default boolean isConversation() {
    return false;
  }
}
