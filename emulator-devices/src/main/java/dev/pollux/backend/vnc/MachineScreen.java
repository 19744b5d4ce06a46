package dev.pollux.backend.vnc;

import dev.pollux.core.machine.Machine;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.QKeyCode;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** The first screen of a machine, its keyboard and its mouse. */
public final class MachineScreen implements VncHost {
  private static final Screen NOTHING = new Screen(640, 400, new int[640 * 400]);

  /** How often, and in between how long, a key waits for room: a second. */
  private static final int TRIES = 200;

  private static final long PAUSE_MILLIS = 5;

  private final Machine machine;

  public MachineScreen(Machine machine) {
    this.machine = machine;
  }

  private <T> Stream<T> find(Class<T> kind) {
    return machine.devices().stream().filter(kind::isInstance).map(kind::cast);
  }

  @Override
  public String name() {
    return machine.name();
  }

  @Override
  public Screen screen() {
    machine.lock().lock();
    try {
      return find(Display.class).findFirst().map(Display::screen).orElse(NOTHING);
    } finally {
      machine.lock().unlock();
    }
  }

  @Override
  public boolean wantSize(int width, int height) {
    machine.lock().lock();
    try {
      return find(Display.class).findFirst().filter(d -> d.wantSize(width, height)).isPresent();
    } finally {
      machine.lock().unlock();
    }
  }

  /** The characters of now; empty where there is no screen, or graphics on it. */
  public Optional<TextScreen> text() {
    machine.lock().lock();
    try {
      return find(Display.class).findFirst().flatMap(Display::text);
    } finally {
      machine.lock().unlock();
    }
  }

  @Override
  public void key(QKeyCode key, boolean down) {
    patiently(controller -> key.send(controller.keyboard(), down));
  }

  @Override
  public void key(int code, boolean down) {
    patiently(controller -> controller.keyboard().key(code & 0x7f, (code & 0x80) != 0, down));
  }

  private void patiently(Predicate<I8042> action) {
    for (int i = 0; i < TRIES; i++) {
      machine.lock().lock();
      try {
        Optional<I8042> controller = find(I8042.class).findFirst();
        if (controller.isEmpty() || action.test(controller.get())) {
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
      find(I8042.class).findFirst().ifPresent(c -> c.mouse().move(dx, -dy, dz, buttons));
    } finally {
      machine.lock().unlock();
    }
  }
}
