package dev.pollux.migration.stream;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.machine.Machine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * What both sides must agree on before anything else flows: the type of the machine, and what its
 * processors show to the guest. The latter is a subsection, as the layout has it for such things.
 *
 * <p>A destination may have more features than the source: a guest that saw fewer does not use
 * them, and sees them after its next reset. It may not have less.
 *
 * @param machineType for instance {@code pc}
 * @param vendor of the processors, whose rules differ
 * @param features of the processors, by QEMU's names
 */
public record StreamConfiguration(String machineType, String vendor, List<String> features) {
  private static final String CPU = "configuration/cpu";
  private static final int CPU_VERSION = 1;
  private static final int LONGEST_TYPE = 255;
  private static final int MOST_FEATURES = 1024;

  /** The configuration of a machine, all of whose vCPUs are of one model. */
  public static StreamConfiguration of(String machineType, Machine machine) {
    CpuModel model = machine.vcpus().getFirst().model();
    return new StreamConfiguration(
        machineType,
        model.vendor(),
        model.features().stream().map(CpuFeature::qemuName).sorted().toList());
  }

  void write(StreamWriter out) throws IOException {
    byte[] type = machineType.getBytes(StandardCharsets.UTF_8);
    out.u8(StreamFormat.CONFIGURATION);
    out.u32(type.length);
    out.bytes(type);
    out.u8(StreamFormat.SUBSECTION);
    out.name(CPU);
    out.u32(CPU_VERSION);
    out.name(vendor);
    out.u16(features.size());
    for (String feature : features) {
      out.name(feature);
    }
  }

  static StreamConfiguration read(StreamReader in) throws IOException {
    if (in.u8() != StreamFormat.CONFIGURATION) {
      throw new StreamException("the configuration is missing");
    }
    int length = in.u32();
    if (length < 0 || length > LONGEST_TYPE) {
      throw new StreamException(
          "a machine type of %s characters".formatted(Integer.toUnsignedString(length)));
    }
    String type = new String(in.bytes(length), StandardCharsets.UTF_8);
    if (in.u8() != StreamFormat.SUBSECTION || !in.name().equals(CPU) || in.u32() != CPU_VERSION) {
      throw new StreamException("the configuration does not tell of the processors");
    }
    String vendor = in.name();
    int count = in.u16();
    if (count > MOST_FEATURES) {
      throw new StreamException("processors with %d features".formatted(count));
    }
    List<String> features = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      features.add(in.name());
    }
    return new StreamConfiguration(StreamReader.printable(type), vendor, List.copyOf(features));
  }

  /**
   * Checks that a guest of a machine with this configuration can go on here.
   *
   * @throws StreamException if not, with the reason
   */
  void checkFits(StreamConfiguration here) throws StreamException {
    if (!machineType.equals(here.machineType)) {
      throw new StreamException(
          "machine type '%s' there, '%s' here".formatted(machineType, here.machineType));
    }
    if (!vendor.equals(here.vendor)) {
      throw new StreamException(
          "processors of %s there, of %s here; give both sides the same -cpu"
              .formatted(vendor, here.vendor));
    }
    List<String> missing = new ArrayList<>(features);
    missing.removeAll(here.features);
    if (!missing.isEmpty()) {
      throw new StreamException(
          "the guest may use features that processors here have not: %s; give both sides the same -cpu"
              .formatted(String.join(", ", missing)));
    }
  }
}
