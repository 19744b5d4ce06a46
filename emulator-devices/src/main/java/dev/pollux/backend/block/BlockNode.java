package dev.pollux.backend.block;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A node of the block graph: something that can be read and written like a disk, made of a file, of
 * other nodes, or of nothing.
 *
 * <p>All operations are called by any number of threads at once, wait until they are done, and fail
 * with an {@link IOException} ({@link ErrnoException} where the number is known). Requests that
 * overlap while they are under way are done in some order, piece by piece, as on a real disk. The
 * public methods look at bounds and at what all nodes have in common; drivers fill in the others.
 */
public abstract class BlockNode implements AutoCloseable {
  /** Flag: the data has reached the disk when the write is done. */
  public static final int FUA = 1;

  /** Flag of {@link #writeZeroes}: space may be given back. */
  public static final int MAY_UNMAP = 2;

  /** The longest device there can be, in bytes. */
  public static final long MOST_BYTES = Long.MAX_VALUE >>> 10 & -512L;

  private static final int ZERO_CHUNK = 1 << 20;

  private volatile NodeOptions options;
  private volatile long highestWrite;
  private volatile List<WriteObserver> observers = List.of();

  protected BlockNode(NodeOptions options) {
    this.options = options;
  }

  /** The driver's name, for instance {@code qcow2}. */
  public abstract String driver();

  /** Bytes that can be read. */
  public abstract long length();

  /**
   * Whether writes behind the end make the node longer, and reads there give zeros: files below
   * formats do.
   */
  protected boolean grows() {
    return false;
  }

  /** Reads a range within the length. */
  protected abstract void doRead(long offset, IoVector to) throws IOException;

  /** Writes a range within the length. */
  protected abstract void doWrite(long offset, IoVector from) throws IOException;

