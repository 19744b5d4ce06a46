package dev.pollux.core.mmu;

import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.VarHandle;

/**
 * Translates a vCPU's linear addresses and reaches guest memory through them. Used on the vCPU's
 * thread, or while it is parked.
 *
 * <p>Accesses raise page faults and general protection faults as {@link CpuException}. {@code read}
 * and {@code write} use the current privilege level; {@code readSystem} and {@code writeSystem} are
 * the processor's own accesses to descriptor tables, task states and inner stacks, with supervisor
 * privilege whatever the current level.
 *
 * <p>Other vCPUs see loads and stores in program order but for a store that passes a later load, as
 * x86 promises: every load is followed by an acquire fence, every store preceded by a release
 * fence, so that neither the compiler nor a host of weaker order moves them. On x86 hosts these
 * fences are no instructions.
 *
 * <p>The software TLB is laid out by {@link TlbLayout}. MMIO has no valid tags; ROM and pages whose
 * writes are watched have no write tag; nor has a page whose dirty bit is still to be set.
 */
public final class Mmu implements AutoCloseable {
  /** For so many flushes of one page it is known which they were; a power of two. */
  public static final int RECENT_PAGES = 64;

  private static final int USER = TlbLayout.USER;
  private static final int SUPERVISOR = TlbLayout.KERNEL;
  private static final int SUPERVISOR_SMAP = TlbLayout.KERNEL_SMAP;
  private static final long TABLE_BYTES = TlbLayout.TABLE_SIZE;
  private static final long INDEX_MASK = (TlbLayout.ENTRIES - 1L) * TlbLayout.ENTRY_SIZE;
  private static final long PAGE_MASK = -RamBlock.PAGE_SIZE;

  private static final long CR0_AM = 1L << 18;
  private static final long RFLAGS_AC = 1L << 18;
  private static final long PAGING_BITS_CR0 = PageWalker.CR0_PG | PageWalker.CR0_WP;
  private static final long PAGING_BITS_CR4 =
      PageWalker.CR4_PSE
          | PageWalker.CR4_PAE
          | PageWalker.CR4_PGE
          | PageWalker.CR4_SMEP
          | PageWalker.CR4_SMAP
          | ControlRegisters.CR4_PCIDE
          | ControlRegisters.CR4_LA57
          | ControlRegisters.CR4_PKE
          | ControlRegisters.CR4_PKS
          | ControlRegisters.CR4_LAM_SUP;

  /** Metadata of addresses with 57 and with 48 bits of their own, bit 63 with it. */
  private static final int TAG_BITS_57 = 7;

  private static final int TAG_BITS_48 = 16;

  private static final int FIRST_KEY = 1;

  private static final long PAGING_BITS_EFER = PageWalker.EFER_LMA | PageWalker.EFER_NXE;

  private final Vcpu vcpu;
  private final CpuState state;
  private final PhysicalMemory memory;
  private final PageWalker walker;

  /** Host address of the tables in the state block. */
  private final long tables;

  /**
   * A table in which nothing ever hits, for when every data access must be looked at; 0 until then.
   */
  private long slowTable;

  /** Table for data of the current privilege, and the one for code. */
  private long tlb;

  private long codeTlb;
  private int mode;

  // What updateMode saw last.
  private long cr0;
  private long cr3;
  private long cr4;
  private long efer;
  private boolean alignmentCheck;
  private boolean dataBreakpoints;
  private long addressMask = -1;
  private int pkru;
  private int pkrs;

  /**
   * By how many bits an address with bit 63 clear, and one with it set, is shifted left and right
   * for its metadata to be gone; 0 where addresses carry none.
   */
  private int userTagBits;

  private int supervisorTagBits;

  /**
   * Protection keys of user and of supervisor pages in the TLB: the lower bit of each key's two.
   * Generated code may have filled in pages of the first key.
   */
  private int userKeysFilled = FIRST_KEY;

  private int supervisorKeysFilled = FIRST_KEY;

