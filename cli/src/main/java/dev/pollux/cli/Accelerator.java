package dev.pollux.cli;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.jit.HostSupport;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The ways to execute a guest's code, by the names that {@code -accel} has for them. */
enum Accelerator {
  /** Translates hot guest code to host code, on x86-64 hosts. */
  JIT("jit", "code generator, on x86-64 hosts") {
    @Override
    Set<CpuFeature> guestFeatures() throws IOException {
      return HostSupport.guestFeatures();
    }
  },

  /** Interprets one instruction after the other; works on every host. */
  INTERP("interp", "interpreter, works everywhere") {
    @Override
    Set<CpuFeature> guestFeatures() {
      return CpuModel.supported();
    }
  };

  /** QEMU's name for its own software engine: whatever is best here. */
  static final String BEST = "tcg";

  private static final Logger log = LoggerFactory.getLogger(Accelerator.class);

  /** What {@link #BEST} turned out to be, null before it was asked for. */
  private static Accelerator best;

  private final String label;
  private final String description;

  Accelerator(String label, String description) {
    this.label = label;
    this.description = description;
  }

  String label() {
    return label;
  }

  /**
   * What a guest's CPU can have.
   *
   * @throws IOException if the engine does not work on this host, with the reason
   */
  abstract Set<CpuFeature> guestFeatures() throws IOException;

  /** What {@code -accel help} prints. */
  static List<String> help() {
    List<String> lines = new ArrayList<>();
    lines.add("Accelerators supported:");
    for (Accelerator accelerator : values()) {
      lines.add("%-10s %s".formatted(accelerator.label, accelerator.description));
    }
    lines.add("%-10s %s".formatted(BEST, "the fastest of these on this host (default)"));
    lines.add("");
    lines.add("Properties:");
    lines.add(
        "%-20s %s".formatted("thread=multi|single", "a thread per CPU; single: one CPU only"));
    lines.add("%-20s %s".formatted("tb-size=<MiB>", "jit: each CPU's room for code, 1 to 1024"));
    lines.add("%-20s %s".formatted("cache=on|off", "jit: keep translations for later runs"));
    lines.add("%-20s %s".formatted("split-wx=on|off", "jit: map code twice, to write and to run"));
    return lines;
  }

  /** All names that {@code -accel} takes. */
  static List<String> names() {
    List<String> names = new ArrayList<>();
    for (Accelerator accelerator : values()) {
      names.add(accelerator.label);
    }
    names.add(BEST);
    return names;
  }

  /** The engine of a name, if there is one. */
  static Optional<Accelerator> named(String name) {
    if (name.equals(BEST)) {
      return Optional.of(best());
    }
    return Stream.of(values()).filter(a -> a.label.equals(name)).findFirst();
  }

  /** The code generator where it works, otherwise the interpreter, with one notice. */
  private static synchronized Accelerator best() {
    if (best == null) {
      best = JIT;
      try {
        JIT.guestFeatures();
      } catch (IOException e) {
        log.warn(
            "this host runs no generated code, so the guest is interpreted: {}", e.getMessage());
        best = INTERP;
      }
    }
    return best;
  }
}
