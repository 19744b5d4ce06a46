package dev.pollux.core.mmu;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;

/**
 * Walks the guest's page tables: 32-bit, PAE and 4-level paging (Intel SDM vol. 3, chapter 5). The
 * result of the last walk is in the fields.
 */
final class PageWalker {
  /** Width of physical addresses; bits above are reserved in page tables. */
  static final int PHYSICAL_BITS = 40;

  private static final long PHYSICAL_MASK = (1L << PHYSICAL_BITS) - 1;
  private static final long ADDRESS = 0x000f_ffff_ffff_f000L;

  static final int PRESENT = 1;
  static final int WRITABLE = 1 << 1;
  static final int USER = 1 << 2;
  static final int ACCESSED = 1 << 5;
  static final int DIRTY = 1 << 6;
  static final int LARGE = 1 << 7;
  static final int GLOBAL = 1 << 8;
  static final long NO_EXECUTE = 1L << 63;

  // Page-fault error code.
  static final int PF_PRESENT = 1;
  static final int PF_WRITE = 1 << 1;
  static final int PF_USER = 1 << 2;
  static final int PF_RESERVED = 1 << 3;
  static final int PF_FETCH = 1 << 4;

  static final long CR0_PG = 1L << 31;
  static final long CR0_WP = 1L << 16;
  static final long CR4_PSE = 1L << 4;
  static final long CR4_PAE = 1L << 5;
  static final long CR4_PGE = 1L << 7;
  static final long CR4_SMEP = 1L << 20;
  static final long CR4_SMAP = 1L << 21;
  static final long EFER_LMA = 1L << 10;
  static final long EFER_NXE = 1L << 11;

  private final CpuState state;
  private final PhysicalMemory memory;

  // Taken over from the control registers by setMode.
  private boolean paging;
  private boolean pae;
  private boolean longMode;
  private boolean pse;
  private boolean writeProtect;
  private boolean smep;
  private boolean smap;
  private boolean nxe;
  private boolean globals;
  private long reserved;

  // The result: physical address of the byte, what the page allows, log2 of its size.
  long physical;
  boolean writable;
  boolean user;
  boolean executable;
  boolean dirty;
  boolean global;
  int pageBits;

  /** Error code of the last walk that failed. */
  int errorCode;

  PageWalker(CpuState state, PhysicalMemory memory) {
    this.state = state;
    this.memory = memory;
  }

  void setMode(long cr0, long cr4, long efer) {
    paging = (cr0 & CR0_PG) != 0;
    writeProtect = (cr0 & CR0_WP) != 0;
    pae = (cr4 & CR4_PAE) != 0;
    pse = (cr4 & CR4_PSE) != 0;
    globals = (cr4 & CR4_PGE) != 0;
    smep = (cr4 & CR4_SMEP) != 0;
    smap = (cr4 & CR4_SMAP) != 0;
    longMode = (efer & EFER_LMA) != 0;
    nxe = (efer & EFER_NXE) != 0;
    reserved = ADDRESS & ~PHYSICAL_MASK | (nxe ? 0 : NO_EXECUTE);
  }

  boolean smap() {
    return smap;
  }

  boolean smep() {
    return smep;
  }

  boolean writeProtect() {
    return writeProtect;
  }

  /**
   * Translates an address. Sets accessed and dirty bits unless {@code quiet}.
   *
   * @param asUser the access has user privilege
   * @param smapOff supervisor data accesses may reach user pages although SMAP is on
   * @return false for a page fault, {@link #errorCode} being set
   */
  boolean walk(long linear, int access, boolean asUser, boolean smapOff, boolean quiet) {
    if (!paging) {
      physical = linear & 0xffff_ffffL;
      writable = true;
      user = true;
      executable = true;
      dirty = true;
      global = false;
      pageBits = 12;
      return true;
    }
    errorCode =
        (access == AccessType.WRITE ? PF_WRITE : 0)
            | (asUser ? PF_USER : 0)
            | (access == AccessType.EXECUTE && (nxe && (pae || longMode) || smep) ? PF_FETCH : 0);
    while (true) {
      int result =
          pae || longMode
              ? walk64(linear, access, asUser, smapOff, quiet)
              : walk32(linear, access, asUser, smapOff, quiet);
      if (result != RETRY) {
        return result == DONE;
      }
    }
  }

  private static final int DONE = 0;
  private static final int FAULT = 1;
  private static final int RETRY = 2;

  private int fault(int bits) {
    errorCode |= bits;
    return FAULT;
  }

