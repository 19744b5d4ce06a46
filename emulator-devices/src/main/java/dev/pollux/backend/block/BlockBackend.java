package dev.pollux.backend.block;

import dev.pollux.backend.block.node.ThrottleGroup;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A device's access to the block graph: many requests at once, each done on some thread and
 * completed there. Any thread may submit.
 *
 * <p>The queue is as long as the device lets it grow: a device submits no more than its own queue
 * holds.
 */
public final class BlockBackend {
  private static final Logger log = LoggerFactory.getLogger(BlockBackend.class);

  /** Requests with more data than this are long. */
  private static final long SHORT_BYTES = 64 << 10;

  private final String name;
  private final Executor workers;
  private final BlockListener listener;
  private final BlockCounters counters = new BlockCounters();

  private volatile BlockNode root;
  private volatile BlockDevice device;
  private volatile ThrottleGroup limits;
  private volatile OnError onReadError = OnError.AUTO;
  private volatile OnError onWriteError = OnError.AUTO;
  private volatile boolean writeCache = true;
  private volatile boolean sharesWrites;
  private volatile int ioStatus;

  /** The device takes up nothing new. */
  private volatile boolean ebbing;

  private final Pace transfers = new Pace();
  private final Pace flushes = new Pace();

  /** Guarded by this: requests between submission and completion. */
  private int inFlight;

  /** Guarded by this: how often the backend is held still. */
  private int drains;

  /** Guarded by this: what was submitted meanwhile. */
  private final ArrayDeque<BlockRequest> parked = new ArrayDeque<>();

  /**
   * @param name as {@code -drive id=} and query-block have it; may be empty
   * @param workers threads that requests are done on
   */
  public BlockBackend(String name, Executor workers, BlockListener listener) {
    this.name = name;
    this.workers = workers;
    this.listener = listener;
  }

  public String name() {
    return name;
  }

  /** The medium; empty when there is none. */
  public Optional<BlockNode> root() {
    return Optional.ofNullable(root);
  }

  /** Puts a medium in, or takes it out (null). Drained. */
  public void setRoot(BlockNode node) {
    root = node;
  }

  /** The device that uses this backend; empty before it is attached. */
  public Optional<BlockDevice> device() {
    return Optional.ofNullable(device);
  }

  /** A device begins to use the backend; null when it has gone. */
  public void attach(BlockDevice user) {
    device = user;
  }

  /** The limits that its requests keep to; empty for none. */
  public Optional<ThrottleGroup> limits() {
    return Optional.ofNullable(limits);
  }

  /** From now on requests keep to a group's limits; null for none. */
  public void setLimits(ThrottleGroup group) {
    limits = group;
  }

  public BlockCounters counters() {
    return counters;
  }

  /** Bytes, a multiple of 512; 0 without a medium. */
  public long length() {
    BlockNode node = root;
    return node == null ? 0 : node.length() + 511 & -512L;
  }

  public boolean readOnly() {
    BlockNode node = root;
    return node != null && node.readOnly();
  }

  /** Whether the guest is told that there is a write cache, which it then flushes. */
  public boolean writeCache() {
    return writeCache;
  }

  public void setWriteCache(boolean on) {
    writeCache = on;
  }

  /** Whether its device bears that others write to the same disk. */
  public boolean sharesWrites() {
    return sharesWrites;
  }

  public void setSharesWrites(boolean on) {
    sharesWrites = on;
  }

  public void setOnError(OnError reads, OnError writes) {
    onReadError = reads;
    onWriteError = writes;
  }

  public OnError onReadError() {
    return onReadError;
  }

  public OnError onWriteError() {
    return onWriteError;
  }

  /**
   * A request of the device failed: what does it do? With {@code STOP} the machine is about to
   * stop; the device keeps the request and submits it again in {@link BlockDevice#retry}.
   */
  public OnError.Action onError(BlockRequest request, int errno) {
    boolean write = request.op.isWrite();
    OnError.Action action = (write ? onWriteError : onReadError).action(write, errno);
    if (action == OnError.Action.STOP) {
      ioStatus = errno;
    }
    listener.ioError(this, write, action, errno, Errno.text(errno));
    return action;
  }

  /** The device tells that it has opened or closed its tray. */
  public void trayMoved(boolean open) {
    listener.trayMoved(this, open);
  }

  /** The error that stopped the machine last, 0 since it was started again. */
  public int ioStatus() {
    return ioStatus;
  }

  /** The machine goes on. */
  public void resetIoStatus() {
    ioStatus = 0;
  }

  /** Has a request done on another thread. */
  public void submit(BlockRequest request) {
    if (enter(request)) {
      workers.execute(() -> run(request));
    }
  }

  /**
   * Has requests done, on this thread those that will not wait, as it is where the host has the
   * data in memory: they are completed before this returns. Of several long ones all but the last
   * change threads, to be done side by side. For threads that belong to the device; with the
   * machine lock held {@link #submit} is right.
   */
  public void submitOrRun(List<BlockRequest> requests) {
    BlockNode node = root;
    if (limits != null || (node != null && node.waits())) {
      requests.forEach(this::submit);
      return;
    }
    int lastLong = requests.size() - 1;
    while (lastLong >= 0 && !isLong(requests.get(lastLong))) {
      lastLong--;
    }
    Pace.Watch watch = new Pace.Watch();
    for (int i = 0; i < requests.size(); i++) {
      BlockRequest request = requests.get(i);
      boolean beside = i < lastLong && isLong(request);
      if (beside || !pace(request).isQuick()) {
        submit(request);
      } else if (enter(request)) {
        watch.done(pace(request), run(request));
      }
    }
  }

