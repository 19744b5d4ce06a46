package dev.pollux.core.state;

import dev.pollux.core.clock.GuestTimer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongPredicate;
import java.util.function.ObjIntConsumer;
import java.util.function.ObjLongConsumer;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;
import java.util.function.ToLongFunction;

/**
 * The declaration of a class's guest-visible state: each field once. Saving, loading, the
 * description in a stream and comparison all come from it.
 *
 * <p>Fields are written in the order of declaration, big-endian. Loading has two steps: everything
 * is read and checked first, and only then put in place, so that a state that lies changes nothing.
 *
 * <p>A field added in version <i>n</i> is declared after {@code since(n)} and has a value for older
 * states.
 */
public final class StateDescriptor<T> {
  private final String name;
  private final int version;
  private final List<StateField<T>> fields = new ArrayList<>();
  private final Set<String> names = new HashSet<>();
  private final List<Consumer<T>> beforeSave = new ArrayList<>();
  private final List<Consumer<T>> afterLoad = new ArrayList<>();
  private int since = 1;

  private StateDescriptor(String name, int version) {
    this.name = name;
    this.version = version;
  }

  /**
   * Starts a declaration.
   *
   * @param type the class described; only for type inference
   * @param name identifies the kind of device in a stream
   * @param version counts up when fields are added
   */
  public static <T> StateDescriptor<T> of(Class<T> type, String name, int version) {
    return new StateDescriptor<>(name, version);
  }

  public String name() {
    return name;
  }

  public int version() {
    return version;
  }

  /**
   * Fields declared from here on exist since this version; {@code missing} defaults apply to older
   * states.
   */
  public StateDescriptor<T> since(int version) {
    if (version < since || version > this.version) {
      throw new IllegalArgumentException(name + ": since " + version);
    }
    since = version;
    return this;
  }

  public StateDescriptor<T> bool(String field, Predicate<T> get, BiConsumer<T, Boolean> set) {
    return add(
        field,
        "bool",
        1,
        false,
        new Codec<>(
            (t, out) -> out.u8(get.test(t) ? 1 : 0),
            in -> {
              int value = in.u8();
              if (value > 1) {
                throw new StateException(value + " is neither 0 nor 1");
              }
              return value == 1;
            },
            (t, v) -> set.accept(t, (Boolean) v)));
  }

  public StateDescriptor<T> u8(String field, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return u8(field, 0xff, get, set);
  }

  /** An unsigned byte of at most {@code max}: use it for every index and enum. */
  public StateDescriptor<T> u8(String field, int max, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return add(
        field,
        "uint8",
        1,
        0,
        new Codec<>(
            (t, out) -> out.u8(get.applyAsInt(t)),
            in -> checked(in.u8(), max),
            (t, v) -> set.accept(t, (Integer) v)));
  }

  public StateDescriptor<T> u16(String field, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return u16(field, 0xffff, get, set);
  }

  public StateDescriptor<T> u16(
      String field, int max, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return add(
        field,
        "uint16",
        2,
        0,
        new Codec<>(
            (t, out) -> out.u16(get.applyAsInt(t)),
            in -> checked(in.u16(), max),
            (t, v) -> set.accept(t, (Integer) v)));
  }

  /** 32 bits, any value. */
  public StateDescriptor<T> u32(String field, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return add(
        field,
        "uint32",
        4,
        0,
        new Codec<>(
            (t, out) -> out.u32(get.applyAsInt(t)),
            StateInput::u32,
            (t, v) -> set.accept(t, (Integer) v)));
  }

  /** A 32-bit count or index of 0 to {@code max}. */
  public StateDescriptor<T> u32(
      String field, int max, ToIntFunction<T> get, ObjIntConsumer<T> set) {
    return add(
        field,
        "uint32",
        4,
        0,
        new Codec<>(
            (t, out) -> out.u32(get.applyAsInt(t)),
            in -> checked(in.u32(), max),
            (t, v) -> set.accept(t, (Integer) v)));
  }

