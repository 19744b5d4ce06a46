package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.StringOp;

/**
 * A driver of modern virtio disks on PCI for 32-bit code without paging and interrupts (virtio 1.2,
 * chapters 2.7, 2.8, 4.1 and 5.2): it finds a disk by configuration mechanism 1, places its BARs,
 * and reads sectors by polling. Each 32-bit word of a disk holds its own number, from 0 on.
 *
 * <p>Requests have numbers from 0 on, each with a header, a sector's buffer and a status of its
 * own. Polls have no end of their own: who runs the guest ends it. EBP is left alone by everything
 * here, all other registers may change.
 */
abstract class VirtioBlkDriver extends Program {
  static final int INDIRECT_DESC = 1 << 28;
  static final int EVENT_IDX = 1 << 29;

  /** Bits of the second half of the features. */
  static final int VERSION_1 = 1;

  static final int RING_PACKED = 1 << 2;

  static final int NEXT = 1;
  static final int WRITE = 2;
  static final int INDIRECT = 4;

  static final int NO_VECTOR = 0xffff;
  static final int NEEDS_RESET = 0x40;

  static final int SECTOR = 512;
  static final int HEADER = 16;

  /** Words of the driver's own. */
  static final int CONFIG = 0x20_0000;

  /** By the type of the capability, 1 to 4, where its structure is. */
  static final int STRUCTURES = 0x20_0010;

  static final int NOTIFY_MULTIPLIER = 0x20_0024;
  static final int NOTIFY_AT = 0x20_0028;
  static final int MSIX_CAPABILITY = 0x20_002c;
  static final int MSIX_TABLE = 0x20_0030;
  static final int MSIX_PENDING = 0x20_0034;
  static final int ERRORS = 0x20_0038;
  static final int WINDOW = 0x20_003c;

  static final int COMMON = STRUCTURES + 4;
  static final int NOTIFY = STRUCTURES + 8;
  static final int ISR = STRUCTURES + 12;

  static final int RINGS = 0x21_0000;
  static final int RING_BYTES = 0x6000;
  static final int DESCRIPTORS = RINGS;
  static final int DRIVER_AREA = RINGS + 0x2000;
  static final int DEVICE_AREA = RINGS + 0x4000;
  static final int HEADERS = 0x22_0000;
  static final int STATUSES = 0x22_4000;
  static final int TABLES = 0x22_8000;
  static final int BUFFERS = 0x23_0000;

  private static final int STACK_TOP = 0x9_0000;
  private static final int FIRST_WINDOW = 0xfd00_0000;
  private static final int DISK_ID = 0x1042_1af4;

  private final Label readConfig = new Label("read configuration");
  private final Label writeConfig = new Label("write configuration");
  private final Label placeBar = new Label("place a BAR");
  private final Label check = new Label("check a request");
  private final Label prepare = new Label("prepare a request");

  static Mem at(int address) {
    return Mem.absolute(address);
  }