  private static boolean isLong(BlockRequest request) {
    return request.data.bytes() > SHORT_BYTES;
  }

  private Pace pace(BlockRequest request) {
    return request.op == BlockRequest.Op.FLUSH ? flushes : transfers;
  }

  /** Work on the medium that counts as a request. */
  @FunctionalInterface
  public interface Work {
    void run(BlockNode root) throws IOException;
  }

  /**
   * Does work on the medium that counts as one request: it waits while the backend is held still.
   * For threads that may wait; not with the machine lock held.
   */
  public void access(Work work) throws IOException {
    synchronized (this) {
      while (drains > 0) {
        try {
          wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new IOException("interrupted", e);
        }
      }
      inFlight++;
    }
    try {
      BlockNode node = root;
      if (node == null) {
        throw new ErrnoException(Errno.ENODEV, "no medium");
      }
      work.run(node);
    } finally {
      leave();
    }
  }

  private synchronized boolean enter(BlockRequest request) {
    if (drains > 0) {
      parked.add(request);
      return false;
    }
    inFlight++;
    return true;
  }

  private synchronized void leave() {
    inFlight--;
    if (inFlight == 0) {
      notifyAll();
    }
  }

  /** Does a request and returns how long it took, in ns. */
  private long run(BlockRequest request) {
    long start = System.nanoTime();
    int errno = 0;
    try {
      perform(request);
    } catch (IOException e) {
      errno = ErrnoException.of(e);
    } catch (RuntimeException e) {
      log.error("internal error in a request to disk {}; the guest sees an I/O error", name, e);
      errno = Errno.EIO;
    }
    long end = System.nanoTime();
    if (errno == 0) {
      counters.done(request, end - start, end);
    } else {
      counters.failed(request, end - start, end);
    }
    try {
      request.completed(errno);
    } finally {
      leave();
    }
    return end - start;
  }

  private void perform(BlockRequest request) throws IOException {
    BlockNode node = root;
    if (node == null) {
      throw new ErrnoException(Errno.ENODEV, "no medium");
    }
    if (request.offset < 0 || request.length < 0 || request.offset > length() - request.length) {
      throw new ErrnoException(Errno.EIO, "beyond the end of the disk");
    }
    ThrottleGroup group = limits;
    if (group != null && request.op != BlockRequest.Op.FLUSH) {
      group.await(request.op.isWrite(), request.length);
    }
    int flags = writeCache ? request.flags : request.flags | BlockNode.FUA;
    switch (request.op) {
      case READ -> readWithin(node, request);
      case WRITE -> writeWithin(node, request, flags);
      case WRITE_ZEROES -> node.writeZeroes(request.offset, within(node, request), flags);
      case DISCARD -> node.discard(request.offset, within(node, request));
      case FLUSH -> node.flush();
    }
  }

  /** The last sector of a disk may be there in part only. */
  private static long within(BlockNode node, BlockRequest request) {
    long excess = request.offset + request.length - node.length();
    return excess > 0 && excess < 512 ? request.length - excess : request.length;
  }

  private static void readWithin(BlockNode node, BlockRequest request) throws IOException {
    long length = within(node, request);
    if (length == request.length) {
      node.read(request.offset, request.data);
    } else {
      node.read(request.offset, request.data.slice(0, length));
      request.data.slice(length, request.length - length).clear();
    }
  }

  private static void writeWithin(BlockNode node, BlockRequest request, int flags)
      throws IOException {
    node.write(request.offset, request.data.slice(0, within(node, request)), flags);
  }

  /** Requests under way. */
  public synchronized int inFlight() {
    return inFlight;
  }

  /**
   * Has the device leave further requests where its guest has put them, until {@link #endEbb}: the
   * guest runs on while those under way end. Those that cannot go on as before. Any thread.
   */
  public void beginEbb() {
    BlockDevice user = device;
    ebbing = user != null && user.ebbs();
  }

  /** Whether the device is to take up nothing new. */
  public boolean isEbbing() {
    return ebbing;
  }

  /** Has the device take up what the guest has asked for meanwhile. Any thread. */
  public void endEbb() {
    ebbing = false;
    BlockDevice user = device;
    if (user != null) {
      user.ebbEnded();
    }
  }

  /** Waits until no request is under way, but not for long, nor where new ones are taken up. */
  public synchronized void awaitEbb(long millis) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    while (ebbing && inFlight > 0) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      if (left <= 0) {
        return;
      }
      wait(left);
    }
  }

  /**
   * Waits until no request is under way, and keeps new ones back until {@link #endDrain}. May be
   * nested. Not from {@link BlockRequest#completed}.
   */
  public synchronized void beginDrain() {
    drains++;
    boolean interrupted = false;
    while (inFlight > 0) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Lets go what was kept back. */
  public void endDrain() {
    BlockRequest[] waiting;
    synchronized (this) {
      if (--drains > 0) {
        return;
      }
      waiting = parked.toArray(BlockRequest[]::new);
      parked.clear();
      inFlight += waiting.length;
      notifyAll();
    }
    for (BlockRequest request : waiting) {
      workers.execute(() -> run(request));
    }
  }

  /** Waits until no request is under way. */
  public void drain() {
    beginDrain();
    endDrain();
  }

  /** Waits for all requests and for the disk. */
  public void drainAndFlush() throws IOException {
    beginDrain();
    try {
      BlockNode node = root;
      if (node != null) {
        node.flush();
      }
    } finally {
      endDrain();
    }
  }
}
