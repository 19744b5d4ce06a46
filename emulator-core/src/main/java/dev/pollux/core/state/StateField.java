package dev.pollux.core.state;

/**
 * One field of a {@link StateDescriptor}: how it is written, read without side effects, and put in
 * place.
 *
 * @param name unique within its descriptor
 * @param type as shown in a stream's description, for instance {@code uint32}
 * @param size bytes, or -1 where it varies
 * @param since first version of the descriptor that has the field
 * @param missing value used for older versions
 */
record StateField<T>(
    String name,
    String type,
    int size,
    int since,
    Object missing,
    Codec<T> codec,
    StateDescriptor<?> struct) {

  /**
   * The field's reading and writing. Values between {@code parse} and {@code apply} are of the
   * codec's own choice.
   */
  interface Codec<T> {
    void save(T target, StateOutput out);

    Object parse(StateInput in) throws StateException;

    void apply(T target, Object value);
  }
}
