package dev.pollux.tests.firmware;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.X86Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * A disk whose boot sector reads a sector by the BIOS (INT 13h, function 42h), prints the text in
 * it on the first serial port, and ends the machine through isa-debug-exit.
 */
final class BootSector {
  /** What the process ends with. */
  static final int EXIT_STATUS = 0x21;

  private static final int LOAD_ADDRESS = 0x7c00;
  private static final int SECTOR = 512;
  private static final int BLOCK = 2048;
  private static final int CATALOG = 20;
  private static final int PACKET = 0x1e0;
  private static final int BUFFER = 0x8000;

  private BootSector() {}

  /**
   * A disk of 1 MiB.
   *
   * @param sector where the text lies, counted in {@code sectorSize}
   */
  static byte[] disk(String text, int sector, int sectorSize) {
    byte[] disk = new byte[1 << 20];
    byte[] code = code();
    System.arraycopy(code, 0, disk, 0, code.length);
    ByteBuffer.wrap(disk, PACKET, 16)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort((short) 16)
        .putShort((short) 1)
        .putInt(BUFFER)
        .putLong(sector);
    disk[SECTOR - 2] = 0x55;
    disk[SECTOR - 1] = (byte) 0xaa;
    byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, disk, sector * sectorSize, ascii.length);
    return disk;
  }

  /**
   * A disc with that boot sector (El Torito 1.0, without emulation).
   *
   * @param block where the text lies
   */
  static byte[] disc(String text, int block) {
    byte[] disc = disk(text, block, BLOCK);
    int boot = 24;
    System.arraycopy(disc, 0, disc, boot * BLOCK, SECTOR);
    ascii(disc, 16 * BLOCK, "\1CD001\1"); // primary volume descriptor
    ascii(disc, 17 * BLOCK, "\0CD001\1EL TORITO SPECIFICATION");
    little(disc, 17 * BLOCK + 0x47, CATALOG);
    ascii(disc, 18 * BLOCK, "\377CD001\1"); // end of the descriptors
    ascii(disc, CATALOG * BLOCK, "\1");
    ascii(disc, CATALOG * BLOCK + 0x1c, "\252\125\125\252"); // checksum, key
    ascii(disc, CATALOG * BLOCK + 0x20, "\210"); // can be booted
    disc[CATALOG * BLOCK + 0x26] = 1; // a sector
    little(disc, CATALOG * BLOCK + 0x28, boot);
    return disc;
  }

  private static void ascii(byte[] disc, int at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(bytes, 0, disc, at, bytes.length);
  }

  private static void little(byte[] disc, int at, int value) {
    ByteBuffer.wrap(disc).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
  }

  /** Real mode, DL the drive. */
  private static byte[] code() {
    X86Assembler asm = new X86Assembler(CodeMode.BITS16);
    Label next = new Label("next");
    Label end = new Label("end");
    asm.org(LOAD_ADDRESS);
    asm.op(NullaryOp.CLI);
    asm.alu(AluOp.XOR, OpSize.WORD, Gpr.RAX, Gpr.RAX);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.mov(Seg.ES, Gpr.RAX);
    asm.mov(Seg.SS, Gpr.RAX);
    asm.mov(OpSize.WORD, Gpr.RSP, LOAD_ADDRESS);
    asm.op(NullaryOp.STI);
    asm.db(0x2e, 0xa2, 0, BUFFER >> 8); // MOV CS:[BUFFER], AL: code segments are written, too
    asm.mov(OpSize.WORD, Gpr.RSI, LOAD_ADDRESS + PACKET);
    asm.mov(OpSize.WORD, Gpr.RAX, 0x4200);
    asm.int_(0x13);
    asm.jcc(Cond.B, end);
    asm.mov(OpSize.WORD, Gpr.RSI, BUFFER);
    asm.mov(OpSize.WORD, Gpr.RDX, 0x3f8);
    asm.bind(next);
    asm.string(StringOp.LODS, OpSize.BYTE);
    asm.test(OpSize.BYTE, Gpr.RAX, Gpr.RAX);
    asm.jcc(Cond.E, end);
    asm.outDx(OpSize.BYTE);
    asm.jmp(next);
    asm.bind(end);
    asm.mov(OpSize.WORD, Gpr.RDX, 0x501);
    asm.mov(OpSize.WORD, Gpr.RAX, EXIT_STATUS >> 1);
    asm.outDx(OpSize.BYTE);
    asm.op(NullaryOp.HLT);
    return asm.finish();
  }
}
