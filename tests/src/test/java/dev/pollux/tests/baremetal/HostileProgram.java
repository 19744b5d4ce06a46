package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.StringOp;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A guest that means harm. Each of its processors does one thing after the other by its own random
 * numbers, for ever: it rewrites code that others execute, remaps pages and has others forget them,
 * sends interrupts and sets timers in storms, and writes anything to any register there is. An
 * exception begins the next thing; what it does to itself by DMA or INIT ends in a reset at worst.
 *
 * <p>R14 is the state of a processor's random numbers, R15 its APIC id; all else is anything.
 */
public final class HostileProgram extends LongModeProgram {
  private static final int STACKS = 0x50_0000;

  /** The small pages that are remapped; among them those of the code that is rewritten. */
  private static final int PAGES = PAGE;

  private static final int CODE = 0x70_0000;
  private static final int CODE_BYTES = 1 << 14;

  /** Rings, descriptors and buffers of devices. */
  static final int RINGS = 0x90_0000;

  static final int RING_MASK = 0xf_fff8;
  private static final int APIC = 0xfee0_0000;
  private static final int VIRTIO = 0xe000_0000;
  private static final int NMI = 2;
  private static final int FIRST_INTERRUPT = 0x20;

  /** Code of one byte each that leads nowhere else: NOP, RET, flags, conversions. */
  private static final long SAFE_CODE = 0x9f_99_98_f5_f9_f8_c3_90L;

  private static final int[] REGIONS = {
    0xfec0_0000,
    APIC,
    0xfed0_0000,
    VIRTIO,
    0xe080_0000,
    0xb000_0000,
    0xfe00_0000,
    0xc000_0000,
    HostileStorage.NVME,
    HostileStorage.SATA,
    APIC,
    VIRTIO,
    HostileStorage.NVME,
    HostileStorage.SATA,
    HostileUsb.REGISTERS,
    0xe080_0000
  };

  private static final int[] MSRS = {
    0x10,
    0x1b,
    0x3a,
    0x174,
    0x175,
    0x176,
    0x1a0,
    0x200,
    0x250,
    0x277,
    0x2ff,
    0x6e0,
    0x800,
    0x808,
    0x830,
    0xc000_0080
  };

  private static final int[] PORTS = {
    0x00, 0x20, 0x40, 0x60, 0x70, 0xa0, 0xc0, 0x1f0, 0x3f0, 0x3f8, 0x4d0, 0x510, 0x600, 0xb000,
    0xc000, 0xcf8
  };

  private static final int ACTIONS = 32;

  private final Random random;
  private final Label next = new Label("next action");
  private final Label processor = new Label("other processor");
  private final Label draw = new Label("random number");
  private final Label recover = new Label("after an exception");
  private final Label interrupted = new Label("interrupt");
  private final Label shootDown = new Label("shootdown");
  private final Label nonMaskable = new Label("NMI");

  private final HostileStorage storage = new HostileStorage(this, asm);
  private final HostileUsb usb = new HostileUsb(this, asm);

  /** Whether it minds nothing but controllers of disks, and so does not ruin itself. */
  private final boolean onlyStorage;

  private HostileProgram(long seed, boolean onlyStorage) {
    random = new Random(seed);
    this.onlyStorage = onlyStorage;
  }

  /** An image for {@code -kernel}; the seed also says what it does how often. */
  public static byte[] image(long seed) {
    return new HostileProgram(seed, false).build(false);
  }

  /** As above, of a guest that minds nothing but controllers of disks. */
  public static byte[] storageImage(long seed) {
    return new HostileProgram(seed, true).build(false);
  }

  @Override
  void body() {
    Label start = new Label();
    asm.jmp(start);
    routines();
    asm.bind(start);
    gates(0, FIRST_INTERRUPT, recover);
    gates(FIRST_INTERRUPT, 256, interrupted);
    gates(0x71, 0x72, shootDown);
    gates(NMI, NMI + 1, nonMaskable);
    fillCode();
    assignAddresses();
    copyTrampoline(processor);
    apic(0xf0, 0x1ff);
    command(0xc_4500); // INIT and SIPI to all others
    command(0xc_4600 | TRAMPOLINE >> 12);
    asm.mov(DWORD, Gpr.R15, 0);
    beginActions();
  }

