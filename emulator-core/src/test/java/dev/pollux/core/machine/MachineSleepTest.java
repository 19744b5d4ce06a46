package dev.pollux.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Suspend to RAM, as a machine without parts shows it. */
@Timeout(30)
class MachineSleepTest {
  private final Machine machine = new Machine("tested", new Machine.EndPolicy(false, false));
  private final List<String> told = new ArrayList<>();

  private final Thread loop = Thread.ofPlatform().daemon(true).start(machine.loop()::run);

  @BeforeEach
  void listen() {
    machine.addListener(
        new MachineListener() {
          @Override
          public void stopped() {
            told.add("STOP");
          }

          @Override
          public void resumed() {
            told.add("RESUME");
          }

          @Override
          public void suspended() {
            told.add("SUSPEND");
          }

          @Override
          public void wokenUp(WakeupReason reason) {
            told.add("WAKEUP " + reason);
          }
        });
  }

  @AfterEach
  void close() throws InterruptedException {
    machine.loop().stop();
    loop.join();
    machine.close();
  }

  /** Runs work on the event loop, and what that posts there. */
  private void onLoop(Runnable work) {
    machine
        .loop()
        .call(
            () -> {
              work.run();
              return null;
            })
        .join();
    machine.loop().call(() -> null).join();
  }

  private void assertIs(RunState state, String... events) {
    assertEquals(state, machine.runState().current());
    assertEquals(List.of(events), told);
    told.clear();
  }

  @Test
  void aSleepingGuestIsWoken() {
    onLoop(machine::start);
    assertFalse(machine.wakeUp(WakeupReason.OTHER));
    onLoop(machine::requestSuspend);
    assertIs(RunState.SUSPENDED, "RESUME", "SUSPEND");
    assertFalse(machine.clocks().running());
    onLoop(() -> assertTrue(machine.wakeUp(WakeupReason.RTC)));
    assertIs(RunState.RUNNING, "WAKEUP RTC");
    assertTrue(machine.clocks().running());
    assertFalse(machine.isAsleep());
  }

  @Test
  void aUsersPauseDoesNotWake() {
    onLoop(machine::start);
    onLoop(machine::requestSuspend);
    onLoop(machine::pause);
    assertIs(RunState.PAUSED, "RESUME", "SUSPEND", "STOP");
    assertFalse(machine.wakeUp(WakeupReason.OTHER), "only a guest that is let sleep is woken");
    onLoop(machine::start);
    assertIs(RunState.SUSPENDED, "RESUME");
    onLoop(() -> assertTrue(machine.wakeUp(WakeupReason.OTHER)));
    assertIs(RunState.RUNNING, "WAKEUP OTHER");
  }

  @Test
  void aGuestThatWasStoppedOnItsWaySleepsAfterwards() {
    onLoop(machine::start);
    onLoop(machine::pause);
    onLoop(machine::requestSuspend);
    assertIs(RunState.PAUSED, "RESUME", "STOP", "SUSPEND");
    onLoop(machine::start);
    assertIs(RunState.SUSPENDED, "RESUME");
  }

  @Test
  void aHoldOfASleepingGuestLeavesItAsleep() {
    onLoop(machine::start);
    onLoop(machine::requestSuspend);
    for (RunState hold : new RunState[] {RunState.FINISH_MIGRATE, RunState.COLO}) {
      onLoop(() -> machine.stop(hold));
      onLoop(() -> machine.goOn(RunState.SUSPENDED));
      assertEquals(RunState.SUSPENDED, machine.runState().current());
      onLoop(() -> machine.stop(hold));
      onLoop(() -> machine.goOn(RunState.RUNNING));
      assertEquals(RunState.SUSPENDED, machine.runState().current(), "as one that was asleep");
    }
  }

  @Test
  void aResetEndsTheSleep() {
    onLoop(machine::start);
    onLoop(machine::requestSuspend);
    onLoop(() -> machine.requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET));
    assertIs(RunState.PRELAUNCH, "RESUME", "SUSPEND");
    onLoop(machine::requestSuspend);
    assertIs(RunState.PRELAUNCH);
    onLoop(machine::start);
    assertIs(RunState.RUNNING, "RESUME");
  }
}
