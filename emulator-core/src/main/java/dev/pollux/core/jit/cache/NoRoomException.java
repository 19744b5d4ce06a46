package dev.pollux.core.jit.cache;

import java.io.IOException;

/** What an earlier run has kept is more than there is memory for code in this one. */
public final class NoRoomException extends IOException {
  private static final long serialVersionUID = 1;

  NoRoomException(long code) {
    super("there is no room for %d bytes of code".formatted(code));
  }
}
