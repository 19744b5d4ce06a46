package dev.pollux.devices.virtio.fs;

import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.HostFile;
import dev.pollux.core.host.HostFolder;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileStore;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves a folder of the host by the FUSE protocol, version 7.31, as Linux's {@code virtiofs}
 * speaks it (kernel headers, linux/fuse.h): a request in, an answer out. Everything in a request
 * comes from the guest. One thread at a time.
 */
final class FuseServer implements AutoCloseable {
  /** Bytes of data in one request or answer. */
  static final int MOST_DATA = 128 << 10;

  private static final Logger log = LoggerFactory.getLogger(FuseServer.class);

  private static final int IN_HEADER = 40;
  private static final int OUT_HEADER = 16;
  private static final int MAJOR = 7;
  private static final int MINOR = 31;

  private static final int ASYNC_READ = 1;
  private static final int ATOMIC_TRUNCATE = 1 << 3;
  private static final int BIG_WRITES = 1 << 5;
  private static final int MAX_PAGES = 1 << 22;

  private static final int MOST_HANDLES = 1024;
  private static final int MOST_ENTRIES = 100_000;

  private static final int TYPE_MASK = 0170000;
  private static final int REGULAR = 0100000;
  private static final int LINK = 0120000;
  private static final int PERMISSIONS = 07777;

  private static final int O_ACCESS = 3;
  private static final int O_WRITE_ONLY = 1;
  private static final int O_EXCLUSIVE = 0x80;
  private static final int O_TRUNCATE = 0x200;
  private static final int O_DIRECTORY = 0x1_0000;
  private static final int NEW_FILE = HostFile.O_RDWR | HostFile.O_CREAT | HostFile.O_EXCL;

  private static final int EMFILE = 24;
  private static final int EBADF = 9;

  private static final int SET_MODE = 1;
  private static final int SET_UID = 2;
  private static final int SET_GID = 4;
  private static final int SET_SIZE = 8;
  private static final int SET_ATIME = 16;
  private static final int SET_MTIME = 32;
  private static final int ATIME_NOW = 128;
  private static final int MTIME_NOW = 256;

  /**
   * Something that the guest has open: a file, or the lines of a folder.
   *
   * @param hold what keeps the file reachable, whatever becomes of its name
   */
  private record Handle(FileChannel file, FolderNodes.Hold hold, List<Entry> entries) {
    void close() throws IOException {
      if (file != null) {
        file.close();
        hold.close();
      }
    }
  }

  /** A line of a folder. */
  private record Entry(long inode, byte[] name) {}

  private final FolderNodes nodes;
  private final Path folder;
  private final boolean readOnly;
  private final Map<Long, Handle> handles = new HashMap<>();
  private long nextHandle = 1;

  /** Read by any thread. */
  private volatile boolean mounted;

  FuseServer(Path folder, boolean readOnly) throws IOException {
    this.folder = folder;
    this.nodes = new FolderNodes(folder);
    this.readOnly = readOnly;
  }

  /** Whether the guest has begun a session. */
  boolean isMounted() {
    return mounted;
  }

  /**
   * Does what the guest asks.
   *
   * @param room bytes that an answer may have
   * @return the answer; empty where none is wanted
   */
  byte[] handle(byte[] request, int room) {
    ByteBuffer in = ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN);
    if (request.length < IN_HEADER) {
      return new byte[0];
    }
    int opcode = in.getInt(4);
    long unique = in.getLong(8);
    long node = in.getLong(16);
    in.position(IN_HEADER);
    FuseReply reply = new FuseReply(Math.max(0, room - OUT_HEADER));
    int error = 0;
    try {
      if (!run(FuseOp.of(opcode), node, in, reply)) {
        return new byte[0];
      }
    } catch (BufferUnderflowException e) {
      error = Errno.EINVAL;
    } catch (IOException e) {
      error = number(e);
    } catch (RuntimeException e) {
      log.error("internal error on a request {} to a shared folder", opcode, e);
      error = Errno.EIO;
    }
    byte[] body = error == 0 ? reply.bytes() : new byte[0];
    return ByteBuffer.allocate(OUT_HEADER + body.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(OUT_HEADER + body.length)
        .putInt(-error)
        .putLong(unique)
        .put(body)
        .array();
  }

