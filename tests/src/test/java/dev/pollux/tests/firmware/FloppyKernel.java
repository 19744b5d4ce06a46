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
import java.nio.charset.StandardCharsets;

/**
 * A floppy whose boot sector loads a kernel of 16-bit code by the BIOS (INT 13h, function 2), from
 * three tracks. The kernel prints the text in its last sector on the first serial port, writes that
 * sector to the end of the floppy (function 3), and ends the machine through isa-debug-exit.
 */
final class FloppyKernel {
  private static final int SECTOR = 512;
  private static final int LOAD_ADDRESS = 0x7c00;
  private static final int SEGMENT = 0x1000;

  private FloppyKernel() {}

  /**
   * Makes one.
   *
   * @param sectors of each track: 18 for 1.44 MB, 36 for 2.88
   */
  static byte[] image(String text, int sectors) {
    byte[] image = new byte[80 * 2 * sectors * SECTOR];
    byte[] boot = boot(sectors);
    System.arraycopy(boot, 0, image, 0, boot.length);
    image[SECTOR - 2] = 0x55;
    image[SECTOR - 1] = (byte) 0xaa;
    int last = (3 * sectors - 1) * SECTOR;
    byte[] kernel = kernel(last - SECTOR, sectors);
    System.arraycopy(kernel, 0, image, SECTOR, kernel.length);
    byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, image, last, ascii.length);
    return image;
  }

  private static byte[] boot(int sectors) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS16);
    Label failed = new Label("failed");
    asm.org(LOAD_ADDRESS);
    asm.op(NullaryOp.CLI);
    asm.alu(AluOp.XOR, OpSize.WORD, Gpr.RAX, Gpr.RAX);
    asm.mov(Seg.SS, Gpr.RAX);
    asm.mov(OpSize.WORD, Gpr.RSP, LOAD_ADDRESS);
    asm.op(NullaryOp.STI);
    int loaded = 0;
    for (int track = 0; track < 3; track++) {
      int first = track == 0 ? 2 : 1;
      asm.mov(OpSize.WORD, Gpr.RAX, SEGMENT + loaded * SECTOR / 16);
      asm.mov(Seg.ES, Gpr.RAX);
      asm.mov(OpSize.WORD, Gpr.RBX, 0);
      disk(asm, 2, sectors + 1 - first, track / 2, track % 2, first, failed);
      loaded += sectors + 1 - first;
    }
    asm.db(0xea, 0, 0, 0, SEGMENT >> 8); // JMP FAR
    asm.bind(failed);
    asm.op(NullaryOp.HLT);
    return asm.finish();
  }

  /** INT 13h with drive A. */
  private static void disk(
      X86Assembler asm, int function, int count, int cylinder, int head, int sector, Label failed) {
    asm.mov(OpSize.WORD, Gpr.RAX, function << 8 | count);
    asm.mov(OpSize.WORD, Gpr.RCX, cylinder << 8 | sector);
    asm.mov(OpSize.WORD, Gpr.RDX, head << 8);
    asm.int_(0x13);
    asm.jcc(Cond.B, failed);
  }

  private static byte[] kernel(int text, int sectors) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS16);
    Label next = new Label("next");
    Label printed = new Label("printed");
    Label failed = new Label("failed");
    asm.mov(OpSize.WORD, Gpr.RAX, SEGMENT);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.mov(Seg.ES, Gpr.RAX);
    asm.mov(OpSize.WORD, Gpr.RSI, text);
    asm.mov(OpSize.WORD, Gpr.RDX, 0x3f8);
    asm.bind(next);
    asm.string(StringOp.LODS, OpSize.BYTE);
    asm.test(OpSize.BYTE, Gpr.RAX, Gpr.RAX);
    asm.jcc(Cond.E, printed);
    asm.outDx(OpSize.BYTE);
    asm.jmp(next);
    asm.bind(printed);
    asm.mov(OpSize.WORD, Gpr.RBX, text);
    disk(asm, 3, 1, 79, 1, sectors, failed);
    asm.mov(OpSize.WORD, Gpr.RDX, 0x501);
    asm.mov(OpSize.WORD, Gpr.RAX, BootSector.EXIT_STATUS >> 1);
    asm.outDx(OpSize.BYTE);
    asm.bind(failed);
    asm.op(NullaryOp.HLT);
    return asm.finish();
  }
}
