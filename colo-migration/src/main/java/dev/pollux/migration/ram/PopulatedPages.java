package dev.pollux.migration.ram;

import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which pages of a block have memory of the host. One without was never written, and so is zero; to
 * look at its contents would cost time. Any thread; a page is looked at by one at a time.
 */
final class PopulatedPages {
  private static final Logger log = LoggerFactory.getLogger(PopulatedPages.class);

  /** An entry of {@code /proc/self/pagemap}: the page is in memory, or swapped out. */
  private static final long POPULATED = 3L << 62;

  private static final int ENTRIES_AT_ONCE = 8192;

  private final boolean[] populated;

  /** Asks the host; where it does not say, all pages count as populated. */
  PopulatedPages(RamBlock block) {
    populated = new boolean[Math.toIntExact(block.pages())];
    try (FileChannel pagemap = FileChannel.open(Path.of("/proc/self/pagemap"))) {
      read(pagemap, block.hostAddress() >>> RamBlock.PAGE_BITS);
    } catch (IOException e) {
      log.debug("the host does not show which pages are populated", e);
      Arrays.fill(populated, true);
    }
  }

  private void read(FileChannel pagemap, long firstPage) throws IOException {
    ByteBuffer entries =
        ByteBuffer.allocateDirect(ENTRIES_AT_ONCE * Long.BYTES).order(ByteOrder.nativeOrder());
    for (int done = 0; done < populated.length; ) {
      entries.clear().limit(Math.min(ENTRIES_AT_ONCE, populated.length - done) * Long.BYTES);
      if (pagemap.read(entries, (firstPage + done) * Long.BYTES) <= 0) {
        throw new IOException("pagemap ends at page " + done);
      }
      entries.flip();
      while (entries.remaining() >= Long.BYTES) {
        populated[done++] = (entries.getLong() & POPULATED) != 0;
      }
    }
  }

  boolean contains(long page) {
    return populated[(int) page];
  }

  void add(long page) {
    populated[(int) page] = true;
  }
}
