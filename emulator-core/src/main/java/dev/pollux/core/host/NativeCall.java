package dev.pollux.core.host;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Calls generated code at an absolute address: three integer arguments and an integer result in the
 * registers of the System V ABI (arguments RDI, RSI, RDX, result RAX). The callee preserves RBX,
 * RBP, RSP, R12 to R15, MXCSR's and the x87 unit's control bits, leaves DF clear and the x87 stack
 * empty, and ends with VZEROUPPER if it used YMM registers.
 */
public final class NativeCall {
  private NativeCall() {}

  /**
   * Calls {@code code}. Meanwhile the thread is in native code: garbage collection does not wait
   * for it.
   */
  public static long call(long code, long first, long second, long third) {
    return HostLibrary.isLoaded()
        ? HostLibrary.call(code, first, second, third, 0)
        : Linked.call(code, first, second, third);
  }

  /**
   * Calls {@code code}, without the library without leaving the Java state: the whole JVM may wait
   * for the call when it wants a safepoint. Only for code that is certain to return within
   * microseconds.
   */
  public static long callCritical(long code, long first, long second, long third) {
    return callCritical(code, first, second, third, 0);
  }

  /** The same with a fourth argument, in RCX. */
  public static long callCritical(long code, long first, long second, long third, long fourth) {
    return HostLibrary.isLoaded()
        ? HostLibrary.call(code, first, second, third, fourth)
        : Linked.callCritical(code, first, second, third, fourth);
  }

  /** The way without the library. */
  private static final class Linked {
    private static final FunctionDescriptor SIGNATURE =
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG);

    private static final MethodHandle ORDINARY = Linker.nativeLinker().downcallHandle(SIGNATURE);

    private static final MethodHandle CRITICAL =
        Linker.nativeLinker().downcallHandle(SIGNATURE, Linker.Option.critical(false));

    private Linked() {}

    static long call(long code, long first, long second, long third) {
      try {
        return (long) ORDINARY.invokeExact(MemorySegment.ofAddress(code), first, second, third, 0L);
      } catch (Throwable e) {
        throw unexpected(e);
      }
    }

    static long callCritical(long code, long first, long second, long third, long fourth) {
      try {
        return (long)
            CRITICAL.invokeExact(MemorySegment.ofAddress(code), first, second, third, fourth);
      } catch (Throwable e) {
        throw unexpected(e);
      }
    }

    private static IllegalStateException unexpected(Throwable e) {
      return new IllegalStateException("a call of generated code failed", e);
    }
  }
}
