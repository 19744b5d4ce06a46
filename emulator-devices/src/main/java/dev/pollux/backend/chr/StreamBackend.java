package dev.pollux.backend.chr;

/**
 * A back end of a stream that the host reads and writes with blocking calls, each on a thread of
 * its own.
 */
abstract class StreamBackend extends QueuedBackend {
  protected final OutputQueue output;

  StreamBackend(String id) {
    super(id);
    this.output = new OutputQueue(id + " output", input);
  }

  @Override
  public final int write(byte[] from, int offset, int length) {
    return output.write(from, offset, length);
  }

  /** What is longer than the queue is never taken. */
  @Override
  public final boolean writeWhole(byte[] message) {
    return output.writeWhole(message);
  }

  @Override
  public final void whenWritable(Runnable action) {
    output.whenWritable(action);
  }

  @Override
  public final void flush(int milliseconds) {
    output.flush(milliseconds);
  }

  /** Starts a daemon thread of this back end. */
  protected final Thread start(String what, Runnable work) {
    return Thread.ofPlatform().name(id() + " " + what).daemon(true).start(work);
  }
}
