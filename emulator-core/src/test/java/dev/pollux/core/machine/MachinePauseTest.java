package dev.pollux.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.CpuTopology;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Running vCPUs are stopped, looked at, and told of watched pages, and sleeping ones too. */
@Timeout(60)
class MachinePauseTest {
  private static final int CPUS = 4;
  private static final int COUNTERS = 0x2000;

  private final Machine machine = new Machine("test", new Machine.EndPolicy(true, false));
  private RamBlock ram;
  private Thread loop;

  /** All vCPUs but the last count at a place of their own; the last one is halted. */
  @BeforeEach
  void start() throws Exception {
    ram = new RamBlock("pc.ram", 1 << 20, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, ram.size()));
    // inc dword ptr [bx]; jmp back; at 0x1010: hlt; jmp back
    ram.write(0x1000, new byte[] {0x66, (byte) 0xff, 0x07, (byte) 0xeb, (byte) 0xfb}, 0, 5);
    ram.write(0x1010, new byte[] {(byte) 0xf4, (byte) 0xeb, (byte) 0xfd}, 0, 3);
    CpuModel model = new CpuModel("max", new CpuTopology(CPUS, 1, 1));
    for (int i = 0; i < CPUS; i++) {
      CpuState state = new CpuState();
      Vcpu vcpu = new Vcpu(machine, i, model, state, Interpreter::new);
      machine.add(vcpu);
      vcpu.reset();
      state.setU32(CpuLayout.WAIT_FOR_SIPI, 0);
      state.setSeg(CpuLayout.CS, 0, 0, 0xffff, 0x9b);
      state.setRip(i == CPUS - 1 ? 0x1010 : 0x1000);
      state.setGpr(3, COUNTERS + i * 4L);
    }
    loop = Thread.ofPlatform().daemon(true).start(machine.loop()::run);
    machine.loop().post(machine::start);
    await(() -> counter(0) > 0 && counter(1) > 0 && counter(2) > 0);
    await(() -> machine.vcpus().getLast().cpuState().u32(CpuLayout.HALTED) != 0);
  }

  @AfterEach
  void end() throws Exception {
    machine.loop().stop();
    loop.join();
    machine.close();
  }

  private int counter(int cpu) {
    return RawMemory.getIntVolatile(ram.hostAddress() + COUNTERS + cpu * 4L);
  }

  private static void await(BooleanSupplier condition) {
    while (!condition.getAsBoolean()) {
      Thread.onSpinWait();
    }
  }

  private void onLoop(Runnable step) throws Exception {
    machine
        .loop()
        .call(
            () -> {
              step.run();
              return true;
            })
        .get(30, TimeUnit.SECONDS);
  }

  @Test
  void nothingMovesWhileParkedAndAllGoesOnAfterwards() throws Exception {
    for (int round = 0; round < 20; round++) {
      List<Integer> before = new ArrayList<>();
      onLoop(
          () ->
              machine.whileParked(
                  () -> {
                    for (int i = 0; i < CPUS; i++) {
                      before.add(counter(i));
                    }
                    long until = System.nanoTime() + 2_000_000;
                    await(() -> System.nanoTime() > until);
                    for (int i = 0; i < CPUS; i++) {
                      assertEquals(before.get(i), counter(i));
                      // An instruction boundary, with the registers in the state block.
                      long rip = machine.vcpus().get(i).cpuState().rip();
                      assertTrue(
                          i == CPUS - 1 ? rip == 0x1011 : rip == 0x1000 || rip == 0x1003,
                          () -> "rip " + Long.toHexString(rip));
                    }
                  }));
      await(() -> counter(0) != before.get(0) && counter(1) != before.get(1));
    }
  }

  @Test
  void watchersHearOfEveryWriteAfterSynchronizeWatches() throws Exception {
    AtomicBoolean told = new AtomicBoolean();
    ram.setWatcher(WriteClient.MIGRATION, (block, page) -> told.set(true));
    long page = COUNTERS >> RamBlock.PAGE_BITS;
    for (int round = 0; round < 50; round++) {
      onLoop(
          () -> {
            told.set(false);
            ram.watch(WriteClient.MIGRATION, page);
            machine.synchronizeWatches();
            int seen = counter(0);
            // Told before the first write that happens after the call, never later.
            await(() -> counter(0) != seen);
            assertTrue(told.get());
          });
    }
  }

  @Test
  void aSleeperIsPausedWithoutWakingAndLoadedStateRuns() throws Exception {
    Vcpu sleeper = machine.vcpus().get(CPUS - 1);
    onLoop(
        () ->
            machine.whileParked(
                () -> {
                  sleeper.cpuState().setU32(CpuLayout.HALTED, 0);
                  sleeper.cpuState().setRip(0x1000);
                  sleeper.kick();
                }));
    await(() -> counter(CPUS - 1) != 0);
    assertNotEquals(0, counter(CPUS - 1));
  }
}