  private void gates(int from, int to, Label handler) {
    asm.mov(QWORD, Gpr.RAX, handler);
    asm.mov(QWORD, Gpr.RBX, Gpr.RAX);
    asm.shr(DWORD, Gpr.RBX, 16);
    asm.mov(DWORD, Gpr.RDI, IDT + 16 * from);
    times(
        to - from,
        () -> {
          asm.mov(WORD, Mem.of(Gpr.RDI), Gpr.RAX);
          asm.mov(WORD, Mem.of(Gpr.RDI, 6), Gpr.RBX);
          asm.add(DWORD, Gpr.RDI, 16);
        });
  }

  void times(int count, Runnable code) {
    asm.mov(DWORD, Gpr.RBP, count);
    Label again = asm.here();
    code.run();
    asm.dec(DWORD, Gpr.RBP);
    asm.jcc(Cond.NE, again);
  }

  /** NOPs with a return in each 64 bytes; returns in the other pages. */
  private void fillCode() {
    asm.mov(DWORD, Gpr.RDI, PAGES);
    asm.mov(DWORD, Gpr.RCX, 512 * 4096);
    asm.mov(DWORD, Gpr.RAX, 0xc3);
    asm.rep(StringOp.STOS, BYTE);
    asm.mov(DWORD, Gpr.RDI, CODE);
    times(
        CODE_BYTES / 64,
        () -> {
          asm.mov(DWORD, Gpr.RCX, 63);
          asm.mov(DWORD, Gpr.RAX, 0x90);
          asm.rep(StringOp.STOS, BYTE);
          asm.mov(BYTE, Mem.of(Gpr.RDI), 0xc3);
          asm.add(DWORD, Gpr.RDI, 1);
        });
  }

  /** Gives virtio devices and controllers of disks addresses, and lets them use memory. */
  private void assignAddresses() {
    for (int device = 0; device < 32; device++) {
      int address = 0x8000_0000 | device << 11;
      Label other = new Label();
      selectConfig(address);
      asm.inDx(DWORD);
      asm.cmp(WORD, Gpr.RAX, 0x1af4);
      asm.jcc(Cond.NE, other);
      configure(address | 0x10, 0xc000 + device * 0x80);
      configure(address | 0x14, 0xe080_0000 + device * 0x1000);
      configure(address | 0x20, VIRTIO + device * 0x4000);
      configure(address | 0x24, 0);
      configure(address | 4, 7);
      asm.bind(other);
      storage.assignAddresses(address);
    }
    storage.assignAddresses(0x8000_0000 | 1 << 11 | 1 << 8); // the IDE function of PIIX3
  }

  void selectConfig(int address) {
    asm.mov(DWORD, Gpr.RDX, 0xcf8);
    asm.mov(DWORD, Gpr.RAX, address & 0xffff_ffffL);
    asm.outDx(DWORD);
    asm.mov(DWORD, Gpr.RDX, 0xcfc);
  }

  void configure(int address, int value) {
    selectConfig(address);
    asm.mov(DWORD, Gpr.RAX, value & 0xffff_ffffL);
    asm.outDx(DWORD);
  }

  /** Writes a register of the local APIC. */
  private void apic(int register, int value) {
    asm.mov(DWORD, Gpr.RBX, APIC & 0xffff_ffffL);
    asm.mov(DWORD, Mem.of(Gpr.RBX, register), value);
  }

  private void command(int value) {
    apic(0x300, value);
  }

  // ---- what all processors share ----

