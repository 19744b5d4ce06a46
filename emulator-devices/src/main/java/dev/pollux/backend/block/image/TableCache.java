package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Tables of one cluster each, L2 tables or blocks of reference counts, of which the most recently
 * used stay in memory. Changed ones are written when they are flushed, or pushed out. Guarded by
 * the image's lock.
 */
final class TableCache {
  /** What has to be on disk before a changed table may be. */
  interface Before {
    void run() throws IOException;
  }

  /** Tables are written in blocks of this size. */
  private static final int WRITE_ALIGN = 4096;

  private final BlockNode file;
  private final int tableBytes;
  private final int most;
  private final Before beforeWrite;
  private final LinkedHashMap<Long, Table> tables = new LinkedHashMap<>(16, 0.75f, true);
  private Table last;
  private int dirty;

  /**
   * @param most tables in memory, at least 2
   */
  TableCache(BlockNode file, int tableBytes, int most, Before beforeWrite) {
    this.file = file;
    this.tableBytes = tableBytes;
    this.most = Math.max(2, most);
    this.beforeWrite = beforeWrite;
  }

  /** One table; to be asked for again after another one was. */
  final class Table {
    private final long offset;
    private final byte[] bytes;

    /** The changed part; empty while {@code from >= to}. */
    private int dirtyFrom = Integer.MAX_VALUE;

    private int dirtyTo;

    private Table(long offset, byte[] bytes) {
      this.offset = offset;
      this.bytes = bytes;
    }

    long entry(int index) {
      return Bytes.getLong(bytes, index * 8);
    }

    void setEntry(int index, long value) {
      Bytes.putLong(bytes, index * 8, value);
      changed(index * 8, 8);
    }

    byte[] bytes() {
      return bytes;
    }

    void changed(int from, int length) {
      if (dirtyFrom >= dirtyTo) {
        dirty++;
      }
      dirtyFrom = Math.min(dirtyFrom, from);
      dirtyTo = Math.max(dirtyTo, from + length);
    }

    private boolean isDirty() {
      return dirtyFrom < dirtyTo;
    }

    private void write() throws IOException {
      int from = dirtyFrom & -WRITE_ALIGN;
      int to = Math.min(tableBytes, dirtyTo + WRITE_ALIGN - 1 & -WRITE_ALIGN);
      Bytes.write(file, offset + from, bytes, from, to - from);
      dirtyFrom = Integer.MAX_VALUE;
      dirtyTo = 0;
      dirty--;
    }
  }

  /** The table at an offset of the file. */
  Table load(long offset) throws IOException {
    if (last != null && last.offset == offset) {
      return last;
    }
    Table table = tables.get(offset);
    if (table == null) {
      if (!isThere(offset)) {
        throw new ErrnoException(
            Errno.EIO,
            "qcow2 image %s was cut off at %d bytes: its table at %#x is lost"
                .formatted(file.fileName(), file.length(), offset));
      }
      table = keep(new Table(offset, Bytes.read(file, offset, tableBytes)));
    }
    last = table;
    return table;
  }

  /** Whether the file has all of a table. */
  boolean isThere(long offset) {
    return tables.containsKey(offset) || offset <= file.length() - tableBytes;
  }

  /** A new table; all of it counts as changed. */
  Table create(long offset, byte[] contents) throws IOException {
    drop(offset);
    Table table = keep(new Table(offset, contents));
    table.changed(0, tableBytes);
    last = table;
    return table;
  }

  private Table keep(Table table) throws IOException {
    while (tables.size() >= most) {
      Map.Entry<Long, Table> oldest = tables.entrySet().iterator().next();
      if (oldest.getValue().isDirty()) {
        beforeWrite.run();
        oldest.getValue().write();
      }
      tables.remove(oldest.getKey());
    }
    tables.put(table.offset, table);
    return table;
  }

  /** Forgets a table that is none any more. */
  void drop(long offset) {
    Table table = tables.remove(offset);
    if (table != null && table.isDirty()) {
      dirty--;
    }
    if (last == table) {
      last = null;
    }
  }

  boolean isDirty() {
    return dirty > 0;
  }

  /** Writes all changed tables; those that could not be written stay changed. */
  void flush() throws IOException {
    if (dirty > 0) {
      beforeWrite.run();
      for (Table table : tables.values()) {
        if (table.isDirty()) {
          table.write();
        }
      }
    }
  }

  /** Forgets everything, changes included. */
  void clear() {
    tables.clear();
    last = null;
    dirty = 0;
  }
}
