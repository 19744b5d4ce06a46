package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.HostFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file or a disk of the host ({@code file}, {@code host_device}). Requests go straight between
 * the caller's memory and the host.
 */
public final class FileNode extends BlockNode {
  private final String driver;
  private final String path;
  private volatile HostFile file;
  private final boolean direct;
  private final Locking locking;

  /** Null while the file may belong to another process. */
  private volatile ImageLock lock;

  private volatile boolean readOnly;
  private volatile long length;

  /** Whether the host takes each kind of fallocate(2); found out by trying. */
  private volatile boolean canPunch = true;

  private volatile boolean canZero = true;

  private FileNode(
      NodeOptions options, String path, HostFile file, Locking locking, boolean readOnly)
      throws IOException {
    super(options);
    this.locking = locking;
    this.path = path;
    this.file = file;
    this.readOnly = readOnly;
    this.direct = options.cache().direct();
    this.length = file.length();
    boolean special = !Files.isRegularFile(Path.of(path)) && path.startsWith("/dev/");
    this.driver = special ? "host_device" : "file";
  }

  /**
   * Opens a file.
   *
   * @param locking whether other processes are kept from writing to it
   * @throws IOException in QEMU's words: {@code Could not open 'PATH': reason}
   */
  public static FileNode open(NodeOptions options, String path, Locking locking)
      throws IOException {
    return open(options, path, locking, true);
  }

  /**
   * Opens a file.
   *
   * @param active whether it belongs to this process already
   */
  public static FileNode open(NodeOptions options, String path, Locking locking, boolean active)
      throws IOException {
    boolean readOnly = options.readOnly();
    HostFile file;
    int flags = options.cache().direct() ? HostFile.O_DIRECT : 0;
    try {
      file = HostFile.open(path, flags | (readOnly ? HostFile.O_RDONLY : HostFile.O_RDWR));
    } catch (ErrnoException e) {
      if (readOnly || !options.autoReadOnly() || !deniesWriting(e.errno())) {
        throw failed(path, e);
      }
      try {
        file = HostFile.open(path, flags | HostFile.O_RDONLY);
      } catch (ErrnoException again) {
        throw failed(path, again);
      }
      readOnly = true;
    }
    try {
      if (Files.isDirectory(Path.of(path))) {
        throw new ErrnoException(
            Errno.EINVAL, "'file' driver requires '" + path + "' to be a regular file");
      }
      FileNode node = new FileNode(options, path, file, locking, readOnly);
      if (active) {
        node.activate();
      }
      return node;
    } catch (IOException e) {
      file.close();
      throw e;
    }
  }

  private static boolean deniesWriting(int errno) {
    return errno == Errno.EACCES || errno == Errno.EROFS || errno == Errno.EPERM;
  }

  private static ErrnoException failed(String path, ErrnoException e) {
    return new ErrnoException(e.errno(), "Could not open '%s': %s".formatted(path, e.getMessage()));
  }

  @Override
  public String driver() {
    return driver;
  }

  @Override
  public String fileName() {
    return path;
  }

  @Override
  public boolean readOnly() {
    return readOnly || super.readOnly();
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  public long allocatedBytes() {
    try {
      return file.allocatedBytes();
    } catch (ErrnoException e) {
      return length;
    }
  }

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    if (direct && !isAligned(offset, to)) {
      readBounced(offset, to);
      return;
    }
    IoVector left = to;
    long at = offset;
    while (left.bytes() > 0) {
      long n = left.readFrom(file, at);
      if (n == 0) {
        if (at < length) {
          throw new ErrnoException(
              Errno.EIO, "another process made '%s' shorter than %d bytes".formatted(path, length));
        }
        left.clear(); // a format reads on behind what it has written
        return;
      }
      at += n;
      left = left.slice(n, left.bytes() - n);
    }
  }

