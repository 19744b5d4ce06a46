package dev.pollux.core.host;

import dev.pollux.core.jit.asm.CodeBuffer;
import java.io.IOException;

/**
 * Memory for generated code. One mapping that can be written and executed where the host allows it;
 * else two mappings of one memory file, a writable and an executable one, at different addresses.
 * Code is written at {@link #writable} + offset and entered at {@link #executable} + offset. On x86
 * a write needs no flush of the instruction cache; the writer orders it before other threads learn
 * of the code. Writing and closing are the owner's affair, nothing here is synchronised.
 */
public final class ExecutableMemory implements AutoCloseable {
  private static final int READ_WRITE = Libc.PROT_READ | Libc.PROT_WRITE;

  private final long writable;
  private final long executable;
  private final long length;

  private ExecutableMemory(long writable, long executable, long length) {
    this.writable = writable;
    this.executable = executable;
    this.length = length;
  }

  /**
   * Allocates {@code length} bytes, which cost host memory only where they are touched.
   *
   * @throws IOException if the host allows neither kind of mapping, with the reasons it gave
   */
  public static ExecutableMemory allocate(long length) throws IOException {
    try {
      long address = Libc.mapHuge(length, READ_WRITE | Libc.PROT_EXEC);
      return new ExecutableMemory(address, address, length);
    } catch (IOException refused) {
      try {
        return allocateSplit(length);
      } catch (IOException e) {
        e.addSuppressed(refused);
        throw new IOException("the host allows no executable memory: " + e.getMessage(), e);
      }
    }
  }

  /**
   * Two mappings, for hosts that refuse memory that is writable and executable at once.
   *
   * @throws IOException if the host does not allow that either
   */
  public static ExecutableMemory allocateSplit(long length) throws IOException {
    int fd = Libc.memfd("pollux-code", length);
    try {
      long writable = Libc.map(length, READ_WRITE, Libc.MAP_SHARED, fd);
      try {
        int readExecute = Libc.PROT_READ | Libc.PROT_EXEC;
        long executable = Libc.map(length, readExecute, Libc.MAP_SHARED, fd);
        return new ExecutableMemory(writable, executable, length);
      } catch (IOException e) {
        Libc.unmap(writable, length);
        throw e;
      }
    } finally {
      Libc.close(fd);
    }
  }

  /** Address through which code is written. */
  public long writable() {
    return writable;
  }

  /** Address at which code is entered; what generated code knows of its own place is this. */
  public long executable() {
    return executable;
  }

  /** Length in bytes. */
  public long length() {
    return length;
  }

  /**
   * Copies finished code to {@code offset} and returns the address to enter it at.
   *
   * @throws IndexOutOfBoundsException if it does not fit
   */
  public long write(long offset, CodeBuffer code) {
    int count = code.position();
    if (offset < 0 || offset > length - count) {
      throw new IndexOutOfBoundsException(count + " bytes at " + offset + " of " + length);
    }
    RawMemory.copyIn(code.array(), 0, writable + offset, count);
    return executable + offset;
  }

  @Override
  public void close() {
    Libc.unmap(writable, length);
    if (executable != writable) {
      Libc.unmap(executable, length);
    }
  }
}
