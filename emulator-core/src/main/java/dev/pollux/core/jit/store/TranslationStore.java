package dev.pollux.core.jit.store;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.cache.BlockTable;
import dev.pollux.core.jit.cache.NoRoomException;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Translations of earlier runs, so that a guest that is started again need not be translated again:
 * the code memory of a vCPU as it was when that ended, and what is known of its blocks. A block is
 * used where the guest's page has the bytes that it was made of, all of which are compared, under
 * its execution key and at its place in the page. The file's name is what else it depends on: this
 * program, the host's processor and the guest's.
 *
 * <p>The file is replaced as a whole when the first vCPU ends, if much was new; the process that
 * ends last wins. Only a file and a folder that belong to the user and that nobody else may write
 * are taken; what is damaged is not used, after one warning: everything can be translated. All
 * methods may be called on any thread.
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

  /** Bytes of code that are kept. */
  private static final long MOST_CODE = 40L << 20;

  // Where Linux's own code may be, and what it moves by multiples of.
  private static final long FIRST_KERNEL = 0xffff_ffff_8000_0000L;
  private static final long END_KERNEL = 0xffff_ffff_c000_0000L;
  private static final long KERNEL_ALIGNMENT = 2 << 20;
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private static final Set<PosixFilePermission> OTHERS_WRITE =
      EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

  private final Path directory;
  private final Path path;
  private final long purpose;

  /** The file is for those who have more room for code: it stays as it is. */
  private boolean tooLarge;

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
    return new TranslationStore(directory, purpose);
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

  /**
   * What a block is found by; never 0. In a kernel that may be at another place after each start it
   * is the address as far as that stays, and as many bytes of code as come before any address.
   *
   * @param host address of its guest code
   */
  public static int hash(int key, long rip, long host) {
    int start = (int) host & RamBlock.PAGE_SIZE - 1;
    long first = 0;
    long second = 0;
    if (rip >= FIRST_KERNEL && rip < END_KERNEL) {
      first = start > RamBlock.PAGE_SIZE - 4 ? 0 : RawMemory.getInt(host) & 0xff_ffff;
      second = rip & KERNEL_ALIGNMENT - 1;
    } else if (start > RamBlock.PAGE_SIZE - 16) {
      for (long at = host; (at & RamBlock.PAGE_SIZE - 1) != 0; at++) {
        first = (first ^ RawMemory.getByte(at) & 0xff) * 0x100_0000_01b3L;
      }
    } else {
      first = RawMemory.getLong(host);
      second = RawMemory.getLong(host + 8);
    }
    long mixed = (first ^ (long) key << 32 ^ start) * MULTIPLIER;
    mixed = ((mixed ^ mixed >>> 29) + second) * MULTIPLIER;
    return (int) (mixed >>> 32) | 1;
  }

  /**
   * Puts the blocks of an earlier run into a table that has none.
   *
   * @param before bytes of the code memory that do not belong to blocks
   * @return the execution keys in the order of their jump tables; null if there are no blocks, and
   *     what is in the table now has to be cleared
   */
  public synchronized int[] load(BlockTable blocks, long before) {
    try {
      checkOwner(path);
      return StoreFile.read(path, purpose, before, blocks);
    } catch (NoSuchFileException e) {
      return null; // the first run
    } catch (NoRoomException e) {
      log.debug("translations in {} are not used: {}", path, e.getMessage());
      tooLarge = true;
      return null;
    } catch (IOException e) {
      log.warn("translations in {} are not used: {}", path, e.getMessage());
      return null;
    }
  }

  /**
   * Keeps the blocks of a table, which is of no use afterwards.
   *
   * @param code bytes of all blocks' code
   * @param loaded of these, bytes that {@link #load} has put there
   * @param cleared all blocks have been dropped since
   */
  public synchronized void save(
      BlockTable blocks, long before, int[] keys, long code, long loaded, boolean cleared) {
    if (tooLarge || (code - loaded) * WORTH_WRITING <= code || cleared && Files.exists(path)) {
      return;
    }
    try {
      if (code > MOST_CODE && loaded > 0) {
        if (blocks.mostAsleep()) {
          Files.deleteIfExists(path); // the next run begins anew
        }
        return;
      }
      Path temporary = Files.createTempFile(directory, "new", UNFINISHED);
      try (FileChannel to = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
        StoreFile.write(to, purpose, before, keys, blocks.sleep(MOST_CODE));
        Files.move(
            temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(temporary);
      }
      prune();
    } catch (IOException e) {
      log.warn("translations are not kept for later runs in {}: {}", directory, e.getMessage());
    }
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
