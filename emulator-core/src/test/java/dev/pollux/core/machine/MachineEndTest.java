package dev.pollux.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.CpuTopology;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.interp.Interpreter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What resets and power-offs make of a machine; QEMU 7.2's monitor shows the same states. */
@Timeout(30)
class MachineEndTest {
  private static Machine machine(boolean rebootEnds, boolean stays) {
    return new Machine("tested", new Machine.EndPolicy(rebootEnds, stays));
  }

  /** Runs the loop until all that was posted is done; whether it wants to end then. */
  private static boolean ends(Machine machine) {
    boolean[] reached = new boolean[1];
    machine
        .loop()
        .post(
            () -> {
              reached[0] = true;
              machine.loop().stop();
            });
    machine.loop().run();
    return !reached[0];
  }

  private static void enter(Machine machine, RunState state) {
    machine.lock().lock();
    try {
      machine.start();
      if (state == RunState.POSTMIGRATE) {
        machine.stop(RunState.FINISH_MIGRATE);
      }
      if (!state.isRunning()) {
        machine.stop(state);
      }
    } finally {
      machine.lock().unlock();
    }
  }

  @ParameterizedTest
  @EnumSource(
      names = {"PAUSED", "SHUTDOWN", "POSTMIGRATE", "IO_ERROR", "GUEST_PANICKED", "WATCHDOG"})
  void aResetOfAGuestThatStandsIsANewBeginning(RunState state) {
    try (Machine machine = machine(false, false)) {
      enter(machine, state);
      machine.requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET);
      assertTrue(!ends(machine));
      assertEquals(RunState.PRELAUNCH, machine.runState().current());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"RUNNING", "FINISH_MIGRATE", "COLO"})
  void aResetChangesNoStateThatGoesOn(RunState state) {
    try (Machine machine = machine(false, false)) {
      enter(machine, state);
      machine.requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET);
      assertTrue(!ends(machine));
      assertEquals(state, machine.runState().current());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"GUEST_RESET", "HOST_QMP_SYSTEM_RESET", "GUEST_SHUTDOWN"})
  void whatEndsAMachineThatStaysStopsIt(ShutdownCause cause) {
    try (Machine machine = machine(true, true)) {
      List<ShutdownCause> told = new ArrayList<>();
      machine.addListener(
          new MachineListener() {
            @Override
            public void shutdown(ShutdownCause why) {
              told.add(why);
            }
          });
      enter(machine, RunState.RUNNING);
      if (cause == ShutdownCause.GUEST_SHUTDOWN) {
        machine.requestShutdown(cause);
      } else {
        machine.requestReset(cause);
      }
      assertTrue(!ends(machine));
      assertEquals(RunState.SHUTDOWN, machine.runState().current());
      assertEquals(List.of(cause), told);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"HOST_QMP_QUIT", "HOST_SIGNAL", "HOST_UI", "HOST_ERROR"})
  void whoEndsTheEmulatorEndsIt(ShutdownCause cause) {
    try (Machine machine = machine(true, true)) {
      enter(machine, RunState.RUNNING);
      machine.requestShutdown(cause);
      assertTrue(ends(machine));
    }
  }

  @Test
  void withoutNoShutdownAResetEnds() {
    try (Machine machine = machine(true, false)) {
      enter(machine, RunState.RUNNING);
      machine.requestReset(ShutdownCause.GUEST_RESET);
      assertTrue(ends(machine));
    }
  }

  /** It is a signal's thread that asks then; the vCPUs' memory is gone. */
  @Test
  void whoAsksForTheEndAfterItIsNotHeard() throws IOException {
    Machine machine = machine(false, false);
    CpuModel model = new CpuModel("max", new CpuTopology(1, 1, 1));
    machine.add(new Vcpu(machine, 0, model, new CpuState(), Interpreter::new));
    machine.close();
    machine.requestShutdown(ShutdownCause.HOST_SIGNAL);
    machine.requestReset(ShutdownCause.GUEST_RESET);
    assertEquals(RunState.PRELAUNCH, machine.runState().current());
  }
}
