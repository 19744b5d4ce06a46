package dev.pollux.core.interp;

import dev.pollux.core.host.RawMemory;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Read-modify-write of guest memory that is atomic to other vCPUs and to devices. Operands inside
 * one aligned 8 bytes are updated by a compare-and-set loop of the host. Those that straddle that
 * boundary, 16-byte ones and device registers are updated while no other vCPU is in guest code:
 * where that is not so yet, the instruction is left, to be executed again alone.
 */
final class AtomicMemory {
  private AtomicMemory() {}

  /** What becomes of a value. Called again when the memory changed meanwhile. */
  @FunctionalInterface
  interface Update {
    long apply(long old, long operand);
  }

  /**
   * Updates {@code size} bytes at a checked linear address and returns what was there,
   * zero-extended.
   */
  static long update(Interpreter cpu, long linear, int size, Update update, long operand) {
    long host = cpu.mmu().hostForWrite(linear, size);
    if (host != 0 && (host & 7) + size <= 8) {
      return (host & 3) + size <= 4
          ? updateInt(host, size, update, operand)
          : updateLong(host, size, update, operand);
    }
    ReentrantLock lock = exclude(cpu);
    try {
      long old = cpu.mmu().read(linear, size);
      cpu.mmu().write(linear, size, update.apply(old, operand));
      return old;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Keeps other vCPUs out, and devices with the machine lock, which is returned held. Nothing of
   * the instruction has happened yet, faults aside.
   */
  private static ReentrantLock exclude(Interpreter cpu) {
    if (!cpu.vcpu().exclusive()) {
      throw BlockExit.AGAIN;
    }
    ReentrantLock lock = cpu.vcpu().machine().lock();
    lock.lock();
    return lock;
  }

  private static long updateInt(long host, int size, Update update, long operand) {
    long aligned = host & -4;
    int shift = (int) (host & 3) * 8;
    int mask = (int) (-1L >>> 64 - size * 8) << shift;
    while (true) {
      int whole = RawMemory.getIntVolatile(aligned);
      long old = (whole & mask) >>> shift & 0xffff_ffffL;
      int changed = whole & ~mask | (int) update.apply(old, operand) << shift & mask;
      if (RawMemory.compareAndSetInt(aligned, whole, changed)) {
        return old;
      }
    }
  }

  private static long updateLong(long host, int size, Update update, long operand) {
    long aligned = host & -8;
    int shift = (int) (host & 7) * 8;
    long mask = -1L >>> 64 - size * 8 << shift;
    while (true) {
      long whole = RawMemory.getLongVolatile(aligned);
      long old = (whole & mask) >>> shift;
      long changed = whole & ~mask | update.apply(old, operand) << shift & mask;
      if (RawMemory.compareAndSetLong(aligned, whole, changed)) {
        return old;
      }
    }
  }

  /**
   * LOCK CMPXCHG16B: compares 16 bytes with {@code low} and {@code high} and replaces them if
   * equal. The old value is left in {@code old}.
   */
  static boolean compareAndSet16(
      Interpreter cpu, long linear, long low, long high, long newLow, long newHigh, long[] old) {
    cpu.mmu().probeWrite(linear, 16);
    ReentrantLock lock = exclude(cpu);
    try {
      return IntegerOps.replace16(cpu, linear, low, high, newLow, newHigh, old);
    } finally {
      lock.unlock();
    }
  }
}
