package dev.pollux.core.jit.cache;

import dev.pollux.core.host.ExecutableMemory;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.asm.CodeBuffer;
import java.io.IOException;

/**
 * The executable memory of one vCPU's generated code, filled from start to end and emptied as a
 * whole. Written and patched only by the thread that executes it, while it is outside of it.
 */
public final class CodeCache implements AutoCloseable {
  private static final int ALIGNMENT = 16;

  private final ExecutableMemory memory;
  private long used;
  private long kept;

  /**
   * @param length bytes; host memory is used only where code is
   */
  public CodeCache(long length) throws IOException {
    this(length, false);
  }

  /**
   * @param split written and executed through different mappings even where the host allows one
   */
  public CodeCache(long length, boolean split) throws IOException {
    memory = split ? ExecutableMemory.allocateSplit(length) : ExecutableMemory.allocate(length);
  }

  /** Bytes of room. */
  public long length() {
    return memory.length();
  }

  /** Where the next code will be. */
  public long nextAddress() {
    return memory.executable() + used;
  }

  /** True if {@code bytes} more fit. */
  public boolean fits(long bytes) {
    return used + bytes + ALIGNMENT <= memory.length();
  }

  /** Appends code made for {@link #nextAddress}, which it returns. */
  public long append(CodeBuffer code) {
    long address = memory.write(used, code);
    used = (used + code.position() + ALIGNMENT - 1) & -ALIGNMENT;
    return address;
  }

  /** Appends so many bytes of code that are elsewhere in memory; returns where it is. */
  long append(long code, int bytes) {
    long address = nextAddress();
    RawMemory.copy(code, memory.writable() + used, bytes);
    used = (used + bytes + ALIGNMENT - 1) & -ALIGNMENT;
    return address;
  }

  /** What has been appended so far survives {@link #clear}. */
  public void keep() {
    kept = used;
  }

  public void clear() {
    used = kept;
  }

  /** Address of all. */
  public long address() {
    return memory.executable();
  }

  /** Bytes that survive {@link #clear}. */
  public long kept() {
    return kept;
  }

  /** Copies code at an address within to other memory. */
  void copyOut(long address, long to, int bytes) {
    RawMemory.copy(address - memory.executable() + memory.writable(), to, bytes);
  }

  /** Bytes of code. */
  public long used() {
    return used;
  }

  /** Overwrites four bytes of code at an address within. */
  public void patch32(long address, int value) {
    RawMemory.putInt(address - memory.executable() + memory.writable(), value);
  }

  /** Adds to four bytes of code at an address within. */
  public void add32(long address, int distance) {
    long at = address - memory.executable() + memory.writable();
    RawMemory.putInt(at, RawMemory.getInt(at) + distance);
  }

  /**
   * Overwrites the low {@code length} bytes of a u64 at an address within; returns what was there.
   */
  public long exchange(long address, long value, int length) {
    long at = address - memory.executable() + memory.writable();
    long was = RawMemory.getLong(at);
    long mask = (1L << length * 8) - 1;
    RawMemory.putLong(at, was & ~mask | value & mask);
    return was & mask;
  }

  @Override
  public void close() {
    memory.close();
  }
}