  /** A file that was handed over, or has not been yet, is not written to. */
  private void checkActive() throws ErrnoException {
    if (!isActive()) {
      throw new ErrnoException(
          Errno.EPERM, "'%s' belongs to the process in which the machine runs".formatted(path));
    }
  }

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    checkActive();
    if (direct && !isAligned(offset, from)) {
      writeBounced(offset, from);
      return;
    }
    IoVector left = from;
    long at = offset;
    while (left.bytes() > 0) {
      long n = left.writeTo(file, at);
      at += n;
      left = left.slice(n, left.bytes() - n);
    }
    noteEnd(at);
  }

  /** A write may have made the file longer. */
  private void noteEnd(long end) {
    if (end > length) {
      synchronized (this) {
        length = Math.max(length, end);
      }
    }
  }

  @Override
  protected boolean grows() {
    return true;
  }

  private static boolean isAligned(long offset, IoVector data) {
    return (offset & HostBuffer.ALIGNMENT - 1) == 0 && data.isAligned(HostBuffer.ALIGNMENT);
  }

  /** O_DIRECT wants whole blocks: those around the range go through memory that is aligned. */
  private void readBounced(long offset, IoVector to) throws IOException {
    long start = offset & -HostBuffer.ALIGNMENT;
    long end = offset + to.bytes() + HostBuffer.ALIGNMENT - 1 & -HostBuffer.ALIGNMENT;
    try (HostBuffer bounce = new HostBuffer(end - start)) {
      doRead(start, bounce.vector());
      to.copyFrom(bounce.address() + (offset - start));
    }
  }

  /** As {@link #readBounced}; two writes to parts of one block must not undo each other. */
  private synchronized void writeBounced(long offset, IoVector from) throws IOException {
    long start = offset & -HostBuffer.ALIGNMENT;
    long end = offset + from.bytes() + HostBuffer.ALIGNMENT - 1 & -HostBuffer.ALIGNMENT;
    long size = length;
    try (HostBuffer bounce = new HostBuffer(end - start)) {
      doRead(start, bounce.vector());
      from.copyTo(bounce.address() + (offset - start));
      doWrite(start, bounce.vector());
    }
    long last = Math.max(size, offset + from.bytes());
    if (end > last) {
      file.truncate(last); // whole blocks reach beyond the end
      length = last;
    }
  }

  @Override
  protected void doWriteZeroes(long offset, long bytes, boolean mayUnmap) throws IOException {
    checkActive();
    if (mayUnmap && canPunch && offset + bytes <= length && tryPunch(offset, bytes)) {
      return;
    }
    if (canZero) {
      try {
        file.allocate(HostFile.ZERO_RANGE, offset, bytes);
        noteEnd(offset + bytes);
        return;
      } catch (ErrnoException e) {
        canZero = canZero && !isUnsupported(e.errno());
        if (canZero) {
          throw e;
        }
      }
    }
    super.doWriteZeroes(offset, bytes, mayUnmap);
  }

  @Override
  protected void doDiscard(long offset, long bytes) throws IOException {
    checkActive();
    if (canPunch) {
      tryPunch(offset, bytes);
    }
  }

  private boolean tryPunch(long offset, long bytes) throws ErrnoException {
    try {
      file.allocate(HostFile.PUNCH_HOLE | HostFile.KEEP_SIZE, offset, bytes);
      return true;
    } catch (ErrnoException e) {
      if (!isUnsupported(e.errno())) {
        throw e;
      }
      canPunch = false;
      return false;
    }
  }

  private static boolean isUnsupported(int errno) {
    return errno == Errno.EOPNOTSUPP
        || errno == Errno.ENOSYS
        || errno == Errno.ENODEV
        || errno == Errno.EINVAL;
  }

  @Override
  protected void doFlush() throws IOException {
    if (!options().cache().noFlush()) {
      file.sync();
    }
  }

  @Override
  protected BlockStatus doStatus(long offset, long bytes) throws IOException {
    try {
      long data = file.nextData(offset);
      if (data < 0) {
        return BlockStatus.zero(bytes);
      }
      if (data > offset) {
        return BlockStatus.zero(Math.min(bytes, data - offset));
      }
      long hole = file.nextHole(offset);
      return BlockStatus.data(hole < 0 ? bytes : Math.min(bytes, hole - offset), offset);
    } catch (ErrnoException e) {
      return BlockStatus.data(bytes, offset); // a host's disk, or a file system without holes
    }
  }

  @Override
  protected synchronized void doResize(long bytes) throws IOException {
    checkActive();
    long before = length;
    length = Math.min(before, bytes); // a read behind a new end finds zeros, not a file cut off
    try {
      file.truncate(bytes);
    } catch (ErrnoException e) {
      length = before;
      throw e;
    }
    length = bytes;
  }

  /** Writes zeros as data, so that the space is there and was touched. */
  public void writePlainZeroes(long offset, long bytes) throws IOException {
    super.doWriteZeroes(offset, bytes, false);
  }

  /** The file itself, for those who can do better than the block layer's operations. */
  public HostFile host() {
    return file;
  }

  @Override
  public void reopen(NodeOptions to) throws IOException {
    if (readOnly && !to.readOnly()) {
      openWritable();
    }
    super.reopen(to);
  }

  private synchronized void openWritable() throws IOException {
    HostFile writable;
    try {
      writable = HostFile.open(path, HostFile.O_RDWR | (direct ? HostFile.O_DIRECT : 0));
    } catch (ErrnoException e) {
      throw failed(path, e);
    }
    ImageLock old = lock;
    if (old != null) {
      old.release();
      try {
        lock = ImageLock.take(writable, path, false, locking);
      } catch (IOException e) {
        lock = ImageLock.take(file, path, true, locking);
        writable.close();
        throw e;
      }
    }
    file.close();
    file = writable;
    readOnly = false;
  }

  @Override
  public boolean isActive() {
    return lock != null;
  }

  @Override
  public synchronized void inactivate() throws IOException {
    if (lock != null) {
      flush();
      lock.release();
      lock = null;
    }
  }

  @Override
  public synchronized void activate() throws IOException {
    if (lock == null) {
      lock = ImageLock.take(file, path, readOnly, locking);
      length = file.length();
    }
  }

  @Override
  public synchronized void close() {
    if (lock != null) {
      lock.release();
      lock = null;
    }
    file.close();
  }
}
