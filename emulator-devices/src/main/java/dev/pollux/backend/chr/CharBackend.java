package dev.pollux.backend.chr;

import java.nio.ByteBuffer;
import java.util.concurrent.Executor;

/**
 * The host's side of a character device. At most one front end is attached at a time; several share
 * one through a {@link MuxBackend}, whose ports are back ends again. All methods may be called by
 * any thread, but calls for one front end come one at a time (a device holds the machine lock).
 */
public interface CharBackend extends AutoCloseable {
  /** The name given by the user, for instance {@code serial0}. */
  String id();

  /**
   * What it is connected to, as {@code query-chardev} shows it: {@code
   * disconnected:unix:/tmp/a,server=on}.
   */
  String describe();

  /** True while somebody is there to read what is written. */
  boolean isConnected();

  boolean isAttached();

  /** Who is at the other end, where somebody is. */
  default PeerAddress peer() {
    return new PeerAddress.Descriptor("");
  }

  /** Whether it is a socket, whose peers come and go. */
  default boolean isSocket() {
    return false;
  }

  /**
   * Connects a front end, which hears {@link CharEvent#OPENED} if somebody is there already.
   *
   * @param executor runs the front end's callbacks, in order; for a device {@code
   *     machine.loop()::post}
   * @throws IllegalStateException if another front end is attached
   */
  void attach(CharFrontEnd frontEnd, Executor executor);

  /**
   * The same for a front end that exchanges so much that waking another thread for it takes longer
   * than its own work.
   *
   * @param atOnce for a reader of the host's that holds no lock: may run callbacks on its thread
   */
  default void attach(CharFrontEnd frontEnd, Executor executor, Executor atOnce) {
    attach(frontEnd, executor);
  }

  /** Disconnects the front end; a callback that has begun may still finish. */
  void detach();

  /** The front end can receive again. */
  void acceptInput();

  /**
   * Takes bytes for output without blocking.
   *
   * @return how many were taken; fewer than {@code length} where the other side is slow
   */
  int write(byte[] from, int offset, int length);

  /**
   * Takes a message for output without blocking. Sockets, pipes and files take it whole or not at
   * all, so that none is divided between two connections; where another back end has too little
   * room, the rest is lost.
   *
   * @param message not changed afterwards by anybody
   * @return whether it was taken
   */
  default boolean writeWhole(byte[] message) {
    return write(message, 0, message.length) > 0;
  }

  /**
   * The same for messages in a buffer, which are the caller's again afterwards. Where they were
   * taken the buffer's position is at its limit.
   */
  default boolean writeWhole(ByteBuffer messages) {
    byte[] copy = new byte[messages.remaining()];
    messages.get(messages.position(), copy);
    boolean taken = writeWhole(copy);
    if (taken) {
      messages.position(messages.limit());
    }
    return taken;
  }

  /**
   * Runs {@code action} once, on the front end's executor, as soon as {@link #write} takes bytes
   * again.
   */
  void whenWritable(Runnable action);

  /** Gives output that was taken up to {@code milliseconds} to reach the host. */
  default void flush(int milliseconds) {}

  /** Lets go of all host resources, output first. */
  @Override
  void close();
}
