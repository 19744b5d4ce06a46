package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.decode.OperandSpec.Addressing;
import java.util.Set;

/**
 * Which rows of the opcode tables can be compared with the host at user level, and why the others
 * cannot.
 */
final class RowFilter {
  private final Set<CpuFeature> host;
  private final Set<CpuFeature> guest;

  RowFilter(Set<CpuFeature> host, Set<CpuFeature> guest) {
    this.host = host;
    this.guest = guest;
  }

  /** Why {@code row} is left out in {@code bits}-bit code, or null if it is not. */
  String reason(OpcodeInfo row, int bits) {
    if (row.has(bits == 64 ? Property.I64 : Property.O64)) {
      return "does not exist in " + bits + "-bit code";
    }
    if (!row.supportedBy(guest)) {
      return "the guest's processor has not the feature";
    }
    if (!row.supportedBy(host)) {
      return "the host has not the feature";
    }
    if (row.has(Property.APPROX)) {
      return "an approximation that processors do not agree on";
    }
    if (has(row, Addressing.VSIB)) {
      return "addresses in a vector register";
    }
    if (has(row, Addressing.FAR_POINTER) || has(row, Addressing.REG_CR)) {
      return "needs descriptors or control registers: system tests";
    }
    return byInstruction(row);
  }

  private static boolean has(OpcodeInfo row, Addressing addressing) {
    return row.operands.stream().map(OperandSpec::addressing).anyMatch(addressing::equals);
  }

  private static String byInstruction(OpcodeInfo row) {
    return switch (row.op.name()) {
      case "CPUID", "RDTSC", "RDTSCP", "RDPMC", "RDRAND", "RDSEED", "XGETBV", "RDPID" ->
          "differs between host and guest by design";
      case "SYSCALL", "SYSENTER", "SYSEXIT", "SYSRET", "INT", "VMCALL", "VMMCALL", "INTO" ->
          "enters the host's kernel or hypervisor";
      case "INT1", "INT3" -> "delivered through the guest's own tables: system tests";
      case "F2XM1", "FYL2X", "FYL2XP1", "FSIN", "FCOS", "FSINCOS", "FPTAN", "FPATAN" ->
          "processors differ in the last bit of transcendental functions";
      case "FXSAVE", "FXRSTOR" -> "processors differ in alignment and in the bits of MXCSR";
      case "SGDT", "SIDT", "SLDT", "STR", "SMSW", "LAR", "LSL", "VERR", "VERW" ->
          "shows the host's descriptors: system tests";
      case "RDFSBASE", "WRFSBASE", "RDGSBASE", "WRGSBASE", "CLUI", "STUI", "TESTUI", "SENDUIPI" ->
          "the host's thread register";
      case "XSAVE", "XSAVEOPT", "XSAVEC", "XSAVES", "XRSTOR", "XRSTORS" ->
          "the host tracks other components";
      case "JMP_FAR", "CALL_FAR", "RETF", "RET_FAR", "IRET", "LDS", "LES", "LSS", "LFS", "LGS" ->
          "needs descriptors: system tests";
      case "POP_SREG" -> "loads a segment register: system tests";
      case "WBINVD", "WBNOINVD", "INVD", "SWAPGS", "HLT", "CLZERO" -> null;
      default -> loadsSegment(row) ? "loads a segment register: system tests" : null;
    };
  }

  private static boolean loadsSegment(OpcodeInfo row) {
    return row.op.name().equals("MOV_SREG")
        && row.operands.get(0).addressing() == Addressing.REG_SREG;
  }
}
