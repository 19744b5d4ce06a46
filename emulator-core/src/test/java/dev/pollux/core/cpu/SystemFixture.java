package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.core.machine.BareMachine;
import org.junit.jupiter.api.function.Executable;

/**
 * A bare machine with descriptor tables that hold one of everything: {@link #GDT} at 0x1000, {@link
 * #IDT} at 0x2000 whose gates lead to {@link #handler}, a task state at {@link #TSS}, an LDT at
 * 0x4000. Selectors are named here; the stack is at {@link #STACK}.
 */
final class SystemFixture implements AutoCloseable {
  static final int GDT = 0x1000;
  static final int IDT = 0x2000;
  static final int TSS = 0x3000;
  static final int TSS2 = 0x3800;
  static final int LDT = 0x4000;
  static final int HANDLERS = 0x8000;
  static final int STACK = 0x20000;
  static final int INNER_STACK = 0x24000;
  static final int RING1_STACK = 0x28000;
  static final int IST1 = 0x2c000;

  static final int CODE0 = 0x08;
  static final int DATA0 = 0x10;
  static final int CODE3 = 0x1b;
  static final int DATA3 = 0x23;
  static final int TSS_SELECTOR = 0x28;
  static final int LDT_SELECTOR = 0x30;
  static final int CONFORMING0 = 0x38;
  static final int ABSENT_DATA = 0x40;
  static final int READ_ONLY = 0x48;
  static final int EXECUTE_ONLY = 0x50;
  static final int CALL_GATE = 0x58;
  static final int CODE64 = 0x60;
  static final int TSS2_SELECTOR = 0x70;
  static final int TASK_GATE = 0x78;
  static final int CODE64_3 = 0x83;
  static final int EXPAND_DOWN = 0x88;
  static final int CODE1 = 0x90;
  static final int DATA1 = 0x98;
  static final int CALL_GATE_RING1 = 0xa0;
  static final int CALL_GATE_DPL0 = 0xa8;
  static final int ABSENT_CODE = 0xc0;
  static final int CALL_GATE_ABSENT = 0xc8;
  static final int SMALL_CODE = 0xd0;
  static final int BOTH_L_AND_D = 0xd8;
  static final int CALL_GATE16 = 0xe0;
  static final int BEYOND = 0x1000;
  static final int GATE_TARGET = 0x12340;

  private static final int GDT_LIMIT = 0xff;

  final BareMachine machine;
  final Vcpu vcpu;
  final CpuState s;

  private SystemFixture(String model) {
    machine = new BareMachine(8 << 20, new CpuModel(model));
    vcpu = machine.vcpu();
    s = machine.state();
    descriptor(CODE0, 0x00cf9a000000ffffL);
    descriptor(DATA0, 0x00cf92000000ffffL);
    descriptor(CODE3, 0x00cffa000000ffffL);
    descriptor(DATA3, 0x00cff2000000ffffL);
    descriptor(TSS_SELECTOR, 0x0000890000000067L | (long) TSS << 16);
    descriptor(LDT_SELECTOR, 0x000082000000003fL | (long) LDT << 16);
    descriptor(CONFORMING0, 0x00cf9e000000ffffL);
    descriptor(ABSENT_DATA, 0x00cf12000000ffffL);
    descriptor(READ_ONLY, 0x00cf90000000ffffL);
    descriptor(EXECUTE_ONLY, 0x00cf98000000ffffL);
    descriptor(CALL_GATE, gate(CODE0, 0xec02));
    descriptor(CODE64, 0x00af9a000000ffffL);
    descriptor(TSS2_SELECTOR, 0x0000890000000067L | (long) TSS2 << 16);
    descriptor(TASK_GATE, 0x0000e50000000000L | (long) TSS2_SELECTOR << 16);
    descriptor(CODE64_3, 0x00affa000000ffffL);
    descriptor(EXPAND_DOWN, 0x00cf96000000000fL);
    descriptor(CODE1, 0x00cfba000000ffffL);
    descriptor(DATA1, 0x00cfb2000000ffffL);
    descriptor(CALL_GATE_RING1, gate(CODE1, 0xec00));
    descriptor(CALL_GATE_DPL0, gate(CODE0, 0x8c00));
    descriptor(ABSENT_CODE, 0x00cf1a000000ffffL);
    descriptor(CALL_GATE_ABSENT, gate(ABSENT_CODE, 0xec00));
    descriptor(SMALL_CODE, 0x00409a0000000010L);
    descriptor(BOTH_L_AND_D, 0x00ef9a000000ffffL);
    descriptor(CALL_GATE16, gate(CODE0, 0xe401));
    write(LDT + 0x10, 8, 0x00cff2000000ffffL);
    write(TSS + 4, 4, INNER_STACK);
    write(TSS + 8, 4, DATA0);
    write(TSS + 12, 4, RING1_STACK);
    write(TSS + 16, 4, DATA1 | 1);
    write(TSS + 0x66, 2, 104);
    s.setU64(CpuLayout.GDT_BASE, GDT);
    s.setU64(CpuLayout.GDT_LIMIT, GDT_LIMIT);
    s.setU64(CpuLayout.IDT_BASE, IDT);
    s.setU64(CpuLayout.IDT_LIMIT, 0xfff);
  }