  private void routines() {
    asm.bind(processor);
    enterProcessor(STACKS);
    apic(0xf0, 0x1ff);
    beginActions();

    asm.bind(draw); // xorshift64
    for (int shift : new int[] {13, -7, 17}) {
      asm.mov(QWORD, Gpr.RAX, Gpr.R14);
      if (shift > 0) {
        asm.shl(QWORD, Gpr.RAX, shift);
      } else {
        asm.shr(QWORD, Gpr.RAX, -shift);
      }
      asm.xor(QWORD, Gpr.R14, Gpr.RAX);
    }
    asm.mov(QWORD, Gpr.RAX, Gpr.R14);
    asm.ret();

    asm.bind(shootDown);
    asm.push(Gpr.RAX);
    asm.mov(Gpr.RAX, ControlReg.CR3);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    asm.pop(Gpr.RAX);
    asm.bind(interrupted);
    asm.push(Gpr.RBX);
    apic(0xb0, 0);
    asm.pop(Gpr.RBX);
    asm.bind(nonMaskable);
    asm.iret(QWORD);

    asm.bind(recover);
    stack();
    asm.op(NullaryOp.CLD);
    asm.jmp(next);
    actions();
  }

  private void stack() {
    asm.and(DWORD, Gpr.R15, 0xff);
    asm.mov(DWORD, Gpr.RSP, Gpr.R15);
    asm.shl(DWORD, Gpr.RSP, 12);
    asm.add(DWORD, Gpr.RSP, STACKS);
  }

  private void beginActions() {
    stack();
    asm.op(NullaryOp.RDTSC); // another guest after each reset
    asm.lea(QWORD, Gpr.R14, Mem.of(Gpr.RAX, Gpr.R15, 8, 1));
    asm.mov(QWORD, Gpr.RAX, random.nextLong() << 1);
    asm.xor(QWORD, Gpr.R14, Gpr.RAX);
    asm.jmp(next);
  }

  /** The table of what is done, by the random numbers of the seed, and the loop that does it. */
  private void actions() {
    List<Label> all = new ArrayList<>();
    List<Runnable> actions =
        new ArrayList<>(
            List.of(
                storage::driveNvme,
                storage::driveSata,
                storage::driveIde,
                storage::driveFloppy,
                usb::drive,
                this::scribble));
    if (!onlyStorage) {
      actions.addAll(
          List.of(
              this::rewriteCode,
              this::remapPages,
              this::sendInterrupt,
              this::setTimer,
              this::accessMemory,
              this::accessPort,
              this::configureSomething,
              this::firmwareConfiguration,
              this::driveVirtio,
              this::accessMsr,
              this::sleep));
    }
    for (Runnable action : actions) {
      Label label = new Label("action");
      asm.bind(label);
      action.run();
      asm.ret();
      all.add(label);
    }
    Label table = new Label("actions");
    asm.alignData(8);
    asm.bind(table);
    for (int i = 0; i < ACTIONS; i++) {
      asm.dq(all.get(i < all.size() ? i : random.nextInt(all.size())));
    }
    asm.bind(next);
    asm.op(NullaryOp.STI);
    asm.call(draw);
    asm.shr(QWORD, Gpr.RAX, 20);
    asm.and(DWORD, Gpr.RAX, ACTIONS - 1);
    asm.mov(QWORD, Gpr.RCX, table);
    asm.call(Mem.of(Gpr.RCX, Gpr.RAX, 8, 0));
    asm.jmp(next);
  }

  // ---- what it does; any register but R14, R15 and RSP may change ----

  /** The routine that puts a random number into RAX. */
  Label drawLabel() {
    return draw;
  }

  /** A random number below a power of two in {@code register}, RAX aside. */
  void draw(Gpr register, int mask) {
    asm.call(draw);
    asm.shr(QWORD, Gpr.RAX, 11);
    asm.and(DWORD, Gpr.RAX, mask);
    asm.mov(DWORD, register, Gpr.RAX);
  }

