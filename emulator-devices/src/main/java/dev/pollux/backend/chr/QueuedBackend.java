package dev.pollux.backend.chr;

import java.util.concurrent.Executor;

/** What all back ends with a queue of input have in common. Output is taken at any time. */
abstract class QueuedBackend implements CharBackend {
  private final String id;
  protected final InputQueue input = new InputQueue();

  QueuedBackend(String id) {
    this.id = id;
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
    attach(frontEnd, executor, executor);
  }

  @Override
  public void attach(CharFrontEnd frontEnd, Executor executor, Executor atOnce) {
    input.attach(frontEnd, executor, atOnce);
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
  public void whenWritable(Runnable action) {
    input.runForFrontEnd(action);
  }
}
