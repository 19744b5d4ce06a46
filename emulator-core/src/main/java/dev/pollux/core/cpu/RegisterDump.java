package dev.pollux.core.cpu;

/** {@code info registers} in the layout that QEMU prints, which scripts read. */
public final class RegisterDump {
  private static final int L = 1 << 13;
  private static final int DB = 1 << 14;
  private static final int G = 1 << 15;
  private static final int P = 1 << 7;
  private static final int S = 1 << 4;
  private static final int CODE = 1 << 3;
  private static final long PE = 1;
  private static final long LMA = 1 << 10;

  private static final String[] NAMES = {
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP",
    "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"
  };

  /** Registers in the order in which they are printed. */
  private static final int[] ORDER = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

  private static final String[] SEGMENTS = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

  private static final String[] SYSTEM_TYPES_32 = {
    "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16",
        "TrapGate16",
    "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32",
        "TrapGate32"
  };
  private static final String[] SYSTEM_TYPES_64 = {
    "<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
    "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64",
        "TrapGate64"
  };

  private final CpuState s;
  private final boolean code64;
  private final StringBuilder out;

  private RegisterDump(CpuState s, StringBuilder out) {
    this.s = s;
    this.out = out;
    this.code64 = (s.efer() & LMA) != 0 && (s.segAttr(CpuLayout.CS) & L) != 0;
  }

  /** Prints all registers; the vCPU is parked. */
  public static void print(CpuState s, StringBuilder out) {
    RegisterDump dump = new RegisterDump(s, out);
    dump.general();
    dump.segments();
    dump.control();
    dump.floatingPoint();
  }

  private void put(String text) {
    out.append(text);
  }

  private void general() {
    int perLine = 4;
    int count = code64 ? 16 : 8;
    for (int i = 0; i < count; i++) {
      long value = s.gpr(ORDER[i]);
      if (code64) {
        put("%s=%016x".formatted(NAMES[i], value));
      } else {
        put("E%s=%08x".formatted(NAMES[i].substring(1), (int) value));
      }
      out.append(i % perLine == perLine - 1 ? '\n' : ' ');
    }
    long flags = s.rflags();
    int cpl = s.segAttr(CpuLayout.SS) >> 5 & 3;
    put(
        (code64 ? "RIP=%016x RFL=%08x" : "EIP=%08x EFL=%08x")
            .formatted(code64 ? (Object) s.rip() : (Object) (int) s.rip(), (int) flags));
    put(
        " [%s] CPL=%d II=%d A20=%d SMM=0 HLT=%d\n"
            .formatted(
                flagLetters(flags),
                cpl,
                s.u32(CpuLayout.INTERRUPT_SHADOW) != 0 ? 1 : 0,
                s.u32(CpuLayout.A20) != 0 ? 1 : 0,
                s.u32(CpuLayout.HALTED) != 0 ? 1 : 0));
  }

  private static String flagLetters(long flags) {
    String letters = "DOSZAPC";
    int[] bits = {10, 11, 7, 6, 4, 2, 0};
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < bits.length; i++) {
      text.append((flags >> bits[i] & 1) != 0 ? letters.charAt(i) : '-');
    }
    return text.toString();
  }

  private void segments() {
    for (int i = 0; i < SEGMENTS.length; i++) {
      int attr = s.segAttr(i);
      long limit = s.segLimit(i);
      int limitBits = (int) ((attr & G) != 0 ? limit >> 28 : limit >> 16) & 0xf;
      int flags = attr << 8 & 0xf0ff00 | limitBits << 16;
      put("%-3s=%04x ".formatted(SEGMENTS[i], s.segSelector(i)));
      put(
          (code64 ? "%016x" : "%08x")
              .formatted(code64 ? (Object) s.segBase(i) : (Object) (int) s.segBase(i)));
      put(" %08x %08x".formatted((int) limit, flags));
      if ((s.cr0() & PE) != 0 && (attr & P) != 0) {
        put(" DPL=%d %s".formatted(attr >> 5 & 3, kind(attr)));
      }
      out.append('\n');
    }
    for (String name : new String[] {"GDT", "IDT"}) {
      long base = s.u64(name.equals("GDT") ? CpuLayout.GDT_BASE : CpuLayout.IDT_BASE);
      long limit = s.u64(name.equals("GDT") ? CpuLayout.GDT_LIMIT : CpuLayout.IDT_LIMIT);
      put("%s=     ".formatted(name));
      put((code64 ? "%016x" : "%08x").formatted(code64 ? (Object) base : (Object) (int) base));
      put(" %08x\n".formatted((int) limit));
    }
  }

  private String kind(int attr) {
    boolean longMode = (s.efer() & LMA) != 0;
    if ((attr & S) == 0) {
      return (longMode ? SYSTEM_TYPES_64 : SYSTEM_TYPES_32)[attr & 15];
    }
    String accessed = (attr & 1) != 0 ? "A]" : "-]";
    if ((attr & CODE) != 0) {
      String size = (attr & L) != 0 ? "CS64" : (attr & DB) != 0 ? "CS32" : "CS16";
      return size + " [" + ((attr & 4) != 0 ? 'C' : '-') + ((attr & 2) != 0 ? 'R' : '-') + accessed;
    }
    String size = (attr & DB) != 0 || longMode ? "DS  " : "DS16";
    return size + " [" + ((attr & 4) != 0 ? 'E' : '-') + ((attr & 2) != 0 ? 'W' : '-') + accessed;
  }

  private void control() {
    String format =
        code64
            ? "CR0=%08x CR2=%016x CR3=%016x CR4=%08x\n"
            : "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n";
    long cr2 = s.u64(CpuLayout.CR2);
    put(
        format.formatted(
            (int) s.cr0(),
            code64 ? (Object) cr2 : (Object) (int) cr2,
            code64 ? (Object) s.cr3() : (Object) (int) s.cr3(),
            (int) s.cr4()));
    for (int i = 0; i < 4; i++) {
      put("DR%d=%016x ".formatted(i, s.u64(CpuLayout.DR + i * 8)));
    }
    put("\nDR6=%016x DR7=%016x\n".formatted(s.u64(CpuLayout.DR + 48), s.u64(CpuLayout.DR + 56)));
    put("EFER=%016x\n".formatted(s.efer()));
  }

  private void floatingPoint() {
    int fsw = s.u32(CpuLayout.FSW) & 0xffff;
    put(
        "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n"
            .formatted(
                s.u32(CpuLayout.FCW) & 0xffff,
                fsw,
                fsw >> 11 & 7,
                s.u32(CpuLayout.FTW) & 0xff,
                s.u32(CpuLayout.MXCSR)));
    for (int i = 0; i < 8; i++) {
      put(
          "FPR%d=%016x %04x"
              .formatted(i, s.u64(CpuLayout.FPR + i * 16), s.u16(CpuLayout.FPR + i * 16 + 8)));
      out.append(i % 2 == 1 ? '\n' : ' ');
    }
    for (int i = 0; i < (code64 ? 16 : 8); i++) {
      int at = CpuLayout.YMM + i * CpuLayout.YMM_SIZE;
      put("XMM%02d=%016x %016x".formatted(i, s.u64(at + 8), s.u64(at)));
      out.append(i % 2 == 1 ? '\n' : ' ');
    }
  }
}
