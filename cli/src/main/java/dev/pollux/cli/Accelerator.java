package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.ExecutableMemory;
import dev.pollux.core.host.HostCpu;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.JitEngine;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The ways to execute a guest's code, by the names that {@code -accel} has for them. */
enum Accelerator {
  /** Translates hot guest code to host code, on x86-64 hosts. */
  JIT("jit", "code generator, on x86-64 hosts") {
    @Override
    ExecutionEngine engine(Vcpu vcpu) {
      try {
        return new JitEngine(vcpu, new Interpreter(vcpu));
      } catch (IOException e) {
        throw new ConfigException("-accel jit: " + e.getMessage() + "; use -accel interp", e);
      }
    }
  },

  /** Interprets one instruction after the other; works on every host. */
  INTERP("interp", "interpreter, works everywhere") {
    @Override
    ExecutionEngine engine(Vcpu vcpu) {
      return new Interpreter(vcpu);
    }
  };

  /** QEMU's name for its own software engine: whatever is best here. */
  private static final String BEST = "tcg";

  private static final List<String> HARDWARE =
      List.of("kvm", "xen", "hax", "hvf", "nvmm", "whpx", "mshv");

  private static final Logger log = LoggerFactory.getLogger(Accelerator.class);

  private final String label;
  private final String description;

  Accelerator(String label, String description) {
    this.label = label;
    this.description = description;
  }

  /** Makes the engine of one vCPU. */
  abstract ExecutionEngine engine(Vcpu vcpu);

  /** What {@code -accel help} prints. */
  static List<String> help() {
    List<String> lines = new ArrayList<>();
    for (Accelerator accelerator : values()) {
      lines.add("%-10s %s".formatted(accelerator.label, accelerator.description));
    }
    lines.add("%-10s %s".formatted(BEST, "the fastest of these on this host"));
    return lines;
  }

  /**
   * The first of the wanted engines that there is.
   *
   * @param options what each {@code -accel} says, in order; properties may follow the name
   * @param machineProperty names from {@code -machine accel=a:b}, used where there is no {@code
   *     -accel}
   */
  static Accelerator choose(List<String> options, String machineProperty) {
    List<String> names = new ArrayList<>();
    for (String option : options) {
      DeviceOptions accel = DeviceOptions.parse("-accel", option, "accel");
      names.add(accel.required("accel"));
      accel.choice("thread", "multi", Map.of("multi", "multi", "single", "single"));
      accel.size("tb-size", 0, 'M');
      accel.rejectUnknown();
    }
    if (names.isEmpty() && !machineProperty.isEmpty()) {
      names.addAll(List.of(machineProperty.split(":")));
    }
    Optional<String> refused = Optional.empty();
    for (String name : names) {
      Optional<Accelerator> found = find(name);
      if (found.isPresent()) {
        return found.get();
      }
      if (refused.isEmpty()) {
        refused = Optional.of(name);
      }
    }
    if (refused.isEmpty()) {
      return best();
    }
    List<String> known = new ArrayList<>();
    for (Accelerator accelerator : values()) {
      known.add(accelerator.label);
    }
    known.add(BEST);
    throw new ConfigException(
        HARDWARE.contains(refused.get())
            ? "-accel %s: hardware acceleration is not supported; known: %s"
                .formatted(refused.get(), String.join(", ", known))
            : "-accel %s: unknown; %s"
                .formatted(refused.get(), Suggestions.hint(refused.get(), known)));
  }

  /**
   * The code generator where the host can execute what it makes, otherwise the interpreter with one
   * notice.
   */
  private static Accelerator best() {
    String reason = "it is not x86-64";
    if (HostCpu.isX86()) {
      try (ExecutableMemory probe = ExecutableMemory.allocate(1 << 16)) {
        return probe.length() > 0 ? JIT : INTERP;
      } catch (IOException e) {
        reason = e.getMessage();
      }
    }
    log.info("this host cannot execute generated code ({}): interpreting", reason);
    return INTERP;
  }

  private static Optional<Accelerator> find(String name) {
    if (name.equals(BEST)) {
      return Optional.of(best());
    }
    for (Accelerator accelerator : values()) {
      if (accelerator.label.equals(name)) {
        return Optional.of(accelerator);
      }
    }
    return Optional.empty();
  }
}
