package dev.pollux.devices;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Board;
import dev.pollux.devices.board.BoardConfig;
import dev.pollux.devices.board.Machines;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.timer.RtcBase;
import java.io.IOException;

/** Machines for device tests: vCPUs that never run, clocks that stand still. */
public final class TestMachines {
  private TestMachines() {}

  public static Machine create(int cpus) throws IOException {
    Machine machine = new Machine("test", new Machine.EndPolicy(false, false));
    for (int i = 0; i < cpus; i++) {
      machine.add(
          new Vcpu(machine, i, new CpuModel("qemu64"), new CpuState(), vcpu -> idleEngine()));
    }
    return machine;
  }

  /**
   * Adds what a type of machine is made of.
   *
   * @param type as {@code -machine} names it
   */
  public static Board addBoard(DeviceManager devices, String type) throws IOException {
    return Machines.find(type)
        .factory()
        .create(
            devices,
            new BoardConfig(
                64 << 20,
                1,
                new CpuModel("qemu64"),
                _ -> idleEngine(),
                new RtcBase(1_700_000_000, ClockType.VIRTUAL)));
  }

  /** An engine that executes nothing. */
  public static ExecutionEngine idleEngine() {
    return new ExecutionEngine() {
      @Override
      public void run() {}

      @Override
      public void runOne() {}

      @Override
      public void flushTlb() {}

      @Override
      public void flushCode() {}
    };
  }
}
