package dev.pollux.devices.input;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Which keyboard and which pointer hears what is done at a console. */
class InputsTest {
  private static final Optional<Console> ANYWHERE = Optional.empty();
  private static final Optional<Console> LEFT = Optional.of(new Console("card", 0));
  private static final Optional<Console> RIGHT = Optional.of(new Console("card", 1));

  private final Inputs inputs = new Inputs();

  private record Tablet(String pointerName) implements Pointer.Absolute {
    @Override
    public int buttons() {
      return 0;
    }

    @Override
    public int x() {
      return 0;
    }

    @Override
    public int y() {
      return 0;
    }

    @Override
    public void put(int x, int y, int dz, int buttons) {}
  }

  private record Mouse(String pointerName) implements Pointer.Relative {
    @Override
    public int buttons() {
      return 0;
    }

    @Override
    public void move(int dx, int dy, int dz, int buttons) {}
  }

  private record Keys(String keyboardName) implements Keyboard {
    @Override
    public boolean key(int code, boolean down) {
      return true;
    }
  }

  private static String name(Optional<? extends Pointer> pointer) {
    return pointer.map(Pointer::pointerName).orElse("none");
  }

  @Test
  void aConsoleHasItsOwnBeforeThoseOfNone() {
    inputs.add(new Mouse("mouse"), ANYWHERE);
    inputs.add(new Tablet("right"), RIGHT);
    assertEquals("none", name(inputs.absolute(ANYWHERE)));
    assertEquals("none", name(inputs.absolute(LEFT)));
    assertEquals("right", name(inputs.absolute(RIGHT)));
    assertEquals("mouse", name(inputs.pointer(LEFT)));
    assertEquals("right", name(inputs.pointer(RIGHT)));
    assertEquals("mouse", name(inputs.relative(RIGHT)));
    inputs.choose(2);
    assertEquals("mouse", name(inputs.pointer(ANYWHERE)));
    inputs.add(new Tablet("any"), ANYWHERE);
    assertEquals("any", name(inputs.absolute(LEFT)));
    assertEquals("right", name(inputs.absolute(RIGHT)));
  }

  @Test
  void whatTheGuestUsesComesFirst() {
    Keys second = new Keys("second");
    inputs.add(new Keys("first"), ANYWHERE);
    inputs.add(second, ANYWHERE);
    inputs.add(new Keys("left"), LEFT);
    assertEquals("first", inputs.keyboard(ANYWHERE).orElseThrow().keyboardName());
    inputs.use(second);
    assertEquals("second", inputs.keyboard(RIGHT).orElseThrow().keyboardName());
    assertEquals("left", inputs.keyboard(LEFT).orElseThrow().keyboardName());
    inputs.leave(second);
    assertEquals("first", inputs.keyboard(ANYWHERE).orElseThrow().keyboardName());
  }
}