  /** Makes a range read as zeros; writes them where a driver knows nothing better. */
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    try (HostBuffer zeros = new HostBuffer(Math.min(length, ZERO_CHUNK))) {
      zeros.clear();
      for (long at = 0; at < length; at += ZERO_CHUNK) {
        doWrite(offset + at, zeros.vector(Math.min(ZERO_CHUNK, length - at)));
      }
    }
  }

  /** Gives back the space of a range whose contents do not matter any more, or does nothing. */
  protected void doDiscard(long offset, long length) throws IOException {}

  /** Waits until everything written before has reached the disk. */
  protected void doFlush() throws IOException {}

  /** What a range within the length begins with. */
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    return BlockStatus.data(length, -1);
  }

  /** As {@link #chainStatus}; nodes that hold nothing themselves ask the one they stand on. */
  protected BlockStatus doChainStatus(long offset, long length) throws IOException {
    BlockStatus found = doStatus(offset, length);
    BlockNode below = backing();
    if (found.allocated()) {
      return found;
    }
    if (below == null || offset >= below.length()) {
      return BlockStatus.zero(found.length());
    }
    return below.chainStatus(offset, Math.min(found.length(), below.length() - offset));
  }

  /** Makes the node longer, with zeros, or shorter. */
  protected void doResize(long length) throws IOException {
    throw new ErrnoException(
        Errno.EOPNOTSUPP, "Image format driver does not support resize: " + driver());
  }

  /** Whether requests may have to wait, here or below, for more than a disk of this host. */
  public boolean waits() {
    for (BlockChild child : children()) {
      if (child.node().waits()) {
        return true;
      }
    }
    return false;
  }

  /** The nodes this one stands on, with the part each plays. */
  public List<BlockChild> children() {
    return List.of();
  }

  /** The child of a role. */
  public final BlockNode child(String role) {
    for (BlockChild child : children()) {
      if (child.role().equals(role)) {
        return child.node();
      }
    }
    return null;
  }

  /** Puts another node in the place of a child; no request is under way. */
  public void replaceChild(BlockNode old, BlockNode with) {
    throw new ConfigException(
        "Node '%s' does not let '%s' be replaced".formatted(name(), old.name()));
  }

  /** What lies below this node where it has nothing itself; null where nothing does. */
  public BlockNode backing() {
    return child("backing");
  }

  /** The file's name on the host, or what stands for one in messages and queries. */
  public String fileName() {
    BlockNode file = child("file");
    return file == null ? "" : file.fileName();
  }

  /** Bytes of the host's that the node's own file takes; -1 where nobody knows. */
  public long allocatedBytes() {
    BlockNode file = child("file");
    return file == null ? -1 : file.allocatedBytes();
  }

  public final NodeOptions options() {
    return options;
  }

  public final String name() {
    return options.name();
  }

  public boolean readOnly() {
    return options.readOnly();
  }

  /** Changes what all nodes have in common; no request is under way. */
  public void reopen(NodeOptions to) throws IOException {
    options = to;
  }

  /** Somebody wants to know of writes from now on; no request is under way. */
  public final void addObserver(WriteObserver observer) {
    List<WriteObserver> more = new ArrayList<>(observers);
    more.add(observer);
    observers = List.copyOf(more);
  }

  /** And does not any more; no request is under way. */
  public final void removeObserver(WriteObserver observer) {
    observers = observers.stream().filter(each -> !each.equals(observer)).toList();
  }

  /** A change of a range. */
  private interface Change {
    void run() throws IOException;
  }

  /** Makes a change that observers hear of before and after. */
  private void observed(long offset, long length, Change change) throws IOException {
    List<WriteObserver> watching = observers;
    int told = 0;
    try {
      for (WriteObserver each : watching) {
        each.before(offset, length);
        told++;
      }
      change.run();
    } finally {
      watching.subList(0, told).forEach(each -> each.after(offset, length));
    }
  }

  public final void read(long offset, IoVector to) throws IOException {
    checkRange(offset, to.bytes());
    if (to.bytes() > 0) {
      doRead(offset, to);
    }
  }

  /**
   * Writes.
   *
   * @param flags 0 or {@link #FUA}
   */
  public final void write(long offset, IoVector from, int flags) throws IOException {
    checkWritable();
    checkRange(offset, from.bytes());
    NodeOptions.DetectZeroes zeroes = options.detectZeroes();
    if (zeroes != NodeOptions.DetectZeroes.OFF && from.isZero()) {
      boolean unmap = zeroes == NodeOptions.DetectZeroes.UNMAP && options.unmap();
      writeZeroes(offset, from.bytes(), unmap ? flags | MAY_UNMAP : flags);
      return;
    }
    if (from.bytes() > 0) {
      observed(offset, from.bytes(), () -> doWrite(offset, from));
      noteWrite(offset + from.bytes());
    }
    if ((flags & FUA) != 0) {
      flush();
    }
  }

  /**
   * Makes a range read as zeros.
   *
   * @param flags of {@link #FUA} and {@link #MAY_UNMAP}
   */
  public final void writeZeroes(long offset, long length, int flags) throws IOException {
    checkWritable();
    checkRange(offset, length);
    if (length > 0) {
      boolean unmap = (flags & MAY_UNMAP) != 0 && options.unmap();
      observed(offset, length, () -> doWriteZeroes(offset, length, unmap));
      noteWrite(offset + length);
    }
    if ((flags & FUA) != 0) {
      flush();
    }
  }

  private void noteWrite(long end) {
    if (end > highestWrite) {
      synchronized (this) {
        highestWrite = Math.max(highestWrite, end);
      }
    }
  }

  /** End of the write that reached farthest, in bytes. */
  public final long highestWrite() {
    return highestWrite;
  }

  /** Tells that the contents of a range do not matter any more. */
  public final void discard(long offset, long length) throws IOException {
    checkWritable();
    checkRange(offset, length);
    if (length > 0 && options.unmap()) {
      observed(offset, length, () -> doDiscard(offset, length));
    }
  }

  public final void flush() throws IOException {
    if (!readOnly()) {
      doFlush();
    }
  }

  /** What a range begins with; {@code length} is not 0. */
  public final BlockStatus status(long offset, long length) throws IOException {
    checkRange(offset, length);
    return doStatus(offset, length);
  }

  /**
   * What a range begins with, whichever of the nodes below holds it; {@code length} is not 0. What
   * none of them holds is zeros.
   */
  public final BlockStatus chainStatus(long offset, long length) throws IOException {
    checkRange(offset, length);
    return doChainStatus(offset, length);
  }

  /** Makes the node longer, with zeros, or shorter; no request is under way. */
  public final void resize(long length) throws IOException {
    checkWritable();
    if (length < 0 || length > MOST_BYTES) {
      throw new ErrnoException(Errno.EFBIG, length + " bytes are more than a disk can have");
    }
    doResize(length);
  }

  private void checkWritable() throws ErrnoException {
    if (readOnly()) {
      throw new ErrnoException(Errno.EPERM, "Block node is read-only");
    }
  }

  private void checkRange(long offset, long bytes) throws ErrnoException {
    long limit = grows() ? MOST_BYTES : length();
    if (offset < 0 || bytes < 0 || offset > limit - bytes) {
      throw new ErrnoException(
          Errno.EIO,
          "node %s: bytes %d to %d lie outside its %d"
              .formatted(name(), offset, offset + bytes, length()));
    }
  }

  /**
   * Whether the node belongs to this process: between {@link #inactivate} and {@link #activate}
   * another one may write to its file.
   */
  public boolean isActive() {
    return true;
  }

  /** The machine is about to go to another process: writes everything back and lets go of locks. */
  public void inactivate() throws IOException {}

  /** The machine runs here now: takes locks and looks at what another process may have changed. */
  public void activate() throws IOException {}

  /** Writes back what is cached and lets go of the node's own resources, not of its children. */
  @Override
  public void close() throws IOException {}

  @Override
  public String toString() {
    return driver() + " " + name();
  }
}
