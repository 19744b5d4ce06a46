package dev.pollux.migration.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.core.host.Libc;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationCapabilities;
import dev.pollux.migration.MigrationContext;
import dev.pollux.migration.MigrationListener;
import dev.pollux.migration.MigrationParameters;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.StatusHolder;
import dev.pollux.migration.ram.RamLoader;
import dev.pollux.migration.stream.DeviceSections;
import dev.pollux.migration.stream.SectionReader;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.MigrationChannel;
import dev.pollux.migration.transport.PeerWatch;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The secondary's cache belongs to one, who waits for those who write to it before it goes. */
@Timeout(30)
class ColoCacheOwnerTest {
  /** A connection whose other side has gone. */
  private static final class Ended implements MigrationChannel {
    @Override
    public int read(ByteBuffer to) {
      return -1;
    }

    @Override
    public void write(ByteBuffer from) {
      from.position(from.limit());
    }

    @Override
    public boolean isTwoWay() {
      return true;
    }

    @Override
    public void shutdown() {}

    @Override
    public void close() {}
  }

  private final CompletableFuture<Integer> late = new CompletableFuture<>();
  private final CompletableFuture<ColoStatus.ExitReason> exited = new CompletableFuture<>();

  private final MigrationListener listener =
      new MigrationListener() {
        @Override
        public void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {
          exited.complete(reason);
        }
      };

  @Test
  void cacheIsThereWhileChannelsOfMultifdEnd() throws Exception {
    long page = Libc.mapAnonymous(RamBlock.PAGE_SIZE, Libc.PROT_READ | Libc.PROT_WRITE);
    try (BareMachine bare = new BareMachine(1 << 20)) {
      Machine machine = bare.machine();
      Thread loop = Thread.ofPlatform().daemon(true).start(machine.loop()::run);
      ColoCache cache = new ColoCache(machine.ramBlocks());
      // The last page of a channel that was cut comes when the channels are waited for.
      ColoController.Readers readers =
          () -> {
            if (!late.isDone()) {
              late.complete(put(cache, bare.ram(), page));
            }
          };
      ColoController controller = controller(machine);
      Thread side =
          Thread.ofPlatform()
              .daemon(true)
              .start(() -> run(controller, target(machine, cache, readers)));
      assertEquals(ColoStatus.ExitReason.ERROR, exited.get(20, TimeUnit.SECONDS));
      assertEquals(1, late.get(20, TimeUnit.SECONDS));
      assertThrows(NullPointerException.class, () -> put(cache, bare.ram(), page), "it has gone");
      machine.loop().call(() -> lostHeartbeat(controller)).get(20, TimeUnit.SECONDS);
      side.join();
      machine.loop().stop();
      loop.join();
    } finally {
      Libc.unmap(page, RamBlock.PAGE_SIZE);
    }
  }

  private static int put(ColoCache cache, RamBlock block, long page) {
    cache.page(block, 0, page);
    return 1;
  }

  private static boolean lostHeartbeat(ColoController controller) {
    controller.lostHeartbeat();
    return true;
  }

  private ColoController controller(Machine machine) {
    return new ColoController(
        new MigrationContext(
            machine,
            "bare",
            new UUID(0, 0),
            new MigrationCapabilities(),
            () -> MigrationParameters.DEFAULTS,
            listener,
            PeerWatch.PATIENCE));
  }

  private static ColoController.Target target(
      Machine machine, ColoCache cache, ColoController.Readers readers) {
    DeviceSections devices = new DeviceSections(machine);
    RamLoader ram = new RamLoader(List.copyOf(machine.ramBlocks()), cache, () -> {});
    SectionReader sections = new SectionReader(ram::load, (_, _) -> {});
    return new ColoController.Target(RunState.PAUSED, ram, sections, devices, cache, readers);
  }

  private void run(ColoController controller, ColoController.Target target) {
    StatusHolder status = new StatusHolder(listener);
    status.change(MigrationStatus.NONE, MigrationStatus.ACTIVE);
    MigrationChannel channel = new Ended();
    controller.runSecondary(
        () -> {},
        status,
        new ColoController.Connection(
            new StreamReader(channel), new StreamWriter(channel), new Connections()),
        target);
  }
}
