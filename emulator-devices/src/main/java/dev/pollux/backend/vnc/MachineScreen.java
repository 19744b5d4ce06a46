package dev.pollux.backend.vnc;

import dev.pollux.core.machine.Machine;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Displays;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.devices.model.DeviceManager;
import java.util.Optional;
import java.util.function.Predicate;

/** A screen of a machine, its keyboard and its mouse. */
public final class MachineScreen implements VncHost {
  private static final Screen NOTHING = new Screen(640, 400, new int[640 * 400]);

  /** How often, and in between how long, a key waits for room: a second. */
  private static final int TRIES = 200;

  private static final long PAUSE_MILLIS = 5;

  private final DeviceManager devices;
  private final Optional<Console> console;
  private final Machine machine;
  private final Inputs inputs;

  /**
   * @param devices of the machine
   * @param console which screen; empty for the first that there is
   */
  public MachineScreen(DeviceManager devices, Optional<Console> console) {
    this.devices = devices;
    this.machine = devices.services().machine();
    this.inputs = devices.services().inputs();
    this.console = console;
  }

  /** The display as it is now: cards come and go. */
  private Optional<Display> display() {
    return console.isEmpty()
        ? Displays.first(machine)
        : Displays.find(devices.tree(), console.get());
  }

  private int head() {
    return console.map(Console::head).orElse(0);
  }

  @Override
  public String name() {
    return machine.name();
  }

  @Override
  public Screen screen() {
    machine.lock().lock();
    try {
      return display().map(d -> d.screen(head())).orElse(NOTHING);
    } finally {
      machine.lock().unlock();
    }
  }

  @Override
  public boolean wantSize(int width, int height) {
    machine.lock().lock();
    try {
      return head() == 0 && display().filter(d -> d.wantSize(width, height)).isPresent();
    } finally {
      machine.lock().unlock();
    }
  }

  /** The characters of now; empty where there is no screen, or graphics on it. */
  public Optional<TextScreen> text() {
    machine.lock().lock();
    try {
      return display().filter(_ -> head() == 0).flatMap(Display::text);
    } finally {
      machine.lock().unlock();
    }
  }

  @Override
  public void key(QKeyCode key, boolean down) {
    patiently(keyboard -> key.send(keyboard, down));
  }

  @Override
  public void key(int code, boolean down) {
    patiently(keyboard -> keyboard.key(code, down));
  }

  private void patiently(Predicate<Keyboard> action) {
    for (int i = 0; i < TRIES; i++) {
      machine.lock().lock();
      try {
        Optional<Keyboard> keyboard = inputs.keyboard(console);
        if (keyboard.isEmpty() || action.test(keyboard.get())) {
          return;
        }
      } finally {
        machine.lock().unlock();
      }
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  @Override
  public void mouse(int dx, int dy, int dz, int buttons) {
    machine.lock().lock();
    try {
      inputs.relative(console).ifPresent(mouse -> mouse.move(dx, -dy, dz, buttons));
    } finally {
      machine.lock().unlock();
    }
  }

  @Override
  public boolean point(int x, int y, int width, int height, int dz, int buttons) {
    machine.lock().lock();
    try {
      if (!(inputs.pointer(console).orElse(null) instanceof Pointer.Absolute tablet)) {
        return false;
      }
      tablet.put(scaled(x, width), scaled(y, height), dz, buttons);
      return true;
    } finally {
      machine.lock().unlock();
    }
  }

  private static int scaled(int at, int size) {
    return (int) ((long) at * Pointer.Absolute.EDGE / Math.max(1, size - 1));
  }
}
