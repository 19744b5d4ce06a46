package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;

/** A disk that fails when it is told to ({@code blkdebug}): for tests of what stands on it. */
public final class FaultNode extends FilterNode {
  /**
   * When a request fails.
   *
   * @param kinds of requests
   * @param sector only requests that touch it; -1 for all
   * @param errno what they fail with
   * @param once the fault is gone afterwards
   */
  public record Fault(Set<String> kinds, long sector, int errno, boolean once) {
    boolean hits(Request request, long offset, long length) {
      boolean there =
          sector < 0
              || (offset <= sector * 512 + 511 && offset + Math.max(length, 1) > sector * 512);
      return kinds.contains(request.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-'))
          && there;
    }
  }

  /** Guarded by itself. */
  private final List<Fault> faults;

  public FaultNode(NodeOptions options, BlockNode image, List<Fault> faults) {
    super(options, "image", image);
    this.faults = new ArrayList<>(faults);
  }

  @Override
  public String driver() {
    return "blkdebug";
  }

  /** Another fault, from now on. Any thread. */
  public void add(Fault fault) {
    synchronized (faults) {
      faults.add(fault);
    }
  }

  @Override
  void before(Request request, long offset, long length) throws IOException {
    synchronized (faults) {
      for (Iterator<Fault> each = faults.iterator(); each.hasNext(); ) {
        Fault fault = each.next();
        if (fault.hits(request, offset, length)) {
          if (fault.once) {
            each.remove();
          }
          throw new ErrnoException(fault.errno);
        }
      }
    }
  }
}
