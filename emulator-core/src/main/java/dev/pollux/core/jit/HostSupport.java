package dev.pollux.core.jit;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;

/** What the code generator needs of the host's processor, and what it can offer a guest there. */
public final class HostSupport {
  /** Instructions of the generator's own making. */
  private static final Set<CpuFeature> NEEDED =
      EnumSet.of(CpuFeature.XSAVE, CpuFeature.LAHF_LM, CpuFeature.BMI2);

  /** Features whose instructions the host executes for the guest. */
  private static final Set<CpuFeature> PASSED_ON =
      EnumSet.of(
          CpuFeature.SSE3,
          CpuFeature.PCLMULQDQ,
          CpuFeature.SSSE3,
          CpuFeature.FMA,
          CpuFeature.CX16,
          CpuFeature.SSE41,
          CpuFeature.SSE42,
          CpuFeature.MOVBE,
          CpuFeature.POPCNT,
          CpuFeature.AES,
          CpuFeature.AVX,
          CpuFeature.F16C,
          CpuFeature.BMI1,
          CpuFeature.AVX2,
          CpuFeature.BMI2,
          CpuFeature.ADX,
          CpuFeature.SHA,
          CpuFeature.GFNI,
          CpuFeature.MOVDIRI,
          CpuFeature.AVX_VNNI,
          CpuFeature.VAES,
          CpuFeature.VPCLMULQDQ,
          CpuFeature.ABM);

  /** XCR0: the host's system saves SSE and AVX state. */
  private static final int SSE_AVX_STATE = 6;

  private HostSupport() {}

  /**
   * Returns if generated code can run on this host for a guest with these features.
   *
   * @throws IOException if not, with the reason
   */
  static void check(Set<CpuFeature> guest) throws IOException {
    EnumSet<CpuFeature> missing = EnumSet.copyOf(PASSED_ON);
    missing.retainAll(guest);
    missing.addAll(NEEDED);
    missing.removeAll(hostFeatures());
    if (!missing.isEmpty()) {
      throw new IOException(
          "the host's processor lacks "
              + missing.stream().map(CpuFeature::qemuName).collect(Collectors.joining(", ")));
    }
  }

  /**
   * The features that a guest can have: what the interpreter carries out, without what generated
   * code would have to leave to a host that has it not.
   *
   * @throws IOException if generated code cannot run on this host at all
   */
  public static Set<CpuFeature> guestFeatures() throws IOException {
    check(Set.of());
    EnumSet<CpuFeature> missing = EnumSet.copyOf(PASSED_ON);
    missing.removeAll(hostFeatures());
    EnumSet<CpuFeature> features = EnumSet.copyOf(CpuModel.supported());
    features.removeAll(missing);
    return Collections.unmodifiableSet(features);
  }

  /** Features of the host that its system has switched on. */
  private static Set<CpuFeature> hostFeatures() throws IOException {
    HostCpu host = HostCpu.get();
    EnumSet<CpuFeature> features = EnumSet.copyOf(host.features());
    if ((host.xcr0() & SSE_AVX_STATE) != SSE_AVX_STATE) {
      features.remove(CpuFeature.AVX);
    }
    return features;
  }
}