  private static int number(IOException error) {
    return switch (error) {
      case ErrnoException e -> e.errno();
      case NoSuchFileException _ -> Errno.ENOENT;
      case AccessDeniedException _ -> Errno.EACCES;
      case FileSystemException e -> FuseErrors.byWords(e.getReason());
      default -> FuseErrors.byWords(error.getMessage());
    };
  }

  /** False where no answer is wanted. */
  private boolean run(FuseOp op, long id, ByteBuffer in, FuseReply out) throws IOException {
    if (readOnly && op.changes()) {
      throw new ErrnoException(Errno.EROFS);
    }
    switch (op) {
      case INIT -> init(in, out);
      case DESTROY -> reset();
      case FORGET -> {
        nodes.forget(id, in.getLong());
        return false;
      }
      case BATCH_FORGET -> {
        int count = in.getInt();
        in.getInt();
        for (int i = 0; i < count; i++) {
          nodes.forget(in.getLong(), in.getLong());
        }
        return false;
      }
      case INTERRUPT -> {
        return false;
      }
      case LOOKUP -> out.entry(nodes.find(nodes.get(id), text(in)));
      case GETATTR -> getAttributes(id, in, out);
      case SETATTR -> setAttributes(id, in, out);
      case READLINK -> readLink(id, out);
      case SYMLINK -> {
        String name = text(in);
        String target = text(in);
        try (HostFile parent = nodes.pin(nodes.get(id))) {
          HostFolder.makeLink(target, parent, FolderNodes.check(name));
        }
        out.entry(nodes.find(nodes.get(id), name));
      }
      case MKDIR -> {
        int mode = in.getInt();
        int mask = in.getInt();
        String name = text(in);
        try (HostFile parent = nodes.pin(nodes.get(id))) {
          HostFolder.makeFolder(parent, FolderNodes.check(name));
        }
        out.entry(withMode(nodes.get(id), name, mode & ~mask));
      }
      case MKNOD -> {
        int mode = in.getInt();
        in.getInt();
        int mask = in.getInt();
        in.getInt();
        String name = text(in);
        if ((mode & TYPE_MASK) != REGULAR) {
          throw new ErrnoException(Errno.EPERM); // no devices, pipes or sockets on the host
        }
        makeFile(id, name).close();
        out.entry(withMode(nodes.get(id), name, mode & ~mask));
      }
      case UNLINK, RMDIR -> remove(id, text(in), op == FuseOp.RMDIR);
      case RENAME -> rename(id, in.getLong(), 0, in);
      case RENAME2 -> {
        long to = in.getLong();
        int flags = in.getInt();
        in.getInt();
        rename(id, to, flags, in);
      }
      case LINK -> link(in.getLong(), id, text(in), out);
      case OPEN -> out.opened(open(id, in.getInt()));
      case CREATE -> create(id, in, out);
      case READ -> read(in, out);
      case WRITE -> write(in, out);
      case STATFS -> statistics(out);
      case RELEASE, RELEASEDIR -> {
        Handle handle = handles.remove(in.getLong());
        if (handle != null) {
          handle.close();
        }
      }
      case FSYNC -> file(in.getLong()).force(true);
      case FLUSH, FSYNCDIR -> {}
      case OPENDIR -> out.opened(openFolder(id));
      case READDIR -> readFolder(in, out);
      case UNKNOWN -> throw new ErrnoException(Errno.ENOSYS);
    }
    return true;
  }

  // ---- sessions ----

