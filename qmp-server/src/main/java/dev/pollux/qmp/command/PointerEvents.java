package dev.pollux.qmp.command;

import dev.pollux.devices.input.Console;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Pointer;
import java.util.Optional;

/** What one command does with the pointer, put together. Machine lock held. */
final class PointerEvents {
  private static final int FARTHEST = 1 << 20;

  private final Inputs inputs;
  private final Optional<Console> console;
  private int dx;
  private int dy;
  private int dz;
  private int pressed;
  private int released;
  private Optional<Integer> x = Optional.empty();
  private Optional<Integer> y = Optional.empty();
  private boolean moved;
  private boolean clicked;

  /**
   * @param console where it is done; empty for anywhere
   */
  PointerEvents(Inputs inputs, Optional<Console> console) {
    this.inputs = inputs;
    this.console = console;
  }

  void press(DisplayCommands.InputBtnEvent event) {
    clicked = true;
    int clicks = event.down() ? 1 : 0;
    switch (event.button()) {
      case WHEEL_UP -> dz -= clicks;
      case WHEEL_DOWN -> dz += clicks;
      case LEFT -> change(1, event.down());
      case RIGHT -> change(2, event.down());
      case MIDDLE -> change(4, event.down());
      case SIDE, EXTRA, WHEEL_LEFT, WHEEL_RIGHT -> {} // no pointer has them
    }
  }

  private void change(int button, boolean down) {
    pressed = down ? pressed | button : pressed & ~button;
    released = down ? released & ~button : released | button;
  }

  void move(DisplayCommands.InputMoveEvent event) {
    moved = true;
    int distance = Math.clamp(event.value(), -FARTHEST, FARTHEST);
    switch (event.axis()) {
      case X -> dx += distance;
      case Y -> dy -= distance;
    }
  }

  void put(DisplayCommands.InputMoveEvent event) {
    Optional<Integer> place = Optional.of(Math.clamp(event.value(), 0, Pointer.Absolute.EDGE));
    switch (event.axis()) {
      case X -> x = place;
      case Y -> y = place;
    }
  }

  private int buttons(Pointer pointer) {
    return pointer.buttons() & ~released | pressed;
  }

  /** Sends all of it: buttons go with the movement, or to the pointer that hears the user. */
  void send() {
    if (x.isPresent() || y.isPresent()) {
      inputs
          .absolute(console)
          .ifPresent(
              tablet ->
                  tablet.put(x.orElse(tablet.x()), y.orElse(tablet.y()), dz, buttons(tablet)));
    } else if (moved) {
      inputs.relative(console).ifPresent(mouse -> mouse.move(dx, dy, dz, buttons(mouse)));
    } else if (clicked) {
      inputs.pointer(console).ifPresent(pointer -> Inputs.press(pointer, dz, buttons(pointer)));
    }
  }
}
