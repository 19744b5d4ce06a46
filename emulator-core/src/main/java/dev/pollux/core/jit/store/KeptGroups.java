package dev.pollux.core.jit.store;

import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.cache.BlockGroup;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/**
 * The groups of blocks that a run can use: those of a file, which are read one by one as they are
 * needed, and those that were added since, which are in a draft, a file without a name. Used by one
 * thread at a time.
 */
final class KeptGroups implements AutoCloseable {
  /** The offset of what is in the draft. */
  private static long inDraft(long offset) {
    return ~offset;
  }

  /** Runs that have written the file since one has used a group; others are not counted. */
  private static final int LONG_AGO = 4;

  private final FileChannel file;
  private final StoreFile.Header header;
  private final GroupDirectory directory;
  private final HashTable table;
  private final long mostBytes;

  /** Execution keys without the mode by the number of their jump tables. */
  private int[] keys;

  private FileChannel draft;
  private long drafted;

  /** Bytes of groups that are used again after a long time. */
  private long forgotten;

  private int last;

  private KeptGroups(FileChannel file, StoreFile.Contents contents, long mostBytes) {
    this.file = file;
    this.header = contents.header();
    this.directory = contents.directory();
    this.table = contents.table();
    this.keys = header.keys();
    this.last = directory.count();
    this.mostBytes = mostBytes;
  }

  /** Without a file. */
  static KeptGroups none(long purpose, long before, long mostBytes) throws IOException {
    StoreFile.Header header = new StoreFile.Header(purpose, before, new int[0], 0, 0);
    return new KeptGroups(
        null, new StoreFile.Contents(header, new GroupDirectory(), new HashTable()), mostBytes);
  }