  private void init(ByteBuffer in, FuseReply out) throws IOException {
    int major = in.getInt();
    in.getInt();
    int readAhead = in.getInt();
    int flags = in.getInt();
    if (major < MAJOR) {
      throw new ErrnoException(71); // EPROTO
    }
    reset();
    mounted = true;
    out.put32(MAJOR).put32(MINOR).put32(readAhead);
    out.put32(flags & (ASYNC_READ | ATOMIC_TRUNCATE | BIG_WRITES | MAX_PAGES));
    out.put16(16).put16(12).put32(MOST_DATA).put32(1).put16(MOST_DATA >> 12).put16(0);
    out.zeros(32);
  }

  /** Ends a session: everything is closed and forgotten. */
  void reset() throws IOException {
    for (Handle handle : handles.values()) {
      handle.close();
    }
    handles.clear();
    nodes.forgetAll();
    mounted = false;
  }

  @Override
  public void close() throws IOException {
    reset();
  }

  // ---- names ----

  /** Text up to its 0 byte. */
  private static String text(ByteBuffer in) {
    int start = in.position();
    while (in.get() != 0) {}
    return HostFolder.NAMES.decode(in.slice(start, in.position() - 1 - start)).toString();
  }

  private FolderNodes.Found withMode(FolderNodes.Node parent, String name, int mode)
      throws IOException {
    FolderNodes.Found found = nodes.find(parent, name);
    try (HostFile file = nodes.pin(found.node())) {
      Files.setAttribute(FolderNodes.path(file), "unix:mode", mode & PERMISSIONS);
      return new FolderNodes.Found(found.node(), FolderNodes.attributes(file));
    }
  }

  private void remove(long parentId, String name, boolean folderWanted) throws IOException {
    try (HostFile parent = nodes.pin(nodes.get(parentId))) {
      HostFolder.remove(parent, FolderNodes.check(name), folderWanted);
    }
  }

