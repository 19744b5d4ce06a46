package dev.pollux.qmp.schema;

import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpException;

/**
 * What to do about deprecated and unstable interfaces: {@code -compat}.
 *
 * @param deprecatedInput commands, arguments and values that clients send
 * @param deprecatedOutput members and events that clients get
 * @param unstableInput as {@code deprecatedInput}
 * @param unstableOutput as {@code deprecatedOutput}
 */
public record CompatPolicy(
    Input deprecatedInput, Output deprecatedOutput, Input unstableInput, Output unstableOutput) {
  /** What happens to a client's use of such an interface. */
  public enum Input {
    ACCEPT,
    REJECT,
    /** The emulator aborts, so that a test cannot miss it. */
    CRASH
  }

  /** Whether clients see such an interface. */
  public enum Output {
    ACCEPT,
    HIDE
  }

  /** Everything is allowed. */
  public static final CompatPolicy ACCEPT_ALL =
      new CompatPolicy(Input.ACCEPT, Output.ACCEPT, Input.ACCEPT, Output.ACCEPT);

  private static final int ABORTED = 134;

  /**
   * Lets a client's use of an interface pass, or not.
   *
   * @param kind {@code command}, {@code parameter} or {@code value}
   */
  public void check(Features features, String kind, String name) throws QmpException {
    if (features.isDeprecated()) {
      apply(deprecatedInput, "Deprecated", kind, name);
    }
    if (features.unstable()) {
      apply(unstableInput, "Unstable", kind, name);
    }
  }

  private static void apply(Input input, String adjective, String kind, String name)
      throws QmpException {
    String what = "%s %s %s disabled by policy".formatted(adjective, kind, name);
    switch (input) {
      case ACCEPT -> {}
      case REJECT ->
          throw new QmpException(
              kind.equals("command") ? ErrorClass.COMMAND_NOT_FOUND : ErrorClass.GENERIC_ERROR,
              what);
      case CRASH -> {
        System.err.println("pollux: " + what);
        Runtime.getRuntime().halt(ABORTED);
      }
    }
  }

  /** Whether clients are shown an interface. */
  public boolean shows(Features features) {
    return !(features.isDeprecated() && deprecatedOutput == Output.HIDE)
        && !(features.unstable() && unstableOutput == Output.HIDE);
  }
}
