package dev.pollux.core.host;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes the file of {@link HostLibrary}: a shared object of the ELF format (System V ABI, chapters
 * 4 and 5) with nothing but what the dynamic linker looks at. It needs no other library. The first
 * page is executable and has the headers, the tables of symbols and the code; the second has the
 * dynamic section, in which older linkers write.
 */
public final class HostLibraryFile {
  private static final String PREFIX = "Java_dev_pollux_core_host_HostLibrary_";
  private static final int PAGE = 4096;

  private static final int HEADER_BYTES = 64;
  private static final int PROGRAM_HEADER_BYTES = 56;
  private static final int SYMBOL_BYTES = 24;
  private static final int ET_DYN = 3;
  private static final int EM_X86_64 = 62;
  private static final int PT_LOAD = 1;
  private static final int PT_DYNAMIC = 2;

  /** Says that the stack need not be executable. */
  private static final int PT_GNU_STACK = 0x6474_e551;

  private static final int READ_EXECUTE = 5;
  private static final int READ_WRITE = 6;
  private static final int DT_NULL = 0;
  private static final int DT_HASH = 4;
  private static final int DT_STRTAB = 5;
  private static final int DT_SYMTAB = 6;
  private static final int DT_STRSZ = 10;
  private static final int DT_SYMENT = 11;

  /** STB_GLOBAL and STT_FUNC. */
  private static final int GLOBAL_FUNCTION = 0x12;

  /** Any section will do that is not "undefined". */
  private static final int SOME_SECTION = 1;

  private static final int BYTES_AT_A_TIME = 64;
  private static final int DYNAMIC_BYTES = 6 * 16;

  /** Addresses are offsets in the file. */
  private final X86Assembler asm = new X86Assembler(CodeMode.BITS64);

  private final Map<String, Label> functions = new LinkedHashMap<>();
  private final Label symbols = new Label();
  private final Label names = new Label();
  private final Label hash = new Label();
  private int namesBytes;

  private HostLibraryFile() {
    functions.put("systemCall", new Label());
    functions.put("call", new Label());
    functions.put("isZero", new Label());
  }

  /**
   * Writes the library.
   *
   * @param arguments the file
   */
  public static void main(String[] arguments) throws IOException {
    Files.write(Path.of(arguments[0]), bytes());
  }

  static byte[] bytes() {
    return new HostLibraryFile().assemble();
  }

  private byte[] assemble() {
    header();
    symbolTables();
    systemCall();
    call();
    isZero();
    asm.alignData(PAGE);
    dynamicSection();
    return asm.finish();
  }

  private void header() {
    asm.db(0x7f, 'E', 'L', 'F', 2, 1, 1); // 64 bits, little-endian, version 1
    asm.alignData(16);
    asm.dw(ET_DYN, EM_X86_64);
    asm.dd(1);
    asm.dq(0, HEADER_BYTES, 0); // entry, program headers, section headers
    asm.dd(0);
    asm.dw(HEADER_BYTES, PROGRAM_HEADER_BYTES, 4, 0, 0, 0);
    segment(PT_LOAD, READ_EXECUTE, 0, PAGE);
    segment(PT_LOAD, READ_WRITE, PAGE, DYNAMIC_BYTES);
    segment(PT_DYNAMIC, READ_WRITE, PAGE, DYNAMIC_BYTES);
    segment(PT_GNU_STACK, READ_WRITE, 0, 0);
  }

  private void segment(int type, int flags, long offset, long bytes) {
    asm.dd(type, flags);
    asm.dq(offset, offset, offset, bytes, bytes, PAGE);
  }

  private void symbolTables() {
    StringBuilder text = new StringBuilder("\0");
    asm.bind(symbols);
    asm.zeros(SYMBOL_BYTES);
    functions.forEach(
        (name, function) -> {
          asm.dd(text.length());
          asm.db(GLOBAL_FUNCTION, 0);
          asm.dw(SOME_SECTION);
          asm.dq(function);
          asm.dq(0);
          text.append(PREFIX).append(name).append('\0');
        });
    asm.bind(names);
    asm.ascii(text.toString());
    namesBytes = text.length();
    asm.alignData(8);
    asm.bind(hash);
    int count = functions.size();
    asm.dd(1, count + 1, count, 0); // one chain of all, from the last to the first
    for (int i = 0; i < count; i++) {
      asm.dd(i);
    }
    asm.align(16);
  }

