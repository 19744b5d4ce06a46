package dev.pollux.devices.virtio.fs;

import dev.pollux.core.host.Errno;
import java.util.HashMap;
import java.util.Map;

/** Error numbers by the host's words, which is all that is left of some errors in Java. */
final class FuseErrors {
  private static final int MOST = 133;
  private static final Map<String, Integer> NUMBERS = new HashMap<>();

  static {
    for (int number = MOST; number > 0; number--) {
      NUMBERS.put(Errno.text(number), number);
    }
  }

  private FuseErrors() {}

  /** {@link Errno#EIO} where the words say nothing. */
  static int byWords(String words) {
    return words == null ? Errno.EIO : NUMBERS.getOrDefault(words, Errno.EIO);
  }
}