  public StateDescriptor<T> u64(String field, ToLongFunction<T> get, ObjLongConsumer<T> set) {
    return add(
        field,
        "uint64",
        8,
        0L,
        new Codec<>(
            (t, out) -> out.u64(get.applyAsLong(t)),
            StateInput::u64,
            (t, v) -> set.accept(t, (Long) v)));
  }

  /** 64 bits of which only some values are allowed. */
  public StateDescriptor<T> u64(
      String field, LongPredicate valid, ToLongFunction<T> get, ObjLongConsumer<T> set) {
    return add(
        field,
        "uint64",
        8,
        0L,
        new Codec<>(
            (t, out) -> out.u64(get.applyAsLong(t)),
            in -> {
              long value = in.u64();
              if (!valid.test(value)) {
                throw new StateException("0x" + Long.toHexString(value) + " is not allowed");
              }
              return value;
            },
            (t, v) -> set.accept(t, (Long) v)));
  }

  /** A timer's deadline in nanoseconds of its clock; loading arms or cancels it. */
  public StateDescriptor<T> timer(String field, Function<T, GuestTimer> timer) {
    return add(
        field,
        "timer",
        8,
        GuestTimer.NEVER,
        new Codec<>(
            (t, out) -> out.u64(timer.apply(t).deadline()),
            in -> {
              long deadline = in.u64();
              if (deadline < GuestTimer.NEVER) {
                throw new StateException("deadline " + deadline + " ns");
              }
              return deadline;
            },
            (t, v) -> timer.apply(t).set((Long) v)));
  }

  /** An array of bytes of fixed length, loaded in place. */
  public StateDescriptor<T> bytes(String field, int length, Function<T, byte[]> array) {
    return add(
        field,
        "buffer",
        length,
        new byte[length],
        new Codec<>(
            (t, out) -> out.bytes(array.apply(t), 0, length),
            in -> in.bytes(length),
            (t, v) -> System.arraycopy((byte[]) v, 0, array.apply(t), 0, length)));
  }

  /** Bytes whose number varies, at most {@code max}: a queue, a buffer. */
  public StateDescriptor<T> varBytes(
      String field, int max, Function<T, byte[]> get, BiConsumer<T, byte[]> set) {
    return add(
        field,
        "buffer",
        -1,
        new byte[0],
        new Codec<>(
            (t, out) -> {
              byte[] bytes = get.apply(t);
              out.u32(bytes.length);
              out.bytes(bytes);
            },
            in -> in.bytes(checked(in.u32(), max)),
            (t, v) -> set.accept(t, (byte[]) v)));
  }

  /** An array of 32-bit values of fixed length, loaded in place. */
  public StateDescriptor<T> u32Array(String field, int length, Function<T, int[]> array) {
    return add(
        field,
        "uint32[]",
        4 * length,
        new int[length],
        new Codec<>(
            (t, out) -> Arrays.stream(array.apply(t), 0, length).forEach(out::u32),
            in -> {
              int[] values = new int[length];
              for (int i = 0; i < length; i++) {
                values[i] = in.u32();
              }
              return values;
            },
            (t, v) -> System.arraycopy((int[]) v, 0, array.apply(t), 0, length)));
  }

  /** An array of 64-bit values of fixed length, loaded in place. */
  public StateDescriptor<T> u64Array(String field, int length, Function<T, long[]> array) {
    return add(
        field,
        "uint64[]",
        8 * length,
        new long[length],
        new Codec<>(
            (t, out) -> Arrays.stream(array.apply(t), 0, length).forEach(out::u64),
            in -> {
              long[] values = new long[length];
              for (int i = 0; i < length; i++) {
                values[i] = in.u64();
              }
              return values;
            },
            (t, v) -> System.arraycopy((long[]) v, 0, array.apply(t), 0, length)));
  }

  /** Nested state of a part that always exists. */
  public <P> StateDescriptor<T> struct(String field, StateDescriptor<P> part, Function<T, P> get) {
    return add(
        field,
        "struct",
        -1,
        null,
        new Codec<>(
            (t, out) -> part.save(get.apply(t), out),
            in -> part.parse(in, part.version),
            (t, v) -> part.apply(get.apply(t), (Object[]) v)),
        part);
  }

