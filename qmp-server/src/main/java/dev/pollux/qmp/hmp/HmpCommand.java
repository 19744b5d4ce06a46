package dev.pollux.qmp.hmp;

import java.util.List;

/**
 * A command of the human monitor.
 *
 * @param names the name and its short forms
 * @param parameters as shown by {@code help}, may be empty
 * @param help one line
 * @param action reads its arguments
 */
record HmpCommand(List<String> names, String parameters, String help, Action action) {
  /**
   * Reads a command's arguments and changes nothing: what it returns is run once the whole line is
   * known to be right. Runs on the event loop with the machine lock held.
   */
  @FunctionalInterface
  interface Action {
    /**
     * @throws HmpException where the arguments are wrong
     */
    Effect prepare(HmpSession session, HmpArguments arguments);
  }

  /** Carries a command out. Runs on the event loop with the machine lock held. */
  @FunctionalInterface
  interface Effect {
    /**
     * @param out takes what the command prints, lines ended by {@code \n}
     */
    void run(StringBuilder out);
  }

  static HmpCommand of(String names, String parameters, String help, Action action) {
    return new HmpCommand(List.of(names.split("\\|")), parameters, help, action);
  }

  /** All names, as messages show them: {@code stop|s}. */
  String title() {
    return String.join("|", names);
  }

  String helpLine(String prefix) {
    return "%s%s%s -- %s\n"
        .formatted(prefix, title(), parameters.isEmpty() ? " " : " " + parameters, help);
  }
}