  /** One of {@code values} in RDI. */
  void choose(int[] values) {
    Label table = new Label();
    Label after = new Label();
    asm.jmp(after);
    asm.bind(table);
    asm.dd(values);
    asm.bind(after);
    draw(Gpr.RCX, values.length - 1);
    asm.mov(QWORD, Gpr.RDI, table);
    asm.mov(DWORD, Gpr.RDI, Mem.of(Gpr.RDI, Gpr.RCX, 4, 0));
  }

  /** Does one of these. */
  void oneOf(Runnable... ways) {
    Label end = new Label();
    draw(Gpr.RCX, 0xff);
    for (int i = 0; i < ways.length; i++) {
      Label other = new Label();
      if (i < ways.length - 1) {
        asm.cmp(DWORD, Gpr.RCX, 0x100 * (i + 1) / ways.length);
        asm.jcc(Cond.AE, other);
      }
      ways[i].run();
      asm.jmp(end);
      asm.bind(other);
    }
    asm.bind(end);
  }

  /** A byte in code that all execute, then a call of somewhere there. */
  private void rewriteCode() {
    times(
        64,
        () -> {
          draw(Gpr.RCX, 0x38);
          asm.mov(QWORD, Gpr.RDX, SAFE_CODE);
          asm.shiftCl(ShiftOp.SHR, QWORD, Gpr.RDX);
          draw(Gpr.RCX, CODE_BYTES - 2);
          asm.mov(BYTE, Mem.of(Gpr.RCX, CODE), Gpr.RDX);
          draw(Gpr.RCX, CODE_BYTES - 1);
          asm.add(DWORD, Gpr.RCX, CODE);
          asm.call(Gpr.RCX);
        });
  }

