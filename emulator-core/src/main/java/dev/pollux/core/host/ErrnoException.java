package dev.pollux.core.host;

import java.io.IOException;

/** A failed call of the host, or what a guest shall see as one: an error number and its words. */
public final class ErrnoException extends IOException {
  private static final long serialVersionUID = 1;

  private final int errno;

  /** An error in the C library's own words. */
  public ErrnoException(int errno) {
    this(errno, null);
  }

  /**
   * @param message the whole sentence
   */
  public ErrnoException(int errno, String message) {
    super(message);
    this.errno = errno;
  }

  /** The sentence; the C library is asked for its words when somebody wants to know. */
  @Override
  public String getMessage() {
    String message = super.getMessage();
    return message == null ? Errno.text(errno) : message;
  }

  /** The number, for instance {@link Errno#ENOSPC}. */
  public int errno() {
    return errno;
  }

  /** The number of any error of input and output; {@link Errno#EIO} where none is known. */
  public static int of(IOException error) {
    return error instanceof ErrnoException e ? e.errno : Errno.EIO;
  }
}
