package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.machine.Machine;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A vCPU that does something long in the middle of a visit to guest code. */
@Timeout(30)
class StepOutTest {
  private final CountDownLatch out = new CountDownLatch(1);
  private final CountDownLatch back = new CountDownLatch(1);
  private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
  private Machine machine;
  private Vcpu vcpu;

  @BeforeEach
  void open() throws Exception {
    machine = new Machine("tested", new Machine.EndPolicy(false, false));
    vcpu = new Vcpu(machine, 0, new CpuModel("qemu64"), new CpuState(), Engine::new);
    machine.add(vcpu);
    vcpu.reset();
    vcpu.resume();
    assertTrue(out.await(10, TimeUnit.SECONDS));
  }

  @AfterEach
  void close() {
    back.countDown();
    machine.close();
  }

  private List<String> next(int count) throws InterruptedException {
    String[] taken = new String[count];
    for (int i = 0; i < count; i++) {
      taken[i] = seen.poll(10, TimeUnit.SECONDS);
    }
    return List.of(taken);
  }

  /** Steps out once; after that it does nothing. */
  private final class Engine implements ExecutionEngine {
    private final Vcpu of;

    private Engine(Vcpu of) {
      this.of = of;
    }

    @Override
    public void run() {
      if (out.getCount() == 0) {
        of.halt();
        seen.add("runs again");
        return;
      }
      boolean goesOn = of.stepOut(this::work);
      seen.add(goesOn + " " + of.cpuState().exitRequested());
      of.cpuState().setExitRequest(true);
    }

    private void work() {
      out.countDown();
      try {
        assertTrue(back.await(10, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    @Override
    public void runOne() {}

    @Override
    public void flushTlb() {}

    @Override
    public void flushCode() {}
  }

  @Test
  void nobodyWaitsForIt() throws InterruptedException {
    machine.rendezvous().await();
    back.countDown();
    assertEquals(List.of("true false", "runs again"), next(2));
  }

  @Test
  void whatIsAskedMeanwhileComesBeforeMoreOfTheGuest() throws InterruptedException {
    vcpu.defer(() -> seen.add("task"));
    machine.rendezvous().await();
    assertTrue(seen.isEmpty());
    back.countDown();
    assertEquals(List.of("false true", "task", "runs again"), next(3));
  }

  @Test
  void itStaysOutWhileAnotherIsAlone() throws InterruptedException {
    machine
        .rendezvous()
        .exclusively(
            () -> {
              back.countDown();
              try {
                assertEquals(List.of("false true"), next(1));
                Thread.sleep(20);
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
              assertTrue(seen.isEmpty());
            });
    assertEquals(List.of("runs again"), next(1));
  }
}
