package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Displays;
import dev.pollux.devices.display.PictureFile;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.qmp.protocol.QmpException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Commands on the screen, the keyboard and the mouse. */
public sealed interface DisplayCommands<R> extends QmpCommand<R> {
  /** Formats of pictures. */
  enum ImageFormat {
    PPM,
    PNG
  }

  @Api.Doc("Writes a picture of the screen to a file.")
  record Screendump(
      String filename,
      @Api.Doc("the display; the first by default") Optional<String> device,
      @Api.Doc("which screen of device, 0 by default") Optional<Long> head,
      @Api.Doc("ppm by default") Optional<ImageFormat> format)
      implements DisplayCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) throws QmpException {
      PictureFile kind =
          format.filter(ImageFormat.PNG::equals).isPresent() ? PictureFile.PNG : PictureFile.PPM;
      if (device.isEmpty() && head.isPresent()) {
        throw new QmpException("'head' must be specified together with 'device'");
      }
      return save(context.devices(), console(device, head), filename, kind);
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

  @Api.Doc(
      "Presses keys one after the other and lets go of them again; while the machine stands nobody"
          + " hears them.")
  record SendKey(
      List<KeyValue> keys,
      @Api.Doc("accepted; the keys are let go of at once") Optional<Long> holdTime)
      implements DisplayCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      send(context.devices(), keys);
      return null;
    }
  }

  /** Buttons of a mouse. */
  enum InputButton {
    LEFT,
    MIDDLE,
    RIGHT,
    WHEEL_UP,
    WHEEL_DOWN,
    SIDE,
    EXTRA,
    WHEEL_LEFT,
    WHEEL_RIGHT
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
  record InputSendEvent(
      @Api.Doc("the display at which it is done; what belongs to none hears of all")
          Optional<String> device,
      @Api.Doc("which screen of device, 0 by default") Optional<Long> head,
      List<InputEvent> events)
      implements DisplayCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      Optional<Console> console = console(device, head);
      console.ifPresent(c -> Displays.of(context.devices().tree(), c));
      if (!hears(context.machine())) {
        throw new QmpException("VM not running");
      }
      Inputs inputs = context.devices().services().inputs();
      for (InputEvent event : events) {
        check(inputs, console, event);
      }
      send(inputs, console);
      return null;
    }

    private static void check(Inputs inputs, Optional<Console> console, InputEvent event)
        throws QmpException {
      switch (event) {
        case InputEvent.Key(InputKeyEvent key) -> {
          var _ = code(key.key());
          check(InputEventKind.KEY, inputs.keyboard(console));
        }
        case InputEvent.Btn _ -> check(InputEventKind.BTN, inputs.pointer(console));
        case InputEvent.Rel _ -> check(InputEventKind.REL, inputs.relative(console));
        case InputEvent.Abs _ -> check(InputEventKind.ABS, inputs.absolute(console));
      }
    }

    private static void check(InputEventKind kind, Optional<?> receiver) throws QmpException {
      if (receiver.isEmpty()) {
        throw new QmpException(
            "Input handler not found for event type " + kind.name().toLowerCase(Locale.ROOT));
      }
    }

    private void send(Inputs inputs, Optional<Console> console) throws QmpException {
      PointerEvents pointer = new PointerEvents(inputs, console);
      for (InputEvent event : events) {
        switch (event) {
          case InputEvent.Key(InputKeyEvent key) -> {
            int code = code(key.key());
            inputs.keyboard(console).ifPresent(keyboard -> keyboard.key(code, key.down()));
          }
          case InputEvent.Btn(InputBtnEvent button) -> pointer.press(button);
          case InputEvent.Rel(InputMoveEvent move) -> pointer.move(move);
          case InputEvent.Abs(InputMoveEvent move) -> pointer.put(move);
        }
      }
      pointer.send();
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

  /** The pointers of a machine, the one that hears the user last. Machine lock held. */
  static List<MouseInfo> mice(Inputs inputs) {
    List<Inputs.Listed<Pointer>> pointers = inputs.pointers();
    return pointers.reversed().stream()
        .map(
            listed ->
                new MouseInfo(
                    listed.device().pointerName(),
                    listed.index(),
                    listed.equals(pointers.getFirst()),
                    listed.device() instanceof Pointer.Absolute))
        .toList();
  }

  /**
   * Whether what a user does at the machine is heard: where it runs, or is held for a moment, as by
   * a checkpoint, of which the user knows nothing. Machine lock held.
   */
  static boolean hears(Machine machine) {
    RunState state = machine.runState().current();
    return state.isRunning() || state == RunState.SUSPENDED || state.isHold();
  }

  /**
   * Presses keys one after the other and lets go of them again; nothing where the machine stands.
   * Machine lock held.
   */
  static void send(DeviceManager devices, List<KeyValue> keys) throws QmpException {
    List<Integer> codes = new ArrayList<>();
    for (KeyValue key : keys) {
      codes.add(code(key));
    }
    Optional<Keyboard> keyboard = devices.services().inputs().keyboard(Optional.empty());
    if (keyboard.isPresent() && hears(devices.services().machine())) {
      codes.forEach(code -> keyboard.get().key(code, true));
      codes.reversed().forEach(code -> keyboard.get().key(code, false));
    }
  }

  private static int code(KeyValue key) throws QmpException {
    return switch (key) {
      case KeyValue.Qcode(QKeyCode qcode) -> qcode.code();
      case KeyValue.Number(long number) -> {
        if (number < 1 || number > 0xff || (number & 0x7f) == 0) {
          throw new QmpException("Parameter 'keys' expects numbers from 1 to 255");
        }
        yield (int) number;
      }
    };
  }

  private static Optional<Console> console(Optional<String> device, Optional<Long> head)
      throws QmpException {
    long number = head.orElse(0L);
    if (number < 0 || number > Integer.MAX_VALUE) {
      throw new QmpException("Parameter 'head' expects a number from 0 to 2147483647");
    }
    return device.map(id -> new Console(id, (int) number));
  }

  /**
   * Writes what the screen shows now. Machine lock held.
   *
   * @return completes when the file is written
   */
  static CompletableFuture<Void> save(
      DeviceManager devices, Optional<Console> console, String filename, PictureFile format)
      throws QmpException {
    Display display =
        console.isPresent()
            ? Displays.of(devices.tree(), console.get())
            : Displays.first(devices.services().machine())
                .orElseThrow(
                    () -> new QmpException("There is no console to take a screendump from"));
    Screen screen = display.screen(console.map(Console::head).orElse(0));
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
