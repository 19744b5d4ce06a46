package dev.pollux.devices.input;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The keyboards and pointers of a machine. What the user does goes to the one that the guest began
 * to use last, or that a monitor has chosen. Machine lock held.
 */
public final class Inputs {
  /**
   * A pointer in the list of monitors.
   *
   * @param index its number, which stays as long as it is there
   */
  public record Listed(int index, Pointer pointer) {}

  private final List<Keyboard> keyboards = new ArrayList<>();
  private final List<Listed> pointers = new ArrayList<>();
  private int nextIndex;

  public void add(Keyboard keyboard) {
    keyboards.add(keyboard);
  }

  public void add(Pointer pointer) {
    pointers.add(new Listed(nextIndex++, pointer));
  }

  public void remove(Keyboard keyboard) {
    keyboards.remove(keyboard);
  }

  public void remove(Pointer pointer) {
    pointers.removeIf(listed -> listed.pointer().equals(pointer));
  }

  /** The guest uses it from now on. */
  public void use(Keyboard keyboard) {
    if (keyboards.remove(keyboard)) {
      keyboards.addFirst(keyboard);
    }
  }

  /** The guest does not use it any more. */
  public void leave(Keyboard keyboard) {
    if (keyboards.remove(keyboard)) {
      keyboards.addLast(keyboard);
    }
  }

  /** The guest uses it from now on. */
  public void use(Pointer pointer) {
    first(listed -> listed.pointer().equals(pointer));
  }

  /** The guest does not use it any more. */
  public void leave(Pointer pointer) {
    pointers.stream()
        .filter(listed -> listed.pointer().equals(pointer))
        .findFirst()
        .ifPresent(
            listed ->
                Collections.rotate(
                    pointers.subList(pointers.indexOf(listed), pointers.size()), -1));
  }

  /** Chooses a pointer by its number; false if there is none of that number. */
  public boolean choose(int index) {
    return first(listed -> listed.index() == index);
  }

  private boolean first(Predicate<Listed> which) {
    Optional<Listed> found = pointers.stream().filter(which).findFirst();
    found.ifPresent(
        listed -> {
          pointers.remove(listed);
          pointers.addFirst(listed);
        });
    return found.isPresent();
  }

  /** The keyboard that hears the user. */
  public Optional<Keyboard> keyboard() {
    return keyboards.stream().findFirst();
  }

  /** All pointers; the first hears the user. */
  public List<Listed> pointers() {
    return List.copyOf(pointers);
  }

  /** The pointer that hears the user. */
  public Optional<Pointer> pointer() {
    return pointers.stream().findFirst().map(Listed::pointer);
  }

  /** The one that hears of distances. */
  public Optional<Pointer.Relative> relative() {
    return first(Pointer.Relative.class);
  }

  /** The one that hears of places. */
  public Optional<Pointer.Absolute> absolute() {
    return first(Pointer.Absolute.class);
  }

  private <T> Optional<T> first(Class<T> kind) {
    return pointers.stream()
        .map(Listed::pointer)
        .filter(kind::isInstance)
        .map(kind::cast)
        .findFirst();
  }

  /** Moves the pointer that hears of distances. */
  public void move(int dx, int dy, int dz) {
    relative().ifPresent(pointer -> pointer.move(dx, dy, dz, pointer.buttons()));
  }

  /** Presses exactly these buttons of the pointer that hears the user. */
  public void press(int buttons) {
    pointer().ifPresent(pointer -> press(pointer, 0, buttons));
  }

  /** Presses exactly these buttons, and turns the wheel. */
  public static void press(Pointer pointer, int dz, int buttons) {
    switch (pointer) {
      case Pointer.Relative mouse -> mouse.move(0, 0, dz, buttons);
      case Pointer.Absolute tablet -> tablet.put(tablet.x(), tablet.y(), dz, buttons);
    }
  }
}
