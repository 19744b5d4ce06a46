package dev.pollux.core.jit.store;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.cache.BlockGroup;
import dev.pollux.core.jit.cache.BlockTable;
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
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Translations of earlier runs, so that a guest that is started again need not be translated again:
 * blocks with all that is known of them, in groups of those that lie in one page. A block is used
 * where the guest's page has the bytes that it was made of, all of which are compared, under its
 * execution key and at its place in the page. The file's name is what else it depends on: this
 * program, the host's processor and the guest's.
 *
 * <p>Of the file its directory is read when the first block is looked for; a group is read, and its
 * checksum looked at, when one of its blocks is needed. It is never mapped, so that it may be
 * damaged or truncated at any time; and only ever replaced, so that others who use it are not
 * disturbed. When the last vCPU ends what is new is added to what is there, also to what another
 * process has written in the meantime. If there is too much, what was used longest ago goes.
 *
 * <p>Only a file and a folder that belong to the user and that nobody else may write are taken;
 * what is damaged is not used, after one warning: everything can be translated. All methods may be
 * called on any thread.
 */
public final class TranslationStore {
  private static final Logger log = LoggerFactory.getLogger(TranslationStore.class);

  /** Files of other versions and processors that are kept beside. */
  private static final int MOST_FILES = 6;

  private static final String SUFFIX = ".translations";
  static final String UNFINISHED = ".unfinished";

  /** A file that is being written longer than that was left by a process that was killed. */
  private static final long UNFINISHED_MILLIS = 3_600_000;

  /** Bytes of all files. */
  private static final long MOST_IN_ALL = 1L << 30;

  /** The file is written where what is new is at least such a part of it. */
  private static final int WORTH_WRITING = 64;

  /** Bytes of groups in a file. */
  private static final long MOST_BYTES = 256L << 20;

  // Where Linux's own code may be, and what it moves by multiples of.
  private static final long FIRST_KERNEL = 0xffff_ffff_8000_0000L;
  private static final long END_KERNEL = 0xffff_ffff_c000_0000L;
  private static final long KERNEL_ALIGNMENT = 2 << 20;
  private static final int[] NONE = {};
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private static final Set<PosixFilePermission> OTHERS_WRITE =
      EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

  private final Path directory;
  private final Path path;
  private final long purpose;

  private final long mostBytes;

  // All guarded by this object.

  /** Null until they are needed. */
  private KeptGroups groups;

  /** Where one is put together. */
  private BlockGroup group;

  private int users;
  private long before;
  private boolean warned;

  private TranslationStore(Path directory, long purpose, long mostBytes) {
    this.directory = directory;
    this.purpose = purpose;
    this.mostBytes = mostBytes;
    this.path = directory.resolve("%016x%s".formatted(purpose, SUFFIX));
  }

  /**
   * A store that keeps its file in a folder, which is made if it does not exist.
   *
   * @param purpose what the translations depend on that is not in them
   * @throws IOException if the folder is not one to rely on, with the reason
   */
  public static TranslationStore open(Path directory, long purpose) throws IOException {
    return open(directory, purpose, MOST_BYTES);
  }

