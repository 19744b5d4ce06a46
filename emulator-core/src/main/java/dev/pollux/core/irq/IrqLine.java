package dev.pollux.core.irq;

/** One interrupt wire. Levels are set by the device that drives it, holding the machine lock. */
@FunctionalInterface
public interface IrqLine {
  /** A wire that leads nowhere. No constant: the JVM's cache of classes takes no wires then. */
  static IrqLine none() {
    return level -> {};
  }

  void set(boolean level);

  default void raise() {
    set(true);
  }

  default void lower() {
    set(false);
  }

  /** An edge: up and down again. */
  default void pulse() {
    set(true);
    set(false);
  }
}
