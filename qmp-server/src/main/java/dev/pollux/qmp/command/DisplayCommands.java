package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.input.Pointer;
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
      Keyboard keyboard = keyboard(context.devices().services().inputs());
      for (KeyValue key : keys) {
        press(keyboard, key, true);
      }
      for (KeyValue key : keys.reversed()) {
        press(keyboard, key, false);
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

  /** The pointer was moved so far, or to there, of 0 to 32767. */
  record InputMoveEvent(InputAxis axis, long value) {}

  /** Kinds of events. */
  enum InputEventKind {
    KEY,
    BTN,
    REL,
    ABS
  }

  /** Something that the user does. */
  @Api.Union(values = InputEventKind.class)
  sealed interface InputEvent {
    record Key(InputKeyEvent data) implements InputEvent {}

    record Btn(InputBtnEvent data) implements InputEvent {}

    record Rel(InputMoveEvent data) implements InputEvent {}

    record Abs(InputMoveEvent data) implements InputEvent {}
  }

  @Api.Doc("Sends what a user does with keyboard and pointer.")
  record InputSendEvent(List<InputEvent> events) implements DisplayCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      Inputs inputs = context.devices().services().inputs();
      PointerEvents pointer = new PointerEvents(inputs);
      for (InputEvent event : events) {
        switch (event) {
          case InputEvent.Key(InputKeyEvent key) -> press(keyboard(inputs), key.key(), key.down());
          case InputEvent.Btn(InputBtnEvent button) -> pointer.press(button);
          case InputEvent.Rel(InputMoveEvent move) -> pointer.move(move);
          case InputEvent.Abs(InputMoveEvent move) -> pointer.put(move);
        }
      }
      pointer.send();
      return null;
    }
  }

  /** A pointer that a monitor can choose. */
  record MouseInfo(
      String name,
      long index,
      @Api.Doc("whether it hears the user") boolean current,
      @Api.Doc("whether it says where it is rather than how far it moved") boolean absolute) {}

  @Api.Doc("The pointers of the machine.")
  record QueryMice() implements DisplayCommands<List<MouseInfo>> {
    @Override
    public List<MouseInfo> run(QmpContext context) {
      return mice(context.devices().services().inputs());
    }
  }

  /** The pointers of a machine, the one that hears the user first. Machine lock held. */
  static List<MouseInfo> mice(Inputs inputs) {
    Optional<Pointer> current = inputs.pointer();
    return inputs.pointers().stream()
        .map(
            listed ->
                new MouseInfo(
                    listed.pointer().pointerName(),
                    listed.index(),
                    current.filter(listed.pointer()::equals).isPresent(),
                    listed.pointer() instanceof Pointer.Absolute))
        .toList();
  }

  private static void press(Keyboard keyboard, KeyValue key, boolean down) throws QmpException {
    switch (key) {
      case KeyValue.Qcode(QKeyCode code) -> code.send(keyboard, down);
      case KeyValue.Number(long number) -> {
        if (number < 1 || number > 0xff || (number & 0x7f) == 0) {
          throw new QmpException("Parameter 'keys' expects numbers from 1 to 255");
        }
        keyboard.key((int) number, down);
      }
    }
  }

  /** The keyboard that hears the user. Machine lock held. */
  static Keyboard keyboard(Inputs inputs) throws QmpException {
    return inputs.keyboard().orElseThrow(() -> new QmpException("The machine has no keyboard"));
  }

  private static <T> Stream<T> find(Machine machine, Class<T> kind) {
    return machine.devices().stream().filter(kind::isInstance).map(kind::cast);
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
