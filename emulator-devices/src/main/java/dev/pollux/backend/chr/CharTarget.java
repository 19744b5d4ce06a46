package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code -serial}, {@code -monitor}, {@code -qmp} and {@code -debugcon} are told to talk to.
 */
public sealed interface CharTarget {
  /** There is no such device. */
  record None() implements CharTarget {}

  /** A back end made by {@code -chardev}. */
  record Reference(String id) implements CharTarget {}

  /**
   * @param withMonitor the human monitor shares the back end ({@code mon:})
   */
  record New(CharOptions options, boolean withMonitor) implements CharTarget {}

  /** Short forms: a word, or a word and a colon. */
  List<String> FORMS =
      List.of(
          "none",
          "null",
          "vc",
          "stdio",
          "pty",
          "ringbuf",
          "file:",
          "pipe:",
          "unix:",
          "tcp:",
          "chardev:",
          "mon:");

  /**
   * Parses the argument of such an option.
   *
   * @param option its name with the dash, for messages
   * @param text for instance {@code mon:stdio} or {@code unix:/tmp/s,server,nowait}
   * @param id name of a back end that has to be made
   * @throws ConfigException with one line for the user
   */
  static CharTarget parse(String option, String text, String id) {
    if (text.equals("none")) {
      return new None();
    }
    if (text.startsWith("chardev:")) {
      return new Reference(text.substring("chardev:".length()));
    }
    if (text.startsWith("mon:")) {
      CharOptions plain = parseNew(option, text.substring("mon:".length()), id);
      // Ctrl-C belongs to the guest where Ctrl-A x ends the emulator.
      CharSpec spec =
          plain.spec() instanceof CharSpec.Stdio ? new CharSpec.Stdio(false) : plain.spec();
      return new New(new CharOptions(id, spec, true, plain.logFile(), plain.logAppend()), true);
    }
    return new New(parseNew(option, text, id), false);
  }

  private static CharOptions parseNew(String option, String text, String id) {
    String head = text.split("[:,]", 2)[0];
    boolean colon = text.startsWith(":", head.length());
    String rest = colon ? text.substring(head.length() + 1) : "";
    Map<String, String> values = new LinkedHashMap<>();
    String kind = head;
    switch (head) {
      case "vc" -> {} // a size may follow, which no display needs
      case "file", "pipe" -> values.put("path", rest);
      case "unix" -> {
        kind = "socket";
        DeviceOptions given = DeviceOptions.parse(option, rest, "path");
        given.keys().forEach(key -> values.put(key, given.string(key, "")));
      }
      case "tcp" -> {
        kind = "socket";
        tcp(option, text, rest, values);
      }
      case "null", "stdio", "pty", "ringbuf" -> {
        if (!text.equals(head)) {
          throw new ConfigException(
              "%s %s: nothing follows \"%s\"; write %s %s"
                  .formatted(option, text, head, option, head));
        }
      }
      default ->
          throw new ConfigException(
              "%s %s: cannot connect to \"%s\"; %s"
                  .formatted(
                      option, text, head, Suggestions.hint(colon ? head + ":" : head, FORMS)));
    }
    return CharOptions.of(DeviceOptions.of(option + " " + text, values), kind, id);
  }

  /** {@code host:port[,properties]}; the host may be empty or an IPv6 address in brackets. */
  private static void tcp(String option, String text, String rest, Map<String, String> values) {
    DeviceOptions given = DeviceOptions.parse(option, rest, "address");
    String address = given.string("address", "");
    int colon = address.lastIndexOf(':');
    if (colon < 0) {
      throw new ConfigException("%s %s: no port; write tcp:HOST:PORT".formatted(option, text));
    }
    String host = address.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    values.put("host", host);
    values.put("port", address.substring(colon + 1));
    given.keys().stream()
        .filter(key -> !key.equals("address"))
        .forEach(key -> values.put(key, given.string(key, "")));
  }
}
