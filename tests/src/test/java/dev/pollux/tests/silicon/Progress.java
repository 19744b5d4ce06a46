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
  private static final int ROWS = 64;

  private final FileChannel channel;
  private final MappedByteBuffer buffer;

  Progress(Path file) throws IOException {
    channel =
        FileChannel.open(
            file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    int size = ROWS + 2 * Long.BYTES * OpcodeTables.rows().size();
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
    buffer.putLong(at(mode, row), executions(mode, row) + 1);
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

  long executions(int mode, int row) {
    return buffer.getLong(at(mode, row));
  }

  private static int at(int mode, int row) {
    return ROWS + Long.BYTES * (2 * row + (mode == 64 ? 0 : 1));
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
