package dev.pollux.devices.timer;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.irq.IrqLine;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Reads a timer that is nobody's until Java's way to its counter is compiled. Linux finds the
 * frequency of its time-stamp counter by reading channel 2 of the PIT some hundred times at the
 * start of a boot, and takes a much longer way if two readings in a row take too long together.
 * Without this they are the first of the process, and the JVM looks at each method of the way when
 * it has been called 128 times: all of them in one reading.
 */
public final class TimerRehearsal {
  /** After 256 calls a method is compiled. */
  private static final int READINGS = 600;

  private static final int FIRST_PORT = 0x40;
  private static final int CHANNEL_2 = FIRST_PORT + 2;
  private static final int CONTROL = FIRST_PORT + 3;

  /** Channel 2, low and high byte, mode 0. */
  private static final int ONE_SHOT = 0xb0;

  private TimerRehearsal() {}

  /** Takes a millisecond. Any thread. */
  public static void run() {
    AddressSpace ports = new AddressSpace("rehearsal", new ReentrantLock());
    MachineClocks clocks = new MachineClocks(() -> {});
    ports.map(FIRST_PORT, new Pit8254(clocks, IrqLine.none(), () -> false).ports());
    ports.write(CONTROL, 1, ONE_SHOT);
    ports.write(CHANNEL_2, 1, 0xff);
    ports.write(CHANNEL_2, 1, 0xff);
    for (int i = 0; i < READINGS; i++) {
      ports.read(CHANNEL_2, 1);
    }
  }
}
