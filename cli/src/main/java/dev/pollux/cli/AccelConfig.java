package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.JitEngine;
import dev.pollux.core.jit.cache.SharedBlocks;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The engine that runs the guest, as {@code -accel} and {@code -machine accel=} choose it.
 *
 * @param accelerator works on this host
 * @param code how a vCPU's generated code is kept
 * @param oneThread all vCPUs on one thread are asked for
 * @param translations those of earlier runs
 * @param shared those that several vCPUs have made
 */
record AccelConfig(
    Accelerator accelerator,
    JitEngine.CodeMemory code,
    boolean oneThread,
    KeptTranslations translations,
    SharedBlocks shared) {
  private static final long MIB = 1 << 20;
  private static final long MOST_CODE = 1024 * MIB;

  private static final Set<String> HARDWARE =
      Set.of("kvm", "xen", "hax", "hvf", "nvmm", "whpx", "mshv");

  /**
   * The first of the wanted engines that works here.
   *
   * @param options what each {@code -accel} says, in order
   * @param machineProperty names from {@code -machine accel=a:b}; empty for none
   */
  static AccelConfig choose(List<String> options, String machineProperty) {
    if (!options.isEmpty() && !machineProperty.isEmpty()) {
      throw new ConfigException(
          "-accel and -machine accel= exclude each other; give the list as several -accel");
    }
    ConfigException refused = null;
    for (DeviceOptions accel : wanted(options, machineProperty)) {
      Optional<String> reason = unavailable(accel);
      if (reason.isEmpty()) {
        return of(accel);
      }
      if (refused == null) {
        refused = accel.error(reason.get());
      }
    }
    throw refused;
  }

  private static List<DeviceOptions> wanted(List<String> options, String machineProperty) {
    if (!machineProperty.isEmpty()) {
      return Stream.of(machineProperty.split(":", -1))
          .map(name -> DeviceOptions.of("-machine accel=" + name, Map.of("accel", name)))
          .toList();
    }
    return (options.isEmpty() ? List.of(Accelerator.BEST) : options)
        .stream().map(text -> DeviceOptions.parse("-accel", text, "accel")).toList();
  }

  /** Why an engine cannot be had here, so that the next one is asked for. */
  private static Optional<String> unavailable(DeviceOptions options) {
    String name = options.required("accel");
    if (HARDWARE.contains(name)) {
      return Optional.of(
          "hardware acceleration is not supported; known: "
              + String.join(", ", Accelerator.names()));
    }
    try {
      named(options).guestFeatures();
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of(e.getMessage() + "; use -accel interp");
    }
  }

  private static Accelerator named(DeviceOptions options) {
    String name = options.required("accel");
    return Accelerator.named(name)
        .orElseThrow(
            () -> options.error("unknown; " + Suggestions.hint(name, Accelerator.names())));
  }

  private static AccelConfig of(DeviceOptions options) {
    Accelerator accelerator = named(options);
    boolean oneThread = options.choice("thread", false, Map.of("multi", false, "single", true));
    JitEngine.CodeMemory code = JitEngine.CodeMemory.DEFAULT;
    boolean cache = false;
    if (accelerator == Accelerator.JIT || options.required("accel").equals(Accelerator.BEST)) {
      long bytes = options.size("tb-size", 0, 'M');
      if (bytes != 0 && bytes < MIB || bytes > MOST_CODE) {
        throw options.error(
            "tb-size is 1 to %d MiB, or 0 for the usual".formatted(MOST_CODE / MIB));
      }
      code =
          new JitEngine.CodeMemory(
              bytes == 0 ? code.bytes() : bytes, options.bool("split-wx", false));
      cache = options.bool("cache", true);
    }
    options.rejectUnknown();
    return new AccelConfig(
        accelerator, code, oneThread, new KeptTranslations(cache), new SharedBlocks());
  }

  /** What a guest's CPU can have. */
  Set<CpuFeature> guestFeatures() {
    try {
      return accelerator.guestFeatures();
    } catch (IOException e) {
      throw new ConfigException("-accel %s: %s".formatted(accelerator.label(), e.getMessage()), e);
    }
  }

  /** Makes the engine of one vCPU. */
  ExecutionEngine engine(Vcpu vcpu) {
    Interpreter interpreter = new Interpreter(vcpu);
    if (accelerator == Accelerator.INTERP) {
      return interpreter;
    }
    try {
      return new JitEngine(
          vcpu,
          interpreter,
          code,
          translations.of(vcpu.model().features()),
          vcpu.model().topology().count() > 1 ? shared : null);
    } catch (IOException e) {
      throw new ConfigException("-accel jit: " + e.getMessage() + "; use -accel interp", e);
    }
  }
}
