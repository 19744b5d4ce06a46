package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.decode.OperandSpec.Addressing;
import dev.pollux.core.host.HostCpu;
import java.util.Set;

/**
 * Which rows of the opcode tables can be compared with the host at user level, and why the others
 * cannot.
 */
final class RowFilter {
  /** CPUID.7.0:EBX: pointers are kept at exceptions only; their selectors never. */
  private static final int X87_POINTERS_REDUCED = 1 << 6 | 1 << 13;

  private final HostCpu cpu;
  private final Set<CpuFeature> host;
  private final Set<CpuFeature> guest;

  RowFilter(HostCpu cpu, Set<CpuFeature> guest) {
    this.cpu = cpu;
    this.host = cpu.features();
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
    String byVendor = byVendor(row, bits);
    return byVendor != null ? byVendor : byInstruction(row);
  }

  private static boolean has(OpcodeInfo row, Addressing addressing) {
    return row.operands.stream().map(OperandSpec::addressing).anyMatch(addressing::equals);
  }

  /** Where processors of different makers, or generations, do not agree. */
  private String byVendor(OpcodeInfo row, int bits) {
    return switch (row.op.name()) {
      case "SHA1RNDS4", "SHA1NEXTE", "SHA1MSG1", "SHA1MSG2" -> unaligned();
      case "SHA256RNDS2", "SHA256MSG1", "SHA256MSG2" -> unaligned();
      case "UNPCKLPS", "UNPCKLPD", "UNPCKHPS", "UNPCKHPD", "MOVSLDUP", "MOVSHDUP" -> unaligned();
      case "MASKMOVQ", "MASKMOVDQU", "VMASKMOVDQU" ->
          "processors differ in the access under a mask of zeros";
      case "VPEXTRD", "VPINSRD" ->
          bits == 32 && isAmd() ? "the host raises #UD where others ignore VEX.W" : null;
      case "PUSH_SREG" -> bits == 64 ? null : "processors write 16 or 32 bits";
      case "FNSAVE", "FNSTENV" ->
          isAmd()
              ? "the host loses x87 pointers when its kernel switches threads"
              : (cpu.cpuid(7, 0).ebx() & X87_POINTERS_REDUCED) == 0
                  ? null
                  : "the host does not keep all x87 pointers";
      case "DPPS", "DPPD", "VDPPS", "VDPPD" -> "processors differ in the NaN that they keep";
      default -> null;
    };
  }

  private boolean isAmd() {
    return cpu.vendor().equals(CpuModel.AMD);
  }

  private String unaligned() {
    return isAmd() ? "the host ignores the operand's alignment" : null;
  }

  private static String byInstruction(OpcodeInfo row) {
    return switch (row.op.name()) {
      case "CPUID",
          "RDTSC",
          "RDTSCP",
          "RDPMC",
          "RDRAND",
          "RDSEED",
          "XGETBV",
          "RDPID",
          "RDPKRU",
          "WRPKRU" ->
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