  private int walk64(long linear, int access, boolean asUser, boolean smapOff, boolean quiet) {
    long table;
    int level;
    if (longMode) {
      table = state.cr3() & ADDRESS & PHYSICAL_MASK;
      level = 4;
    } else {
      long pointer = state.u64(CpuLayout.PDPTE + (int) (linear >>> 30 & 3) * 8);
      if ((pointer & PRESENT) == 0) {
        return fault(0);
      }
      table = pointer & ADDRESS & PHYSICAL_MASK;
      level = 2;
    }
    long rights = WRITABLE | USER;
    long noExecute = 0;
    while (true) {
      int shift = 12 + 9 * (level - 1);
      long address = table + (linear >>> shift & 511) * 8;
      long entry = memory.read64(address);
      if ((entry & PRESENT) == 0) {
        return fault(0);
      }
      boolean large = (entry & LARGE) != 0 && level > 1;
      if ((entry & reserved) != 0
          || large && (level == 4 || (entry & (1L << shift) - 1 & ~0x1fff) != 0)) {
        return fault(PF_PRESENT | PF_RESERVED);
      }
      rights &= entry;
      noExecute |= entry & NO_EXECUTE;
      if (level == 1 || large) {
        writable = (rights & WRITABLE) != 0;
        user = (rights & USER) != 0;
        executable = noExecute == 0;
        if (!allowed(access, asUser, smapOff)) {
          return fault(PF_PRESENT);
        }
        long marked = entry | ACCESSED | (access == AccessType.WRITE ? DIRTY : 0);
        if (!quiet && marked != entry) {
          if (!memory.replace64(address, entry, marked)) {
            return RETRY;
          }
          entry = marked;
        }
        dirty = (entry & DIRTY) != 0;
        global = globals && (entry & GLOBAL) != 0;
        pageBits = shift;
        long offset = (1L << shift) - 1;
        physical = entry & ADDRESS & PHYSICAL_MASK & ~offset | linear & offset;
        return DONE;
      }
      if (!quiet
          && (entry & ACCESSED) == 0
          && !memory.replace64(address, entry, entry | ACCESSED)) {
        return RETRY;
      }
      table = entry & ADDRESS & PHYSICAL_MASK;
      level--;
    }
  }

  private int walk32(long linear, int access, boolean asUser, boolean smapOff, boolean quiet) {
    long address = (state.cr3() & 0xffff_f000L) + (linear >>> 22 & 1023) * 4;
    int entry = memory.read32(address);
    if ((entry & PRESENT) == 0) {
      return fault(0);
    }
    int rights = WRITABLE | USER;
    boolean large = pse && (entry & LARGE) != 0;
    if (large) {
      // PSE-36: bits 13 to 20 are address bits 32 to 39, bit 21 is reserved.
      if ((entry & 1 << 21) != 0) {
        return fault(PF_PRESENT | PF_RESERVED);
      }
    } else {
      rights &= entry;
      if (!quiet
          && (entry & ACCESSED) == 0
          && !memory.replace32(address, entry, entry | ACCESSED)) {
        return RETRY;
      }
      address = (entry & 0xffff_f000L) + (linear >>> 12 & 1023) * 4;
      entry = memory.read32(address);
      if ((entry & PRESENT) == 0) {
        return fault(0);
      }
    }
    rights &= entry;
    writable = (rights & WRITABLE) != 0;
    user = (rights & USER) != 0;
    executable = true;
    if (!allowed(access, asUser, smapOff)) {
      return fault(PF_PRESENT);
    }
    int marked = entry | ACCESSED | (access == AccessType.WRITE ? DIRTY : 0);
    if (!quiet && marked != entry) {
      if (!memory.replace32(address, entry, marked)) {
        return RETRY;
      }
      entry = marked;
    }
    dirty = (entry & DIRTY) != 0;
    global = globals && (entry & GLOBAL) != 0;
    if (large) {
      pageBits = 22;
      physical = (entry & 0xffc0_0000L | (long) (entry >>> 13 & 0xff) << 32) | linear & 0x3f_ffff;
    } else {
      pageBits = 12;
      physical = entry & 0xffff_f000L | linear & 0xfff;
    }
    return DONE;
  }

  /** Intel SDM vol. 3, 5.6: access rights. */
  private boolean allowed(int access, boolean asUser, boolean smapOff) {
    if (asUser) {
      return user && mayAccess(access, writable);
    }
    if (access == AccessType.EXECUTE) {
      return executable && !(smep && user);
    }
    if (smap && user && !smapOff) {
      return false;
    }
    return access == AccessType.READ || writable || !writeProtect;
  }

  private boolean mayAccess(int access, boolean mayWrite) {
    return switch (access) {
      case AccessType.WRITE -> mayWrite;
      case AccessType.EXECUTE -> executable;
      default -> true;
    };
  }
}
