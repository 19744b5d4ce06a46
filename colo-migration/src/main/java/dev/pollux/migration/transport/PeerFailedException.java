package dev.pollux.migration.transport;

import java.io.IOException;

/** The other side says itself that it has failed: it has not started the guest, nor will it. */
public final class PeerFailedException extends IOException {
  private static final long serialVersionUID = 1;

  public PeerFailedException(String message) {
    super(message);
  }
}
