package dev.pollux.core.cpu;

import dev.pollux.core.mmu.TlbLayout;

/**
 * Offsets in bytes of the vCPU's state block: the one source for Java and for generated code. The
 * block is 64-byte aligned and lies outside the heap.
 */
public final class CpuLayout {
  private CpuLayout() {}

  /**
   * 16 general registers of 8 bytes in encoding order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8
   * .. r15).
   */
  public static final int GPR = 0;

  /** A register slot that always holds 0: an absent base or index. */
  public static final int REG_ZERO = 16;

  /**
   * A register slot that holds the linear-space RIP of the current block's start: RIP-relative
   * operands.
   */
  public static final int REG_BLOCK = 17;

  public static final int RIP = 18 * 8;

  /**
   * RFLAGS, whole and true whenever the engine has returned; engines may keep the arithmetic flags
   * elsewhere inside.
   */
  public static final int RFLAGS = 19 * 8;

  // What generated code uses most lies below 256.

  /**
   * u32, non-zero: engines return to the vCPU's loop at the next block boundary. Set from any
   * thread. Four bytes that stay zero follow, so that generated code can take it for a u64.
   */
  public static final int EXIT_REQUEST = 20 * 8;

  /** u32: bits of {@link Interrupts}: what waits for the vCPU. Set from any thread, atomically. */
  public static final int PENDING = EXIT_REQUEST + 8;

  /** The code generator's own fields that it uses most, not saved. */
  public static final int JIT_NEAR = PENDING + 8;

  /** Eight segment registers of {@link #SEG_SIZE} bytes: ES CS SS DS FS GS LDTR TR. */
  public static final int SEG = 256;

  public static final int SEG_SIZE = 32;

  /** In a segment: u32 selector. */
  public static final int SEG_SELECTOR = 0;

  /**
   * In a segment: u32 attributes as in the second word of a descriptor shifted right by 8 (type
   * 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15).
   */
  public static final int SEG_ATTR = 4;

  /** In a segment: u64 base. */
  public static final int SEG_BASE = 8;

  /** In a segment: u32 limit in bytes, granularity applied. */
  public static final int SEG_LIMIT = 16;

  public static final int ES = 0;
  public static final int CS = 1;
  public static final int SS = 2;
  public static final int DS = 3;
  public static final int FS = 4;
  public static final int GS = 5;
  public static final int LDTR = 6;
  public static final int TR = 7;

  public static final int GDT_BASE = SEG + 8 * SEG_SIZE;
  public static final int GDT_LIMIT = GDT_BASE + 8;
  public static final int IDT_BASE = GDT_LIMIT + 8;
  public static final int IDT_LIMIT = IDT_BASE + 8;

  public static final int CR0 = IDT_LIMIT + 8;
  public static final int CR2 = CR0 + 8;
  public static final int CR3 = CR2 + 8;
  public static final int CR4 = CR3 + 8;
  public static final int XCR0 = CR4 + 8;

  /** DR0 to DR7, 8 bytes each; 4 and 5 are not used. */
  public static final int DR = XCR0 + 8;

  public static final int EFER = DR + 64;
  public static final int STAR = EFER + 8;
  public static final int LSTAR = STAR + 8;
  public static final int CSTAR = LSTAR + 8;
  public static final int SFMASK = CSTAR + 8;
  public static final int KERNEL_GS_BASE = SFMASK + 8;
  public static final int SYSENTER_CS = KERNEL_GS_BASE + 8;
  public static final int SYSENTER_ESP = SYSENTER_CS + 8;
  public static final int SYSENTER_EIP = SYSENTER_ESP + 8;
  public static final int PAT = SYSENTER_EIP + 8;
  public static final int TSC_OFFSET = PAT + 8;
  public static final int TSC_AUX = TSC_OFFSET + 8;
  public static final int MISC_ENABLE = TSC_AUX + 8;
  public static final int DEBUGCTL = MISC_ENABLE + 8;
  public static final int SPEC_CTRL = DEBUGCTL + 8;
  public static final int TSC_ADJUST = SPEC_CTRL + 8;
  public static final int MTRR_DEF_TYPE = TSC_ADJUST + 8;

  /** MTRR fixed ranges, 11 of 8 bytes. */
  public static final int MTRR_FIXED = MTRR_DEF_TYPE + 8;

  /** MTRR variable ranges: 8 pairs of base and mask, 8 bytes each. */
  public static final int MTRR_VARIABLE = MTRR_FIXED + 11 * 8;

  public static final int SMBASE = MTRR_VARIABLE + 16 * 8;

  /** AMD's hardware configuration register. */
  public static final int HWCR = SMBASE + 8;

  public static final int MCG_STATUS = HWCR + 8;
  public static final int MCG_CTL = MCG_STATUS + 8;

