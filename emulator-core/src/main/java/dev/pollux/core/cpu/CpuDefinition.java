package dev.pollux.core.cpu;

import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Set;

/**
 * A CPU model as {@code -cpu} names it, before any option: who made it, its signature and its
 * features. Named models show a guest the same processor on every host; their contents are those of
 * QEMU's models of the same name.
 *
 * @param definedFeatures what QEMU's model has; null for all that there are here
 * @param family the displayed family: base plus extended
 * @param model the displayed model, the extended one in the upper four bits
 * @param level the last leaf of CPUID
 * @param extendedLevel the last extended leaf, 0 for none
 * @param aliasOf the model that this is another name of, or null
 */
record CpuDefinition(
    String name,
    Set<CpuFeature> definedFeatures,
    String vendor,
    int family,
    int model,
    int stepping,
    int level,
    int extendedLevel,
    String modelId,
    String aliasOf) {
  private static final int FEATURE_LEAF = 7;
  private static final int POWER_LEAF = 0x8000_0007;

  /** The same model by another name. */
  CpuDefinition as(String alias) {
    return new CpuDefinition(
        /* name= */ alias,
        definedFeatures,
        vendor,
        family,
        model,
        stepping,
        level,
        extendedLevel,
        modelId,
        /* aliasOf= */ name);
  }

  /** True for a processor that is the same on every host that has what it needs. */
  boolean isNamed() {
    return definedFeatures != null;
  }

  /**
   * The model's features, with those that an accelerator adds: 64-bit processors have an x2APIC and
   * a counter at a steady rate, where their CPUID can say so.
   *
   * @param available what the engine offers on this host: {@code max} and {@code host} are that
   */
  Set<CpuFeature> features(Set<CpuFeature> available) {
    if (!isNamed()) {
      return available;
    }
    EnumSet<CpuFeature> features = EnumSet.copyOf(definedFeatures);
    features.add(CpuFeature.HYPERVISOR);
    if (features.contains(CpuFeature.LM)) {
      features.add(CpuFeature.X2APIC);
      if (level >= FEATURE_LEAF) {
        features.add(CpuFeature.TSC_ADJUST);
      }
      if (extendedLevel >= POWER_LEAF) {
        features.add(CpuFeature.INVTSC);
      }
    }
    return features;
  }

  CpuDefinition withIdentityOfHost() {
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
          brand(cpu),
          null);
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
