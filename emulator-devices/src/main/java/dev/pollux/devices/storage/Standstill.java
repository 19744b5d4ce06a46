package dev.pollux.devices.storage;

import dev.pollux.core.machine.MachineListener;

/**
 * Has what a device does with its medium stand still while its machine does. Machine lock held.
 *
 * @param settle waits for the requests that are under way, and ends them
 * @param goOn submits what waits
 */
public record Standstill(Runnable settle, Runnable goOn) implements MachineListener {
  @Override
  public void stopped() {
    settle.run();
  }

  @Override
  public void resumed() {
    goOn.run();
  }
}
