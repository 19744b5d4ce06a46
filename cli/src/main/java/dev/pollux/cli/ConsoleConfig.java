package dev.pollux.cli;

import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.chr.CharTarget;
import dev.pollux.backend.vnc.VncOptions;
import dev.pollux.cli.script.ConsoleScript;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which character devices a machine has and who talks through them.
 *
 * @param charDevices what {@code -chardev} makes
 * @param serial serial ports in order
 * @param monitors human monitors
 * @param qmp monitors for programs
 * @param debugConsole the console at port 0xe9
 * @param vnc where viewers see the screen
 * @param web the page that shows the screen
 * @param textScreen the terminal that shows the screen's characters
 * @param script what drives the first serial port
 */
record ConsoleConfig(
    List<CharOptions> charDevices,
    List<CharTarget> serial,
    List<CharTarget> monitors,
    List<QmpTarget> qmp,
    Optional<CharTarget> debugConsole,
    Optional<VncOptions> vnc,
    Optional<WebDisplay> web,
    Optional<CharTarget> textScreen,
    Optional<ConsoleScript> script) {
  /** The back end of the first serial port where there is a script. */
  static final String SCRIPTED = "expect";

  /**
   * @param pretty replies are indented for people
   */
  record QmpTarget(CharTarget target, boolean pretty) {}

  private static final int MOST_SERIAL_PORTS = 4;
  private static final String MONITOR = "compat_monitor";
  private static final String STDIO = "stdio";
  private static final String STDIO_WITH_MONITOR = "mon:stdio";

  /** The text screen in the terminal. */
  static final String CURSES = "curses";

  /** Reads the options and fills in what {@code -nographic} means. */
  static ConsoleConfig of(RunOptions options) {
    RunOptions.Consoles consoles = options.consoles;
    List<String> serial = new ArrayList<>(consoles.serial);
    List<String> monitor = new ArrayList<>(consoles.monitor);
    if (consoles.expect != null) {
      if (!serial.isEmpty()) {
        throw new ConfigException(
            "-expect and -serial %s: the script has the first serial port; leave one of them out"
                .formatted(serial.getFirst()));
      }
      serial.add("chardev:" + SCRIPTED);
    } else if (consoles.nographic && !options.devices.nodefaults) {
      boolean defaultMonitor =
          monitor.isEmpty()
              && consoles.mon.isEmpty()
              && consoles.qmp.isEmpty()
              && consoles.qmpPretty.isEmpty();
      if (serial.isEmpty()) {
        serial.add(defaultMonitor ? STDIO_WITH_MONITOR : STDIO);
      } else if (defaultMonitor && serial.stream().noneMatch(ConsoleConfig::takesStdio)) {
        monitor.add(STDIO);
      }
    }
    if (serial.size() > MOST_SERIAL_PORTS) {
      throw new ConfigException(
          "-serial %s: a PC has %d serial ports; leave this one out"
              .formatted(serial.get(MOST_SERIAL_PORTS), MOST_SERIAL_PORTS));
    }
    List<CharTarget> monitors = new ArrayList<>(targets("-monitor", MONITOR, 0, monitor));
    List<QmpTarget> qmp = new ArrayList<>();
    addQmp("-qmp", consoles.qmp, false, monitors.size(), qmp);
    addQmp("-qmp-pretty", consoles.qmpPretty, true, monitors.size(), qmp);
    addMons(consoles.mon, monitors, qmp);
    return new ConsoleConfig(
        consoles.chardev.stream().map(CharOptions::parse).toList(),
        targets("-serial", "serial", 0, serial),
        monitors,
        qmp,
        consoles.debugcon.isEmpty()
            ? Optional.empty()
            : Optional.of(CharTarget.parse("-debugcon", consoles.debugcon.getLast(), "debugcon")),
        vnc(consoles),
        Optional.ofNullable(consoles.display).flatMap(WebDisplay::parse),
        textScreen(consoles),
        Optional.ofNullable(consoles.expect).map(ConsoleScript::read));
  }

  private static Optional<VncOptions> vnc(RunOptions.Consoles consoles) {
    String display = consoles.display == null ? "none" : consoles.display;
    if (display.startsWith("vnc=")) {
      return VncOptions.parse(display.substring(4));
    }
    if (!display.equals("none") && !display.equals(CURSES) && WebDisplay.parse(display).isEmpty()) {
      throw new ConfigException(
          "-display %s: there is no such display; give none, curses, vnc=:1 or web"
              .formatted(display));
    }
    return consoles.vnc == null ? Optional.empty() : VncOptions.parse(consoles.vnc);
  }

  /** The terminal is shared with a monitor (Ctrl-A c) unless there is one elsewhere. */
  private static Optional<CharTarget> textScreen(RunOptions.Consoles consoles) {
    if (!CURSES.equals(consoles.display)) {
      return Optional.empty();
    }
    if (consoles.nographic) {
      throw new ConfigException("-nographic can not be used with -display curses");
    }
    String terminal =
        consoles.monitor.isEmpty() && consoles.mon.isEmpty() ? STDIO_WITH_MONITOR : STDIO;
    return Optional.of(CharTarget.parse("-display curses", terminal, CURSES));
  }

  private static boolean takesStdio(String target) {
    return target.equals(STDIO) || target.equals(STDIO_WITH_MONITOR);
  }

  private static void addQmp(
      String option, List<String> texts, boolean pretty, int first, List<QmpTarget> qmp) {
    for (CharTarget target : targets(option, MONITOR, first + qmp.size(), texts)) {
      qmp.add(new QmpTarget(target, pretty));
    }
  }

  /** Reads {@code -mon}: monitors on character devices that have been made already. */
  private static void addMons(List<String> mons, List<CharTarget> monitors, List<QmpTarget> qmp) {
    for (String text : mons) {
      DeviceOptions mon = DeviceOptions.parse("-mon", text, "chardev");
      CharTarget target = new CharTarget.Reference(mon.required("chardev"));
      boolean control = mon.choice("mode", false, Map.of("readline", false, "control", true));
      boolean pretty = mon.bool("pretty", false);
      mon.rejectUnknown();
      if (control) {
        qmp.add(new QmpTarget(target, pretty));
      } else if (pretty) {
        throw mon.error("only replies to programs can be indented; add mode=control");
      } else {
        monitors.add(target);
      }
    }
  }

  /** Makes targets; new back ends are called by a name and a number. */
  private static List<CharTarget> targets(
      String option, String name, int first, List<String> texts) {
    List<CharTarget> targets = new ArrayList<>();
    for (String text : texts) {
      targets.add(CharTarget.parse(option, text, name + (first + targets.size())));
    }
    return targets;
  }
}
