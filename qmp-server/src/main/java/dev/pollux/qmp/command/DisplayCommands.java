package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.qmp.protocol.QmpException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/** Commands on the screen, the keyboard and the mouse. */
public sealed interface DisplayCommands<R> extends QmpCommand<R> {
  /** Formats of pictures. */
  enum ImageFormat {
    PPM,
    PNG
  }

  @Api.Doc("Writes a picture of the screen to a file.")
  record Screendump(String filename, @Api.Doc("ppm by default") Optional<ImageFormat> format)
      implements DisplayCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) throws QmpException {
      PictureFile kind =
          format.filter(ImageFormat.PNG::equals).isPresent() ? PictureFile.PNG : PictureFile.PPM;
      return save(context.machine(), filename, kind);
    }
  }

  /** How a key is named. */
  enum KeyValueKind {
    NUMBER,
    QCODE
  }

  /** A key. */
  @Api.Union(values = KeyValueKind.class)
  sealed interface KeyValue {
    /** By the code that it sends. */
    @SuppressWarnings("AvoidCommonTypeNames") // the protocol's name
    record Number(long data) implements KeyValue {}

    /** By its name. */
    record Qcode(QKeyCode data) implements KeyValue {}
  }

  @Api.Doc("Presses keys one after the other and lets go of them again.")
  record SendKey(
      List<KeyValue> keys,
      @Api.Doc("accepted; the keys are let go of at once") Optional<Long> holdTime)
      implements DisplayCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      I8042 controller = controller(context.machine());
      for (KeyValue key : keys) {
        press(controller, key, true);
      }
      for (KeyValue key : keys.reversed()) {
        press(controller, key, false);
      }
      return null;
    }
  }

  /** Buttons of a mouse. */
  enum InputButton {
    LEFT,
    MIDDLE,
    RIGHT,
    WHEEL_UP,
    WHEEL_DOWN
  }

  /** Directions. */
  enum InputAxis {
    X,
    Y
  }

  /** A key went down or up. */
  record InputKeyEvent(KeyValue key, boolean down) {}

  /** A button went down or up. */
  record InputBtnEvent(InputButton button, boolean down) {}

  /** The mouse was moved. */
  record InputMoveEvent(InputAxis axis, long value) {}

  /** Kinds of events. */
  enum InputEventKind {
    KEY,
    BTN,
    REL
  }

  /** Something that the user does. */
  @Api.Union(values = InputEventKind.class)
  sealed interface InputEvent {
    record Key(InputKeyEvent data) implements InputEvent {}

    record Btn(InputBtnEvent data) implements InputEvent {}

    record Rel(InputMoveEvent data) implements InputEvent {}
  }

  @Api.Doc("Sends what a user does with keyboard and mouse.")
  record InputSendEvent(List<InputEvent> events) implements DisplayCommands<Void> {
    private static final int FARTHEST = 1 << 20;

    @Override
    public Void run(QmpContext context) throws QmpException {
      I8042 controller = controller(context.machine());
      int dx = 0;
      int dy = 0;
      int dz = 0;
      int buttons = controller.mouse().buttons();
      boolean mouse = false;
      for (InputEvent event : events) {
        switch (event) {
          case InputEvent.Key(InputKeyEvent key) -> press(controller, key.key(), key.down());
          case InputEvent.Btn(InputBtnEvent button) -> {
            mouse = true;
            switch (button.button()) {
              case WHEEL_UP -> dz -= button.down() ? 1 : 0;
              case WHEEL_DOWN -> dz += button.down() ? 1 : 0;
              default -> {
                int bit = bit(button.button());
                buttons = button.down() ? buttons | bit : buttons & ~bit;
              }
            }
          }
          case InputEvent.Rel(InputMoveEvent move) -> {
            mouse = true;
            int distance = Math.clamp(move.value(), -FARTHEST, FARTHEST);
            if (move.axis() == InputAxis.X) {
              dx += distance;
            } else {
              dy -= distance;
            }
          }
        }
      }
      if (mouse) {
        controller.mouse().move(dx, dy, dz, buttons);
      }
      return null;
    }

    private static int bit(InputButton button) {
      return button == InputButton.LEFT ? 1 : button == InputButton.RIGHT ? 2 : 4;
    }
  }

  private static void press(I8042 controller, KeyValue key, boolean down) throws QmpException {
    switch (key) {
      case KeyValue.Qcode(QKeyCode code) -> code.send(controller.keyboard(), down);
      case KeyValue.Number(long number) -> {
        int code = (int) number & 0x7f;
        if (number < 1 || number > 0xff || code == 0) {
          throw new QmpException("Parameter 'keys' expects numbers from 1 to 255");
        }
        controller.keyboard().key(code, (number & 0x80) != 0, down);
      }
    }
  }

  private static <T> Stream<T> find(Machine machine, Class<T> kind) {
    return machine.devices().stream().filter(kind::isInstance).map(kind::cast);
  }

  /** The keyboard and mouse of a machine. Machine lock held. */
  static I8042 controller(Machine machine) throws QmpException {
    return find(machine, I8042.class)
        .findFirst()
        .orElseThrow(() -> new QmpException("The machine has no keyboard"));
  }

  /**
   * Writes what the screen shows now. Machine lock held.
   *
   * @return completes when the file is written
   */
  static CompletableFuture<Void> save(Machine machine, String filename, PictureFile format)
      throws QmpException {
    Screen screen =
        find(machine, Display.class)
            .findFirst()
            .orElseThrow(() -> new QmpException("There is no console to take a screendump from"))
            .screen();
    return Background.run(
        "screendump",
        () -> {
          try (OutputStream out =
              new BufferedOutputStream(Files.newOutputStream(Path.of(filename)))) {
            format.write(screen, out);
          } catch (InvalidPathException | IOException e) {
            throw new QmpException(
                "failed to open file '%s': %s".formatted(filename, e.getMessage()));
          }
          return null;
        });
  }
}
