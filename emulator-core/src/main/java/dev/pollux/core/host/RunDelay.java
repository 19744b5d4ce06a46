package dev.pollux.core.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * How long the thread that made it has been ready to run while its processor did something else:
 * the second number of {@code /proc/thread-self/schedstat} (Linux, sched-stats.rst).
 */
public final class RunDelay {
  private static final int LONGEST = 128;

  private final ByteBuffer text = ByteBuffer.allocateDirect(LONGEST);

  /** Null where the host does not tell. */
  private final FileChannel file;

  public RunDelay() {
    FileChannel opened = null;
    try {
      opened = FileChannel.open(Path.of("/proc/thread-self/schedstat"));
    } catch (IOException e) {
      // The kernel was made without.
    }
    file = opened;
  }

  /** Nanoseconds so far; 0 where the host does not tell. */
  public long nanos() {
    if (file == null) {
      return 0;
    }
    text.clear();
    try {
      int _ = file.read(text, 0);
    } catch (IOException e) {
      return 0;
    }
    return second(StandardCharsets.US_ASCII.decode(text.flip()).toString());
  }

  private static long second(String numbers) {
    String[] fields = numbers.split(" ", 3);
    return fields.length == 3 ? Long.parseLong(fields[1]) : 0;
  }
}
