package dev.pollux.qmp.hmp;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.cpu.CpuState;

/**
 * Walks all page tables of a vCPU for {@code info tlb} and {@code info mem} (Intel SDM vol. 3,
 * chapter 5). A guest may build tables that lead to themselves: the walk stops after {@link
 * #MAX_TABLES} tables and the listing after {@link #MAX_LINES} lines.
 */
final class PageTables {
  private static final int MAX_TABLES = 1 << 16;
  private static final int MAX_LINES = 1 << 16;

  private static final long PRESENT = 1;
  private static final long WRITABLE = 1 << 1;
  private static final long USER = 1 << 2;
  private static final long LARGE = 1 << 7;
  private static final long PG = 1L << 31;
  private static final long PSE = 1 << 4;
  private static final long PAE = 1 << 5;
  private static final long LA57 = 1 << 12;
  private static final long LMA = 1 << 10;
  private static final long ADDRESS = 0x000f_ffff_ffff_f000L;

  /**
   * Takes each page: its size in bytes, the last entry, and the permissions that all levels agree
   * on.
   */
  private interface Visitor {
    void page(long linear, long size, long entry, long permissions);
  }

  private final CpuState s;
  private final AddressSpace memory;
  private int tables;
  private boolean cut;

  private PageTables(CpuState s, AddressSpace memory) {
    this.s = s;
    this.memory = memory;
  }

  /** Every mapping, one line each. vCPU parked, machine lock held. */
  static void printTlb(CpuState s, AddressSpace memory, StringBuilder out) {
    PageTables walk = new PageTables(s, memory);
    int[] lines = {0};
    walk.print(
        out,
        (linear, size, entry, permissions) -> {
          if (lines[0]++ < MAX_LINES) {
            out.append(
                "%016x: %016x %s\n".formatted(linear, entry & ADDRESS & -size, flags(entry)));
          } else {
            walk.cut = true;
          }
        });
  }

  private static String flags(long entry) {
    String letters = "XGPDACTUW";
    int[] bits = {63, 8, 7, 6, 5, 4, 3, 2, 1};
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < bits.length; i++) {
      text.append((entry >>> bits[i] & 1) != 0 ? letters.charAt(i) : '-');
    }
    return text.toString();
  }

  /** Stretches of equal permissions. vCPU parked, machine lock held. */
  static void printMem(CpuState s, AddressSpace memory, StringBuilder out) {
    long[] run = {0, 0, 0}; // start, end, permissions
    Runnable flush =
        () -> {
          if (run[1] != run[0]) {
            out.append(
                "%016x-%016x %016x %c%c%c\n"
                    .formatted(
                        run[0],
                        run[1],
                        run[1] - run[0],
                        (run[2] & USER) != 0 ? 'u' : '-',
                        'r',
                        (run[2] & WRITABLE) != 0 ? 'w' : '-'));
          }
        };
    PageTables walk = new PageTables(s, memory);
    int[] lines = {0};
    walk.print(
        out,
        (linear, size, entry, permissions) -> {
          if (linear != run[1] || permissions != run[2]) {
            if (lines[0]++ >= MAX_LINES) {
              walk.cut = true;
              return;
            }
            flush.run();
            run[0] = linear;
            run[2] = permissions;
          }
          run[1] = linear + size;
        });
    if (!walk.cut) {
      flush.run();
    }
  }

  private void print(StringBuilder out, Visitor visitor) {
    if ((s.cr0() & PG) == 0) {
      out.append("PG disabled\n");
      return;
    }
    if ((s.efer() & LMA) != 0) {
      table(s.cr3() & ADDRESS, fiveLevels() ? 48 : 39, 0, USER | WRITABLE, visitor);
    } else if ((s.cr4() & PAE) != 0) {
      pointers(s.cr3() & 0xffff_ffe0L, visitor);
    } else {
      table32(s.cr3() & 0xffff_f000L, visitor);
    }
    if (cut) {
      out.append("...\n");
    }
  }

  private boolean fiveLevels() {
    return (s.cr4() & LA57) != 0;
  }

  private boolean tooMany() {
    cut |= ++tables > MAX_TABLES;
    return cut;
  }

  /**
   * Five-level, four-level and PAE tables: 512 entries of 8 bytes; {@code shift} is log2 of what
   * one entry spans.
   */
  private void table(long base, int shift, long linear, long permissions, Visitor visitor) {
    if (tooMany()) {
      return;
    }
    for (int i = 0; i < 512 && !cut; i++) {
      long entry = memory.read(base + i * 8L, 8);
      if ((entry & PRESENT) == 0) {
        continue;
      }
      long at = linear | (long) i << shift;
      if (shift == (fiveLevels() ? 48 : 39)) {
        at = at << 55 - shift >> 55 - shift;
      }
      long allowed = permissions & entry;
      if (shift == 12 || (entry & LARGE) != 0 && shift < 39) {
        visitor.page(at, 1L << shift, entry, allowed);
      } else {
        table(entry & ADDRESS, shift - 9, at, allowed, visitor);
      }
    }
  }

  private void pointers(long base, Visitor visitor) {
    for (int i = 0; i < 4; i++) {
      long entry = memory.read(base + i * 8L, 8);
      if ((entry & PRESENT) != 0) {
        table(entry & ADDRESS, 21, (long) i << 30, USER | WRITABLE, visitor);
      }
    }
  }

  private void table32(long base, Visitor visitor) {
    for (int i = 0; i < 1024; i++) {
      long directory = memory.read(base + i * 4L, 4);
      if ((directory & PRESENT) == 0) {
        continue;
      }
      if ((directory & LARGE) != 0 && (s.cr4() & PSE) != 0) {
        // Bits 32 to 39 of the address are bits 13 to 20 of the entry.
        long entry = directory & 0xffc0_0fffL | (directory & 0x1f_e000) << 19;
        visitor.page((long) i << 22, 1 << 22, entry, directory & (USER | WRITABLE));
      } else {
        for (int j = 0; j < 1024; j++) {
          long entry = memory.read((directory & 0xffff_f000L) + j * 4L, 4);
          if ((entry & PRESENT) != 0) {
            visitor.page(
                (long) i << 22 | (long) j << 12,
                1 << 12,
                entry,
                entry & directory & (USER | WRITABLE));
          }
        }
      }
    }
  }
}
