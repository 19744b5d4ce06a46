package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Clusters that the tables do not name any more. They can be used again only when that is on disk,
 * and when no request is under way that found them before. Guarded by the image's lock.
 */
final class Qcow2Frees implements Qcow2Mapping.Frees {
  /** A flush comes early when this many wait. */
  private static final int MANY = 4096;

  /** Some clusters. */
  private record Range(long first, long count, boolean discard) {}

  private final BlockNode file;
  private final int clusterBits;

  /** Not in use as far as memory goes. */
  private List<Range> pending = new ArrayList<>();

  /** Not in use on disk. */
  private List<Range> written = new ArrayList<>();

  Qcow2Frees(BlockNode file, int clusterBits) {
    this.file = file;
    this.clusterBits = clusterBits;
  }

  @Override
  public void free(long first, long count, boolean discard) {
    if (!pending.isEmpty()) {
      Range last = pending.getLast();
      if (last.first + last.count == first && last.discard == discard) {
        pending.set(pending.size() - 1, new Range(last.first, last.count + count, discard));
        return;
      }
    }
    pending.add(new Range(first, count, discard));
  }

  boolean areMany() {
    return pending.size() + written.size() > MANY;
  }

  boolean isEmpty() {
    return pending.isEmpty() && written.isEmpty();
  }

  /** What waits now; the tables are about to be written. */
  int mark() {
    return pending.size();
  }

  /** The tables are on disk as they were at {@link #mark}. */
  void tablesWritten(int mark) {
    List<Range> done = pending.subList(0, Math.min(mark, pending.size()));
    written.addAll(done);
    pending = new ArrayList<>(pending.subList(done.size(), pending.size()));
  }

  /**
   * Gives the clusters back. No request is under way.
   *
   * @return the end of the farthest, in bytes
   */
  long release(Qcow2Refcounts refcounts, boolean discard) throws IOException {
    List<Range> ranges = written;
    written = new ArrayList<>();
    long end = 0;
    for (Range range : ranges) {
      try {
        long freed = refcounts.decrement(range.first, range.count);
        if (discard && range.discard && freed == range.count) {
          file.discard(range.first << clusterBits, range.count << clusterBits);
        }
      } catch (ErrnoException e) {
        // A count that lies: it has been reported; the space is lost until a repair.
      }
      end = Math.max(end, range.first + range.count << clusterBits);
    }
    return end;
  }
}