  /** Sets up the processor, and puts the routines where nothing falls into them. */
  final void begin() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    Label after = new Label();
    asm.jmp(after);
    configurationRoutines();
    requestRoutines();
    asm.bind(after);
    asm.mov(DWORD, at(WINDOW), FIRST_WINDOW);
  }

  /** Repeats {@code body} until it ends with a condition. */
  final void until(Cond condition, Runnable body) {
    Label again = asm.here();
    Label end = new Label();
    body.run();
    asm.jcc(condition, end);
    asm.op(NullaryOp.PAUSE);
    asm.jmp(again);
    asm.bind(end);
  }

  final void repeat(int count, Runnable body) {
    asm.mov(DWORD, Gpr.RBP, count);
    Label again = asm.here();
    body.run();
    asm.dec(DWORD, Gpr.RBP);
    asm.jcc(Cond.NE, again);
  }

  // ---- PCI ----

  /** Offset in ECX, value in EAX or ESI; EDX is lost. */
  private void configurationRoutines() {
    asm.bind(readConfig);
    selectConfig();
    asm.inDx(DWORD);
    asm.ret();
    asm.bind(writeConfig);
    selectConfig();
    asm.mov(DWORD, Gpr.RAX, Gpr.RSI);
    asm.outDx(DWORD);
    asm.ret();
    // The BAR in EAX is placed in the window; its address is returned in EAX.
    asm.bind(placeBar);
    asm.push(Gpr.RCX);
    asm.mov(DWORD, Gpr.RSI, Gpr.RAX);
    asm.shl(DWORD, Gpr.RSI, 16);
    asm.add(DWORD, Gpr.RSI, at(WINDOW));
    asm.lea(DWORD, Gpr.RCX, Mem.indexed(Gpr.RAX, 4, 0x10));
    asm.call(readConfig);
    asm.mov(DWORD, Gpr.RDI, Gpr.RAX);
    asm.call(writeConfig);
    asm.mov(DWORD, Gpr.RAX, Gpr.RSI);
    asm.test(DWORD, Gpr.RDI, 4); // of 64 bits
    Label end = new Label();
    asm.jcc(Cond.E, end);
    asm.push(Gpr.RAX);
    asm.add(DWORD, Gpr.RCX, 4);
    asm.mov(DWORD, Gpr.RSI, 0);
    asm.call(writeConfig);
    asm.pop(Gpr.RAX);
    asm.bind(end);
    asm.pop(Gpr.RCX);
    asm.ret();
  }

  private void selectConfig() {
    asm.mov(DWORD, Gpr.RAX, at(CONFIG));
    asm.add(DWORD, Gpr.RAX, Gpr.RCX);
    asm.mov(DWORD, Gpr.RDX, 0xcf8);
    asm.outDx(DWORD);
    asm.mov(DWORD, Gpr.RDX, 0xcfc);
  }

  final void writeConfig(int offset, int value) {
    asm.mov(DWORD, Gpr.RCX, offset);
    asm.mov(DWORD, Gpr.RSI, value);
    asm.call(writeConfig);
  }

  final void writeConfig(Mem offset, int value) {
    asm.mov(DWORD, Gpr.RCX, offset);
    asm.mov(DWORD, Gpr.RSI, value);
    asm.call(writeConfig);
  }

  /** Finds the next disk on bus 0 behind the one of before, and where its structures are. */
  final void findDisk(boolean first) {
    if (first) {
      asm.mov(DWORD, at(CONFIG), 0x8000_0000);
    }
    asm.mov(DWORD, Gpr.RCX, 0);
    until(
        Cond.E,
        () -> {
          asm.add(DWORD, at(CONFIG), 0x800);
          asm.call(readConfig);
          asm.cmp(DWORD, Gpr.RAX, DISK_ID);
        });
    asm.add(DWORD, at(WINDOW), 0x10_0000);
    writeConfig(0x04, 0x0406); // memory, DMA, no INTx
    asm.mov(DWORD, Gpr.RCX, 0x34);
    until(
        Cond.E,
        () -> {
          asm.call(readConfig);
          capability();
          asm.and(DWORD, Gpr.RCX, 0xfc);
        });
    print("disk: ");
    asm.mov(DWORD, Gpr.RAX, at(CONFIG));
    asm.shr(DWORD, Gpr.RAX, 11);
    asm.and(DWORD, Gpr.RAX, 0x1f);
    print("slot", Gpr.RAX);
    asm.mov(DWORD, Gpr.RDI, at(STRUCTURES + 16));
    print("sectors", Mem.of(Gpr.RDI));
    newLine();
  }

  /** The capability whose first word is in EAX, or the pointer to the first; ECX is the next. */
  private void capability() {
    Label vendor = new Label();
    Label msix = new Label();
    Label next = new Label();
    Label pointer = new Label();
    asm.push(Gpr.RAX);
    asm.cmp(DWORD, Gpr.RCX, 0x34);
    asm.jcc(Cond.E, pointer);
    asm.cmp(BYTE, Gpr.RAX, 0x09);
    asm.jcc(Cond.E, vendor);
    asm.cmp(BYTE, Gpr.RAX, 0x11);
    asm.jcc(Cond.E, msix);
    asm.bind(next);
    asm.pop(Gpr.RCX);
    asm.shr(DWORD, Gpr.RCX, 8);
    Label end = new Label();
    asm.jmp(end);
    asm.bind(pointer);
    asm.pop(Gpr.RCX);
    asm.jmp(end);
    asm.bind(vendor);
    asm.shr(DWORD, Gpr.RAX, 24);
    asm.cmp(DWORD, Gpr.RAX, 4);
    asm.jcc(Cond.A, next);
    asm.mov(DWORD, Gpr.RBX, Gpr.RAX);
    readCapability(4);
    asm.and(DWORD, Gpr.RAX, 0xff);
    asm.call(placeBar);
    asm.mov(DWORD, Mem.indexed(Gpr.RBX, 4, STRUCTURES), Gpr.RAX);
    readCapability(8);
    asm.add(DWORD, Mem.indexed(Gpr.RBX, 4, STRUCTURES), Gpr.RAX);
    asm.cmp(DWORD, Gpr.RBX, 2);
    asm.jcc(Cond.NE, next);
    readCapability(16);
    asm.mov(DWORD, at(NOTIFY_MULTIPLIER), Gpr.RAX);
    asm.jmp(next);
    asm.bind(msix);
    asm.mov(DWORD, at(MSIX_CAPABILITY), Gpr.RCX);
    msixStructure(4, MSIX_TABLE);
    msixStructure(8, MSIX_PENDING);
    asm.jmp(next);
    asm.bind(end);
  }

  private void readCapability(int offset) {
    asm.add(DWORD, Gpr.RCX, offset);
    asm.call(readConfig);
    asm.sub(DWORD, Gpr.RCX, offset);
  }

  private void msixStructure(int offset, int address) {
    readCapability(offset);
    asm.mov(DWORD, Gpr.RBX, Gpr.RAX);
    asm.and(DWORD, Gpr.RAX, 7);
    asm.and(DWORD, Gpr.RBX, ~7);
    asm.call(placeBar);
    asm.add(DWORD, Gpr.RAX, Gpr.RBX);
    asm.mov(DWORD, at(address), Gpr.RAX);
  }

  // ---- the device ----

  private void common(OpSize size, int offset, int value) {
    asm.mov(size, Mem.of(Gpr.RDI, offset), value);
  }

  final void resetDevice() {
    asm.mov(DWORD, Gpr.RDI, at(COMMON));
    common(BYTE, 0x14, 0);
    until(Cond.E, () -> asm.cmp(BYTE, Mem.of(Gpr.RDI, 0x14), 0));
  }

  /** Resets the device and sets its queue up, with rings of zeros (3.1.1). */
  final void initialize(int features, int features2, int entries, int vector) {
    resetDevice();
    asm.mov(DWORD, Gpr.RDI, RINGS);
    asm.mov(DWORD, Gpr.RCX, RING_BYTES / 4);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.rep(StringOp.STOS, DWORD);
    asm.mov(DWORD, Gpr.RDI, at(COMMON));
    common(BYTE, 0x14, 1);
    common(BYTE, 0x14, 3);
    common(DWORD, 0x08, 0);
    common(DWORD, 0x0c, features);
    common(DWORD, 0x08, 1);
    common(DWORD, 0x0c, features2);
    common(BYTE, 0x14, 0xb);
    common(WORD, 0x10, NO_VECTOR);
    common(WORD, 0x16, 0);
    common(WORD, 0x18, entries);
    common(WORD, 0x1a, vector);
    int[] areas = {DESCRIPTORS, DRIVER_AREA, DEVICE_AREA};
    for (int i = 0; i < areas.length; i++) {
      common(DWORD, 0x20 + 8 * i, areas[i]);
      common(DWORD, 0x24 + 8 * i, 0);
    }
    common(WORD, 0x1c, 1);
    asm.movzx(DWORD, Gpr.RAX, WORD, Mem.of(Gpr.RDI, 0x1e));
    asm.op(GprOp.IMUL, DWORD, Gpr.RAX, at(NOTIFY_MULTIPLIER));
    asm.add(DWORD, Gpr.RAX, at(NOTIFY));
    asm.mov(DWORD, at(NOTIFY_AT), Gpr.RAX);
    common(BYTE, 0x14, 0xf);
  }

  final void printStatus() {
    asm.mov(DWORD, Gpr.RDI, at(COMMON));
    asm.movzx(DWORD, Gpr.RAX, BYTE, Mem.of(Gpr.RDI, 0x14));
    print("status", Gpr.RAX);
  }

  final void kick() {
    asm.mov(DWORD, Gpr.RDI, at(NOTIFY_AT));
    asm.mov(WORD, Mem.of(Gpr.RDI), 0);
  }

  /** Reads what interrupt there was, and forgets it, into EAX and the flags. */
  final void takeInterrupt() {
    asm.mov(DWORD, Gpr.RDI, at(ISR));
    asm.movzx(DWORD, Gpr.RAX, BYTE, Mem.of(Gpr.RDI));
    asm.test(DWORD, Gpr.RAX, Gpr.RAX);
  }

  // ---- requests ----

  /** Request in EBX. */
  private void requestRoutines() {
    // Sector in EAX; the answer is overwritten.
    asm.bind(prepare);
    asm.mov(DWORD, Gpr.RCX, Gpr.RBX);
    asm.shl(DWORD, Gpr.RCX, 4);
    asm.mov(DWORD, Mem.of(Gpr.RCX, HEADERS), 0);
    asm.mov(DWORD, Mem.of(Gpr.RCX, HEADERS + 8), Gpr.RAX);
    asm.mov(DWORD, Mem.of(Gpr.RCX, HEADERS + 12), 0);
    asm.mov(BYTE, Mem.of(Gpr.RBX, STATUSES), 0xff);
    asm.shl(DWORD, Gpr.RCX, 5);
    asm.mov(DWORD, Mem.of(Gpr.RCX, BUFFERS), -1);
    asm.mov(DWORD, Mem.of(Gpr.RCX, BUFFERS + SECTOR - 4), -1);
    asm.ret();
    // The answer is right, or there is one error more.
    asm.bind(check);
    Label wrong = new Label();
    asm.mov(DWORD, Gpr.RCX, Gpr.RBX);
    asm.shl(DWORD, Gpr.RCX, 4);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RCX, HEADERS + 8));
    asm.shl(DWORD, Gpr.RAX, 7);
    asm.shl(DWORD, Gpr.RCX, 5);
    asm.cmp(BYTE, Mem.of(Gpr.RBX, STATUSES), 0);
    asm.jcc(Cond.NE, wrong);
    asm.cmp(DWORD, Mem.of(Gpr.RCX, BUFFERS), Gpr.RAX);
    asm.jcc(Cond.NE, wrong);
    asm.add(DWORD, Gpr.RAX, SECTOR / 4 - 1);
    asm.cmp(DWORD, Mem.of(Gpr.RCX, BUFFERS + SECTOR - 4), Gpr.RAX);
    asm.jcc(Cond.NE, wrong);
    asm.ret();
    asm.bind(wrong);
    asm.inc(DWORD, at(ERRORS));
    asm.ret();
  }

  /** Makes request {@code number} read the sector in EAX. */
  final void prepare(int number) {
    asm.mov(DWORD, Gpr.RBX, number);
    asm.call(prepare);
  }

  /** Compares what request {@code number} has read. */
  final void check(int number) {
    asm.mov(DWORD, Gpr.RBX, number);
    asm.call(check);
  }

  /** Writes a descriptor of a split ring, or of an indirect table there. */
  final void descriptor(int table, int index, int address, int length, int flags, int next) {
    int entry = table + 16 * index;
    asm.mov(DWORD, at(entry), address);
    asm.mov(DWORD, at(entry + 4), 0);
    asm.mov(DWORD, at(entry + 8), length);
    asm.mov(WORD, at(entry + 12), flags);
    asm.mov(WORD, at(entry + 14), next);
  }

  /** The three descriptors of a request from {@code first} on. */
  final void chain(int table, int first, int number) {
    descriptor(table, first, HEADERS + HEADER * number, HEADER, NEXT, first + 1);
    descriptor(table, first + 1, BUFFERS + SECTOR * number, SECTOR, WRITE | NEXT, first + 2);
    descriptor(table, first + 2, STATUSES + number, 1, WRITE, 0);
  }
}
