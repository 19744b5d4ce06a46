package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.baremetal.HostileProgram;
import dev.pollux.tests.colo.ColoMachine;
import dev.pollux.tests.colo.Footprint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Guests that mean harm, in processes with a small heap: each goes on, or is reset, as it deserves;
 * the monitor answers all the time, and the process needs no more of the host than it may.
 *
 * <p>{@code -Dhostile.guest.seconds=3600} makes it a campaign, {@code -Dhostile.guest.seed=n}
 * begins with another guest; a failure names the guest, which {@code -Dhostile.guest.seconds=1}
 * shows alone.
 */
class HostileGuestTest {
  private static final long SECONDS = Long.getLong("hostile.guest.seconds", 12);
  private static final long SEED = Long.getLong("hostile.guest.seed", 1);
  private static final long GUEST_MILLIS = 5_000;
  private static final long LOOK_MILLIS = 100;

  /** Most have put themselves to sleep by then. */
  private static final int LOOKS_PER_RESET = 15;

  private static final Duration PATIENCE = Duration.ofSeconds(60);

  /** A heap of 64 MiB, 32 MiB of guest memory, code, and the JVM itself. */
  private static final long MOST_KIBIBYTES = 450 << 10;

  /** A line for each thing that a guest does wrong is too much. */
  private static final int MOST_LOGGED = 1 << 16;

  private static final String[] MACHINES = {"pc", "q35", "pc,hpet=on", "q35"};
  private static final String[] ENGINES = {"jit,tb-size=4", "jit,tb-size=1", "interp"};

  @TempDir private Path folder;
  private int resets;

  /** By disk, what the block layer has been asked for. */
  private final Map<String, Long> requests = new TreeMap<>();

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void noGuestHarmsItsHost() throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
    long number = SEED;
    do {
      try {
        attack(number);
      } catch (AssertionError | Exception e) {
        throw new AssertionError(
            "-Dhostile.guest.seconds=1 -Dhostile.guest.seed=%d: %s"
                .formatted(number, options(number)),
            e);
      }
      number++;
    } while (System.nanoTime() < end);
    System.out.printf(
        "hostile guests: %d from %d on, reset %d times, requests %s%n",
        number - SEED, SEED, resets, requests);
    if (number - SEED > 1) { // every second one minds disks
      assertTrue(requests.get("nvme") > 0 && requests.get("sata") > 0, requests::toString);
    }
  }

  private static List<String> options(long number) {
    Random random = new Random(~number);
    List<String> options = new ArrayList<>();
    options.addAll(List.of("-m", "32", "-smp", Integer.toString(1 + random.nextInt(4))));
    options.addAll(List.of("-machine", MACHINES[random.nextInt(MACHINES.length)]));
    options.addAll(List.of("-accel", ENGINES[random.nextInt(ENGINES.length)]));
    options.add("-no-shutdown");
    options.addAll(List.of("-blockdev", "null-co,node-name=disk,size=16M"));
    options.addAll(List.of("-device", "virtio-blk-pci,drive=disk"));
    for (String disk : List.of("nvme", "sata", "disc", "ide", "usb")) {
      options.addAll(List.of("-blockdev", "null-co,size=64M,node-name=" + disk));
    }
    options.addAll(List.of("-blockdev", "null-co,size=1474560,node-name=floppy"));
    options.addAll(List.of("-device", "nvme,drive=nvme,serial=S1,max_ioqpairs=3"));
    options.addAll(List.of("-device", "ich9-ahci,id=more"));
    options.addAll(List.of("-device", "ide-hd,bus=more.0,drive=sata"));
    options.addAll(List.of("-device", "ide-cd,bus=more.1,drive=disc"));
    options.addAll(List.of("-device", "ide-hd,bus=ide.0,drive=ide"));
    options.addAll(List.of("-device", "isa-fdc"));
    options.addAll(List.of("-device", "floppy,drive=floppy"));
    options.addAll(List.of("-device", "qemu-xhci", "-device", "usb-storage,drive=usb"));
    options.addAll(List.of("-device", "usb-kbd", "-device", "usb-tablet"));
    options.addAll(List.of("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"));
    options.addAll(List.of("-device", "virtio-rng-pci", "-device", "virtio-balloon-pci"));
    options.addAll(List.of("-device", "virtio-gpu-pci,max_hostmem=8M", "-device", "ramfb"));
    options.addAll(List.of("-device", "VGA,vgamem_mb=4", "-device", "bochs-display,vgamem=4M"));
    return options;
  }

  private void attack(long number) throws IOException, CommandFailed {
    boolean storage = number % 2 == 0;
    byte[] image = storage ? HostileProgram.storageImage(number) : HostileProgram.image(number);
    Path kernel = Files.write(folder.resolve("guest"), image);
    List<String> options = options(number);
    options.addAll(List.of("-kernel", kernel.toString()));
    List<String> jvmOptions =
        List.of("-Xmx64m", "-XX:MaxDirectMemorySize=64m", "-XX:+ExitOnOutOfMemoryError");
    try (ColoMachine machine =
            new ColoMachine("guest" + number, folder, jvmOptions, options.toArray(String[]::new));
        Watchdog watchdog = new Watchdog(machine)) {
      Footprint before = Footprint.of(machine.process().process().pid());
      int mark = machine.mark();
      long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(GUEST_MILLIS);
      for (int looks = 1; System.nanoTime() < end; looks++) {
        HostileLink.pause(LOOK_MILLIS);
        goOn(machine, looks % LOOKS_PER_RESET == 0);
        watchdog.check();
      }
      resets += (int) machine.eventsSince(mark).stream().filter(e -> e.contains("RESET")).count();
      Footprint after = Footprint.of(machine.process().process().pid());
      assertTrue(after.kibibytes() < MOST_KIBIBYTES, "memory: " + after);
      assertTrue(after.descriptors() <= before.descriptors() + 8, before + " became " + after);
      for (JsonNode disk : machine.run("query-blockstats")) {
        JsonNode stats = disk.path("stats");
        long count = stats.path("rd_operations").asLong() + stats.path("wr_operations").asLong();
        requests.merge(disk.path("node-name").asText(), count, Long::sum);
      }
      machine.run("quit");
      assertEquals(0, machine.process().await(PATIENCE), machine.process().errors());
      String errors = machine.process().errors();
      assertTrue(!errors.contains("internal error"), errors);
      assertTrue(errors.length() < MOST_LOGGED, errors);
    }
  }

  /** A guest that has switched its machine off, or ruined itself, gets another chance. */
  private static void goOn(ColoMachine machine, boolean reset) throws IOException, CommandFailed {
    String state = machine.run("query-status").path("status").asText();
    if (reset || !state.equals("running")) {
      machine.run("system_reset");
    }
    if (!state.equals("running") && !state.equals("suspended")) {
      machine.run("cont");
    }
  }
}
