package dev.pollux.migration.stream;

import java.io.IOException;

/** A migration stream that cannot be right, and why. */
public final class StreamException extends IOException {
  private static final long serialVersionUID = 1;

  public StreamException(String message) {
    super(message);
  }

  public StreamException(String message, Throwable cause) {
    super(message, cause);
  }
}
