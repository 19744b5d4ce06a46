package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * What {@link HostileProgram} does to controllers of disks: commands that make sense but for some
 * of their numbers, by the rings that it scribbles in.
 */
final class HostileStorage {
  /** Class and subclass by which a controller is found, and where its registers are then. */
  private static final int NVME_CLASS = 0x0108;

  static final int NVME = 0xe100_0000;
  private static final int SATA_CLASS = 0x0106;
  static final int SATA = 0xe120_0000;
  private static final int IDE_CLASS = 0x0101;
  private static final int BUS_MASTER = 0xcf00;

  private static final int PAIRS = 3;
  private static final int COMMANDS = 16;
  private static final int PAGES = 0xf_f000;
  private static final int RECORDS = 0xf_ff80;
  private static final int[] ADMIN = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x7f, 6, 2, 1, 5, 0};
  private static final int[] IO = {0, 1, 1, 2, 2, 5, 8, 9};

  private static final int[] ATA = {
    0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x60, 0x61, 0xa0, 0xa1, 0xc4, 0xc5, 0xc6, 0xc8,
    0xca, 0xe7, 0xec, 0xef, 0x08, 0x90, 0x60, 0x61, 0x60, 0x61, 0x25, 0x35, 0xc8, 0xca, 0xa0, 0xa0
  };
  private static final int[] FLOPPY = {
    0x46, 0xe6, 0x45, 0xc5, 0x4a, 0x4d, 0x0f, 0x07, 0x08, 0x03, 0x04, 0x0e, 0x42, 0x51, 0x13, 0x12
  };

  private final HostileProgram program;
  private final X86Assembler asm;

  HostileStorage(HostileProgram program, X86Assembler asm) {
    this.program = program;
    this.asm = asm;
  }

  /** Gives a controller addresses, if the function at a configuration address is one. */
  void assignAddresses(int function) {
    assignAddress(function, NVME_CLASS, 0x10, NVME);
    assignAddress(function, SATA_CLASS, 0x24, SATA);
    assignAddress(function, IDE_CLASS, 0x20, BUS_MASTER);
    assignAddress(function, HostileUsb.CLASS, 0x10, HostileUsb.REGISTERS);
  }

  private void assignAddress(int function, int kind, int bar, int address) {
    Label other = new Label();
    program.selectConfig(function | 8);
    asm.inDx(DWORD);
    asm.shr(DWORD, Gpr.RAX, 16);
    asm.cmp(WORD, Gpr.RAX, kind);
    asm.jcc(Cond.NE, other);
    program.configure(function | bar, address);
    program.configure(function | 4, 7);
    asm.bind(other);
  }

  private void store(Mem place, int value) {
    asm.mov(DWORD, place, value);
  }

  /** Puts a random place of the rings into a register of a controller or a field of a command. */
  private void storePlace(Mem place, int mask) {
    program.draw(Gpr.RDX, mask);
    asm.add(DWORD, Gpr.RDX, HostileProgram.RINGS);
    asm.mov(DWORD, place, Gpr.RDX);
  }

  private void storeRandom(Mem place, int mask) {
    program.draw(Gpr.RDX, mask);
    asm.mov(DWORD, place, Gpr.RDX);
  }

  /** One of these in RSI; RDI may change. */
  private void choose(int[] values) {
    program.choose(values);
    asm.mov(DWORD, Gpr.RSI, Gpr.RDI);
  }

  // ---- NVMe ----

  /** Begins anew with queues somewhere, then makes pairs and has all of them work. */
  void driveNvme() {
    asm.mov(DWORD, Gpr.R8, NVME & 0xffff_ffffL);
    store(Mem.of(Gpr.R8, 0x14), 0);
    store(Mem.of(Gpr.R8, 0x24), COMMANDS - 1 << 16 | COMMANDS - 1);
    for (int register : new int[] {0x28, 0x30}) {
      storePlace(Mem.of(Gpr.R8, register), PAGES);
      store(Mem.of(Gpr.R8, register + 4), 0);
    }
    store(Mem.of(Gpr.R8, 0x14), 0x46_0001);
    asm.mov(DWORD, Gpr.R9, Mem.of(Gpr.R8, 0x28));
    for (int pair = 1; pair <= PAIRS; pair++) {
      createQueue(5, pair, pair << 16 | 3);
      createQueue(1, pair, pair << 16 | 1);
      asm.mov(DWORD, Gpr.R10, Mem.of(Gpr.R9, -40)); // where the last one is
      program.times(8, () -> nvmeCommand(Gpr.R10, false));
    }
    program.times(8, () -> nvmeCommand(Gpr.R9, true));
    for (int doorbell = 0; doorbell < (PAIRS + 1) * 8; doorbell += 4) {
      storeRandom(Mem.of(Gpr.R8, 0x1000 + doorbell), COMMANDS - 1);
    }
    storeRandom(Mem.of(Gpr.R8, 0x1000), COMMANDS - 1);
    program.oneOf(
        () -> store(Mem.of(Gpr.R8, 0x14), 0x46_4001), // shutdown
        () -> storeRandom(Mem.of(Gpr.R8, 0x14), -1),
        () -> store(Mem.of(Gpr.R8, 0x1014), -1),
        () -> {});
  }

  /** The next command of the admin queue makes a queue. */
  private void createQueue(int code, int number, int how) {
    store(Mem.of(Gpr.R9), code);
    storePlace(Mem.of(Gpr.R9, 0x18), PAGES);
    store(Mem.of(Gpr.R9, 0x1c), 0);
    store(Mem.of(Gpr.R9, 0x28), number | COMMANDS - 1 << 16);
    store(Mem.of(Gpr.R9, 0x2c), how);
    asm.add(DWORD, Gpr.R9, 64);
  }

  /** Puts a command where a register points, which moves on. */
  private void nvmeCommand(Gpr at, boolean admin) {
    choose(admin ? ADMIN : IO);
    asm.call(program.drawLabel());
    asm.and(DWORD, Gpr.RAX, 0xffff_0000);
    asm.or(DWORD, Gpr.RAX, Gpr.RSI);
    asm.mov(DWORD, Mem.of(at), Gpr.RAX);
    storeRandom(Mem.of(at, 4), 1);
    for (int prp : new int[] {0x18, 0x20}) {
      program.oneOf(
          () -> storePlace(Mem.of(at, prp), PAGES), () -> storePlace(Mem.of(at, prp), RECORDS));
      store(Mem.of(at, prp + 4), 0);
    }
    storeRandom(Mem.of(at, 0x28), 0x1_0003);
    if (admin) {
      storeRandom(Mem.of(at, 0x2c), 0x3_0007);
    } else {
      store(Mem.of(at, 0x2c), 0);
      program.oneOf(() -> store(Mem.of(at, 0x2c), 4), () -> {}, () -> {}); // deallocates
    }
    program.oneOf(
        () -> storeRandom(Mem.of(at, 0x30), 7), () -> storeRandom(Mem.of(at, 0x30), 0x7f));
    asm.add(DWORD, at, 64);
  }

  // ---- SATA ----

  /** Gives a port a list with commands of all slots, and issues them. */
  void driveSata() {
    asm.mov(DWORD, Gpr.R8, SATA + 0x100 & 0xffff_ffffL);
    program.draw(Gpr.RDX, 0x80);
    asm.add(DWORD, Gpr.R8, Gpr.RDX);
    program.oneOf(() -> store(Mem.of(Gpr.R8, 0x18), 0), () -> {});
    storePlace(Mem.of(Gpr.R8), 0xf_fc00);
    storePlace(Mem.of(Gpr.R8, 8), 0xf_ff00);
    store(Mem.of(Gpr.R8, 4), 0);
    store(Mem.of(Gpr.R8, 0xc), 0);
    store(Mem.of(Gpr.R8, 0x14), -1);
    store(Mem.of(Gpr.R8, 0x18), 0x17);
    asm.mov(DWORD, Gpr.R9, Mem.of(Gpr.R8));
    program.times(
        8,
        () -> {
          storeRandom(Mem.of(Gpr.R9), 0x7_07ff);
          storePlace(Mem.of(Gpr.R9, 8), RECORDS);
          store(Mem.of(Gpr.R9, 12), 0);
          asm.mov(DWORD, Gpr.R10, Mem.of(Gpr.R9, 8));
          sataTable();
          asm.add(DWORD, Gpr.R9, 32);
        });
    storeRandom(Mem.of(Gpr.R8, 0x34), 0xff);
    storeRandom(Mem.of(Gpr.R8, 0x38), 0xff);
    program.oneOf(
        () -> store(Mem.of(Gpr.R8, 0x18), 0),
        () -> store(Mem.of(Gpr.R8, 0x2c), 1),
        () -> store(Mem.of(Gpr.R8, 0x2c), 0),
        () -> {});
  }

  /** A frame with a command, a packet, and some regions, where R10 points. */
  private void sataTable() {
    choose(ATA);
    asm.shl(DWORD, Gpr.RSI, 16);
    asm.or(DWORD, Gpr.RSI, 0x0400_8027);
    asm.mov(DWORD, Mem.of(Gpr.R10), Gpr.RSI);
    storeRandom(Mem.of(Gpr.R10, 4), 0x4001_ffff);
    storeRandom(Mem.of(Gpr.R10, 8), 0);
    storeRandom(Mem.of(Gpr.R10, 12), 0x3f);
    storeRandom(Mem.of(Gpr.R10, 0x40), 0xffff_00bf);
    storeRandom(Mem.of(Gpr.R10, 0x44), -1);
    for (int region = 0x80; region < 0xc0; region += 16) {
      storePlace(Mem.of(Gpr.R10, region), HostileProgram.RING_MASK);
      store(Mem.of(Gpr.R10, region + 4), 0);
      storeRandom(Mem.of(Gpr.R10, region + 12), 0x1_1fff);
    }
  }

  // ---- IDE ----

  private void out(int port, int mask) {
    program.draw(Gpr.RCX, mask);
    asm.mov(DWORD, Gpr.RAX, Gpr.RCX);
    outAlso(port);
  }

  private void outThis(int port, int value) {
    asm.mov(DWORD, Gpr.RAX, value);
    outAlso(port);
  }

  private void outAlso(int port) {
    asm.mov(DWORD, Gpr.RDX, port);
    asm.outDx(BYTE);
  }

  /** A command by DMA or the data register, given up by some other one before its end or not. */
  void driveIde() {
    storePlace(Mem.absolute(HostileProgram.RINGS), 0xf_fffc);
    storeRandom(Mem.absolute(HostileProgram.RINGS + 4), 0x8000_fffe);
    asm.mov(DWORD, Gpr.RDX, BUS_MASTER + 4);
    program.oneOf(
        () -> asm.mov(DWORD, Gpr.RAX, HostileProgram.RINGS),
        () -> {
          program.draw(Gpr.RCX, 0xf_fffc);
          asm.mov(DWORD, Gpr.RAX, Gpr.RCX);
          asm.add(DWORD, Gpr.RAX, HostileProgram.RINGS);
        });
    asm.outDx(DWORD);
    out(0x1f6, 0x50);
    for (int register = 0x1f1; register < 0x1f5; register++) {
      out(register, 0x1f);
    }
    out(0x1f5, 1);
    choose(ATA);
    asm.mov(DWORD, Gpr.RAX, Gpr.RSI);
    outAlso(0x1f7);
    out(BUS_MASTER, 9);
    asm.mov(DWORD, Gpr.RDX, 0x1f0);
    asm.mov(DWORD, Gpr.RDI, HostileProgram.RINGS);
    asm.mov(DWORD, Gpr.RSI, HostileProgram.RINGS);
    program.draw(Gpr.RCX, 0x3ff);
    program.oneOf(() -> asm.rep(StringOp.OUTS, WORD), () -> asm.rep(StringOp.INS, WORD), () -> {});
    program.oneOf(() -> out(0x3f6, 6), () -> out(BUS_MASTER, 9), () -> {});
  }

  // ---- floppy ----

  /** Programs the DMA channel, and gives a command with its parameters, or without. */
  void driveFloppy() {
    program.oneOf(() -> out(0x0b, 0x5f), () -> outThis(0x0b, 0x46), () -> outThis(0x0b, 0x4a));
    for (int port : new int[] {0x04, 0x04, 0x05, 0x05}) {
      out(port, 0xff);
    }
    program.draw(Gpr.RCX, 0xf);
    asm.mov(DWORD, Gpr.RAX, Gpr.RCX);
    asm.or(DWORD, Gpr.RAX, HostileProgram.RINGS >> 16);
    outAlso(0x81);
    out(0x0a, 6);
    program.oneOf(() -> out(0x3f2, 0xff), () -> {}, () -> {}, () -> {});
    outThis(0x3f2, 0x1c);
    choose(FLOPPY);
    asm.mov(DWORD, Gpr.RAX, Gpr.RSI);
    outAlso(0x3f5);
    for (int usual : new int[] {0, 0, 0, 5, 2, 18, 0x1b, 0xff}) { // drive, C, H, R, N, last, gaps
      program.oneOf(
          () -> outThis(0x3f5, usual), () -> outThis(0x3f5, usual), () -> out(0x3f5, 0x13));
    }
    program.draw(Gpr.RCX, 0x1f);
    asm.mov(DWORD, Gpr.RDI, HostileProgram.RINGS);
    asm.mov(DWORD, Gpr.RDX, 0x3f5);
    asm.rep(StringOp.INS, BYTE);
  }
}