  /**
   * @param mostBytes of blocks in the file
   */
  static TranslationStore open(Path directory, long purpose, long mostBytes) throws IOException {
    Files.createDirectories(
        directory,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    checkOwner(directory);
    return new TranslationStore(directory, purpose, mostBytes);
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
   * A vCPU begins to use it.
   *
   * @param codeBefore bytes of its code memory that do not belong to blocks
   * @return false if its blocks and those of the others have other code before them
   */
  public synchronized boolean join(long codeBefore) {
    if (users != 0 && codeBefore != before) {
      return false;
    }
    before = codeBefore;
    users++;
    return true;
  }

  /** What is there; the file is opened when this is called first. */
  private KeptGroups groups() throws IOException {
    if (groups == null) {
      group = new BlockGroup();
      groups = read();
    }
    return groups;
  }

  /** Those of the file, or none if it cannot be used. */
  private KeptGroups read() throws IOException {
    try {
      checkOwner(path);
      return KeptGroups.open(path, purpose, before, mostBytes);
    } catch (NoSuchFileException e) {
      log.debug("no translations in {} yet", path);
    } catch (IOException e) {
      warn("translations in {} are not used: {}", e);
    }
    return KeptGroups.none(purpose, before, mostBytes);
  }

  /**
   * Which jump tables a key should have, so that its blocks can be used: the number of their group,
   * beyond those there are if all have been given away.
   *
   * @param key without the mode
   */
  public synchronized int jumpGroup(int key) {
    try {
      return groups().jumpGroup(key);
    } catch (IOException e) {
      return fail(e, JitLayout.JUMP_GROUPS);
    }
  }

  /** A number for a group of blocks that are going to be kept. */
  public synchronized int newGroup() {
    try {
      return groups().next();
    } catch (IOException e) {
      return fail(e, 0);
    }
  }

  /** The numbers of groups that may have a block that is found by a hash. */
  public synchronized int[] find(int hash) {
    try {
      return groups().find(hash);
    } catch (IOException e) {
      return fail(e, NONE);
    }
  }

  /**
   * Reads a group.
   *
   * @return false if there is none or it is damaged
   */
  public synchronized boolean read(int number, BlockGroup into) {
    try {
      boolean there = groups().has(number);
      if (there) {
        groups.read(number, into);
      }
      return there;
    } catch (IOException e) {
      return fail(e, false);
    }
  }

  /** Blocks of a group have been put to use. */
  public synchronized void use(int number) {
    groups.use(number);
  }

  private <T> T fail(IOException e, T result) {
    warn("some translations in {} are not used: {}", e);
    return result;
  }

  /** Once; all that comes of it is that more is translated. */
  private void warn(String what, IOException e) {
    if (!warned) {
      warned = true;
      log.warn(what, path, e.getMessage());
    }
  }

  /**
   * Keeps the blocks of a table that come from no earlier run. They can be found from now on; after
   * that the table is of no use.
   *
   * @param tables the first of the jump tables of a key; negative if they are not those of {@link
   *     #jumpGroup}
   */
  public synchronized void keep(BlockTable blocks, IntUnaryOperator tables) {
    try {
      long[] unsaved = blocks.unsaved();
      int next = 0;
      while (next < unsaved.length) {
        next = keepGroup(blocks, unsaved, next, tables);
      }
    } catch (IOException e) {
      notKept(e);
    }
  }

  /** Adds blocks to their group, and to new ones if that is full; returns the first of the next. */
  private int keepGroup(BlockTable blocks, long[] unsaved, int first, IntUnaryOperator tables)
      throws IOException {
    int number = (int) (unsaved[first] >>> Integer.SIZE);
    int to = number;
    group.clear();
    if (groups().has(to)) {
      readOrClear(to);
    }
    int i = first;
    for (; i < unsaved.length && (int) (unsaved[i] >>> Integer.SIZE) == number; i++) {
      if (!blocks.addTo(group, unsaved[i], tables)) {
        groups.put(to, group, directory);
        to = groups.next();
        group.clear();
        blocks.addTo(group, unsaved[i], tables);
      }
    }
    groups.put(to, group, directory);
    return i;
  }

  private void readOrClear(int number) {
    if (!read(number, group)) {
      group.clear();
    }
  }

  private void notKept(IOException e) {
    log.warn("translations are not kept for later runs in {}: {}", directory, e.getMessage());
  }

  /** A vCPU that has joined ends; with the last one what is new is written. */
  public synchronized void leave() {
    if (--users > 0 || groups == null) {
      return;
    }
    try {
      if (groups.news() * WORTH_WRITING > groups.bytes()) {
        write();
      }
    } catch (IOException e) {
      notKept(e);
    }
    try {
      groups.close();
    } catch (IOException e) {
      log.debug("{}: {}", path, e.getMessage());
    }
    group.close();
    groups = null;
  }

  private void write() throws IOException {
    Path temporary = Files.createTempFile(directory, "new", UNFINISHED);
    try (FileChannel to = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
      takeOver();
      groups.write(to);
      Files.move(
          temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
    prune();
  }

  /** If another process has written the file meanwhile: adds what is new here to what is there. */
  private void takeOver() throws IOException {
    KeptGroups there = read();
    if (there.stamp() == groups.stamp() || there.stamp() == 0 || !there.agrees(groups)) {
      there.close();
      return;
    }
    try (BlockGroup into = new BlockGroup();
        KeptGroups here = groups) {
      groups = there;
      for (int number : here.drafted()) {
        here.read(number, group);
        addTo(there, into);
      }
    }
  }

  /** Adds {@link #group} to one that has the same block, or as a new one. */
  private void addTo(KeptGroups there, BlockGroup into) throws IOException {
    int[] found = there.find(group.hashes()[0]);
    if (found.length != 0 && read(found[0], into) && into.addAll(group)) {
      there.put(found[0], into, directory);
    } else {
      there.put(there.next(), group, directory);
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
      long bytes = 0;
      for (int i = 0; i < files.size(); i++) {
        bytes += files.get(i).toFile().length();
        if (i >= MOST_FILES || bytes > MOST_IN_ALL) {
          Files.deleteIfExists(files.get(i));
        }
      }
    }
  }
}
