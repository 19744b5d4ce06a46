package dev.pollux.core.jit.store;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.cache.ExitTable;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Translations of earlier runs, so that a guest that is started again need not be translated again.
 * A translation is found by the guest's bytes that it was made of, all of which are compared, by
 * its execution key and its place in the page. The file's name is what else it depends on: this
 * program, the host's processor and the guest's.
 *
 * <p>The file is replaced as a whole when the last vCPU ends, if much was new; the process that
 * ends last wins. Only a file and a folder that belong to the user and that nobody else may write
 * are taken; what is damaged is not used. A store that fails is silent from then on, after one
 * warning: everything can be translated. All methods may be called on any thread.
 */
public final class TranslationStore {
  private static final Logger log = LoggerFactory.getLogger(TranslationStore.class);

  /** Files of other versions and processors that are kept beside. */
  private static final int MOST_FILES = 6;

  private static final String SUFFIX = ".translations";
  private static final String UNFINISHED = ".unfinished";

  /** A file that is being written longer than that was left by a process that was killed. */
  private static final long UNFINISHED_MILLIS = 3_600_000;

  /** The file is written where what is new is at least such a part of it. */
  private static final int WORTH_WRITING = 16;

  /** Bytes of blocks that are kept. */
  private static final long MOST_KEPT = 96L << 20;

  private static final int LARGEST_BLOCK = 256 << 10;

  // Where Linux puts itself if it moves: in this GiB of addresses, above where it was linked.
  private static final long FIRST_MOVED = 0xffff_ffff_8400_0000L;
  private static final long LAST_MOVED = 0xffff_ffff_c000_0000L;
  private static final Set<PosixFilePermission> OTHERS_WRITE =
      EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

  private final Path directory;
  private final Path path;
  private final long purpose;
  private StoreFile file;
  private int users;

  // What is new, in a file without a name.
  private FileChannel fresh;
  private final ByteBuffer out =
      ByteBuffer.allocateDirect(2 * LARGEST_BLOCK).order(ByteOrder.LITTLE_ENDIAN);

  private final long outAddress = MemorySegment.ofBuffer(out).address();
  private long freshBytes;
  private final FreshSlots freshSlots = new FreshSlots();
  private int[] keys = {};
  private boolean failed;

  private TranslationStore(Path directory, long purpose) {
    this.directory = directory;
    this.purpose = purpose;
    this.path = directory.resolve("%016x%s".formatted(purpose, SUFFIX));
  }

