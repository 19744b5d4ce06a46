package dev.pollux.core.cpu;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;

/**
 * A vCPU's architectural state: a view of the off-heap block that {@link CpuLayout} lays out. Owned
 * by the vCPU's thread while it runs; others touch it only while the vCPU is parked, {@link
 * CpuLayout#PENDING} and {@link CpuLayout#EXIT_REQUEST} excepted.
 */
public final class CpuState implements AutoCloseable {
  private final long base;

  public CpuState() throws IOException {
    base = Libc.mapHuge(CpuLayout.SIZE, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  /** Host address of the block. */
  public long address() {
    return base;
  }

  /** A general register by number, {@link CpuLayout#REG_ZERO} included. */
  public long gpr(int register) {
    return RawMemory.getLong(base + CpuLayout.GPR + register * 8L);
  }

  public void setGpr(int register, long value) {
    RawMemory.putLong(base + CpuLayout.GPR + register * 8L, value);
  }

  public long u64(int offset) {
    return RawMemory.getLong(base + offset);
  }

  public void setU64(int offset, long value) {
    RawMemory.putLong(base + offset, value);
  }

  public int u32(int offset) {
    return RawMemory.getInt(base + offset);
  }

  public void setU32(int offset, int value) {
    RawMemory.putInt(base + offset, value);
  }

  public int u16(int offset) {
    return RawMemory.getShort(base + offset) & 0xffff;
  }

  public void setU16(int offset, int value) {
    RawMemory.putShort(base + offset, (short) value);
  }

  public long rip() {
    return u64(CpuLayout.RIP);
  }

  public void setRip(long rip) {
    setU64(CpuLayout.RIP, rip);
  }

  public long rflags() {
    return u64(CpuLayout.RFLAGS);
  }

  public void setRflags(long rflags) {
    setU64(CpuLayout.RFLAGS, rflags);
  }

  private static int seg(int segment, int field) {
    return CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + field;
  }

  public int segSelector(int segment) {
    return u32(seg(segment, CpuLayout.SEG_SELECTOR));
  }

  public int segAttr(int segment) {
    return u32(seg(segment, CpuLayout.SEG_ATTR));
  }

  public long segBase(int segment) {
    return u64(seg(segment, CpuLayout.SEG_BASE));
  }

  /** The limit in bytes, 0 to 0xffffffff. */
  public long segLimit(int segment) {
    return u32(seg(segment, CpuLayout.SEG_LIMIT)) & 0xffff_ffffL;
  }

  public void setSegBase(int segment, long base) {
    setU64(seg(segment, CpuLayout.SEG_BASE), base);
  }

  public void setSeg(int segment, int selector, long base, long limit, int attr) {
    setU32(seg(segment, CpuLayout.SEG_SELECTOR), selector);
    setU32(seg(segment, CpuLayout.SEG_ATTR), attr);
    setU64(seg(segment, CpuLayout.SEG_BASE), base);
    setU32(seg(segment, CpuLayout.SEG_LIMIT), (int) limit);
  }

  public long cr0() {
    return u64(CpuLayout.CR0);
  }

  public long cr3() {
    return u64(CpuLayout.CR3);
  }

  public long cr4() {
    return u64(CpuLayout.CR4);
  }

  public long efer() {
    return u64(CpuLayout.EFER);
  }

  /**
   * True for an address that may be accessed or branched to in 64-bit code: 57 bits wide with
   * 5-level paging, otherwise 48.
   */
  public boolean isCanonical(long address) {
    return CanonicalForm.is(address, CanonicalForm.BITS_4_LEVELS)
        || (cr4() & ControlRegisters.CR4_LA57) != 0 && CanonicalForm.isAnywhere(address);
  }

  /** Current privilege level, 0 to 3: the DPL of SS in every mode. */
  public int cpl() {
    return segAttr(CpuLayout.SS) >> 5 & 3;
  }

  /** CR0.PE: protected mode, long mode and virtual-8086 mode included. */
  public boolean protectedMode() {
    return (cr0() & ControlRegisters.CR0_PE) != 0;
  }

  /** Virtual-8086 mode. */
  public boolean virtual8086() {
    return (rflags() & Eflags.VM) != 0;
  }

  /** Protected mode without virtual-8086 mode: selectors name descriptors. */
  public boolean usesDescriptors() {
    return protectedMode() && !virtual8086();
  }

  /** EFER.LMA: long mode, 64-bit or compatibility. */
  public boolean longMode() {
    return (efer() & ControlRegisters.EFER_LMA) != 0;
  }

  /** 64-bit mode. */
  public boolean code64() {
    return longMode() && (segAttr(CpuLayout.CS) & SegmentAttributes.L) != 0;
  }

  /** Sets bits of {@link CpuLayout#PENDING}, atomically; returns the old word. Any thread. */
  public int orPending(int bits) {
    return RawMemory.getAndOrInt(base + CpuLayout.PENDING, bits);
  }

  public int andPending(int bits) {
    return RawMemory.getAndAndInt(base + CpuLayout.PENDING, bits);
  }

  public int pending() {
    return RawMemory.getIntVolatile(base + CpuLayout.PENDING);
  }

  /** Makes the engine return at the next block boundary. Any thread. */
  public void setExitRequest(boolean on) {
    RawMemory.putIntVolatile(base + CpuLayout.EXIT_REQUEST, on ? 1 : 0);
  }

  public boolean exitRequested() {
    return RawMemory.getIntVolatile(base + CpuLayout.EXIT_REQUEST) != 0;
  }

  @Override
  public void close() {
    Libc.unmap(base, CpuLayout.SIZE);
  }
}
