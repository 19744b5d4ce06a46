package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;

/**
 * The chipset's registers as a driver sees them, with interrupts off: 8259 pair, 8254, real-time
 * clock, keyboard controller, I/O and local APIC, HPET, power management, firmware configuration.
 * What a firmware may have changed is set first; nothing that depends on speed is printed.
 */
final class ChipsetProgram extends Program {
  private static final int STACK_TOP = 0x9_0000;

  private static final int IO_APIC = 0xfec0_0000;
  private static final int LOCAL_APIC = 0xfee0_0000;
  private static final int HPET = 0xfed0_0000;

  @Override
  void assemble() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    quiesce();
    interruptControllers();
    intervalTimer();
    realTimeClock();
    cmosMemory();
    keyboardController();
    ioApic();
    localApic();
    hpet();
    powerManagement();
    firmwareConfiguration();
    print("done\n");
    exit();
  }

  // ---- vocabulary ----

  private void out(OpSize size, int port, long value) {
    asm.mov(DWORD, Gpr.RDX, port);
    asm.mov(DWORD, Gpr.RAX, value);
    asm.outDx(size);
  }

  private void out(int port, int value) {
    out(BYTE, port, value);
  }

  /** Leaves what a port reads in EAX. */
  private void in(OpSize size, int port) {
    asm.alu(AluOp.XOR, DWORD, Gpr.RAX, Gpr.RAX);
    asm.mov(DWORD, Gpr.RDX, port);
    asm.inDx(size);
  }

  private void in(int port) {
    in(BYTE, port);
  }

  private void show(String name) {
    print(name, Gpr.RAX);
  }

  private void show(String name, int port) {
    in(port);
    show(name);
  }

  private void showMasked(String name, int port, int mask) {
    in(port);
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, mask);
    show(name);
  }

  /** Waits until a bit of a port is set; prints whether it came. */
  private void await(String name, Runnable read, int mask) {
    asm.mov(DWORD, Gpr.RCX, 20_000_000);
    Label again = asm.here();
    Label end = new Label();
    read.run();
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, mask);
    asm.jcc(Cond.NE, end);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, again);
    asm.bind(end);
    show(name);
  }

  private void group(String name) {
    print(name + "\n ");
  }

  private void line() {
    print("\n ");
  }

  private void quiesce() {
    out(0x70, 0x0b);
    out(0x71, 0x02);
    out(0x70, 0x0c);
    in(0x71);
    mmio(HPET + 0x10, 0);
    for (int pin = 0; pin < 24; pin++) {
      ioApicWrite(0x10 + 2 * pin, 0x1_0000);
    }
  }

  // ---- 8259 ----

  private void initializePics() {
    for (int port : new int[] {0x20, 0xa0}) {
      out(port, 0x11);
      out(port + 1, port == 0x20 ? 0x20 : 0x28);
      out(port + 1, port == 0x20 ? 4 : 2);
      out(port + 1, 1);
      out(port + 1, 0);
    }
    out(0x4d0, 0);
    out(0x4d1, 0);
  }

  private void showPics() {
    out(0x20, 0x0a);
    show("irr", 0x20);
    out(0xa0, 0x0a);
    show("irr2", 0xa0);
    out(0x20, 0x0b);
    show("isr", 0x20);
    out(0xa0, 0x0b);
    show("isr2", 0xa0);
    line();
  }

  private void poll(int port) {
    out(port, 0x0c);
    show("poll", port);
  }

  /**
   * Interrupt 1 by a byte that the keyboard controller pretends to have received, interrupt 12
   * likewise.
   */
  private void raiseKeyboard() {
    keyboardCommand(0xd2);
    out(0x60, 0x1c);
  }

  private void raiseMouse() {
    keyboardCommand(0xd3);
    out(0x60, 0x55);
  }

  private void drainKeyboard() {
    asm.mov(DWORD, Gpr.RCX, 100);
    Label again = asm.here();
    in(0x60);
    in(0x64);
    asm.test(DWORD, Gpr.RAX, 1);
    Label end = new Label();
    asm.jcc(Cond.E, end);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, again);
    asm.bind(end);
  }

  private void interruptControllers() {
    group("8259");
    keyboardCommand(0x60);
    out(0x60, 0x03);
    drainKeyboard();
    // Channel 0 of the timer is left with its output high and no edge to come.
    out(0x43, 0x30);
    out(0x40, 1);
    out(0x40, 0);
    await("terminal", this::readTimerStatus, 0x80);
    initializePics();
    show("imr", 0x21);
    out(0x21, 0xa5);
    show("imr", 0x21);
    out(0x21, 0);
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    show("elcr", 0x4d0);
    show("elcr", 0x4d1);
    out(0x4d0, 0);
    out(0x4d1, 0);
    initializePics();
    line();
    raiseKeyboard();
    showPics();
    poll(0x20);
    showPics();
    drainKeyboard();
    raiseMouse();
    showPics();
    poll(0x20); // input 1 is in service: the cascade has lower priority
    out(0x20, 0x20);
    poll(0x20);
    poll(0xa0);
    showPics();
    out(0xa0, 0x20);
    out(0x20, 0x62);
    showPics();
    drainKeyboard();
    masksAndRotation();
  }

  private void masksAndRotation() {
    out(0x21, 0x02);
    raiseKeyboard();
    poll(0x20);
    showPics();
    out(0x21, 0);
    poll(0x20);
    out(0x20, 0xa0); // rotate on end of interrupt: input 1 has the lowest priority
    drainKeyboard();
    raiseMouse();
    drainKeyboard();
    raiseKeyboard();
    showPics();
    poll(0x20);
    poll(0xa0);
    poll(0x20);
    out(0x20, 0x68); // special mask mode
    showPics();
    out(0x20, 0x20);
    showPics();
    initializePics();
    showPics();
    drainKeyboard();
    newLine();
  }

  // ---- 8254 ----

  private void readTimerStatus() {
    out(0x43, 0xe2);
    in(0x40);
  }

  private void intervalTimer() {
    group("8254");
    for (int mode = 0; mode < 8; mode++) {
      out(0x43, 0xb0 | mode << 1);
      out(0x42, 0xff);
      out(0x42, 0xff);
      showTimerStatus("closed", 0);
      showTimerStatus("open", 1);
    }
    line();
    out(0x61, 0);
    out(0x43, 0xb0);
    out(0x42, 0x10);
    out(0x42, 0x00);
    showMasked("port61", 0x61, 0x23);
    out(0x61, 3);
    await("out2", () -> in(0x61), 0x20);
    showMasked("port61", 0x61, 0x23);
    line();
    // A latched count stands still, low byte first; one byte counters repeat theirs.
    out(0x43, 0x34);
    out(0x40, 0);
    out(0x40, 0);
    out(0x43, 0x00);
    in(0x40);
    in(0x40);
    out(0x43, 0x10);
    out(0x40, 0x03);
    await("low byte only", this::readTimerStatus, 0x80);
    initializePics();
    out(0x43, 0x34);
    out(0x40, 0x10);
    out(0x40, 0x00);
    await("tick", this::readMasterRequests, 1);
    poll(0x20);
    out(0x20, 0x20);
    await("tick", this::readMasterRequests, 1);
    out(0x43, 0x30);
    newLine();
  }

  /** QEMU's outputs are not those of the data sheet where the gate matters. */
  private void showTimerStatus(String name, int gate) {
    out(0x61, gate);
    out(0x43, 0xe8);
    in(0x42);
    notOnQemu(() -> show("output"));
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, 0x7f);
    show(name);
  }

  private void readMasterRequests() {
    out(0x20, 0x0a);
    in(0x20);
  }

  // ---- MC146818 ----

  private void cmosWrite(int index, int value) {
    out(0x70, index);
    out(0x71, value);
  }

  private void showCmos(String name, int index) {
    out(0x70, index);
    show(name, 0x71);
  }

  private void readFlags() {
    out(0x70, 0x0c);
    in(0x71);
  }

  private void setTime(int... values) {
    int[] registers = {0x32, 9, 8, 7, 6, 4, 2, 0};
    for (int i = 0; i < values.length; i++) {
      cmosWrite(registers[i], values[i]);
    }
  }

  private void showTime() {
    for (int register : new int[] {0x32, 9, 8, 7, 4, 2, 0}) {
      showCmos("t", register);
    }
    line();
  }

  private void realTimeClock() {
    group("rtc");
    cmosWrite(10, 0x26);
    cmosWrite(11, 0x82);
    setTime(0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58);
    showTime();
    cmosWrite(11, 0x02);
    showCmos("b", 11);
    showCmos("d", 13);
    readFlags();
    await("update", this::readFlags, 0x10);
    await("update", this::readFlags, 0x10);
    showTime();
    cmosWrite(11, 0x06);
    showTime();
    cmosWrite(11, 0x00);
    showTime();
    cmosWrite(11, 0x82);
    setTime(0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x59);
    cmosWrite(11, 0x02);
    readFlags();
    await("update", this::readFlags, 0x10);
    showTime();
    rtcInterrupts();
    newLine();
  }

  private void rtcInterrupts() {
    initializePics();
    cmosWrite(10, 0x26);
    readFlags();
    cmosWrite(11, 0x42);
    await("irq8", this::readSlaveRequests, 1);
    readFlags();
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, 0xc0);
    show("flags");
    cmosWrite(11, 0x02);
    readFlags();
    initializePics();
    // Any second: all alarm bytes don't care.
    cmosWrite(1, 0xff);
    cmosWrite(3, 0xff);
    cmosWrite(5, 0xff);
    cmosWrite(11, 0x22);
    readFlags();
    await("alarm", this::readSlaveRequests, 1);
    readFlags();
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, 0xa0);
    show("flags");
    cmosWrite(11, 0x02);
  }

  private void readSlaveRequests() {
    out(0xa0, 0x0a);
    in(0xa0);
  }

  private void cmosMemory() {
    group("cmos");
    for (int index :
        new int[] {0x14, 0x15, 0x16, 0x17, 0x18, 0x30, 0x31, 0x34, 0x35, 0x5b, 0x5c, 0x5d}) {
      showCmos("m", index);
    }
    cmosWrite(0x40, 0x5a);
    showCmos("kept", 0x40);
    newLine();
  }

  // ---- 8042 ----

  private void keyboardCommand(int command) {
    out(0x64, command);
  }

  private void showAnswer(String name) {
    await(name, () -> in(0x64), 1);
    showMasked("aux", 0x64, 0x20);
    show("data", 0x60);
  }

  private void keyboardController() {
    group("8042");
    drainKeyboard();
    keyboardCommand(0x60);
    out(0x60, 0x00);
    keyboardCommand(0xaa);
    showAnswer("self-test");
    keyboardCommand(0xab);
    showAnswer("interface");
    keyboardCommand(0xa9);
    showAnswer("aux");
    keyboardCommand(0x60);
    out(0x60, 0x04);
    keyboardCommand(0x20);
    showAnswer("command");
    line();
    for (int value : new int[] {0xee, 0xf5, 0xed, 0x07, 0xf0, 0x00}) {
      out(0x60, value);
      showAnswer("keyboard");
    }
    showAnswer("set");
    line();
    out(0x60, 0xf2);
    showAnswer("id");
    showAnswer("id");
    showAnswer("id");
    out(0x60, 0xff);
    showAnswer("reset");
    showAnswer("reset");
    line();
    for (int value : new int[] {0xf2, 0xff}) {
      keyboardCommand(0xd4);
      out(0x60, value);
      showAnswer("mouse");
      showAnswer("mouse");
    }
    showAnswer("mouse");
    keyboardCommand(0xd2);
    out(0x60, 0x42);
    showAnswer("keyboard buffer");
    keyboardCommand(0xd3);
    out(0x60, 0x43);
    showAnswer("aux buffer");
    newLine();
  }

  // ---- memory-mapped parts ----

  private void mmio(int address, long value) {
    asm.mov(DWORD, Gpr.RBX, address & 0xffff_ffffL);
    asm.mov(DWORD, Mem.of(Gpr.RBX), (int) value);
  }

  private void readMmio(int address) {
    asm.mov(DWORD, Gpr.RBX, address & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RBX));
  }

  private void showMmio(String name, int address) {
    readMmio(address);
    show(name);
  }

  private void ioApicWrite(int register, long value) {
    mmio(IO_APIC, register);
    mmio(IO_APIC + 0x10, value);
  }

  private void showIoApic(String name, int register) {
    mmio(IO_APIC, register);
    showMmio(name, IO_APIC + 0x10);
  }

  private void ioApic() {
    group("ioapic");
    ioApicWrite(0, 0x0300_0000);
    showIoApic("id", 0);
    ioApicWrite(0, 0);
    showIoApic("version", 1);
    showIoApic("arbitration", 2);
    ioApicWrite(0x12, 0x1_ffff);
    showIoApic("low", 0x12);
    ioApicWrite(0x12, 0x1_0000);
    ioApicWrite(0x13, 0x0500_0000);
    showIoApic("low", 0x12);
    showIoApic("high", 0x13);
    newLine();
  }

  private void apic(int register, long value) {
    mmio(LOCAL_APIC + register, value);
  }

  private void showApic(String name, int register) {
    showMmio(name, LOCAL_APIC + register);
  }

  private void showPriorities() {
    showApic("tpr", 0x80);
    showApic("ppr", 0xa0);
    for (int i = 1; i < 8; i++) {
      showApic("i", 0x200 + i * 0x10);
      showApic("s", 0x100 + i * 0x10);
    }
    line();
  }

  private void localApic() {
    group("apic");
    apic(0xf0, 0x1ff);
    showApic("id", 0x20);
    showApic("version", 0x30);
    showApic("svr", 0xf0);
    apic(0xd0, 0xff12_3456L);
    showApic("ldr", 0xd0);
    apic(0xe0, 0x0000_0000);
    showApic("dfr", 0xe0);
    apic(0xe0, 0xffff_ffffL);
    apic(0xd0, 0x0100_0000);
    line();
    apic(0x80, 0x20);
    showPriorities();
    apic(0x300, 0x4_0041); // to itself
    showPriorities();
    apic(0x310, 0);
    apic(0x300, 0x0062); // by its physical id
    apic(0x310, 0x0100_0000);
    apic(0x300, 0x0883); // by its logical id
    apic(0x310, 0x0200_0000);
    apic(0x300, 0x08a4); // nobody
    apic(0x310, 0xff00_0000L);
    apic(0x300, 0x00c5); // all
    showPriorities();
    apic(0x80, 0);
    showPriorities();
    apicTimer();
    ioApicDelivery();
    newLine();
  }

  private void apicTimer() {
    apic(0x3e0, 0xb);
    showApic("divide", 0x3e0);
    apic(0x320, 0x1_00e1);
    apic(0x380, 1000);
    showApic("initial", 0x380);
    await("expired", this::apicTimerExpired, 1);
    showApic("masked", 0x270);
    apic(0x320, 0xe1);
    apic(0x380, 1000);
    await("fired", () -> readMmio(LOCAL_APIC + 0x270), 2);
    apic(0x320, 0x2_00e2);
    apic(0x380, 100_000);
    await("periodic", () -> readMmio(LOCAL_APIC + 0x270), 4);
    apic(0x380, 0);
    line();
  }

  private void apicTimerExpired() {
    readMmio(LOCAL_APIC + 0x390);
    asm.cmp(DWORD, Gpr.RAX, 1);
    asm.alu(AluOp.SBB, DWORD, Gpr.RAX, Gpr.RAX);
  }

  /** The keyboard's interrupt by the I/O APIC, edge-triggered. */
  private void ioApicDelivery() {
    keyboardCommand(0x60);
    out(0x60, 0x03);
    drainKeyboard();
    ioApicWrite(0x13, 0);
    ioApicWrite(0x12, 0x91);
    raiseKeyboard();
    showIoApic("entry", 0x12);
    showApic("i", 0x240);
    drainKeyboard();
    ioApicWrite(0x12, 0x1_0091);
    raiseKeyboard();
    drainKeyboard();
    showApic("i", 0x240);
  }

  private void hpet() {
    group("hpet");
    showMmio("id", HPET);
    showMmio("period", HPET + 4);
    mmio(HPET + 0xf0, 0x1234_5678);
    mmio(HPET + 0xf4, 0x9abc_def0);
    showMmio("count", HPET + 0xf0);
    showMmio("count", HPET + 0xf4);
    showMmio("config", HPET + 0x10);
    showMmio("routes", HPET + 0x104);
    mmio(HPET + 0x100, 0x44a);
    showMmio("timer", HPET + 0x100);
    mmio(HPET + 0x100, 0);
    showMmio("timer", HPET + 0x100);
    newLine();
  }

  private void powerManagement() {
    group("acpi");
    out(0xb2, 0xf0);
    in(WORD, 0x604);
    show("off");
    out(0xb2, 0xf1);
    in(WORD, 0x604);
    show("on");
    out(WORD, 0x602, 0x0120);
    in(WORD, 0x602);
    show("enable");
    out(WORD, 0x602, 0);
    out(WORD, 0x600, 0xffff);
    in(WORD, 0x600);
    show("status");
    out(0xb3, 0x7e);
    show("apm", 0xb3);
    in(DWORD, 0x608);
    asm.shr(DWORD, Gpr.RAX, 24);
    show("timer, top");
    newLine();
  }

  private void firmwareConfiguration() {
    group("fw_cfg");
    for (int key : new int[] {0, 1, 5, 3}) {
      out(WORD, 0x510, key);
      for (int i = 0; i < 5; i++) {
        show("f", 0x511);
      }
    }
    in(DWORD, 0x514);
    show("dma");
    in(DWORD, 0x518);
    show("dma");
    newLine();
  }
}
