package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;

import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * What {@link HostileProgram} does to a controller for USB: it sets a device up as a driver does,
 * and then has rings that make sense but for some of their numbers be worked on.
 */
final class HostileUsb {
  /** Class and subclass by which the controller is found, and where its registers are then. */
  static final int CLASS = 0x0c03;

  static final int REGISTERS = 0xe140_0000;

  private static final int PAGES = 0xf_f000;

  // From R9 on: places of what the controller reads.
  private static final int EVENT_TABLE = 0x400;
  private static final int COMMANDS = 0x500;
  private static final int BLOCK = 0x700;
  private static final int INPUT = 0x800;
  private static final int EVENTS = 0x1000;
  private static final int CONTEXTS = 0x2000;
  private static final int RINGS = 0x4000;
  private static final int RING_BYTES = 0x200;

  private static final int CONTROL = 1;
  private static final int IN = 3;
  private static final int OUT = 4;
  private static final int BULK_OUT = 2;
  private static final int BULK_IN = 6;

  /** Ports of a disk, a keyboard, a tablet and nothing. */
  private static final int[] PORTS = {1, 6, 7, 1};

  private static final int[] COMMAND_TYPES = {
    9, 10, 11, 12, 13, 14, 15, 16, 17, 23, 14, 16, 6, 63, 15, 12
  };
  private static final int[] TRANSFER_TYPES = {1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0};
  private static final int[] SCSI = {0x28, 0x2a, 0x12, 0x03, 0x1a, 0x25, 0x28, 0x2a};

  private final HostileProgram program;
  private final X86Assembler asm;

  HostileUsb(HostileProgram program, X86Assembler asm) {
    this.program = program;
    this.asm = asm;
  }

  private void register(int offset, int value) {
    asm.mov(DWORD, Mem.of(Gpr.R8, offset), value);
  }

  private void store(int offset, int value) {
    asm.mov(DWORD, Mem.of(Gpr.R9, offset), value);
  }

  /** Puts the place of something into RDX. */
  private void place(int offset) {
    asm.mov(DWORD, Gpr.RDX, Gpr.R9);
    asm.add(DWORD, Gpr.RDX, offset);
  }

  private void storePlace(int offset, int of) {
    place(of);
    asm.mov(DWORD, Mem.of(Gpr.R9, offset), Gpr.RDX);
    store(offset + 4, 0);
  }

  private void registerPlace(int offset, int of) {
    place(of);
    asm.mov(DWORD, Mem.of(Gpr.R8, offset), Gpr.RDX);
    register(offset + 4, 0);
  }

  private static int ring(int endpoint) {
    return RINGS + endpoint * RING_BYTES;
  }

  /** Begins anew with one device, then has it and the controller do anything. */
  void drive() {
    asm.mov(DWORD, Gpr.R8, REGISTERS & 0xffff_ffffL);
    program.draw(Gpr.R9, PAGES);
    asm.add(DWORD, Gpr.R9, HostileProgram.RINGS);
    begin();
    setUp();
    transfers(CONTROL);
    transfers(IN);
    transfers(OUT);
    commandBlock();
    for (int endpoint : new int[] {CONTROL, OUT, IN, OUT, IN, IN, CONTROL}) {
      register(0x2004, endpoint);
    }
    for (int i = 3; i < 12; i++) {
      anyCommand(i);
    }
    register(0x2000, 0);
    program.times(8, this::ringAnyBell);
    program.oneOf(
        () -> register(0x40, 0),
        () -> register(0x440, -1),
        () -> register(0x58, 6),
        () -> register(0x1034, -1));
  }

  private void begin() {
    register(0x40, 2);
    register(0x78, 4);
    registerPlace(0x70, 0);
    registerPlace(0x58, COMMANDS + 1);
    storePlace(EVENT_TABLE, EVENTS);
    store(EVENT_TABLE + 8, 64);
    register(0x1028, 1);
    registerPlace(0x1038, EVENTS);
    registerPlace(0x1030, EVENT_TABLE);
    register(0x1020, 2);
    register(0x40, 5);
    for (int slot = 1; slot <= 4; slot++) {
      storePlace(slot * 8, CONTEXTS + slot * 0x400);
    }
    for (int port : PORTS) {
      register(0x430 + port * 16, 0x210);
    }
  }

  private void command(int index, int type, int slot) {
    storePlace(COMMANDS + index * 16, INPUT);
    store(COMMANDS + index * 16 + 12, slot << 24 | type << 10 | 1);
    register(0x2000, 0);
  }

  private void setUp() {
    store(INPUT, 0);
    store(INPUT + 4, 3);
    store(INPUT + 0x20, 4 << 20 | 1 << 27);
    program.choose(PORTS);
    asm.shl(DWORD, Gpr.RDI, 16);
    asm.mov(DWORD, Mem.of(Gpr.R9, INPUT + 0x24), Gpr.RDI);
    endpoint(CONTROL, 4);
    endpoint(IN, BULK_IN);
    endpoint(OUT, BULK_OUT);
    command(0, 9, 0);
    command(1, 11, 1);
    store(INPUT + 4, 1 | 1 << IN | 1 << OUT);
    command(2, 12, 1);
  }