  /** An entry for a page, any bits, of a frame near; then it is used, and others have to forget. */
  private void remapPages() {
    times(
        16,
        () -> {
          draw(Gpr.RSI, 0x1ff);
          draw(Gpr.RDX, 0x1f_ffff);
          asm.add(DWORD, Gpr.RDX, PAGES);
          asm.or(DWORD, Gpr.RDX, 3);
          oneOf(
              () -> asm.mov(QWORD, Mem.indexed(Gpr.RSI, 8, PAGE_TABLE), Gpr.RDX),
              () -> asm.mov(DWORD, Mem.indexed(Gpr.RSI, 8, PAGE_TABLE), 0),
              () -> asm.mov(QWORD, Mem.indexed(Gpr.RSI, 8, PAGE_TABLE), Gpr.RAX));
          asm.shl(DWORD, Gpr.RSI, 12);
          asm.add(DWORD, Gpr.RSI, PAGES);
          asm.op(MemOp.INVLPG, Mem.of(Gpr.RSI));
          oneOf(
              () -> asm.mov(QWORD, Mem.of(Gpr.RSI, 8), Gpr.RAX),
              () -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSI, 0x7fc)),
              () -> command(0xc_4071),
              () -> asm.call(Gpr.RSI));
        });
  }

  private void sendInterrupt() {
    times(
        16,
        () -> {
          draw(Gpr.RCX, 0x7);
          asm.shl(DWORD, Gpr.RCX, 24);
          draw(Gpr.RDX, 0xc_087f); // shorthand, logical, vector
          asm.or(DWORD, Gpr.RDX, 0x4020);
          asm.mov(DWORD, Gpr.RBX, APIC & 0xffff_ffffL);
          asm.mov(DWORD, Mem.of(Gpr.RBX, 0x310), Gpr.RCX);
          asm.mov(DWORD, Mem.of(Gpr.RBX, 0x300), Gpr.RDX);
        });
    oneOf(() -> command(0xc_4400), () -> {}, () -> {}, this::startOther);
  }

  /** INIT and SIPI to one that is in the middle of something. */
  private void startOther() {
    apic(0x310, 1 << 24);
    command(0x4500);
    apic(0x310, 1 << 24);
    command(0x4600 | TRAMPOLINE >> 12);
  }

  private void setTimer() {
    draw(Gpr.RCX, 0x6_007f);
    asm.or(DWORD, Gpr.RCX, 0x20);
    asm.mov(DWORD, Gpr.RBX, APIC & 0xffff_ffffL);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x320), Gpr.RCX);
    draw(Gpr.RDX, 0xb);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x3e0), Gpr.RDX);
    draw(Gpr.RDX, 0xffff);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x380), Gpr.RDX);
    asm.mov(BYTE, Gpr.RAX, 0x34);
    asm.out(BYTE, 0x43);
    draw(Gpr.RDX, 0xff);
    asm.out(BYTE, 0x40);
    asm.out(BYTE, 0x40);
  }

  /** Registers of devices, and memory where there may be none. */
  private void accessMemory() {
    times(
        16,
        () -> {
          choose(REGIONS);
          draw(Gpr.RSI, 0x7_ffff);
          asm.add(QWORD, Gpr.RDI, Gpr.RSI);
          asm.call(draw);
          oneOf(
              () -> asm.mov(BYTE, Mem.of(Gpr.RDI), Gpr.RAX),
              () -> asm.mov(WORD, Mem.of(Gpr.RDI), Gpr.RAX),
              () -> asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX),
              () -> asm.mov(QWORD, Mem.of(Gpr.RDI), Gpr.RAX),
              () -> asm.mov(BYTE, Gpr.RAX, Mem.of(Gpr.RDI)),
              () -> asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RDI)),
              () -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDI)),
              () -> {
                asm.mov(DWORD, Gpr.RCX, 0x40);
                asm.rep(StringOp.STOS, DWORD);
              });
        });
  }

  private void accessPort() {
    times(
        16,
        () -> {
          choose(PORTS);
          draw(Gpr.RDX, 0x1f);
          asm.add(DWORD, Gpr.RDX, Gpr.RDI);
          asm.mov(DWORD, Gpr.RDI, RINGS);
          asm.mov(DWORD, Gpr.RSI, RINGS);
          asm.call(draw);
          oneOf(
              () -> asm.outDx(BYTE),
              () -> asm.outDx(WORD),
              () -> asm.outDx(DWORD),
              () -> asm.inDx(BYTE),
              () -> asm.inDx(DWORD),
              () -> strings(StringOp.OUTS),
              () -> strings(StringOp.INS));
        });
    draw(Gpr.RDX, 0xffff);
    asm.inDx(DWORD);
  }

  private void strings(StringOp op) {
    draw(Gpr.RCX, 0xff);
    asm.rep(op, BYTE);
  }

  private void configureSomething() {
    times(
        8,
        () -> {
          draw(Gpr.RCX, 0xfffc);
          asm.or(DWORD, Gpr.RCX, 0x8000_0000);
          asm.mov(DWORD, Gpr.RAX, Gpr.RCX);
          asm.mov(DWORD, Gpr.RDX, 0xcf8);
          asm.outDx(DWORD);
          asm.mov(DWORD, Gpr.RDX, 0xcfc);
          asm.call(draw);
          oneOf(
              () -> asm.inDx(DWORD),
              () -> asm.inDx(DWORD),
              () -> asm.inDx(BYTE),
              () -> asm.outDx(DWORD),
              () -> asm.outDx(WORD));
        });
  }

  /** A selector and its bytes; and DMA with any control bits, length and address. */
  private void firmwareConfiguration() {
    asm.mov(DWORD, Gpr.RDX, 0x510);
    asm.call(draw);
    asm.and(DWORD, Gpr.RAX, 0xc03f);
    asm.outDx(WORD);
    asm.inc(DWORD, Gpr.RDX);
    asm.mov(DWORD, Gpr.RDI, RINGS);
    strings(StringOp.INS);
    asm.call(draw);
    asm.and(DWORD, Gpr.RAX, 0x1f00_3f00);
    asm.mov(DWORD, Mem.absolute(RINGS), Gpr.RAX);
    draw(Gpr.RDX, 0xffff_ff00);
    asm.mov(DWORD, Mem.absolute(RINGS + 4), Gpr.RDX);
    draw(Gpr.RDX, 0xff_ff7f); // into what devices use, or beyond all memory
    asm.or(DWORD, Gpr.RDX, 0x9000);
    asm.mov(DWORD, Mem.absolute(RINGS + 8), 0);
    asm.mov(DWORD, Mem.absolute(RINGS + 12), Gpr.RDX);
    asm.mov(DWORD, Gpr.RDX, 0x518);
    asm.mov(DWORD, Gpr.RAX, RINGS);
    asm.bswap(DWORD, Gpr.RAX);
    asm.outDx(DWORD);
  }

  /** Negotiates with a device, gives it a queue somewhere in the rings, and tells it of work. */
  private void driveVirtio() {
    draw(Gpr.RDI, 0x1f);
    asm.shl(DWORD, Gpr.RDI, 14);
    asm.or(DWORD, Gpr.RDI, VIRTIO);
    for (int status : new int[] {0, 1, 3}) {
      asm.mov(BYTE, Mem.of(Gpr.RDI, 0x14), status);
    }
    asm.mov(DWORD, Mem.of(Gpr.RDI, 8), 1);
    asm.mov(DWORD, Mem.of(Gpr.RDI, 0xc), 1); // VERSION_1
    asm.mov(DWORD, Mem.of(Gpr.RDI, 8), 0);
    draw(Gpr.RDX, -1);
    asm.and(DWORD, Gpr.RDX, Mem.of(Gpr.RDI, 4));
    asm.mov(DWORD, Mem.of(Gpr.RDI, 0xc), Gpr.RDX);
    asm.mov(BYTE, Mem.of(Gpr.RDI, 0x14), 0xb);
    times(
        3,
        () -> {
          asm.mov(WORD, Mem.of(Gpr.RDI, 0x16), Gpr.RBP);
          for (int area : new int[] {0x20, 0x28, 0x30}) {
            draw(Gpr.RDX, RING_MASK);
            asm.add(DWORD, Gpr.RDX, RINGS);
            asm.mov(DWORD, Mem.of(Gpr.RDI, area), Gpr.RDX);
            asm.mov(DWORD, Mem.of(Gpr.RDI, area + 4), 0);
          }
          asm.mov(WORD, Mem.of(Gpr.RDI, 0x1c), 1);
        });
    asm.mov(BYTE, Mem.of(Gpr.RDI, 0x14), 0xf);
    times(
        16,
        () -> {
          draw(Gpr.RSI, 0xffc);
          draw(Gpr.RDX, 3);
          asm.mov(WORD, Mem.of(Gpr.RDI, Gpr.RSI, 1, 0x3000), Gpr.RDX);
        });
  }

  /** Numbers in the rings, such as descriptors of memory there. */
  private void scribble() {
    times(
        64,
        () -> {
          draw(Gpr.RDX, RING_MASK);
          draw(Gpr.RCX, RING_MASK);
          asm.add(DWORD, Gpr.RCX, RINGS);
          asm.mov(QWORD, Mem.of(Gpr.RDX, RINGS), Gpr.RCX);
          draw(Gpr.RCX, 0x7_01ff);
          asm.mov(DWORD, Mem.of(Gpr.RDX, RINGS + 8), Gpr.RCX);
        });
  }

  private void accessMsr() {
    oneOf(
        () -> {
          chooseMsr();
          asm.op(NullaryOp.RDMSR);
        },
        () -> {
          chooseMsr();
          asm.call(draw);
          asm.mov(DWORD, Gpr.RDX, 0);
          asm.op(NullaryOp.WRMSR);
        });
  }

  private void chooseMsr() {
    choose(MSRS);
    draw(Gpr.RCX, 0xf);
    asm.add(DWORD, Gpr.RCX, Gpr.RDI);
  }

  /** Until the timer wakes it, or anybody. */
  private void sleep() {
    apic(0x320, 0x30);
    apic(0x380, 10_000);
    asm.op(NullaryOp.HLT);
  }
}
