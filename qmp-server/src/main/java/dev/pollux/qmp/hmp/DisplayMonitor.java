package dev.pollux.qmp.hmp;

import dev.pollux.backend.vnc.PasswordExpiry;
import dev.pollux.backend.vnc.VncServer;
import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.qmp.command.DisplayCommands;
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
        "filename [-f format]",
        "save the screen as a PPM or PNG picture",
        (s, a) -> {
          String file = a.requiredWord("filename");
          PictureFile format = format(a);
          return out -> saveScreen(s, file, format);
        });
    command.declare(
        "sendkey",
        "keys [hold_ms]",
        "press keys together, for instance ctrl-alt-f1",
        (s, a) -> {
          List<QKeyCode> keys = keys(a.requiredWord("keys"));
          a.word();
          return out -> send(s, keys);
        });
    command.declare(
        "mouse_move",
        "dx dy [dz]",
        "move the mouse",
        (s, a) -> {
          int dx = number(a);
          int dy = number(a);
          int dz = a.isEmpty() ? 0 : number(a);
          return out -> inputs(s).move(dx, -dy, dz);
        });
    command.declare(
        "mouse_button",
        "state",
        "press the mouse's buttons: 1 left, 2 right, 4 middle",
        (s, a) -> {
          int buttons = number(a);
          return out -> inputs(s).press(buttons);
        });
    command.declare(
        "mouse_set",
        "index",
        "choose the pointer that hears the user; \"info mice\" lists them",
        (s, a) -> {
          int index = number(a);
          return out -> choose(s, index);
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

  private static int number(HmpArguments arguments) {
    return Math.clamp(arguments.expression(), -1 << 20, 1 << 20);
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

  private static List<QKeyCode> keys(String text) {
    List<QKeyCode> keys = new ArrayList<>();
    for (String word : text.split("-", -1)) {
      keys.add(QKeyCode.of(word).orElseThrow(() -> new HmpException("invalid parameter: " + word)));
    }
    return keys;
  }

  private static Inputs inputs(HmpSession session) {
    return session.devices().services().inputs();
  }

  private static void choose(HmpSession session, int index) {
    if (!inputs(session).choose(index)) {
      throw new HmpException("Mouse at given index not found");
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

  private static void send(HmpSession session, List<QKeyCode> keys) {
    Keyboard keyboard;
    try {
      keyboard = DisplayCommands.keyboard(inputs(session));
    } catch (QmpException e) {
      throw new HmpException(e.getMessage());
    }
    keys.forEach(key -> key.send(keyboard, true));
    keys.reversed().forEach(key -> key.send(keyboard, false));
  }

  private static void saveScreen(HmpSession session, String file, PictureFile format) {
    try {
      var _ =
          DisplayCommands.save(session.machine(), file, format)
              .exceptionally(
                  e -> {
                    log.warn("screendump: {}", e.getMessage());
                    return null;
                  });
    } catch (QmpException e) {
      throw new HmpException(e.getMessage());
    }
  }
}
