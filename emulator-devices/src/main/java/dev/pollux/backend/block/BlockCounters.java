package dev.pollux.backend.block;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** What a backend has done for its device, since it was made. Any thread. */
public final class BlockCounters {
  /** The counters of one kind of request. */
  private static final class Kind {
    final LongAdder operations = new LongAdder();
    final LongAdder bytes = new LongAdder();
    final LongAdder nanos = new LongAdder();
    final LongAdder failed = new LongAdder();
    final LongAdder invalid = new LongAdder();
    final LongAdder merged = new LongAdder();
  }

  private final Map<BlockRequest.Op, Kind> kinds = new EnumMap<>(BlockRequest.Op.class);
  private volatile long lastAccess;
  private volatile long highestWrite;

  BlockCounters() {
    for (BlockRequest.Op op : BlockRequest.Op.values()) {
      kinds.put(op, new Kind());
    }
  }

  void done(BlockRequest request, long nanos, long now) {
    Kind kind = kinds.get(request.op);
    kind.operations.increment();
    kind.bytes.add(request.length);
    kind.nanos.add(nanos);
    lastAccess = now;
    if (request.op.isWrite() && request.offset + request.length > highestWrite) {
      highestWrite = request.offset + request.length;
    }
  }

  void failed(BlockRequest request, long nanos, long now) {
    Kind kind = kinds.get(request.op);
    kind.failed.increment();
    kind.nanos.add(nanos);
    lastAccess = now;
  }

  /** A device refused a request of its guest: out of range, not aligned. */
  public void invalid(BlockRequest.Op op) {
    kinds.get(op).invalid.increment();
  }

  /** A device made one request of several. */
  public void merged(BlockRequest.Op op, long count) {
    kinds.get(op).merged.add(count);
  }

  public long operations(BlockRequest.Op op) {
    return kinds.get(op).operations.sum();
  }

  public long bytes(BlockRequest.Op op) {
    return kinds.get(op).bytes.sum();
  }

  /** Time that requests took in all, in ns. */
  public long nanos(BlockRequest.Op op) {
    return kinds.get(op).nanos.sum();
  }

  public long failed(BlockRequest.Op op) {
    return kinds.get(op).failed.sum();
  }

  public long invalidCount(BlockRequest.Op op) {
    return kinds.get(op).invalid.sum();
  }

  public long mergedCount(BlockRequest.Op op) {
    return kinds.get(op).merged.sum();
  }

  /** {@link System#nanoTime} of the last request's end; 0 before the first. */
  public long lastAccess() {
    return lastAccess;
  }

  /** End of the write that reached farthest, in bytes. */
  public long highestWrite() {
    return highestWrite;
  }
}
