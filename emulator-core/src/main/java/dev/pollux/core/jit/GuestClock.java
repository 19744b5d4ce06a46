package dev.pollux.core.jit;

import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.host.HostCpu;
import dev.pollux.core.host.NativeCall;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;

/**
 * Guest time for generated code, which reads the host's time-stamp counter and scales it ({@link
 * JitLayout#CLOCK_TSC}). The scale is measured against the machine's clock and the two are brought
 * together again every millisecond, so they never part by more than the few nanoseconds that
 * reading both takes, generated code's being the later of the two. A timer that is due ends the
 * span: whoever asks for the time then goes the slow way, which runs timers. vCPU thread.
 */
final class GuestClock {
  private static final int ADVANCED_POWER = 0x8000_0007;
  private static final int INVARIANT_TSC = 1 << 8;

  /** Nanoseconds that generated code may go on without comparing. */
  private static final long SPAN = 1_000_000;

  /** Nanoseconds over which the counter's frequency is measured, at least and as a rule. */
  private static final long SHORTEST_MEASUREMENT = 20_000_000;

  private static final long MEASUREMENT = 1_000_000_000;

  /** A reading of both clocks that took longer, in nanoseconds, is no good. */
  private static final long SLOWEST_READING = 500;

  private final long s;
  private final MachineClocks clocks;
  private final long readCounter;
  private final boolean usable;

  /** Where the measurement began: {@link System#nanoTime} and counter. */
  private long startNanos;

  private long startCounter;

  /** Nanoseconds per count, times 2^32; 0 until it is known. */
  private long scale;

  /**
   * @param readCounter address of a function that returns the host's time-stamp counter
   */
  GuestClock(long state, MachineClocks clocks, long readCounter) throws IOException {
    this.s = state;
    this.clocks = clocks;
    this.readCounter = readCounter;
    HostCpu host = HostCpu.get();
    this.usable =
        Integer.compareUnsigned(host.cpuid(0x8000_0000, 0).eax(), ADVANCED_POWER) >= 0
            && (host.cpuid(ADVANCED_POWER, 0).edx() & INVARIANT_TSC) != 0;
    startNanos = System.nanoTime();
    startCounter = counter();
    stop();
  }

  private long counter() {
    return NativeCall.callCritical(readCounter, 0, 0, 0);
  }

  /** The machine's clock may stand still or jump: generated code does not know the time. */
  void stop() {
    RawMemory.putLong(s + JitLayout.CLOCK_SPAN, 0);
  }

  /** Tells generated code the time, if the counter is known well enough and no timer is due. */
  void adjust() {
    stop();
    if (!usable || !clocks.running()) {
      return;
    }
    long host = System.nanoTime();
    long guest = clocks.virtualNow();
    long now = counter();
    if (System.nanoTime() - host > SLOWEST_READING) {
      return;
    }
    long measured = host - startNanos;
    if (measured > MEASUREMENT || scale == 0 && measured > SHORTEST_MEASUREMENT) {
      scale = (long) (measured * 0x1p32 / (now - startCounter));
      if (measured > MEASUREMENT) {
        startNanos = host;
        startCounter = now;
      }
    }
    long span = Math.min(SPAN, clocks.virtualDeadline() - guest);
    if (scale != 0 && span > 0) {
      RawMemory.putLong(s + JitLayout.CLOCK_TSC, now);
      RawMemory.putLong(s + JitLayout.CLOCK_NANOS, guest);
      RawMemory.putLong(s + JitLayout.CLOCK_SCALE, scale);
      RawMemory.putLong(s + JitLayout.CLOCK_SPAN, Long.divideUnsigned(span << 32, scale));
    }
  }
}