  private void rename(long fromId, long toId, int flags, ByteBuffer in) throws IOException {
    String oldName = FolderNodes.check(text(in));
    String newName = FolderNodes.check(text(in));
    FolderNodes.Node from = nodes.get(fromId);
    FolderNodes.Node to = nodes.get(toId);
    if (flags != 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    try (HostFile source = nodes.pin(from);
        HostFile target = nodes.pin(to)) {
      HostFolder.rename(source, oldName, target, newName);
    }
    nodes.moved(from, oldName, to, newName);
  }

  private void link(long existing, long parentId, String name, FuseReply out) throws IOException {
    FolderNodes.Node node = nodes.get(existing);
    try (HostFile parent = nodes.pin(nodes.get(parentId))) {
      String made = FolderNodes.check(name);
      nodes.atPlace(
          node,
          (folderOfIt, present) -> {
            HostFolder.link(folderOfIt, present, parent, made);
            return made;
          });
    }
    out.entry(nodes.find(nodes.get(parentId), name));
  }

  private void readLink(long id, FuseReply out) throws IOException {
    String target = nodes.atPlace(nodes.get(id), HostFolder::readLink);
    out.put(HostFolder.NAMES.encode(target));
  }

  // ---- attributes ----

  private void getAttributes(long id, ByteBuffer in, FuseReply out) throws IOException {
    in.getLong();
    try (HostFile file = nodes.pin(nodes.get(id))) {
      out.attributes(FolderNodes.attributes(file));
    }
  }

  private void setAttributes(long id, ByteBuffer in, FuseReply out) throws IOException {
    int valid = in.getInt();
    in.getInt();
    in.getLong();
    long size = in.getLong();
    in.getLong();
    long accessed = in.getLong();
    long modified = in.getLong();
    in.getLong();
    int accessedNanos = in.getInt();
    int modifiedNanos = in.getInt();
    in.getInt();
    int mode = in.getInt();
    in.getInt();
    int uid = in.getInt();
    int gid = in.getInt();
    try (HostFile file = nodes.pin(nodes.get(id))) {
      Path path = FolderNodes.path(file);
      int type = (Integer) FolderNodes.attributes(file).get("mode") & TYPE_MASK;
      if (type == LINK) {
        throw new ErrnoException(Errno.EOPNOTSUPP);
      }
      if ((valid & SET_SIZE) != 0) {
        truncate(path, type, size);
      }
      if ((valid & SET_UID) != 0) {
        Files.setAttribute(path, "unix:uid", uid);
      }
      if ((valid & SET_GID) != 0) {
        Files.setAttribute(path, "unix:gid", gid);
      }
      if ((valid & SET_MODE) != 0) {
        Files.setAttribute(path, "unix:mode", mode & PERMISSIONS);
      }
      if ((valid & SET_ATIME) != 0) {
        Files.setAttribute(
            path, "lastAccessTime", time((valid & ATIME_NOW) != 0, accessed, accessedNanos));
      }
      if ((valid & SET_MTIME) != 0) {
        Files.setAttribute(
            path, "lastModifiedTime", time((valid & MTIME_NOW) != 0, modified, modifiedNanos));
      }
      out.attributes(FolderNodes.attributes(file));
    }
  }

  private static FileTime time(boolean now, long seconds, int nanos) throws ErrnoException {
    if (now) {
      return FileTime.from(Instant.now());
    }
    long most = Long.MAX_VALUE / TimeUnit.SECONDS.toNanos(1) - 1;
    if (seconds < -most || seconds > most || nanos < 0 || nanos >= TimeUnit.SECONDS.toNanos(1)) {
      throw new ErrnoException(Errno.EINVAL);
    }
    return FileTime.from(Instant.ofEpochSecond(seconds, nanos));
  }

  private static void truncate(Path path, int type, long size) throws IOException {
    if (type != REGULAR || size < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    try (HostFile file = HostFile.open(path.toString(), HostFile.O_RDWR)) {
      file.truncate(size);
    }
  }

  // ---- open files ----

  private long keep(Handle handle) {
    long number = nextHandle++;
    handles.put(number, handle);
    return number;
  }

  private long keep(FileChannel file, FolderNodes.Node node) throws IOException {
    try {
      return keep(new Handle(file, nodes.hold(node), List.of()));
    } catch (IOException e) {
      file.close();
      throw e;
    }
  }

  private void checkRoom() throws ErrnoException {
    if (handles.size() >= MOST_HANDLES) {
      throw new ErrnoException(EMFILE);
    }
  }

  private FileChannel file(long handle) throws ErrnoException {
    Handle open = handles.get(handle);
    if (open == null || open.file() == null) {
      throw new ErrnoException(EBADF);
    }
    return open.file();
  }

  private long open(long id, int flags) throws IOException {
    checkRoom();
    boolean write = (flags & O_ACCESS) != 0;
    if (readOnly && write) {
      throw new ErrnoException(Errno.EROFS);
    }
    try (HostFile file = nodes.pin(nodes.get(id))) {
      int type = (Integer) FolderNodes.attributes(file).get("mode") & TYPE_MASK;
      if (type != REGULAR) {
        throw new ErrnoException(Errno.EACCES); // opening others may wait for ever
      }
      List<OpenOption> options = new ArrayList<>();
      if ((flags & O_ACCESS) != O_WRITE_ONLY) {
        options.add(StandardOpenOption.READ);
      }
      if (write) {
        options.add(StandardOpenOption.WRITE);
        if ((flags & O_TRUNCATE) != 0) {
          options.add(StandardOpenOption.TRUNCATE_EXISTING);
        }
      }
      FileChannel channel = FileChannel.open(FolderNodes.path(file), Set.copyOf(options));
      return keep(channel, nodes.get(id));
    }
  }

  private FileChannel makeFile(long parentId, String name) throws IOException {
    try (HostFile parent = nodes.pin(nodes.get(parentId));
        HostFile made = HostFolder.open(parent, FolderNodes.check(name), NEW_FILE, 0600)) {
      return FileChannel.open(
          FolderNodes.path(made), StandardOpenOption.READ, StandardOpenOption.WRITE);
    }
  }

  private void create(long id, ByteBuffer in, FuseReply out) throws IOException {
    int flags = in.getInt();
    int mode = in.getInt();
    int mask = in.getInt();
    in.getInt();
    String name = text(in);
    checkRoom();
    FileChannel made;
    try {
      made = makeFile(id, name);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EEXIST || (flags & O_EXCLUSIVE) != 0) {
        throw e;
      }
      FolderNodes.Found found = nodes.find(nodes.get(id), name);
      out.entry(found);
      out.opened(open(found.node().id(), flags));
      return;
    }
    FolderNodes.Found found;
    try {
      found = withMode(nodes.get(id), name, mode & ~mask);
    } catch (IOException e) {
      made.close();
      throw e;
    }
    out.entry(found);
    out.opened(keep(made, found.node()));
  }

  private void read(ByteBuffer in, FuseReply out) throws IOException {
    FileChannel file = file(in.getLong());
    long offset = in.getLong();
    int size = in.getInt();
    if (offset < 0 || size < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    ByteBuffer data = ByteBuffer.allocate(Math.min(Math.min(size, MOST_DATA), out.left()));
    while (data.hasRemaining() && file.read(data, offset + data.position()) > 0) {}
    out.put(data.flip());
  }

  private void write(ByteBuffer in, FuseReply out) throws IOException {
    FileChannel file = file(in.getLong());
    long offset = in.getLong();
    int size = in.getInt();
    in.position(in.position() + 20);
    if (offset < 0 || size < 0 || size > in.remaining()) {
      throw new ErrnoException(Errno.EINVAL);
    }
    ByteBuffer data = in.slice(in.position(), size);
    while (data.hasRemaining()) {
      file.write(data, offset + data.position());
    }
    out.put32(size).put32(0);
  }

  private void statistics(FuseReply out) throws IOException {
    FileStore store = Files.getFileStore(folder);
    long block = 4096;
    out.put64(store.getTotalSpace() / block);
    out.put64(store.getUnallocatedSpace() / block);
    out.put64(store.getUsableSpace() / block);
    out.put64(0).put64(0).put32((int) block).put32(255).put32((int) block).put32(0).zeros(24);
  }

  // ---- folders ----

  private long openFolder(long id) throws IOException {
    checkRoom();
    List<Entry> entries = new ArrayList<>();
    try (HostFile file = nodes.pin(nodes.get(id));
        HostFile listing = HostFile.open(file.path(), HostFile.O_RDONLY | O_DIRECTORY)) {
      entries.add(new Entry(1, new byte[] {'.'}));
      entries.add(new Entry(1, new byte[] {'.', '.'}));
      for (String name : HostFolder.list(listing, MOST_ENTRIES)) {
        if (entries.size() > MOST_ENTRIES) {
          throw new ErrnoException(Errno.ENOMEM);
        }
        entries.add(new Entry(entries.size() + 1, name.getBytes(HostFolder.NAMES)));
      }
    }
    return keep(new Handle(null, null, entries));
  }

  private void readFolder(ByteBuffer in, FuseReply out) throws ErrnoException {
    Handle handle = handles.get(in.getLong());
    long offset = in.getLong();
    int room = Math.min(in.getInt(), out.left());
    if (handle == null || handle.file() != null || offset < 0) {
      throw new ErrnoException(EBADF);
    }
    for (long i = offset; i < handle.entries().size(); i++) {
      Entry entry = handle.entries().get((int) i);
      int padded = 24 + entry.name().length + 7 & ~7;
      room -= padded;
      if (room < 0) {
        return;
      }
      out.put64(entry.inode()).put64(i + 1).put32(entry.name().length).put32(0);
      out.put(ByteBuffer.wrap(entry.name())).zeros(padded - 24 - entry.name().length);
    }
  }
}