  private void endpoint(int number, int type) {
    int context = INPUT + 0x20 * (number + 1);
    store(context, 0);
    store(context + 4, type << 3 | 512 << 16);
    storePlace(context + 8, ring(number) + 1);
  }

  /** A ring of transfers of any kind; the control endpoint configures the device first. */
  private void transfers(int endpoint) {
    asm.mov(DWORD, Gpr.R10, Gpr.R9);
    asm.add(DWORD, Gpr.R10, ring(endpoint));
    if (endpoint == CONTROL) {
      transfer(0x0001_0900, 0, 8, 2 << 10 | 1 << 6);
      transfer(0, 0, 0, 4 << 10 | 1 << 16);
    } else if (endpoint == OUT) {
      place(BLOCK);
      asm.mov(DWORD, Mem.of(Gpr.R10), Gpr.RDX);
      asm.mov(DWORD, Mem.of(Gpr.R10, 4), 0);
      asm.mov(DWORD, Mem.of(Gpr.R10, 8), 31);
      asm.mov(DWORD, Mem.of(Gpr.R10, 12), 1 << 10 | 1 << 5 | 1);
      asm.add(DWORD, Gpr.R10, 16);
    }
    program.times(
        16,
        () -> {
          program.draw(Gpr.RDX, HostileProgram.RING_MASK);
          asm.add(DWORD, Gpr.RDX, HostileProgram.RINGS);
          asm.mov(DWORD, Mem.of(Gpr.R10), Gpr.RDX);
          asm.mov(DWORD, Mem.of(Gpr.R10, 4), 0);
          program.draw(Gpr.RDX, 0x7ff);
          asm.mov(DWORD, Mem.of(Gpr.R10, 8), Gpr.RDX);
          program.choose(TRANSFER_TYPES);
          asm.shl(DWORD, Gpr.RDI, 10);
          program.draw(Gpr.RDX, 0x1_0076);
          asm.or(DWORD, Gpr.RDX, Gpr.RDI);
          asm.or(DWORD, Gpr.RDX, 1);
          asm.mov(DWORD, Mem.of(Gpr.R10, 12), Gpr.RDX);
          asm.add(DWORD, Gpr.R10, 16);
        });
  }

  private void transfer(int low, int high, int status, int control) {
    asm.mov(DWORD, Mem.of(Gpr.R10), low);
    asm.mov(DWORD, Mem.of(Gpr.R10, 4), high);
    asm.mov(DWORD, Mem.of(Gpr.R10, 8), status);
    asm.mov(DWORD, Mem.of(Gpr.R10, 12), control | 1);
    asm.add(DWORD, Gpr.R10, 16);
  }

  /** What a disk takes for a command: any direction and length. */
  private void commandBlock() {
    store(BLOCK, 0x4342_5355);
    program.draw(Gpr.RDX, 0x1fff);
    asm.mov(DWORD, Mem.of(Gpr.R9, BLOCK + 8), Gpr.RDX);
    program.draw(Gpr.RDX, 0x80);
    asm.or(DWORD, Gpr.RDX, 10 << 16);
    asm.mov(DWORD, Mem.of(Gpr.R9, BLOCK + 12), Gpr.RDX);
    program.choose(SCSI);
    asm.mov(BYTE, Mem.of(Gpr.R9, BLOCK + 15), Gpr.RDI);
    store(BLOCK + 16, 0);
    store(BLOCK + 20, 0);
    program.draw(Gpr.RDX, 0xf);
    asm.mov(BYTE, Mem.of(Gpr.R9, BLOCK + 23), Gpr.RDX);
  }

  private void anyCommand(int index) {
    program.choose(COMMAND_TYPES);
    asm.shl(DWORD, Gpr.RDI, 10);
    program.draw(Gpr.RDX, 0x0307_0200);
    asm.or(DWORD, Gpr.RDX, Gpr.RDI);
    asm.or(DWORD, Gpr.RDX, 1);
    int at = COMMANDS + index * 16;
    asm.mov(DWORD, Mem.of(Gpr.R9, at + 12), Gpr.RDX);
    program.oneOf(
        () -> storePlace(at, INPUT),
        () -> storePlace(at, ring(IN) + 1),
        () -> storePlace(at, ring(OUT) + 1),
        () -> store(at + 4, -1));
  }

  private void ringAnyBell() {
    program.draw(Gpr.RSI, 0x1c);
    program.draw(Gpr.RDX, 7);
    asm.mov(DWORD, Mem.of(Gpr.R8, Gpr.RSI, 1, 0x2000), Gpr.RDX);
  }
}
