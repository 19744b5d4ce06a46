package dev.pollux.core.state;

/** A declaration together with the object that it describes. */
public record BoundState<T>(StateDescriptor<T> descriptor, T target) {
  /** Appends the object's state. Machine lock held, vCPUs parked. */
  public void save(StateOutput out) {
    descriptor.save(target, out);
  }

  /**
   * Reads and checks a whole state without touching the object; {@link Loaded#apply} then puts it
   * in place.
   */
  public Loaded load(StateInput in, int version) throws StateException {
    Object[] values = descriptor.parse(in, version);
    return () -> descriptor.apply(target, values);
  }

  /** State that was read and checked in full and waits to be put in place. */
  @FunctionalInterface
  public interface Loaded {
    /** Machine lock held, vCPUs parked. */
    void apply();
  }
}
