package dev.pollux.tests.silicon;

import dev.pollux.core.decode.OpcodeTables;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What the child JVM tells its parent through a mapped file, so that it survives the child: the
 * case at work, the counts, and how often each table row was executed.
 */
final class Progress implements AutoCloseable {
  private static final int CASE = 0;
  private static final int INSTRUCTIONS = 8;
  private static final int FAULTS = 16;
  private static final int FINISHED = 24;
  private static final int MOVED = 32;
  private static final int TRANSLATIONS = 40;
  private static final int MOVED_TRANSLATIONS = 48;
  private static final int ROWS = 64;

  /** Counts of a row: in 64-bit code, in 32-bit code, in generated code. */
  private static final int COUNTS = 3;

  private static final int TRANSLATED = 2;

  private final FileChannel channel;
  private final MappedByteBuffer buffer;

  Progress(Path file) throws IOException {
    channel =
        FileChannel.open(
            file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    int size = ROWS + COUNTS * Long.BYTES * OpcodeTables.rows().size();
    buffer = channel.map(FileChannel.MapMode.READ_WRITE, 0, size);
    buffer.order(ByteOrder.LITTLE_ENDIAN);
  }

  void startCase(long number) {
    buffer.putLong(CASE, number);
  }

  long currentCase() {
    return buffer.getLong(CASE);
  }

  /** Counts the execution of a row, {@code mode} being 64 or 32. */
  void count(int mode, int row) {
    buffer.putLong(INSTRUCTIONS, instructions() + 1);
    increment(at(row, mode == 64 ? 0 : 1));
  }

  /** Counts a row executed in generated code. */
  void countTranslated(int row) {
    increment(at(row, TRANSLATED));
  }

  private void increment(int at) {
    buffer.putLong(at, buffer.getLong(at) + 1);
  }

  long instructions() {
    return buffer.getLong(INSTRUCTIONS);
  }

  void countFault() {
    buffer.putLong(FAULTS, faults() + 1);
  }

  /** Cases that ended with an exception on both sides. */
  long faults() {
    return buffer.getLong(FAULTS);
  }

  /** Counts a case run at its second address, and notes what has been translated so far. */
  void countMoved(long translations, long movedTranslations) {
    buffer.putLong(MOVED, moved() + 1);
    buffer.putLong(TRANSLATIONS, translations);
    buffer.putLong(MOVED_TRANSLATIONS, movedTranslations);
  }

  /** Cases run at their second address, too. */
  long moved() {
    return buffer.getLong(MOVED);
  }

  /** Translations made by the last child. */
  long translations() {
    return buffer.getLong(TRANSLATIONS);
  }

  /** Of these, translations made at second addresses. */
  long movedTranslations() {
    return buffer.getLong(MOVED_TRANSLATIONS);
  }

  /** Executions in code of 64 and of 32 bits. */
  long executions(int row) {
    return buffer.getLong(at(row, 0)) + buffer.getLong(at(row, 1));
  }

  /** Executions in generated code. */
  long translated(int row) {
    return buffer.getLong(at(row, TRANSLATED));
  }

  private static int at(int row, int count) {
    return ROWS + Long.BYTES * (COUNTS * row + count);
  }

  void finish() {
    buffer.putLong(FINISHED, 1);
  }

  boolean finished() {
    return buffer.getLong(FINISHED) != 0;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
