package dev.pollux.core.host;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A call of the host's system: made by its number where the {@link HostLibrary} is loaded, and
 * otherwise through the C library's function of the same name. All have one shape, up to six
 * arguments and a result in integer registers; what a call does not take it does not look at.
 */
final class SystemCall {
  private final String name;
  private final int number;
  private final boolean returnsInt;

  /** It is made again where a signal came in between. */
  private final boolean repeats;

  /** The C library's function, once it is needed. */
  private volatile MethodHandle function;

  private SystemCall(String name, int number, boolean returnsInt, boolean repeats) {
    this.name = name;
    this.number = number;
    this.returnsInt = returnsInt;
    this.repeats = repeats;
  }

  /**
   * A call whose function in the C library returns an int.
   *
   * @param number on x86-64
   */
  static SystemCall ofInt(String name, int number) {
    return new SystemCall(name, number, true, true);
  }

  /** The same for a call that has done its work even where it says that a signal came. */
  static SystemCall once(String name, int number) {
    return new SystemCall(name, number, true, false);
  }

  /** A call whose function in the C library returns a long or an address. */
  static SystemCall ofLong(String name, int number) {
    return new SystemCall(name, number, false, true);
  }

  /** Calls with up to four arguments; as {@link #call(long, long, long, long, long, long)}. */
  long call(long a, long b, long c, long d) {
    return call(a, b, c, d, 0, 0);
  }

  /**
   * Calls, again where a signal came in between and nothing was done.
   *
   * @return the result, or the negative error number
   */
  long call(long a, long b, long c, long d, long e, long f) {
    while (true) {
      long result =
          HostLibrary.isLoaded()
              ? HostLibrary.systemCall(number, a, b, c, d, e, f)
              : callFunction(a, b, c, d, e, f);
      if (result != -Errno.EINTR || !repeats) {
        return result;
      }
    }
  }

  /** Calls the C library's function. */
  long callFunction(long a, long b, long c, long d, long e, long f) {
    MethodHandle linked = function;
    if (linked == null) {
      linked = Functions.link(name);
      function = linked;
    }
    MemorySegment state = Functions.STATE.get();
    try {
      long register = (long) linked.invokeExact(state, a, b, c, d, e, f);
      // Of an int the other half of the register means nothing.
      long result = returnsInt ? (int) register : register;
      return result == -1 ? -state.get(ValueLayout.JAVA_INT, 0) : result;
    } catch (Throwable t) {
      throw new IllegalStateException("a call of the C library failed", t);
    }
  }

  /** What is needed without the library only. The JVM makes one stub for all calls. */
  private static final class Functions {
    private static final FunctionDescriptor SHAPE =
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG);

    /** Where errno goes. */
    static final ThreadLocal<MemorySegment> STATE =
        ThreadLocal.withInitial(
            () -> Arena.ofAuto().allocate(Linker.Option.captureStateLayout().byteSize(), 8));

    private Functions() {}

    static MethodHandle link(String name) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(
          linker.defaultLookup().findOrThrow(name), SHAPE, Linker.Option.captureCallState("errno"));
    }
  }
}
