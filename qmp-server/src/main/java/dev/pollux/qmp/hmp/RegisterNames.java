package dev.pollux.qmp.hmp;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import java.util.List;

/** Registers by the names that expressions use: {@code $rip}, {@code $eax}, {@code $cs.base}. */
final class RegisterNames {
  private static final List<String> GENERAL =
      List.of("ax", "cx", "dx", "bx", "sp", "bp", "si", "di");
  private static final List<String> SEGMENTS = List.of("es", "cs", "ss", "ds", "fs", "gs");

  private RegisterNames() {}

  /** The value; the 32-bit names give the whole register too, as long as its code is 64-bit. */
  static long value(CpuState s, String name) {
    return switch (name) {
      case "pc", "rip", "eip" -> s.rip();
      case "sp" -> s.gpr(4);
      case "fp" -> s.gpr(5);
      case "rflags", "eflags" -> s.rflags();
      case "cr0" -> s.cr0();
      case "cr2" -> s.u64(CpuLayout.CR2);
      case "cr3" -> s.cr3();
      case "cr4" -> s.cr4();
      default -> general(s, name);
    };
  }

  private static long general(CpuState s, String name) {
    if (name.length() == 3 && (name.charAt(0) == 'r' || name.charAt(0) == 'e')) {
      int register = GENERAL.indexOf(name.substring(1));
      if (register >= 0) {
        return s.gpr(register);
      }
    }
    for (int i = 8; i < 16; i++) {
      if (name.equals("r" + i)) {
        return s.gpr(i);
      }
    }
    return segment(s, name);
  }

  private static long segment(CpuState s, String name) {
    String[] parts = name.split("\\.", 2);
    int segment = SEGMENTS.indexOf(parts[0]);
    if (segment >= 0) {
      if (parts.length == 1) {
        return s.segSelector(segment);
      }
      if (parts[1].equals("base")) {
        return s.segBase(segment);
      }
      if (parts[1].equals("limit")) {
        return s.segLimit(segment);
      }
    }
    throw new HmpException("unknown register");
  }
}
