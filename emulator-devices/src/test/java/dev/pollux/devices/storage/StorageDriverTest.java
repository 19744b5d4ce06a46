package dev.pollux.devices.storage;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;

/** Tests that drive storage of a machine that runs. */
public abstract class StorageDriverTest {
  private static final long PATIENCE_NANOS = 20_000_000_000L;

  protected final Machine machine = new Machine("test", new Machine.EndPolicy(false, false));
  private Thread loop;

  protected final void addRam(long size) throws IOException {
    RamBlock ram = new RamBlock("ram", size, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, ram.size()));
  }

  /** Resets the devices, does what has to follow at once, and lets the machine run. */
  protected final void run(Runnable afterReset) {
    locked(
        () -> {
          machine.resetDevices();
          afterReset.run();
        });
    machine.loop().post(machine::start);
    loop = Thread.ofPlatform().start(machine.loop()::run);
    await(() -> machine.runState().current().isRunning());
  }

  @AfterEach
  protected final void end() throws InterruptedException {
    machine.loop().stop();
    loop.join();
    machine.close();
  }

  protected static BlockBackend filled(BlockBackend backend, byte[] content) throws IOException {
    try (HostBuffer buffer = new HostBuffer(content.length)) {
      RawMemory.copyIn(content, 0, buffer.address(), content.length);
      backend.root().orElseThrow().write(0, buffer.vector(), 0);
    }
    return backend;
  }

  protected static void await(BooleanSupplier done) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!done.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "nothing happens");
      Thread.onSpinWait();
    }
  }

  protected final void locked(Runnable action) {
    machine.lock().lock();
    try {
      action.run();
    } finally {
      machine.lock().unlock();
    }
  }
}