  public static final int MCE_BANKS = 10;

  /**
   * Machine-check banks: {@link #MCE_BANKS} times control, status, address, information of 8 bytes.
   */
  public static final int MCE_BANK = MCG_CTL + 8;

  /** u32 in 8 bytes: access and write disable for each of 16 protection keys of user pages. */
  public static final int PKRU = MCE_BANK + MCE_BANKS * 32;

  /** u32 in 8 bytes: the same for supervisor pages. */
  public static final int PKRS = PKRU + 8;

  /**
   * u32: not 0 while no instruction executes: {@link #HALTED_WAITING} or {@link #HALTED_SHUTDOWN}.
   */
  public static final int HALTED = PKRS + 8;

  /** {@link #HALTED}: by HLT, until an interrupt. */
  public static final int HALTED_WAITING = 1;

  /** {@link #HALTED}: by a triple fault, until INIT or reset. */
  public static final int HALTED_SHUTDOWN = 2;

  /**
   * u32, not 0: no maskable interrupt before the next instruction has executed: {@link #SHADOW_STI}
   * or {@link #SHADOW_MOV_SS}.
   */
  public static final int INTERRUPT_SHADOW = HALTED + 4;

  /** {@link #INTERRUPT_SHADOW}: after STI that has set IF. */
  public static final int SHADOW_STI = 1;

  /**
   * {@link #INTERRUPT_SHADOW}: after MOV or POP to SS, which hold back NMIs and debug traps too.
   */
  public static final int SHADOW_MOV_SS = 2;

  /** u32, 1: NMIs blocked until IRET. */
  public static final int NMI_BLOCKED = INTERRUPT_SHADOW + 4;

  /** u32: A20 gate, address bit 20 passes where 1. */
  public static final int A20 = NMI_BLOCKED + 4;

  /** u32, 1: an application processor that waits for INIT and SIPI. */
  public static final int WAIT_FOR_SIPI = A20 + 4;

  /** u32: page-fault-like pending debug bits for DR6, raised as #DB at the instruction boundary. */
  public static final int PENDING_DEBUG = WAIT_FOR_SIPI + 4;

  /** PAE page-directory pointers, loaded with CR3: 4 of 8 bytes. */
  public static final int PDPTE = (PENDING_DEBUG + 4 + 7) & -8;

  /**
   * u16 control word, u16 status word (TOP in bits 11-13), u8 tags (bit set: register valid, in
   * physical order).
   */
  public static final int FCW = PDPTE + 32;

  public static final int FSW = FCW + 4;

  /**
   * u32 of which the low 8 bits count: bit i set where physical register i is in use (FXSAVE's
   * abridged tag word).
   */
  public static final int FTW = FSW + 4;

  /** u32: last x87 opcode, 11 bits. */
  public static final int FOP = FTW + 4;

  public static final int FIP = FOP + 4;
  public static final int FDP = FIP + 8;

  /** u32 each. */
  public static final int FCS = FDP + 8;

  public static final int FDS = FCS + 4;
  public static final int MXCSR = FDS + 4;

  /**
   * Eight physical x87 registers (R0 .. R7, not ST order) of 16 bytes: u64 significand, u16 sign
   * and exponent. MMi is the significand of Ri.
   */
  public static final int FPR = (MXCSR + 4 + 15) & -16;

  /** Sixteen vector registers of 32 bytes: XMMi is the low half of YMMi. */
  public static final int YMM = (FPR + 8 * 16 + 63) & -64;

  public static final int YMM_SIZE = 32;

  /** Scratch for engines, 512 bytes, not saved. */
  public static final int SCRATCH = YMM + 16 * YMM_SIZE;

  /** Fields that belong to engines (TLB addresses, counters ...), 512 bytes, not saved. */
  public static final int ENGINE = SCRATCH + 512;

  /** The software TLB: {@link TlbLayout#MODES} tables. */
  public static final int TLB = (ENGINE + 512 + 4095) & -4096;

  /** The code generator's jump cache, not saved: {@link #JUMP_CACHE_ENTRIES} of 16 bytes. */
  public static final int JUMP_CACHE = TLB + TlbLayout.MODES * TlbLayout.TABLE_SIZE;

  public static final int JUMP_CACHE_ENTRIES = 36 << 14;

  /** The code generator's fields, not saved. */
  public static final int JIT = JUMP_CACHE + JUMP_CACHE_ENTRIES * 16;

  /** What belongs to the software TLB, not saved: {@link dev.pollux.core.mmu.RefillLayout}. */
  public static final int REFILL = JIT + (96 << 10);

  /** Bytes. */
  public static final int SIZE = REFILL + (224 << 10);
}
