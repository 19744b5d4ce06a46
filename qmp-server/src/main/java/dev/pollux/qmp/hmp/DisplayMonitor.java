package dev.pollux.qmp.hmp;

import dev.pollux.backend.vnc.PasswordExpiry;
import dev.pollux.backend.vnc.VncServer;
import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.qmp.command.DisplayCommands;
import dev.pollux.qmp.command.DisplayCommands.KeyValue;
import dev.pollux.qmp.command.VncCommands;
import dev.pollux.qmp.protocol.QmpException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Commands on the screen, the keyboard and the mouse. */
final class DisplayMonitor {
  private static final Logger log = LoggerFactory.getLogger(DisplayMonitor.class);

  private DisplayMonitor() {}

  static void declare(DeviceCommands.Declarer command, DeviceCommands.Declarer info) {
    command.declare(
        "set_password",
        "protocol password [connected]",
        "set the password that viewers have to know; the protocol is vnc, connected is keep",
        (s, a) -> {
          String protocol = a.requiredWord("protocol");
          String password = a.requiredWord("password");
          String connected = a.isEmpty() ? "keep" : a.requiredWord("connected");
          return out -> setPassword(s, protocol, password, connected);
        });
    command.declare(
        "expire_password",
        "protocol time",
        "say until when the password lets viewers in: now, never, +seconds or seconds since 1970",
        (s, a) -> {
          String protocol = a.requiredWord("protocol");
          String time = a.requiredWord("time");
          return out -> expirePassword(s, protocol, time);
        });
    info.declare("vnc", "", "who looks at the screen by VNC", (s, a) -> out -> infoVnc(s, out));
    command.declare(
        "screendump",
        "filename [-f format] [device [head]]",
        "save the screen, or that of a display, as a PPM or PNG picture",
        (s, a) -> {
          String file = a.requiredWord("filename");
          PictureFile format = format(a);
          Optional<Console> console =
              a.isEmpty() ? Optional.empty() : Optional.of(console(a.word(), a));
          return out -> saveScreen(s, console, file, format);
        });
    command.declare(
        "sendkey",
        "keys [hold_ms]",
        "press keys together, for instance ctrl-alt-f1",
        (s, a) -> {
          String keys = a.requiredWord("sendkey: string");
          var _ = a.isEmpty() ? 0 : number("sendkey", a);
          return out -> send(s, keys, out);
        });
    command.declare(
        "mouse_move",
        "dx dy [dz]",
        "move the mouse",
        (s, a) -> {
          int dx = distance(a);
          int dy = distance(a);
          int dz = a.isEmpty() ? 0 : distance(a);
          return out -> whileHeard(s, () -> inputs(s).move(dx, -dy, dz));
        });
    command.declare(
        "mouse_button",
        "state",
        "press the mouse's buttons: 1 left, 2 right, 4 middle",
        (s, a) -> {
          int buttons = number("mouse_button", a);
          return out -> whileHeard(s, () -> inputs(s).press(buttons));
        });
    command.declare(
        "mouse_set",
        "index",
        "choose the pointer that hears the user; \"info mice\" lists them",
        (s, a) -> {
          int index = number("mouse_set", a);
          return out -> choose(s, index, out);
        });
    info.declare("mice", "", "pointers", (s, a) -> out -> infoMice(s, out));
  }

  private static void setPassword(
      HmpSession session, String protocol, String password, String connected) {
    if (!connected.equals("keep")) {
      throw new HmpException("set_password: viewers that are there stay: connected is keep");
    }
    if (!guarded(session, protocol, "set_password").setPassword(password)) {
      throw new HmpException("set_password: " + VncCommands.NONE_ASKED_FOR);
    }
  }

  private static void expirePassword(HmpSession session, String protocol, String time) {
    Instant when =
        PasswordExpiry.read(time, Instant.now())
            .orElseThrow(
                () ->
                    new HmpException(
                        "expire_password: \"%s\" is no time; give now, never, +SECONDS or SECONDS"
                                .formatted(time)
                            + " since 1970"));
    if (!guarded(session, protocol, "expire_password").expirePassword(when)) {
      throw new HmpException("expire_password: " + VncCommands.NONE_ASKED_FOR);
    }
  }

