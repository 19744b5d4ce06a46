package dev.pollux.core.host;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * What the host's processor says of itself: CPUID leaves and XCR0, read by a few bytes of generated
 * code. Immutable.
 */
public final class HostCpu {
  /** The registers after CPUID. */
  public record Leaf(int eax, int ebx, int ecx, int edx) {}

  private static final int PAGE = 4096;
  private static final int CPUID_CODE = 0;
  private static final int XGETBV_CODE = 64;

  /** Where the CPUID code leaves its results. */
  private static final int RESULT = 128;

  private static final int EXTENDED_LEAVES = 0x8000_0000;
  private static final int OSXSAVE = 1 << 27;

  /** The host's architecture in Java's spelling; a test can set another than the real one. */
  private static final String ARCHITECTURE =
      System.getProperty("pollux.host.arch", System.getProperty("os.arch"));

  private static HostCpu instance;

  private final ExecutableMemory page;
  private final long cpuidCode;
  private final long xcr0;
  private final Set<CpuFeature> features;

  private HostCpu() throws IOException {
    page = ExecutableMemory.allocate(PAGE);
    cpuidCode = page.write(CPUID_CODE, cpuidStub());
    features = Collections.unmodifiableSet(readFeatures());
    boolean osUsesXsave = (cpuid(1, 0).ecx() & OSXSAVE) != 0;
    xcr0 = osUsesXsave ? NativeCall.call(page.write(XGETBV_CODE, xgetbvStub()), 0, 0, 0) : 0;
  }

  /** Whether the JVM runs on x86-64, where generated code can be entered at all. */
  public static boolean isX86() {
    return ARCHITECTURE.equals("amd64");
  }

  /**
   * The processor, asked once.
   *
   * @throws IOException if the host is not x86-64 or allows no generated code, with the reason
   */
  public static synchronized HostCpu get() throws IOException {
    if (!isX86()) {
      throw new IOException("the host's processor is " + ARCHITECTURE + ", not x86-64");
    }
    if (instance == null) {
      instance = new HostCpu();
    }
    return instance;
  }

  /** Executes CPUID with {@code leaf} in EAX and {@code subleaf} in ECX. */
  public Leaf cpuid(int leaf, int subleaf) {
    synchronized (page) {
      long result = page.writable() + RESULT;
      NativeCall.call(cpuidCode, leaf, subleaf, result);
      return new Leaf(
          RawMemory.getInt(result),
          RawMemory.getInt(result + 4),
          RawMemory.getInt(result + 8),
          RawMemory.getInt(result + 12));
    }
  }

  /** The vendor's twelve letters, {@code GenuineIntel} or {@code AuthenticAMD} as a rule. */
  public String vendor() {
    Leaf leaf = cpuid(0, 0);
    ByteBuffer letters = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    letters.putInt(leaf.ebx()).putInt(leaf.edx()).putInt(leaf.ecx());
    return new String(letters.array(), StandardCharsets.US_ASCII);
  }

  /** Features that the processor reports. */
  public Set<CpuFeature> features() {
    return features;
  }

  /** XCR0: the state components that the host's system has enabled, 0 without XSAVE. */
  public long xcr0() {
    return xcr0;
  }

  private EnumSet<CpuFeature> readFeatures() {
    int highest = cpuid(0, 0).eax();
    int highestExtended = cpuid(EXTENDED_LEAVES, 0).eax();
    EnumSet<CpuFeature> found = EnumSet.noneOf(CpuFeature.class);
    for (CpuFeature feature : CpuFeature.values()) {
      int last = feature.leaf() < 0 ? highestExtended : highest;
      if (Integer.compareUnsigned(feature.leaf(), last) <= 0 && reports(feature)) {
        found.add(feature);
      }
    }
    return found;
  }

  private boolean reports(CpuFeature feature) {
    Leaf leaf = cpuid(feature.leaf(), feature.subleaf());
    int register =
        switch (feature.register()) {
          case EAX -> leaf.eax();
          case EBX -> leaf.ebx();
          case ECX -> leaf.ecx();
          case EDX -> leaf.edx();
        };
    return (register & feature.mask()) != 0;
  }

  /** EDI is the leaf, ESI the subleaf, RDX where the four results go; RBX belongs to the caller. */
  private static CodeBuffer cpuidStub() {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.mov(OpSize.QWORD, Gpr.R8, Gpr.RBX);
    asm.mov(OpSize.QWORD, Gpr.R9, Gpr.RDX);
    asm.mov(OpSize.DWORD, Gpr.RAX, Gpr.RDI);
    asm.mov(OpSize.DWORD, Gpr.RCX, Gpr.RSI);
    asm.op(NullaryOp.CPUID);
    asm.mov(OpSize.DWORD, Mem.of(Gpr.R9), Gpr.RAX);
    asm.mov(OpSize.DWORD, Mem.of(Gpr.R9, 4), Gpr.RBX);
    asm.mov(OpSize.DWORD, Mem.of(Gpr.R9, 8), Gpr.RCX);
    asm.mov(OpSize.DWORD, Mem.of(Gpr.R9, 12), Gpr.RDX);
    asm.mov(OpSize.QWORD, Gpr.RBX, Gpr.R8);
    asm.ret();
    return asm.code();
  }

  private static CodeBuffer xgetbvStub() {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.mov(OpSize.DWORD, Gpr.RCX, 0);
    asm.op(NullaryOp.XGETBV);
    asm.shl(OpSize.QWORD, Gpr.RDX, 32);
    asm.or(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
    asm.ret();
    return asm.code();
  }
}
