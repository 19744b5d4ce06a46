package dev.pollux.backend.chr;

/**
 * A device or monitor as its back end sees it. Everything here is called on the executor given to
 * {@code attach}.
 */
public interface CharFrontEnd {
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
   * Whether each connection is a conversation of its own: what one sent and nobody has taken is
   * dropped when the next comes. A device takes the bytes of all, one after the other.
   */
  default boolean isConversation() {
    return false;
  }
}
