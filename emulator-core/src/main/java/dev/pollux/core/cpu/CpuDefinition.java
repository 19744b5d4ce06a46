package dev.pollux.core.cpu;

import dev.pollux.core.config.Suggestions;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringTokenizer;

/**
 * A CPU model as {@code -cpu} names it, before any option: who made it, its signature and its
 * features. Named models show a guest the same processor on every host; their contents are those of
 * QEMU's models of the same name, in their first version.
 *
 * @param featureNames in QEMU's spelling, separated by spaces; null for all that there are here
 * @param family the displayed family: base plus extended
 * @param model the displayed model, the extended one in the upper four bits
 */
record CpuDefinition(
    String name,
    String featureNames,
    String vendor,
    int family,
    int model,
    int stepping,
    int level,
    int extendedLevel,
    String modelId) {

  private static final String PENTIUM =
      "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse"
          + " sse2 hypervisor invtsc ";

  private static final String NEHALEM =
      PENTIUM + "vme pni ssse3 cx16 sse4.1 sse4.2 popcnt syscall nx lm lahf-lm tsc-adjust x2apic ";
  private static final String WESTMERE = NEHALEM + "aes pclmulqdq arat ";
  private static final String SANDY_BRIDGE = WESTMERE + "tsc-deadline xsave avx xsaveopt rdtscp ";
  private static final String IVY_BRIDGE = SANDY_BRIDGE + "f16c rdrand fsgsbase smep erms ";
  private static final String HASWELL = IVY_BRIDGE + "fma movbe pcid abm bmi1 avx2 bmi2 invpcid ";
  private static final String BROADWELL = HASWELL + "rdseed adx smap 3dnowprefetch ";
  private static final String SKYLAKE = BROADWELL + "xsavec xgetbv1 ";
  private static final String TSX = "hle rtm";

  private static final String QEMU64 =
      PENTIUM + "pni cx16 x2apic tsc-deadline arat tsc-adjust syscall nx lm lahf-lm";

  private static final String EPYC =
      PENTIUM
          + "vme pni pclmulqdq monitor ssse3 fma cx16 sse4.1 sse4.2 movbe popcnt aes xsave avx f16c"
          + " rdrand x2apic tsc-deadline tsc-adjust syscall nx mmxext fxsr-opt pdpe1gb rdtscp lm"
          + " lahf-lm cr8legacy abm sse4a misalignsse 3dnowprefetch osvw fsgsbase bmi1 avx2 smep"
          + " bmi2 rdseed adx smap clflushopt sha-ni xsaveopt xsavec xgetbv1 arat topoext";

  /** Leaves whose numbers the guest is told as the last ones, where a model has no other. */
  private static final int LEVEL = 0xd;

  private static final int EXTENDED_LEVEL = 0x8000_0008;

  private static final String MAX = "max";
  private static final String HOST = "host";

  /** All models, in the order of the help text. */
  static final List<CpuDefinition> ALL =
      List.of(
          new CpuDefinition(
              "qemu64", QEMU64, CpuModel.AMD, 15, 107, 1, LEVEL, 0x8000_001f, "Pollux Virtual CPU"),
          intel("Nehalem", NEHALEM, 26, 3, 11, "Intel Core i7 9xx (Nehalem Class Core i7)"),
          intel("Westmere", WESTMERE, 44, 1, 11, "Westmere E56xx/L56xx/X56xx (Nehalem-C)"),
          intel("SandyBridge", SANDY_BRIDGE, 42, 1, LEVEL, "Intel Xeon E312xx (Sandy Bridge)"),
          intel("IvyBridge", IVY_BRIDGE, 58, 9, LEVEL, "Intel Xeon E3-12xx v2 (Ivy Bridge)"),
          intel("Haswell", HASWELL + TSX, 60, 4, LEVEL, "Intel Core Processor (Haswell)"),
          intel("Haswell-noTSX", HASWELL, 60, 1, LEVEL, "Intel Core Processor (Haswell, no TSX)"),
          intel("Broadwell", BROADWELL + TSX, 61, 2, LEVEL, "Intel Core Processor (Broadwell)"),
          intel(
              "Broadwell-noTSX",
              BROADWELL,
              61,
              2,
              LEVEL,
              "Intel Core Processor (Broadwell, no TSX)"),
          intel("Skylake-Client", SKYLAKE + TSX, 94, 3, LEVEL, "Intel Core Processor (Skylake)"),
          new CpuDefinition(
              "EPYC", EPYC, CpuModel.AMD, 23, 1, 2, LEVEL, 0x8000_001e, "AMD EPYC Processor"),
          new CpuDefinition(
              HOST, null, CpuModel.AMD, 15, 107, 1, LEVEL, 0x8000_001f, "the host's processor"),
          new CpuDefinition(
              MAX, null, CpuModel.AMD, 15, 107, 1, LEVEL, 0x8000_001f, "Pollux Virtual CPU max"));

  private static CpuDefinition intel(
      String name, String features, int model, int stepping, int level, String modelId) {
    return new CpuDefinition(
        name, features, CpuModel.INTEL, 6, model, stepping, level, EXTENDED_LEVEL, modelId);
  }

  /**
   * The model of a name; {@code host} with the identity of the processor that this runs on.
   *
   * @throws IllegalArgumentException if there is none, with the nearest name
   */
  static CpuDefinition named(String name) {
    for (CpuDefinition definition : ALL) {
      if (definition.name.equals(name)) {
        return name.equals(HOST) ? definition.withIdentityOfHost() : definition;
      }
    }
    throw new IllegalArgumentException(
        "CPU model '%s' is not known; %s"
            .formatted(
                name, Suggestions.hint(name, ALL.stream().map(CpuDefinition::name).toList())));
  }

  /**
   * The model's features.
   *
   * @param available what the engine offers on this host: {@code max} and {@code host} are that
   */
  Set<CpuFeature> features(Set<CpuFeature> available) {
    if (featureNames == null) {
      return available;
    }
    Map<String, CpuFeature> byName = new HashMap<>();
    for (CpuFeature feature : CpuFeature.values()) {
      byName.put(feature.qemuName(), feature);
    }
    EnumSet<CpuFeature> features = EnumSet.noneOf(CpuFeature.class);
    StringTokenizer names = new StringTokenizer(featureNames);
    while (names.hasMoreTokens()) {
      features.add(byName.get(names.nextToken()));
    }
    return features;
  }

  private CpuDefinition withIdentityOfHost() {
    try {
      HostCpu cpu = HostCpu.get();
      int signature = cpu.cpuid(1, 0).eax();
      int baseFamily = signature >> 8 & 15;
      return new CpuDefinition(
          name,
          null,
          cpu.vendor(),
          baseFamily == 15 ? 15 + (signature >> 20 & 0xff) : baseFamily,
          signature >> 12 & 0xf0 | signature >> 4 & 15,
          signature & 15,
          level,
          extendedLevel,
          brand(cpu));
    } catch (IOException e) {
      throw new IllegalArgumentException(e.getMessage() + "; use max", e);
    }
  }

  private static String brand(HostCpu cpu) {
    StringBuilder brand = new StringBuilder();
    for (int leaf = 0x8000_0002; leaf <= 0x8000_0004; leaf++) {
      HostCpu.Leaf part = cpu.cpuid(leaf, 0);
      brand.append(text(part.eax(), part.ebx(), part.ecx(), part.edx()));
    }
    return brand.toString().replace("\0", "");
  }

  private static String text(int... words) {
    StringBuilder text = new StringBuilder();
    for (int word : words) {
      for (int shift = 0; shift < 32; shift += 8) {
        text.append((char) (word >>> shift & 0xff));
      }
    }
    return text.toString();
  }
}
