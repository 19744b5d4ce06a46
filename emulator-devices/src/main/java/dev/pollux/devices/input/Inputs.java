package dev.pollux.devices.input;

import dev.pollux.core.config.ConfigException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * The keyboards and pointers of a machine. What the user does goes to the one that the guest began
 * to use last, or that a monitor has chosen; what is done at a console, to those of that console
 * before those of none. Machine lock held.
 */
public final class Inputs {
  /**
   * A keyboard or pointer in the list of monitors.
   *
   * @param index its number, which stays as long as it is there; keyboards and pointers are counted
   *     together, from 1
   * @param console what it belongs to; empty where it hears of all
   */
  public record Listed<T>(int index, T device, Optional<Console> console) {}

  private final List<Listed<Keyboard>> keyboards = new ArrayList<>();
  private final List<Listed<Pointer>> pointers = new ArrayList<>();
  private int nextIndex = 1;

  public void add(Keyboard keyboard, Optional<Console> console) {
    keyboards.add(new Listed<>(nextIndex++, keyboard, console));
  }

  public void add(Pointer pointer, Optional<Console> console) {
    pointers.add(new Listed<>(nextIndex++, pointer, console));
  }

  public void remove(Keyboard keyboard) {
    keyboards.removeIf(is(keyboard));
  }

  public void remove(Pointer pointer) {
    pointers.removeIf(is(pointer));
  }

  /** The guest uses it from now on. */
  public void use(Keyboard keyboard) {
    take(keyboards, is(keyboard)).ifPresent(keyboards::addFirst);
  }

  /** The guest does not use it any more. */
  public void leave(Keyboard keyboard) {
    take(keyboards, is(keyboard)).ifPresent(keyboards::addLast);
  }

  /** The guest uses it from now on. */
  public void use(Pointer pointer) {
    take(pointers, is(pointer)).ifPresent(pointers::addFirst);
  }

  /** The guest does not use it any more. */
  public void leave(Pointer pointer) {
    take(pointers, is(pointer)).ifPresent(pointers::addLast);
  }

  /**
   * Chooses a pointer by its number.
   *
   * @throws ConfigException if there is none of that number, or it is a keyboard's
   */
  public void choose(int index) {
    Optional<Listed<Pointer>> chosen = take(pointers, listed -> listed.index() == index);
    if (chosen.isEmpty()) {
      keyboards.stream()
          .filter(listed -> listed.index() == index)
          .forEach(
              listed -> {
                throw new ConfigException(
                    "Input device '%s' is not a mouse".formatted(listed.device().keyboardName()));
              });
      throw new ConfigException(
          "Mouse at index '%s' not found".formatted(Integer.toUnsignedString(index)));
    }
    pointers.addFirst(chosen.get());
  }

  private static <T> Predicate<Listed<T>> is(T device) {
    return listed -> listed.device().equals(device);
  }

  private static <T> Optional<Listed<T>> take(List<Listed<T>> from, Predicate<Listed<T>> which) {
    Optional<Listed<T>> found = from.stream().filter(which).findFirst();
    found.ifPresent(from::remove);
    return found;
  }

  /** Those that hear of a console: its own, then those of none. */
  private static <T> Stream<T> hearing(List<Listed<T>> all, Optional<Console> console) {
    return Stream.of(console, Optional.<Console>empty())
        .distinct()
        .flatMap(c -> all.stream().filter(listed -> listed.console().equals(c)))
        .map(Listed::device);
  }

  /**
   * The keyboard that hears the user.
   *
   * @param console where the user is; empty for anywhere
   */
  public Optional<Keyboard> keyboard(Optional<Console> console) {
    return hearing(keyboards, console).findFirst();
  }

  /** All pointers; the first hears the user. */
  public List<Listed<Pointer>> pointers() {
    return List.copyOf(pointers);
  }

  /** The pointer that hears the user, of those of a console or of none. */
  public Optional<Pointer> pointer(Optional<Console> console) {
    return hearing(pointers, console).findFirst();
  }

  /** The one that hears of distances. */
  public Optional<Pointer.Relative> relative(Optional<Console> console) {
    return first(Pointer.Relative.class, console);
  }

  /** The one that hears of places. */
  public Optional<Pointer.Absolute> absolute(Optional<Console> console) {
    return first(Pointer.Absolute.class, console);
  }

  private <T> Optional<T> first(Class<T> kind, Optional<Console> console) {
    return hearing(pointers, console).filter(kind::isInstance).map(kind::cast).findFirst();
  }

  /** Moves the pointer that hears of distances. */
  public void move(int dx, int dy, int dz) {
    relative(Optional.empty()).ifPresent(pointer -> pointer.move(dx, dy, dz, pointer.buttons()));
  }

  /** Presses exactly these buttons of the pointer that hears the user. */
  public void press(int buttons) {
    pointer(Optional.empty()).ifPresent(pointer -> press(pointer, 0, buttons));
  }

  /** Presses exactly these buttons, and turns the wheel. */
  public static void press(Pointer pointer, int dz, int buttons) {
    switch (pointer) {
      case Pointer.Relative mouse -> mouse.move(0, 0, dz, buttons);
      case Pointer.Absolute tablet -> tablet.put(tablet.x(), tablet.y(), dz, buttons);
    }
  }
}