  /**
   * Those of a file.
   *
   * @param before bytes of the code before that of blocks
   * @param mostBytes of groups that are kept
   * @throws IOException if it cannot be used, {@link NoSuchFileException} if it is not there
   */
  static KeptGroups open(Path path, long purpose, long before, long mostBytes) throws IOException {
    FileChannel in = FileChannel.open(path, StandardOpenOption.READ);
    try {
      return new KeptGroups(in, StoreFile.read(in, purpose, before), mostBytes);
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }

  /** Bytes of the code before that of blocks. */
  long before() {
    return header.before();
  }

  /** Tells this file from others, also from what it was before; 0: none. */
  long stamp() {
    return header.stamp();
  }

  /** The number of the jump tables of an execution key without mode, or more than there are. */
  int jumpGroup(int key) {
    for (int i = 0; i < keys.length; i++) {
      if (keys[i] == key) {
        return i;
      }
    }
    if (keys.length < JitLayout.JUMP_GROUPS) {
      keys = Arrays.copyOf(keys, keys.length + 1);
      keys[keys.length - 1] = key;
      return keys.length - 1;
    }
    return JitLayout.JUMP_GROUPS;
  }

  /** True if no key has other jump tables in the others. */
  boolean agrees(KeptGroups others) {
    int both = Math.min(keys.length, others.keys.length);
    return Arrays.equals(keys, 0, both, others.keys, 0, both);
  }

  /** A number that no group has. */
  int next() {
    return ++last;
  }

  /** The groups that may have blocks of a hash. */
  int[] find(int hash) {
    return table.find(hash);
  }

  boolean has(int group) {
    return directory.has(group);
  }

  /** This run uses a group. */
  void use(int group) {
    if (header.run() - directory.run(group) >= LONG_AGO) {
      forgotten += directory.length(group);
    }
    directory.setRun(group, header.run() + 1);
  }

  /**
   * Reads a group that there is.
   *
   * @throws IOException if it is damaged; it does not exist from now on
   */
  void read(int group, BlockGroup into) throws IOException {
    long offset = directory.offset(group);
    int length = directory.length(group);
    try {
      if (length > BlockGroup.MOST_BYTES) {
        throw new IOException("it is damaged");
      }
      if (offset < 0) {
        StoreFile.readAll(draft, into.room(length), inDraft(offset));
      } else {
        StoreFile.readAll(file, into.room(length), offset);
      }
      if (StoreFile.checksum(into.buffer()) != directory.sum(group) || !into.isSound()) {
        throw new IOException("it is damaged");
      }
    } catch (IOException e) {
      directory.remove(group);
      throw e;
    }
  }

  /**
   * Enters a group, in place of what had its number.
   *
   * @param folder where the draft is
   */
  void put(int group, BlockGroup blocks, Path folder) throws IOException {
    int sum = StoreFile.checksum(blocks.buffer());
    boolean same = has(group) && directory.sum(group) == sum;
    if (same && directory.length(group) == blocks.bytes()
        || blocks.bytes() == 0
        || drafted + blocks.bytes() > mostBytes) {
      return;
    }
    if (draft == null) {
      Path path = Files.createTempFile(folder, "new", TranslationStore.UNFINISHED);
      draft =
          FileChannel.open(
              path,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE);
      Files.deleteIfExists(path); // nobody else needs its name
    }
    draft.position(drafted);
    StoreFile.writeAll(draft, blocks.buffer());
    directory.put(group, inDraft(drafted), blocks.bytes(), sum, header.run() + 1);
    drafted += blocks.bytes();
    for (int hash : blocks.hashes()) {
      table.add(hash, group);
    }
  }

  /** Groups that are in no file. */
  int[] drafted() {
    return groups().filter(g -> directory.offset(g) < 0).toArray();
  }

  private IntStream groups() {
    return IntStream.rangeClosed(1, directory.count()).filter(directory::has);
  }

  /** Bytes of all groups. */
  long bytes() {
    return groups().mapToLong(directory::length).sum();
  }

  /** Bytes of groups of which the file does not know that they are used, if it has them at all. */
  long news() {
    return forgotten + Arrays.stream(drafted()).mapToLong(directory::length).sum();
  }

  /**
   * Writes a file of all groups, but those that no run has used for the longest time if there are
   * too many.
   */
  void write(FileChannel out) throws IOException {
    GroupDirectory written = new GroupDirectory();
    int[] numbers = new int[directory.count() + 1];
    long at = StoreFile.HEADER;
    long from = 0;
    long length = 0;
    out.position(at);
    for (int group : lastUsed()) {
      long offset = directory.offset(group);
      int bytes = directory.length(group);
      // One behind the other in the draft, too, where offsets are inverted.
      if (offset < 0 ? offset != from - length : offset != from + length) {
        copy(from, length, out);
        from = offset;
        length = 0;
      }
      numbers[group] = written.count() + 1;
      written.put(numbers[group], at, bytes, directory.sum(group), directory.run(group));
      at += bytes;
      length += bytes;
    }
    copy(from, length, out);
    try (HashTable found = new HashTable()) {
      for (int i = 0; i < table.slots(); i++) {
        long entry = table.entry(i);
        int group = (int) entry;
        if (group > 0 && group < numbers.length && numbers[group] != 0) {
          found.add((int) (entry >>> Integer.SIZE), numbers[group]);
        }
      }
      long stamp = ThreadLocalRandom.current().nextLong() | 1;
      StoreFile.Header header =
          new StoreFile.Header(this.header.purpose(), before(), keys, stamp, this.header.run() + 1);
      StoreFile.write(out, new StoreFile.Contents(header, written, found));
    }
  }

  private void copy(long offset, long length, FileChannel out) throws IOException {
    FileChannel from = offset < 0 ? draft : file;
    long at = offset < 0 ? inDraft(offset) : offset;
    for (long left = length; left > 0; ) {
      long copied = from.transferTo(at, left, out);
      if (copied <= 0) {
        throw new IOException("it ends in the middle");
      }
      at += copied;
      left -= copied;
    }
  }

  /** Those that are kept, in their order. */
  private int[] lastUsed() {
    int[] byUse =
        groups()
            .boxed()
            .sorted(Comparator.comparingInt(g -> -directory.run(g)))
            .mapToInt(Integer::intValue)
            .toArray();
    long bytes = 0;
    int count = 0;
    while (count < byUse.length && bytes + directory.length(byUse[count]) <= mostBytes) {
      bytes += directory.length(byUse[count++]);
    }
    int[] kept = Arrays.copyOf(byUse, count);
    Arrays.sort(kept);
    return kept;
  }

  @Override
  public void close() throws IOException {
    table.close();
    if (file != null) {
      file.close();
    }
    if (draft != null) {
      draft.close();
    }
  }
}
