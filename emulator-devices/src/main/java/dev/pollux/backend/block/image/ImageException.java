package dev.pollux.backend.block.image;

import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;

/** Makes errors about images whose contents make no sense. */
final class ImageException {
  private ImageException() {}

  /** An image that cannot be opened. */
  static ErrnoException invalid(String message) {
    return new ErrnoException(Errno.EINVAL, message);
  }

  /** Something that is right, but not for us. */
  static ErrnoException unsupported(String message) {
    return new ErrnoException(Errno.EOPNOTSUPP, message);
  }
}