  /** Nested state of a fixed number of parts. */
  public <P> StateDescriptor<T> structs(
      String field, int count, StateDescriptor<P> part, Function<T, List<P>> get) {
    return add(
        field,
        "struct[]",
        -1,
        null,
        new Codec<>(
            (t, out) -> {
              List<P> parts = get.apply(t);
              for (int i = 0; i < count; i++) {
                part.save(parts.get(i), out);
              }
            },
            in -> {
              Object[][] values = new Object[count][];
              for (int i = 0; i < count; i++) {
                try {
                  values[i] = part.parse(in, part.version);
                } catch (StateException e) {
                  throw e.in("[" + i + "]");
                }
              }
              return values;
            },
            (t, v) -> {
              List<P> parts = get.apply(t);
              for (int i = 0; i < count; i++) {
                part.apply(parts.get(i), ((Object[][]) v)[i]);
              }
            }),
        part);
  }

  /** Runs before the fields are read, for instance to bring counters up to the present time. */
  public StateDescriptor<T> beforeSave(Consumer<T> action) {
    beforeSave.add(action);
    return this;
  }

  /** Runs once all fields are in place: recomputes what derives from them. */
  public StateDescriptor<T> afterLoad(Consumer<T> action) {
    afterLoad.add(action);
    return this;
  }

  void save(T target, StateOutput out) {
    beforeSave.forEach(action -> action.accept(target));
    for (StateField<T> field : fields) {
      field.codec().save(target, out);
    }
  }

  Object[] parse(StateInput in, int fromVersion) throws StateException {
    if (fromVersion < 1 || fromVersion > version) {
      throw new StateException(
          name + ": version " + fromVersion + ", this build knows 1 to " + version);
    }
    Object[] values = new Object[fields.size()];
    for (int i = 0; i < values.length; i++) {
      StateField<T> field = fields.get(i);
      try {
        values[i] = field.since() <= fromVersion ? field.codec().parse(in) : field.missing();
      } catch (StateException e) {
        throw e.in(name + "." + field.name());
      }
    }
    return values;
  }

  void apply(T target, Object[] values) {
    for (int i = 0; i < values.length; i++) {
      if (values[i] != null) {
        fields.get(i).codec().apply(target, values[i]);
      }
    }
    afterLoad.forEach(action -> action.accept(target));
  }

  /** What a stream's description says of each field, in order. */
  public List<FieldInfo> describe() {
    return fields.stream()
        .map(f -> new FieldInfo(f.name(), f.type(), f.size(), f.since(), f.struct()))
        .toList();
  }

  /**
   * A field as shown to people and in a stream's description.
   *
   * @param size bytes, -1 where it varies
   * @param struct the nested declaration, or null
   */
  public record FieldInfo(
      String name, String type, int size, int since, StateDescriptor<?> struct) {}

  private StateDescriptor<T> add(
      String field, String type, int size, Object missing, Codec<T> codec) {
    return add(field, type, size, missing, codec, null);
  }

  private StateDescriptor<T> add(
      String field,
      String type,
      int size,
      Object missing,
      Codec<T> codec,
      StateDescriptor<?> struct) {
    if (!names.add(field)) {
      throw new IllegalArgumentException(name + " declares " + field + " twice");
    }
    fields.add(new StateField<>(field, type, size, since, missing, codec, struct));
    return this;
  }

  private static int checked(int value, int max) throws StateException {
    if (value < 0 || value > max) {
      throw new StateException(Integer.toUnsignedString(value) + " is above " + max);
    }
    return value;
  }

  @FunctionalInterface
  private interface Parser {
    Object parse(StateInput in) throws StateException;
  }

  private record Codec<T>(
      BiConsumer<T, StateOutput> saver, Parser parser, BiConsumer<T, Object> applier)
      implements StateField.Codec<T> {
    @Override
    public void save(T target, StateOutput out) {
      saver.accept(target, out);
    }

    @Override
    public Object parse(StateInput in) throws StateException {
      return parser.parse(in);
    }

    @Override
    public void apply(T target, Object value) {
      applier.accept(target, value);
    }
  }
}
