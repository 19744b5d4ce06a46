package dev.pollux.tests.baremetal;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.X86Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A kernel image for {@code -kernel}: a 32-bit ELF file with a multiboot-1 header (Multiboot
 * Specification 0.6.96), as QEMU and Pollux both load it. It is entered in flat 32-bit protected
 * mode without paging; the assembler stands at the entry.
 */
final class GuestImage {
  /** Where the image is loaded, at its first byte the multiboot header. */
  static final int LOAD_ADDRESS = 0x10_0000;

  private static final int MULTIBOOT_MAGIC = 0x1bad_b002;
  private static final int HEADER_FLAGS = 3;
  private static final int FILE_OFFSET = 0x1000;
  private static final int EXTRA_MEMORY = 0x1000;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS32);
  private final Label entry = new Label("entry");

  GuestImage() {
    asm.org(LOAD_ADDRESS);
    asm.dd(MULTIBOOT_MAGIC, HEADER_FLAGS, -(MULTIBOOT_MAGIC + HEADER_FLAGS));
    asm.alignData(16);
    asm.bind(entry);
  }

  X86Assembler asm() {
    return asm;
  }

  /** The finished file. */
  byte[] elf() {
    byte[] code = asm.finish();
    ByteBuffer file = ByteBuffer.allocate(FILE_OFFSET + code.length);
    file.order(ByteOrder.LITTLE_ENDIAN);
    // ELF header: 32-bit, little-endian, executable, 80386.
    file.put(new byte[] {0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    file.putShort((short) 2).putShort((short) 3).putInt(1);
    file.putInt((int) asm.address(entry)).putInt(52).putInt(0).putInt(0);
    file.putShort((short) 52).putShort((short) 32).putShort((short) 1);
    file.putShort((short) 40).putShort((short) 0).putShort((short) 0);
    // One loadable segment, readable, writable and executable.
    file.putInt(1).putInt(FILE_OFFSET).putInt(LOAD_ADDRESS).putInt(LOAD_ADDRESS);
    file.putInt(code.length).putInt(code.length + EXTRA_MEMORY).putInt(7).putInt(0x1000);
    file.position(FILE_OFFSET).put(code);
    return file.array();
  }
}