  private final FilledEntries filled;
  private final RefillParameters refill;

  /** True after an address that is not canonical was the cause of the last #GP. */
  private boolean nonCanonical;

  private long faultAddress;
  private int flushes;
  private int pageFlushes;
  private final long[] flushedPages = new long[RECENT_PAGES];
  private int globalFlushes;

  public Mmu(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.state = vcpu.cpuState();
    this.memory = new PhysicalMemory(vcpu.machine().memory());
    this.walker =
        new PageWalker(
            state, memory, vcpu.model().physicalAddressBits(), vcpu.model().has(CpuFeature.PSE36));
    this.tables = state.address() + CpuLayout.TLB;
    this.filled = new FilledEntries(state.address());
    this.refill = new RefillParameters(state, memory);
    for (int mode = 0; mode < TlbLayout.MODES; mode++) {
      invalidateTable(tables + mode * TABLE_BYTES);
    }
    tlb = tables;
    codeTlb = tables;
  }

  // ---- accesses with the current privilege ----

  private static long index(long linear) {
    return linear >>> RamBlock.PAGE_BITS - TlbLayout.ENTRY_BITS & INDEX_MASK;
  }

  /** Zero-extended. */
  public int read8(long linear) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - 1) <= 0) {
      int value = RawMemory.getByte(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset) & 0xff;
      VarHandle.acquireFence();
      return value;
    }
    return (int) readSlow(linear, 1);
  }

  /** Zero-extended. */
  public int read16(long linear) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - 2) <= 0) {
      int value =
          RawMemory.getShort(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset) & 0xffff;
      VarHandle.acquireFence();
      return value;
    }
    return (int) readSlow(linear, 2);
  }

  public int read32(long linear) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - 4) <= 0) {
      int value = RawMemory.getInt(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset);
      VarHandle.acquireFence();
      return value;
    }
    return (int) readSlow(linear, 4);
  }

  public long read64(long linear) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - 8) <= 0) {
      long value = RawMemory.getLong(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset);
      VarHandle.acquireFence();
      return value;
    }
    return readSlow(linear, 8);
  }

  public void write8(long linear, int value) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - 1) <= 0) {
      VarHandle.releaseFence();
      RawMemory.putByte(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, (byte) value);
    } else {
      writeSlow(linear, 1, value);
    }
  }

  public void write16(long linear, int value) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - 2) <= 0) {
      VarHandle.releaseFence();
      RawMemory.putShort(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, (short) value);
    } else {
      writeSlow(linear, 2, value);
    }
  }

  public void write32(long linear, int value) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - 4) <= 0) {
      VarHandle.releaseFence();
      RawMemory.putInt(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, value);
    } else {
      writeSlow(linear, 4, value);
    }
  }

  public void write64(long linear, long value) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - 8) <= 0) {
      VarHandle.releaseFence();
      RawMemory.putLong(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, value);
    } else {
      writeSlow(linear, 8, value);
    }
  }

  /** 1, 2, 4 or 8 bytes, zero-extended. */
  public long read(long linear, int size) {
    return switch (size) {
      case 1 -> read8(linear);
      case 2 -> read16(linear);
      case 4 -> read32(linear) & 0xffff_ffffL;
      default -> read64(linear);
    };
  }

  /** 1, 2, 4 or 8 bytes. */
  public void write(long linear, int size, long value) {
    switch (size) {
      case 1 -> write8(linear, (int) value);
      case 2 -> write16(linear, (int) value);
      case 4 -> write32(linear, (int) value);
      default -> write64(linear, value);
    }
  }

  /**
   * Raises the fault that a write of {@code size} bytes (1 to 4096) would raise, writes nothing.
   * For operands of more than 8 bytes and for reads that a write to the same place follows.
   */
  public void probeWrite(long linear, int size) {
    long offset = linear ^ RawMemory.getLong(tlb + index(linear) + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - size) > 0) {
      probe(linear, size, AccessType.WRITE, mode);
    }
  }

  /** Raises the fault that a read of {@code size} bytes (1 to 4096) would raise. */
  public void probeRead(long linear, int size) {
    long offset = linear ^ RawMemory.getLong(tlb + index(linear));
    if (Long.compareUnsigned(offset, 4096 - size) > 0) {
      probe(linear, size, AccessType.READ, mode);
    }
  }

  /**
   * Host address for reading {@code size} bytes directly, or 0 where they lie in two pages or not
   * in RAM; faults as {@link #probeRead}. An acquire fence has to follow the reads.
   */
  public long hostForRead(long linear, int size) {
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - size) > 0) {
      probe(linear, size, AccessType.READ, mode);
      offset = linear ^ RawMemory.getLong(entry);
      if (Long.compareUnsigned(offset, 4096 - size) > 0) {
        return 0;
      }
    }
    return RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset;
  }

  /**
   * Host address for reading and writing {@code size} bytes directly, the watchers of the page
   * told, or 0 where the bytes lie in two pages, not in RAM, or in a page that stays watched;
   * faults as {@link #probeWrite}. An acquire fence has to follow reads.
   */
  public long hostForWrite(long linear, int size) {
    VarHandle.releaseFence();
    long entry = tlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - size) <= 0) {
      return RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset;
    }
    return hostForWriteSlow(linear, size);
  }

  private long hostForWriteSlow(long linear, int size) {
    probe(linear, size, AccessType.WRITE, mode);
    if (((linear ^ linear + size - 1) & PAGE_MASK) != 0) {
      return 0;
    }
    long host = resolve(linear, AccessType.WRITE, mode);
    if (host == 0 || foundReadOnly) {
      return 0;
    }
    long page = foundOffset >> RamBlock.PAGE_BITS;
    while (!found.allowDirectWrites(page)) {
      if (found.isWatched(WriteClient.CODE, page) && !found.holdsCode(foundOffset, size)) {
        return 0;
      }
      found.tellWatchers(page, -1);
    }
    return host;
  }

  // ---- accesses with a given privilege ----

  private int systemMode() {
    return walker.smap() ? SUPERVISOR_SMAP : SUPERVISOR;
  }

  private int modeOf(int cpl) {
    return cpl == 3 ? USER : systemMode();
  }

  /** 1, 2, 4 or 8 bytes with supervisor privilege, zero-extended. */
  public long readSystem(long linear, int size) {
    return readMode(linear, size, systemMode());
  }

  public void writeSystem(long linear, int size, long value) {
    writeMode(linear, size, value, systemMode());
  }

  public void probeSystemWrite(long linear, int size) {
    probe(linear, size, AccessType.WRITE, systemMode());
  }

  /**
   * As {@link #readSystem} with the privilege of level {@code cpl}: a stack that is being switched
   * to.
   */
  public long readAs(int cpl, long linear, int size) {
    int stackMode = modeOf(cpl);
    return stackMode == mode ? readSlow(linear, size) : readMode(linear, size, stackMode);
  }

  public void writeAs(int cpl, long linear, int size, long value) {
    int stackMode = modeOf(cpl);
    if (stackMode == mode) {
      writeSlow(linear, size, value);
    } else {
      writeMode(linear, size, value, stackMode);
    }
  }

  public void probeWriteAs(int cpl, long linear, int size) {
    probe(linear, size, AccessType.WRITE, modeOf(cpl));
  }

  // ---- the slow paths ----

  private long readSlow(long linear, int size) {
    checkData(linear, size, AccessType.READ);
    return readMode(linear, size, mode);
  }

  private void writeSlow(long linear, int size, long value) {
    checkData(linear, size, AccessType.WRITE);
    writeMode(linear, size, value, mode);
  }

  private void checkData(long linear, int size, int access) {
    if (alignmentCheck && (linear & size - 1) != 0 && isCanonicalData(linear)) {
      throw vcpu.exception(CpuException.AC, 0);
    }
    if (dataBreakpoints) {
      matchBreakpoints(withoutTag(linear), size, access);
    }
  }

  /** False for an address that #GP comes from, before anything else is looked at. */
  private boolean isCanonical(long linear) {
    return (efer & PageWalker.EFER_LMA) == 0 || state.isCanonical(linear);
  }

  /** True for an address that data can be at, its metadata aside. */
  public boolean isCanonicalData(long linear) {
    return isCanonical(withoutTag(linear));
  }

  /**
   * The address of a data access without the metadata that linear-address masking takes out of it:
   * the sign of the address proper goes up to bit 62, bit 63 stays (Intel SDM vol. 3, 4.4).
   */
  private long withoutTag(long linear) {
    int bits = linear >= 0 ? userTagBits : supervisorTagBits;
    return bits == 0 ? linear : linear << bits >> bits & Long.MAX_VALUE | linear & Long.MIN_VALUE;
  }

  private long readMode(long linear, int size, int inMode) {
    long entry = tables + inMode * TABLE_BYTES + index(linear);
    long offset = linear ^ RawMemory.getLong(entry);
    if (Long.compareUnsigned(offset, 4096 - size) <= 0) {
      return load(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, size);
    }
    int first = bytesInPage(linear);
    if (size > first) {
      resolve(linear, AccessType.READ, inMode);
      long second = wrap(linear + first);
      resolve(second, AccessType.READ, inMode);
      long value = 0;
      for (int i = size - 1; i >= 0; i--) {
        value = value << 8 | readMode(i < first ? linear + i : wrap(linear + i), 1, inMode);
      }
      return value;
    }
    long host = resolve(linear, AccessType.READ, inMode);
    if (host == 0) {
      return memory.space().read(foundPhysical, size);
    }
    return load(host, size);
  }

  private void writeMode(long linear, int size, long value, int inMode) {
    long entry = tables + inMode * TABLE_BYTES + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.WRITE_TAG);
    if (Long.compareUnsigned(offset, 4096 - size) <= 0) {
      store(RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset, size, value);
      return;
    }
    int first = bytesInPage(linear);
    if (size > first) {
      resolve(linear, AccessType.WRITE, inMode);
      resolve(wrap(linear + first), AccessType.WRITE, inMode);
      for (int i = 0; i < size; i++) {
        writeMode(i < first ? linear + i : wrap(linear + i), 1, value >>> i * 8, inMode);
      }
      return;
    }
    long host = resolve(linear, AccessType.WRITE, inMode);
    if (host == 0) {
      memory.space().write(foundPhysical, size, value);
    } else if (!foundReadOnly) {
      boolean besideCode = tellWatchers(linear, size, inMode);
      store(host, size, value);
      if (besideCode) {
        VarHandle.fullFence();
        if (found.holdsCode(foundOffset, size)) { // code was made of it meanwhile
          found.tellWatchers(foundOffset >> RamBlock.PAGE_BITS, WriteClient.CODE.bit());
        }
      }
    } else {
      memory.space().write(foundPhysical, size, value); // flash takes it for a command
    }
  }

  /**
   * Before a write to the place that {@link #resolve} found.
   *
   * @return true if it is to data beside code: the code stays, and so does its watch
   */
  private boolean tellWatchers(long linear, int size, int inMode) {
    RamBlock block = found;
    long page = foundOffset >> RamBlock.PAGE_BITS;
    while (!block.allowDirectWrites(page)) {
      int clients = block.watchedBy(page);
      if ((clients & WriteClient.CODE.bit()) != 0 && !block.holdsCode(foundOffset, size)) {
        block.tellWatchers(page, clients & ~WriteClient.CODE.bit());
        return true;
      }
      block.tellWatchers(page, -1);
    }
    long entry = tables + inMode * TABLE_BYTES + index(linear);
    if (RawMemory.getLong(entry) == (linear & PAGE_MASK)) {
      RawMemory.putLong(entry + TlbLayout.WRITE_TAG, linear & PAGE_MASK);
      filled.addWritable(RawMemory.getLong(entry + TlbLayout.HOST_PAGE));
    }
    return false;
  }

  private void probe(long linear, int size, int access, int inMode) {
    if (inMode == mode && access != AccessType.EXECUTE) {
      checkData(linear, Integer.bitCount(size) == 1 && size <= 8 ? size : 1, access);
    }
    resolve(linear, access, inMode);
    int first = bytesInPage(linear);
    if (size > first) {
      resolve(wrap(linear + first), access, inMode);
    }
  }

  private static int bytesInPage(long linear) {
    return RamBlock.PAGE_SIZE - (int) (linear & RamBlock.PAGE_SIZE - 1);
  }

  /** Outside long mode linear addresses end at 4 GiB and start again. */
  private long wrap(long linear) {
    return (efer & PageWalker.EFER_LMA) == 0 ? linear & 0xffff_ffffL : linear;
  }

  // What resolve found: a physical address, and the block and the offset in it where it is memory.
  private RamBlock found;
  private boolean foundReadOnly;
  private long foundOffset;
  private long foundPhysical;

  /**
   * Translates, filling the TLB and setting {@link #foundPhysical}. Returns the host address of RAM
   * or ROM with {@link #found} and {@link #foundOffset} set too, or 0.
   */
  private long resolve(long linear, int access, int inMode) {
    long address = access == AccessType.EXECUTE ? linear : withoutTag(linear);
    if (!isCanonical(address)) {
      nonCanonical = true;
      faultAddress = linear;
      throw vcpu.exception(CpuException.GP, 0);
    }
    if (!walker.walk(address, access, inMode == USER, inMode == SUPERVISOR, false)) {
      // A guest may change what is mapped there without saying so (Intel SDM 3A, 4.10.4.1).
      filled.forgetPage(index(address));
      nonCanonical = false;
      state.setU64(CpuLayout.CR2, address);
      throw vcpu.exception(CpuException.PF, walker.errorCode);
    }
    return reach(linear, address, inMode);
  }

  /**
   * The last part of {@link #resolve}: what the walk of the page tables for {@code walked} has led
   * to, which is {@code linear} for code and {@code linear} without its metadata for data.
   */
  private long reach(long linear, long walked, int inMode) {
    long physical = walker.physical & addressMask;
    Region.RamRegion ram = memory.ram(physical);
    foundPhysical = physical;
    if (ram == null) {
      return 0;
    }
    found = ram.block();
    foundReadOnly = ram.readOnly();
    foundOffset = memory.lastOffset();
    long host = found.hostAddress() + foundOffset;
    if (memory.lastPageWhole()) {
      fill(linear, walked, host, inMode);
    }
    return host;
  }

  private void fill(long linear, long walked, long host, int inMode) {
    boolean asUser = inMode == USER;
    boolean readable =
        walked == withoutTag(linear)
            && walker.keyAllowsRead()
            && (asUser ? walker.user : !(inMode == SUPERVISOR_SMAP && walker.user));
    boolean writable =
        readable
            && walker.dirty
            && walker.keyAllowsWrite()
            && (walker.writable || !asUser && !walker.writeProtect())
            && !foundReadOnly
            && found.allowDirectWrites(foundOffset >> RamBlock.PAGE_BITS);
    boolean executable =
        walker.executable
            && walked == linear
            && (asUser ? walker.user : !(walker.smep() && walker.user));
    long page = linear & PAGE_MASK;
    int offset = (int) (inMode * TABLE_BYTES + index(linear));
    filled.add(offset, walker.global);
    long entry = tables + offset;
    long invalid = filled.invalidTag(entry);
    RawMemory.putLong(entry, readable ? page : invalid);
    RawMemory.putLong(entry + TlbLayout.WRITE_TAG, writable ? page : invalid);
    if (writable) {
      filled.addWritable(host);
    }
    RawMemory.putLong(entry + TlbLayout.EXEC_TAG, executable ? page : invalid);
    RawMemory.putLong(entry + TlbLayout.HOST_PAGE, host & PAGE_MASK);
    if (walker.pageBits > RamBlock.PAGE_BITS) {
      filled.addLarge(walked, walker.pageBits);
    }
    if (walker.key >= 0) {
      int bit = 1 << walker.key * 2;
      userKeysFilled |= walker.user ? bit : 0;
      supervisorKeysFilled |= walker.user ? 0 : bit;
    }
  }

  private static void invalidateTable(long table) {
    for (int i = 0; i < TlbLayout.ENTRIES; i++) {
      long entry = table + (long) i * TlbLayout.ENTRY_SIZE;
      RawMemory.putLong(entry, TlbLayout.invalidTag(i));
      RawMemory.putLong(entry + TlbLayout.WRITE_TAG, TlbLayout.invalidTag(i));
      RawMemory.putLong(entry + TlbLayout.EXEC_TAG, TlbLayout.invalidTag(i));
    }
  }

  // ---- code ----

  /**
   * Host address of the code byte at a linear address, or 0 if it is not in RAM or ROM; raises the
   * faults of a fetch. {@link #fetchBlock} and {@link #fetchOffset} tell the RAM block after a call
   * of {@link #locateCode} only.
   */
  public long codeHost(long linear) {
    long entry = codeTlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.EXEC_TAG);
    if (Long.compareUnsigned(offset, 4096) < 0) {
      return RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset;
    }
    return resolve(linear, AccessType.EXECUTE, mode);
  }

  /** The host address of code at a linear address if the TLB has it, otherwise -1; never faults. */
  public long codeHostIfCached(long linear) {
    long entry = codeTlb + index(linear);
    long offset = linear ^ RawMemory.getLong(entry + TlbLayout.EXEC_TAG);
    return Long.compareUnsigned(offset, 4096) < 0
        ? RawMemory.getLong(entry + TlbLayout.HOST_PAGE) + offset
        : -1;
  }

  /**
   * As {@link #codeHostIfCached}, but walks the page tables for what the TLB does not have; -1 also
   * where a fetch would fault, and where there is no RAM or ROM.
   */
  public long codeHostIfMapped(long linear) {
    long host = codeHostIfCached(linear);
    if (host != -1) {
      return host;
    }
    if (!isCanonical(linear)
        || !walker.walk(linear, AccessType.EXECUTE, mode == USER, mode == SUPERVISOR, false)) {
      return -1;
    }
    host = reach(linear, linear, mode);
    return host == 0 ? -1 : host;
  }

  /**
   * As {@link #codeHost}, and makes {@link #fetchBlock}, {@link #fetchOffset} or {@link
   * #fetchPhysical} valid.
   */
  public long locateCode(long linear) {
    return resolve(linear, AccessType.EXECUTE, mode);
  }

  public RamBlock fetchBlock() {
    return found;
  }

  public long fetchOffset() {
    return foundOffset;
  }

  public long fetchPhysical() {
    return foundPhysical;
  }

  // ---- breakpoints ----

  private void matchBreakpoints(long linear, int size, int access) {
    int hits = vcpu.debugRegisters().dataHits(linear, size, access == AccessType.WRITE);
    if (hits != 0) {
      state.setU32(CpuLayout.PENDING_DEBUG, state.u32(CpuLayout.PENDING_DEBUG) | hits);
    }
  }

  // ---- for the monitor ----

  /**
   * Physical address of a linear one for a supervisor read without side effects, or -1. Monitors
   * and debuggers.
   */
  public long translate(long linear) {
    walker.setMode(state.cr0(), state.cr4(), state.efer());
    boolean mapped = walker.walk(linear, AccessType.READ, false, true, true);
    walker.setMode(cr0, cr4, efer);
    return mapped ? walker.physical & addressMask : -1;
  }

  // ---- modes and flushes ----

  /**
   * True if the last #GP came from an address that is not canonical; {@link #faultAddress} is that
   * address.
   */
  public boolean takeNonCanonical() {
    boolean was = nonCanonical;
    nonCanonical = false;
    return was;
  }

  public long faultAddress() {
    return faultAddress;
  }

  /**
   * Takes over CR0, CR3, CR4, EFER, DR7, the privilege level and RFLAGS.AC from the state block;
   * drops translations where a paging mode bit or CR3 changed. The interpreter calls this after
   * each instruction bound with {@code bindSystem}.
   */
  public void updateMode() {
    long newCr0 = state.cr0();
    long newCr4 = state.cr4();
    long newEfer = state.efer();
    if (((newCr0 ^ cr0) & PAGING_BITS_CR0
            | (newCr4 ^ cr4) & PAGING_BITS_CR4
            | (newEfer ^ efer) & PAGING_BITS_EFER)
        != 0) {
      flushAll();
    }
    boolean changed = newCr0 != cr0 || newCr4 != cr4 || newEfer != efer;
    cr0 = newCr0;
    cr4 = newCr4;
    efer = newEfer;
    walker.setMode(cr0, cr4, efer);
    if (state.cr3() != cr3) {
      flushNonGlobal();
    }
    updateTags();
    updateProtectionKeys();
    if (changed) {
      refill.update(addressMask == -1);
    }
    boolean user = (state.segAttr(CpuLayout.SS) >> 5 & 3) == 3;
    boolean ac = (state.rflags() & RFLAGS_AC) != 0;
    mode = user ? USER : walker.smap() && !ac ? SUPERVISOR_SMAP : SUPERVISOR;
    alignmentCheck = user && ac && (cr0 & CR0_AM) != 0;
    dataBreakpoints = hasDataBreakpoints(state.u64(CpuLayout.DR + 7 * 8));
    codeTlb = tables + mode * TABLE_BYTES;
    tlb = alignmentCheck || dataBreakpoints ? slowTable() : codeTlb;
  }

  /** Which bits of data addresses are metadata: linear-address masking. */
  private void updateTags() {
    userTagBits =
        (cr3 & ControlRegisters.CR3_LAM_U57) != 0
            ? TAG_BITS_57
            : (cr3 & ControlRegisters.CR3_LAM_U48) != 0 ? TAG_BITS_48 : 0;
    boolean fiveLevels = (cr4 & ControlRegisters.CR4_LA57) != 0;
    supervisorTagBits =
        (cr4 & ControlRegisters.CR4_LAM_SUP) == 0 ? 0 : fiveLevels ? TAG_BITS_57 : TAG_BITS_48;
  }

  /**
   * Takes over PKRU and IA32_PKRS from the state block; drops translations for data where a key of
   * theirs has other rights now. vCPU thread.
   */
  public void updateProtectionKeys() {
    int newPkru = state.u32(CpuLayout.PKRU);
    int newPkrs = state.u32(CpuLayout.PKRS);
    if (newPkru == pkru && newPkrs == pkrs) {
      return;
    }
    int changed =
        changedKeys(pkru, newPkru) & userKeysFilled
            | changedKeys(pkrs, newPkrs) & supervisorKeysFilled;
    pkru = newPkru;
    pkrs = newPkrs;
    refill.update(addressMask == -1);
    if (changed != 0) {
      filled.dropData();
    }
  }

  /** The lower bit of each key's two where either has changed. */
  private static int changedKeys(int old, int now) {
    int bits = old ^ now;
    return (bits | bits >>> 1) & 0x5555_5555;
  }

  /** The current {@link TlbLayout} mode. */
  public int mode() {
    return mode;
  }

  /** False while every access has to be looked at: alignment checks, data breakpoints. */
  public boolean tlbUsable() {
    return tlb == codeTlb;
  }

  /**
   * Counts the times that translations were dropped: who remembers what an address leads to
   * compares it.
   */
  public int flushes() {
    return flushes;
  }

  /** How many of the {@link #flushes} were of one page. */
  public int pageFlushes() {
    return pageFlushes;
  }

  /**
   * A linear address in the page that flush {@code number} of one page was of, {@link #pageFlushes}
   * being counted from 0; known for the last {@link #RECENT_PAGES}.
   */
  public long flushedPage(int number) {
    return flushedPages[number & RECENT_PAGES - 1];
  }

  /**
   * As {@link #flushes}, without the times when translations of global pages stayed and when one
   * page was flushed.
   */
  public int globalFlushes() {
    return globalFlushes;
  }

  /** True if the TLB has a translation of code at this address and its page is global. */
  public boolean isGlobalCode(long linear) {
    return codeHostIfCached(linear) != -1 && filled.isGlobal(codeTlb + index(linear) - tables);
  }

  private long slowTable() {
    if (slowTable == 0) {
      try {
        slowTable = Libc.mapAnonymous(TABLE_BYTES, Libc.PROT_READ | Libc.PROT_WRITE);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      invalidateTable(slowTable);
    }
    return slowTable;
  }

  private static boolean hasDataBreakpoints(long dr7) {
    if ((dr7 & 0xff) == 0) {
      return false;
    }
    for (int i = 0; i < 4; i++) {
      int condition = (int) (dr7 >>> 16 + i * 4) & 3;
      if ((dr7 >>> i * 2 & 3) != 0 && (condition & 1) != 0) {
        return true;
      }
    }
    return false;
  }

  /** Forgets all translations, global ones too. */
  public void flushAll() {
    globalFlushes++;
    addressMask = state.u32(CpuLayout.A20) != 0 ? -1L : ~(1L << 20);
    filled.forgetAll();
    userKeysFilled = FIRST_KEY;
    supervisorKeysFilled = FIRST_KEY;
    flushNonGlobal();
    refill.update(addressMask == -1);
  }

  /** Forgets all translations but global ones: a write to CR3. */
  public void flushNonGlobal() {
    flushes++;
    cr3 = state.cr3();
    filled.forgetLocal();
  }

  /** INVLPG: forgets the translation of one page, global or not, in the current address space. */
  public void flushPage(long linear) {
    if (filled.mayBeLarge(linear)) {
      flushAll();
      return;
    }
    flushes++;
    flushedPages[pageFlushes++ & RECENT_PAGES - 1] = linear;
    filled.forgetPage(index(linear));
  }

  /**
   * Takes the write tags from all translations of a page of RAM: its writes are watched from now
   * on.
   */
  public void protectPage(RamBlock block, long page) {
    long host = block.hostAddress() + (page << RamBlock.PAGE_BITS);
    if (filled.mayBeWritable(host)) {
      filled.protect(host);
    }
  }

  /**
   * Takes the write tags from all translations, so that the next write to each page is looked at:
   * many pages are watched from now on. On the vCPU's thread, or while it is parked.
   */
  public void protectAll() {
    filled.protectAll();
  }

  /** Forgets what hot code knows of the pages that it has accessed last. */
  public void forgetAccessed() {
    filled.forgetAccessed();
  }

  @Override
  public void close() {
    if (slowTable != 0) {
      Libc.unmap(slowTable, TABLE_BYTES);
    }
  }

  private static long load(long host, int size) {
    long value =
        switch (size) {
          case 1 -> RawMemory.getByte(host) & 0xffL;
          case 2 -> RawMemory.getShort(host) & 0xffffL;
          case 4 -> RawMemory.getInt(host) & 0xffff_ffffL;
          default -> RawMemory.getLong(host);
        };
    VarHandle.acquireFence();
    return value;
  }

  private static void store(long host, int size, long value) {
    VarHandle.releaseFence();
    switch (size) {
      case 1 -> RawMemory.putByte(host, (byte) value);
      case 2 -> RawMemory.putShort(host, (short) value);
      case 4 -> RawMemory.putInt(host, (int) value);
      default -> RawMemory.putLong(host, value);
    }
  }
}