  /**
   * A store that keeps its file in a folder, which is made if it does not exist.
   *
   * @param purpose what the translations depend on that is not in them
   * @throws IOException if the folder is not one to rely on, with the reason
   */
  public static TranslationStore open(Path directory, long purpose) throws IOException {
    Files.createDirectories(
        directory,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    checkOwner(directory);
    TranslationStore store = new TranslationStore(directory, purpose);
    try {
      checkOwner(store.path);
      store.file = StoreFile.open(store.path, purpose);
      store.keys = store.file.keys();
    } catch (NoSuchFileException e) {
      // The first run.
    } catch (IOException e) {
      log.warn("translations in {} are not used: {}", store.path, e.getMessage());
    }
    return store;
  }

  /** Refuses what others may have written. */
  private static void checkOwner(Path path) throws IOException {
    Object owner = Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
    if (Files.isSymbolicLink(path)
        || !owner.equals(Files.getAttribute(Path.of("/proc/self"), "unix:uid"))) {
      throw new IOException("it does not belong to the user");
    }
    Set<PosixFilePermission> allowed = EnumSet.copyOf(OTHERS_WRITE);
    allowed.retainAll(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    if (!allowed.isEmpty()) {
      throw new IOException("others may write to it");
    }
  }

  /** Execution keys in the order in which jump tables are best given to them. */
  public synchronized int[] keys() {
    return keys.clone();
  }

  /** Takes part; {@link #release} ends that. */
  public synchronized StoreReader reader() {
    users++;
    return new StoreReader(file);
  }

  /**
   * Whether translations of such instructions can be found again: not where they hold addresses of
   * a kernel that is at another place after each start, as Linux is by default.
   *
   * @param count of them
   */
  public static boolean canBeFoundAgain(Insn[] insns, int count) {
    for (int i = 0; i < count; i++) {
      if (isOfMovedKernel(insns[i].imm) || isOfMovedKernel(insns[i].disp)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isOfMovedKernel(long value) {
    return value >= FIRST_MOVED && value < LAST_MOVED;
  }

  /**
   * Keeps a translation.
   *
   * @param hash as {@link StoreReader#hash} gives it
   * @param table first of the jump tables of the block's key
   * @param host code as it was assembled, for an offset from the stubs
   * @param firstExit number of the block's first way out
   */
  public synchronized void add(
      int hash,
      JitBlock block,
      BlockCode code,
      int table,
      byte[] host,
      int hostLength,
      int codeOffset,
      ExitTable exits,
      int firstExit) {
    int identity = (block.key() << 16 | table) ^ Arrays.hashCode(block.looked());
    boolean full = freshBytes > MOST_KEPT - 2 * LARGEST_BLOCK;
    if (failed || full || freshSlots.contains(hash, identity)) {
      return;
    }
    try {
      if (out.remaining() < LARGEST_BLOCK) {
        flush();
      }
      int from = out.position();
      StoredBlock.write(out, block, code, table, host, hostLength, codeOffset, exits, firstExit);
      seal(from);
      freshSlots.add((long) hash << 32 | freshBytes + from >>> 3, identity);
    } catch (IOException e) {
      fail(e);
    }
  }

  private void seal(int from) {
    int behind = from + StoredBlock.KEY;
    int checksum = StoreFile.checksum(outAddress + behind, out.position() - behind);
    out.putInt(from + StoredBlock.CHECKSUM, checksum);
  }

  private void flush() throws IOException {
    if (fresh == null) {
      Path temporary = Files.createTempFile(directory, "fresh", UNFINISHED);
      fresh =
          FileChannel.open(
              temporary,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE);
    }
    out.flip();
    freshBytes += out.remaining();
    writeAll(fresh, out);
    out.clear();
  }

  private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private void fail(Throwable e) {
    failed = true;
    log.warn("translations are not kept for later runs in {}: {}", directory, e.getMessage());
    closeFresh();
  }

  private void closeFresh() {
    try {
      if (fresh != null) {
        fresh.close();
      }
    } catch (IOException e) {
      // It has no name: nothing is left of it.
    }
    fresh = null;
  }

  /**
   * Ends what {@link #reader} began; with the last of them the store.
   *
   * @param used keys in the order in which they got jump tables
   */
  public synchronized void release(int[] used) {
    if (keys.length < used.length) {
      keys = Arrays.copyOf(used, Math.min(used.length, StoreFile.MOST_KEYS));
    }
    if (--users > 0) {
      return;
    }
    try {
      if (!failed && freshSlots.size() > 0) {
        flush();
        int old = file == null ? 0 : file.end();
        if (freshBytes * WORTH_WRITING > old) {
          save();
          prune();
        }
      }
    } catch (IOException | InternalError e) { // the file that is mapped has shrunk
      fail(e);
    }
    closeFresh();
    file = null;
  }

  /**
   * Writes the file anew: what is new, and what was in it as far as there is room, what was used
   * before all.
   */
  private void save() throws IOException {
    boolean onlyUsed = file != null && file.end() + freshBytes > MOST_KEPT;
    Path temporary = Files.createTempFile(directory, "new", UNFINISHED);
    try (FileChannel to = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
      to.position(StoreFile.HEADER);
      long[] slots = slots(freshSlots.size() + (file == null ? 0 : file.count(onlyUsed)));
      if (file != null) {
        copyOld(to, slots, onlyUsed);
      }
      long base = to.position();
      for (long at = 0; at < freshBytes; to.position(base + at)) {
        at += fresh.transferTo(at, freshBytes - at, to);
      }
      freshSlots.forEach(slot -> enter(slots, slot + (base >>> 3)));
      ByteBuffer table = ByteBuffer.allocate(8 * slots.length).order(ByteOrder.LITTLE_ENDIAN);
      table.asLongBuffer().put(slots);
      writeAll(to, table);
      to.position(0);
      int bits = Integer.numberOfTrailingZeros(slots.length);
      writeAll(to, StoreFile.header(purpose, (int) (base + freshBytes), bits, keys));
      Files.move(
          temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private void copyOld(FileChannel to, long[] slots, boolean onlyUsed) throws IOException {
    if (!onlyUsed) {
      writeAll(to, file.blocks());
      for (int i = 0; i < file.slots(); i++) {
        enter(slots, file.slot(i));
      }
      return;
    }
    long at = StoreFile.HEADER;
    out.clear();
    for (int i = 0; i < file.slots(); i++) {
      int offset = file.isUsed(i) ? file.offset(file.slot(i)) : -1;
      int length = offset < 0 ? 0 : file.length(offset);
      if (length != 0 && length <= LARGEST_BLOCK && at + length + freshBytes <= MOST_KEPT) {
        enter(slots, file.slot(i) >>> 32 << 32 | at >>> 3);
        at += length;
        if (out.remaining() < length) {
          writeAll(to, out.flip());
          out.clear();
        }
        out.put(file.block(offset));
      }
    }
    writeAll(to, out.flip());
  }

  /** An empty table with room for so many blocks. */
  private static long[] slots(int blocks) {
    return new long[Integer.highestOneBit(Math.max(blocks, 16)) << 2];
  }

  private static void enter(long[] slots, long slot) {
    if (slot == 0) {
      return;
    }
    int at = (int) (slot >>> 32);
    while (slots[at & slots.length - 1] != 0) {
      at++;
    }
    slots[at & slots.length - 1] = slot;
  }

  /**
   * Removes the files that were written longest ago, and what a process has left that was killed.
   */
  private void prune() throws IOException {
    long abandoned = System.currentTimeMillis() - UNFINISHED_MILLIS;
    try (Stream<Path> all = Files.list(directory)) {
      List<Path> paths = all.toList();
      for (Path left : paths) {
        if (left.toString().endsWith(UNFINISHED) && left.toFile().lastModified() < abandoned) {
          Files.deleteIfExists(left);
        }
      }
      List<Path> files =
          paths.stream()
              .filter(p -> p.toString().endsWith(SUFFIX))
              .sorted(Comparator.comparingLong((Path p) -> p.toFile().lastModified()).reversed())
              .toList();
      for (Path old : files.subList(Math.min(MOST_FILES, files.size()), files.size())) {
        Files.deleteIfExists(old);
      }
    }
  }
}