  /** The JNI environment, the class, then the arguments, the last three on the stack. */
  private void systemCall() {
    asm.bind(functions.get("systemCall"));
    asm.mov(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
    asm.mov(OpSize.QWORD, Gpr.RDI, Gpr.RCX);
    asm.mov(OpSize.QWORD, Gpr.RSI, Gpr.R8);
    asm.mov(OpSize.QWORD, Gpr.RDX, Gpr.R9);
    asm.mov(OpSize.QWORD, Gpr.R10, Mem.of(Gpr.RSP, 8));
    asm.mov(OpSize.QWORD, Gpr.R8, Mem.of(Gpr.RSP, 16));
    asm.mov(OpSize.QWORD, Gpr.R9, Mem.of(Gpr.RSP, 24));
    asm.op(NullaryOp.SYSCALL);
    asm.ret();
    asm.align(16);
  }

  private void call() {
    asm.bind(functions.get("call"));
    asm.mov(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
    asm.mov(OpSize.QWORD, Gpr.RDI, Gpr.RCX);
    asm.mov(OpSize.QWORD, Gpr.RSI, Gpr.R8);
    asm.mov(OpSize.QWORD, Gpr.RDX, Gpr.R9);
    asm.mov(OpSize.QWORD, Gpr.RCX, Mem.of(Gpr.RSP, 8));
    asm.jmp(Gpr.RAX);
    asm.align(16);
  }

  /** Looks at 64 bytes at a time, and at the last ones one by one. */
  private void isZero() {
    Label wide = new Label();
    Label narrow = new Label();
    Label zero = new Label();
    Label other = new Label();
    asm.bind(functions.get("isZero"));
    asm.bind(wide);
    asm.cmp(OpSize.QWORD, Gpr.RCX, BYTES_AT_A_TIME);
    asm.jccShort(Cond.B, narrow);
    asm.mov(OpSize.QWORD, Gpr.RAX, Mem.of(Gpr.RDX));
    for (int at = 8; at < BYTES_AT_A_TIME; at += 8) {
      asm.or(OpSize.QWORD, Gpr.RAX, Mem.of(Gpr.RDX, at));
    }
    asm.jccShort(Cond.NE, other);
    asm.add(OpSize.QWORD, Gpr.RDX, BYTES_AT_A_TIME);
    asm.sub(OpSize.QWORD, Gpr.RCX, BYTES_AT_A_TIME);
    asm.jmp(wide);
    asm.bind(narrow);
    asm.test(OpSize.QWORD, Gpr.RCX, Gpr.RCX);
    asm.jccShort(Cond.E, zero);
    asm.cmp(OpSize.BYTE, Mem.of(Gpr.RDX), 0);
    asm.jccShort(Cond.NE, other);
    asm.inc(OpSize.QWORD, Gpr.RDX);
    asm.dec(OpSize.QWORD, Gpr.RCX);
    asm.jmp(narrow);
    asm.bind(zero);
    asm.mov(OpSize.DWORD, Gpr.RAX, 1);
    asm.ret();
    asm.bind(other);
    asm.xor(OpSize.DWORD, Gpr.RAX, Gpr.RAX);
    asm.ret();
  }

  private void dynamicSection() {
    entry(DT_HASH, hash);
    entry(DT_STRTAB, names);
    entry(DT_SYMTAB, symbols);
    asm.dq(DT_STRSZ, namesBytes);
    asm.dq(DT_SYMENT, SYMBOL_BYTES);
    asm.dq(DT_NULL, 0);
  }

  private void entry(int tag, Label label) {
    asm.dq(tag);
    asm.dq(label);
  }
}
