package dev.pollux.core.mmu;

import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;

/**
 * Walks the guest's page tables: 32-bit, PAE, 4-level and 5-level paging (Intel SDM vol. 3, chapter
 * 5). The result of the last walk is in the fields.
 */
final class PageWalker {
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
  static final int PF_KEY = 1 << 5;

  /** In a page table's entry: the number of the page's protection key, 4 bits. */
  private static final int KEY_SHIFT = 59;

  /** Of a protection key's two bits: no data accesses, no writes. */
  private static final int ACCESS_DISABLE = 1;

  private static final int WRITE_DISABLE = 2;

  /** Width of physical addresses that a 4 MiB page of 32-bit paging can have at most. */
  private static final int PSE_BITS = 40;

  /**
   * In the entry of such a page: where the bits from 32 on begin, and the first bit behind them.
   */
  private static final int PSE_SHIFT = 13;

  private static final int PSE_END = 22;

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
  private boolean fiveLevels;
  private boolean userKeys;
  private boolean supervisorKeys;
  private long reserved;

  /** Address bits of page tables' entries that the processor has. */
  private final long physicalMask;

  /** Reserved bits of the entry of a 4 MiB page. */
  private final int reservedPse;

  // The result: physical address of the byte, what the page allows, log2 of its size.
  long physical;
  boolean writable;
  boolean user;
  boolean executable;
  boolean dirty;
  boolean global;
  int pageBits;

  /**
   * The page's protection key, and what the key denies whom the walk was for; -1 and 0 for none.
   */
  int key;

  private int keyDenies;

  /** Error code of the last walk that failed. */
  int errorCode;

  /**
   * @param physicalBits width of physical addresses; bits above are reserved in page tables
   * @param pse36 4 MiB pages can lie above 4 GiB
   */
  PageWalker(CpuState state, PhysicalMemory memory, int physicalBits, boolean pse36) {
    this.state = state;
    this.memory = memory;
    this.physicalMask = ADDRESS & (1L << physicalBits) - 1;
    int pseBits = pse36 ? Math.clamp(physicalBits, 32, PSE_BITS) - 32 : 0;
    this.reservedPse = (1 << PSE_END) - (1 << PSE_SHIFT + pseBits);
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
    fiveLevels = (cr4 & ControlRegisters.CR4_LA57) != 0;
    userKeys = longMode && (cr4 & ControlRegisters.CR4_PKE) != 0;
    supervisorKeys = longMode && (cr4 & ControlRegisters.CR4_PKS) != 0;
    reserved = ADDRESS & ~physicalMask | (nxe ? 0 : NO_EXECUTE);
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
   * @param quiet for a look from outside the guest: protection keys do not count either
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
      key = -1;
      keyDenies = 0;
      return true;
    }
    key = -1;
    keyDenies = 0;
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
      table = state.cr3() & physicalMask;
      level = fiveLevels ? 5 : 4;
    } else {
      long pointer = state.u64(CpuLayout.PDPTE + (int) (linear >>> 30 & 3) * 8);
      if ((pointer & PRESENT) == 0) {
        return fault(0);
      }
      table = pointer & physicalMask;
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
          || large && (level >= 4 || (entry & (1L << shift) - 1 & ~0x1fff) != 0)) {
        return fault(PF_PRESENT | PF_RESERVED);
      }
      rights &= entry;
      noExecute |= entry & NO_EXECUTE;
      if (level == 1 || large) {
        writable = (rights & WRITABLE) != 0;
        user = (rights & USER) != 0;
        executable = noExecute == 0;
        if (!quiet) {
          takeKey(entry, asUser);
        }
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
        physical = entry & physicalMask & ~offset | linear & offset;
        return DONE;
      }
      if (!quiet
          && (entry & ACCESSED) == 0
          && !memory.replace64(address, entry, entry | ACCESSED)) {
        return RETRY;
      }
      table = entry & physicalMask;
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
      // PSE-36: bits 13 to 20 are address bits 32 to 39 as far as there are such.
      if ((entry & reservedPse) != 0) {
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
      physical =
          (entry & 0xffc0_0000L | (long) (entry >>> PSE_SHIFT & 0xff) << 32) | linear & 0x3f_ffff;
    } else {
      pageBits = 12;
      physical = entry & 0xffff_f000L | linear & 0xfff;
    }
    return DONE;
  }

  /** Protection keys (Intel SDM vol. 3, 5.6.2): those of the page's kind, for data only. */
  private void takeKey(long entry, boolean asUser) {
    if (user ? userKeys : supervisorKeys) {
      key = (int) (entry >>> KEY_SHIFT) & 15;
      int rights = state.u32(user ? CpuLayout.PKRU : CpuLayout.PKRS) >>> key * 2;
      keyDenies =
          rights & (asUser || writeProtect ? ACCESS_DISABLE | WRITE_DISABLE : ACCESS_DISABLE);
    }
  }

  /** True if the page's protection key lets data be read. */
  boolean keyAllowsRead() {
    return (keyDenies & ACCESS_DISABLE) == 0;
  }

  /** True if the page's protection key lets data be written. */
  boolean keyAllowsWrite() {
    return keyDenies == 0;
  }

  /** Intel SDM vol. 3, 5.6: access rights. */
  private boolean allowed(int access, boolean asUser, boolean smapOff) {
    if (asUser && !user) {
      return false;
    }
    boolean byKey =
        switch (access) {
          case AccessType.READ -> keyAllowsRead();
          case AccessType.WRITE -> keyAllowsWrite();
          default -> true;
        };
    if (!byKey) {
      errorCode |= PF_KEY;
      return false;
    }
    if (asUser) {
      return mayAccess(access, writable);
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
