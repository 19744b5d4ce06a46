package dev.pollux.core.state;

/**
 * Something with guest-visible state. There is no default: forgetting the declaration does not
 * compile.
 */
public interface Migratable {
  /** The one declaration of this object's state, bound to this object. */
  BoundState<?> state();
}
