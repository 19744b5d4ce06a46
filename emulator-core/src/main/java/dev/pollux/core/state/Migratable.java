package dev.pollux.core.state;

/**
 * Something with guest-visible state. There is no default: forgetting the declaration does not
 * compile.
 */
public interface Migratable {
  /** The one declaration of this object's state, bound to this object. */
  BoundState<?> state();

  /**
   * Whether it is loaded after everything else: true of interrupt controllers. The devices whose
   * wires they watch are loaded one after the other, and what the wires show meanwhile is no edge.
   */
  default boolean isLoadedLast() {
    return false;
  }
}
