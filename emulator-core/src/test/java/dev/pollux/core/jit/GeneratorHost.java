package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.util.Set;

/** Asks the host whether generated code can run on it: a test that needs that asks first. */
public final class GeneratorHost {
  private GeneratorHost() {}

  /** Skips the test, with the reason, on a host that generated code cannot run on. */
  public static void assumeGenerator() {
    try {
      HostSupport.check(Set.of());
    } catch (IOException e) {
      abort("generated code cannot run here: " + e.getMessage());
    }
  }
}
