package dev.pollux.backend.chr;

import java.util.concurrent.Executor;

/**
 * A back end with a queue in each direction: what all that talk to a stream of the host have in
 * common.
 */
abstract class QueuedBackend implements CharBackend {
  private final String id;
  protected final InputQueue input = new InputQueue();
  protected final OutputQueue output;

  QueuedBackend(String id) {
    this.id = id;
    this.output = new OutputQueue(id + " output", input);
  }

  @Override
  public final String id() {
    return id;
  }

  @Override
  public boolean isConnected() {
    return input.isOpen();
  }

  @Override
  public final boolean isAttached() {
    return input.isAttached();
  }

  @Override
  public final void attach(CharFrontEnd frontEnd, Executor executor) {
    input.attach(frontEnd, executor);
  }

  @Override
  public final void detach() {
    input.detach();
  }

  @Override
  public final void acceptInput() {
    input.acceptInput();
  }

  @Override
  public int write(byte[] from, int offset, int length) {
    return output.write(from, offset, length);
  }

  @Override
  public void whenWritable(Runnable action) {
    output.whenWritable(action);
  }

  @Override
  public void flush(int milliseconds) {
    output.flush(milliseconds);
  }

  /** Starts a daemon thread of this back end. */
  protected final Thread start(String what, Runnable work) {
    return Thread.ofPlatform().name(id + " " + what).daemon(true).start(work);
  }
}