  /** Flat 32-bit protected mode at privilege 0. */
  static SystemFixture protectedMode() {
    SystemFixture f = new SystemFixture("max");
    f.machine.enterProtectedMode();
    f.s.setSeg(CpuLayout.TR, TSS_SELECTOR, TSS, 0x67, 0x8b);
    f.write(GDT + TSS_SELECTOR + 5, 1, 0x8b);
    f.s.setSeg(CpuLayout.LDTR, LDT_SELECTOR, LDT, 0x3f, 0x82);
    for (int v = 0; v < 256; v++) {
      f.gate32(v, CODE0, 0x8e, handler(v));
    }
    f.start();
    return f;
  }

  static SystemFixture longMode() {
    return longMode("max");
  }

  /** 64-bit mode at privilege 0. */
  static SystemFixture longMode(String model) {
    SystemFixture f = new SystemFixture(model);
    f.machine.enterLongMode();
    f.s.setSeg(CpuLayout.CS, CODE64, 0, 0xffff_ffffL, 0xa09b);
    f.s.setSeg(CpuLayout.TR, TSS_SELECTOR, TSS, 0x67, 0x8b);
    f.write(TSS + 4, 8, INNER_STACK);
    f.write(TSS + 12, 8, RING1_STACK);
    f.write(TSS + 0x24, 8, IST1);
    for (int v = 0; v < 256; v++) {
      f.gate64(v, CODE64, 0x8e, 0, handler(v));
    }
    f.start();
    return f;
  }

  static SystemFixture realMode() {
    SystemFixture f = new SystemFixture("max");
    f.machine.enterRealMode();
    f.s.setU64(CpuLayout.IDT_BASE, 0);
    f.s.setU64(CpuLayout.IDT_LIMIT, 0x3ff);
    for (int v = 0; v < 256; v++) {
      f.write(v * 4L, 4, (long) HANDLERS / 16 << 16 | v * 16L);
    }
    f.s.setRip(0x7000);
    f.s.setGpr(4, 0xff00);
    return f;
  }

  private void start() {
    s.setRip(0x10000);
    s.setGpr(4, STACK);
    vcpu.mmu().updateMode();
  }

  /** Privilege 3 with flat segments of the present mode's size. */
  void userMode() {
    if (s.code64()) {
      s.setSeg(CpuLayout.CS, CODE64_3, 0, 0xffff_ffffL, 0xa0fb);
    } else {
      s.setSeg(CpuLayout.CS, CODE3, 0, 0xffff_ffffL, 0xc0fb);
    }
    for (int segment :
        new int[] {CpuLayout.SS, CpuLayout.DS, CpuLayout.ES, CpuLayout.FS, CpuLayout.GS}) {
      s.setSeg(segment, DATA3, 0, 0xffff_ffffL, 0xc0f3);
    }
    vcpu.mmu().updateMode();
  }

  /** Virtual-8086 mode with CS 0x1000, SS 0x1f00 and other segments 0x2000. */
  void virtual8086(int flags) {
    s.setRflags(Eflags.VM | Eflags.FIXED | flags);
    for (int segment = CpuLayout.ES; segment <= CpuLayout.GS; segment++) {
      vcpu.segmentation().loadVirtual8086(segment, 0x2000);
    }
    vcpu.segmentation().loadVirtual8086(CpuLayout.CS, 0x1000);
    vcpu.segmentation().loadVirtual8086(CpuLayout.SS, 0x1f00);
    s.setGpr(4, 0x100);
    s.setRip(0x10);
    vcpu.mmu().updateMode();
  }

  static int handler(int vector) {
    return HANDLERS + vector * 16;
  }

  private static long gate(int selector, int attributesAndCount) {
    return (long) (GATE_TARGET >>> 16) << 48
        | (long) attributesAndCount << 32
        | (long) selector << 16
        | GATE_TARGET & 0xffff;
  }

  void descriptor(int selector, long value) {
    write(GDT + (selector & ~7), 8, value);
  }

  void gate32(int vector, int selector, int access, int offset) {
    long high = offset & 0xffff_0000L | (long) access << 8;
    write(IDT + vector * 8L, 8, high << 32 | (long) selector << 16 | offset & 0xffff);
  }

  void gate64(int vector, int selector, int access, int ist, long offset) {
    long high = offset & 0xffff_0000L | (long) access << 8 | ist;
    write(IDT + vector * 16L, 8, high << 32 | (long) selector << 16 | offset & 0xffff);
    write(IDT + vector * 16L + 8, 8, offset >>> 32);
  }

  void write(long address, int size, long value) {
    machine.machine().memory().write(address, size, value);
  }

  long read(long address, int size) {
    return machine.machine().memory().read(address, size);
  }

  /**
   * The item that lies {@code index} places above the top of a stack of {@code size} bytes each.
   */
  long stacked(int index, int size) {
    return read(s.segBase(CpuLayout.SS) + s.gpr(4) + (long) index * size, size);
  }

  /** Runs what must raise {@code vector} with {@code error}. */
  static void assertFault(int vector, int error, Executable action) {
    CpuException e = assertThrows(CpuException.class, action);
    assertEquals(vector, e.vector(), "vector");
    assertEquals(error, e.errorCode(), "error code");
  }

  @Override
  public void close() {
    machine.close();
  }
}