  private static VncServer guarded(HmpSession session, String protocol, String command) {
    Optional<VncServer> server = session.devices().services().vnc();
    if (!protocol.equals("vnc") || server.isEmpty()) {
      throw new HmpException(command + ": " + VncCommands.NONE_ASKED_FOR);
    }
    return server.get();
  }

  private static void infoVnc(HmpSession session, StringBuilder out) {
    Optional<VncServer> server = session.devices().services().vnc();
    if (server.isEmpty()) {
      out.append("None\n");
      return;
    }
    out.append("Server: %s\n".formatted(server.get().address()));
    out.append("  Auth: %s\n".formatted(server.get().isGuarded() ? "vnc" : "none"));
    server.get().viewers().forEach(viewer -> out.append("Client: %s\n".formatted(viewer.peer())));
  }

  /** A sum of 32 bits. */
  private static int number(String command, HmpArguments arguments) {
    long number = arguments.expression();
    if (number >>> 32 != 0) {
      throw new HmpException("'%s' has failed: integer is for 32-bit values".formatted(command));
    }
    return (int) number;
  }

  /** A number by itself: a sum would take what follows for its second half. */
  private static int distance(HmpArguments arguments) {
    String word = arguments.requiredWord("mouse_move: string");
    try {
      return Math.clamp(Long.decode(word), -1 << 20, 1 << 20);
    } catch (NumberFormatException e) {
      throw new HmpException("mouse_move: \"%s\" is no number of pixels".formatted(word));
    }
  }

  private static Console console(String device, HmpArguments arguments) {
    return new Console(device, arguments.isEmpty() ? 0 : number("screendump", arguments));
  }

  /** What users do at a machine that stands is lost. */
  private static void whileHeard(HmpSession session, Runnable action) {
    if (DisplayCommands.hears(session.machine())) {
      action.run();
    }
  }

  private static PictureFile format(HmpArguments arguments) {
    if (!arguments.flag("-f")) {
      return PictureFile.PPM;
    }
    String name = arguments.requiredWord("format");
    for (PictureFile format : PictureFile.values()) {
      if (format.name().equalsIgnoreCase(name)) {
        return format;
      }
    }
    throw new HmpException("screendump: \"%s\" is no format; give ppm or png".formatted(name));
  }

  private static List<KeyValue> keys(String text) throws QmpException {
    List<KeyValue> keys = new ArrayList<>();
    for (String word : text.split("-", -1)) {
      keys.add(key(word).orElseThrow(() -> new QmpException("invalid parameter: " + word)));
    }
    return keys;
  }

  /** By its name, its sign for the one that has no other, or its code. */
  private static Optional<KeyValue> key(String word) {
    if (word.startsWith("0x")) {
      try {
        return Optional.of(new KeyValue.Number(Long.decode(word)));
      } catch (NumberFormatException e) {
        return Optional.empty();
      }
    }
    return QKeyCode.of(word.equals("<") ? "less" : word).map(KeyValue.Qcode::new);
  }

  private static Inputs inputs(HmpSession session) {
    return session.devices().services().inputs();
  }

  private static void choose(HmpSession session, int index, StringBuilder out) {
    try {
      inputs(session).choose(index);
    } catch (ConfigException e) {
      out.append(e.getMessage()).append('\n');
    }
  }

  private static void infoMice(HmpSession session, StringBuilder out) {
    List<DisplayCommands.MouseInfo> mice = DisplayCommands.mice(inputs(session));
    if (mice.isEmpty()) {
      out.append("No mouse devices connected\n");
    }
    for (DisplayCommands.MouseInfo mouse : mice) {
      out.append(mouse.current() ? '*' : ' ')
          .append(" Mouse #%d: %s".formatted(mouse.index(), mouse.name()))
          .append(mouse.absolute() ? " (absolute)\n" : "\n");
    }
  }

  private static void send(HmpSession session, String keys, StringBuilder out) {
    try {
      DisplayCommands.send(session.devices(), keys(keys));
    } catch (QmpException e) {
      out.append(e.getMessage()).append('\n');
    }
  }

  private static void saveScreen(
      HmpSession session, Optional<Console> console, String file, PictureFile format) {
    try {
      var _ =
          DisplayCommands.save(session.devices(), console, file, format)
              .exceptionally(
                  e -> {
                    log.warn("screendump: {}", e.getMessage());
                    return null;
                  });
    } catch (QmpException e) {
      throw new ConfigException(e.getMessage());
    }
  }
}
