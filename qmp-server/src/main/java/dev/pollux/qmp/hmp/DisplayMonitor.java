package dev.pollux.qmp.hmp;

import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.Ps2Keyboard;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.qmp.command.DisplayCommands;
import dev.pollux.qmp.protocol.QmpException;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Commands on the screen, the keyboard and the mouse. */
final class DisplayMonitor {
  private static final Logger log = LoggerFactory.getLogger(DisplayMonitor.class);

  private DisplayMonitor() {}

  static void declare(DeviceCommands.Declarer command) {
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
          return out -> {
            I8042 controller = controller(s);
            controller.mouse().move(dx, -dy, dz, controller.mouse().buttons());
          };
        });
    command.declare(
        "mouse_button",
        "state",
        "press the mouse's buttons: 1 left, 2 right, 4 middle",
        (s, a) -> {
          int buttons = number(a);
          return out -> controller(s).mouse().move(0, 0, 0, buttons);
        });
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

  private static I8042 controller(HmpSession session) {
    try {
      return DisplayCommands.controller(session.machine());
    } catch (QmpException e) {
      throw new HmpException(e.getMessage());
    }
  }

  private static void send(HmpSession session, List<QKeyCode> keys) {
    Ps2Keyboard keyboard = controller(session).keyboard();
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
