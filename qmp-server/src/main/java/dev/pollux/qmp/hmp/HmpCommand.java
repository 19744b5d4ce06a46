package dev.pollux.qmp.hmp;

import java.util.List;

/**
 * A command of the human monitor.
 *
 * @param names the name and its short forms
 * @param parameters as shown by {@code help}, may be empty
 * @param help one line
 * @param action carries it out
 */
record HmpCommand(List<String> names, String parameters, String help, Action action) {
  /** Runs on the event loop with the machine lock held. */
  @FunctionalInterface
  interface Action {
    void run(HmpSession session, HmpArguments arguments, StringBuilder out);
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
