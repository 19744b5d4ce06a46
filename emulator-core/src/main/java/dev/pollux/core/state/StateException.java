package dev.pollux.core.state;

/** Saved state that cannot be loaded: what, where, and what would be right. */
public final class StateException extends Exception {
  private static final long serialVersionUID = 1;

  public StateException(String message) {
    super(message);
  }

  /** The same problem, seen from one level further out. */
  public StateException in(String where) {
    return new StateException(where + ": " + getMessage());
  }
}
