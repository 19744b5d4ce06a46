package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.baremetal.HostileNetProgram;
import dev.pollux.tests.colo.ColoMachine;
import dev.pollux.tests.colo.Footprint;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest whose network cards send what makes no sense, to the user networks behind them: see
 * {@link HostileNetProgram}. Each guest gets answers of both routers after all of it; the monitor
 * answers all the time; what was wrong is counted; the process keeps no more of the host than
 * before.
 *
 * <p>{@code -Dpollux.net.hostile=1000000} says how many frames, {@code -Dpollux.net.hostile.seed=n}
 * which guest is the first.
 */
class HostileNetworkTest {
  private static final long FRAMES = Long.getLong("pollux.net.hostile", 16_384);
  private static final long SEED = Long.getLong("pollux.net.hostile.seed", 1);

  /** Each by both cards; then a guest is too much damaged to get far. */
  private static final int MOST_PASSES = 8;

  private static final long MOST_KIBIBYTES = 500 << 10;
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration GUEST_TIME = Duration.ofMinutes(5);

  @TempDir private Path folder;

  @Test
  @Timeout(7200)
  void noFrameHarmsItsHost() throws Exception {
    long seed = SEED;
    long sent = 0;
    try (ServerSocket server = new ServerSocket(0, 100, InetAddress.getLoopbackAddress())) {
      Thread.ofVirtual().start(() -> swallow(server));
      for (; sent < FRAMES; seed++) {
        int passes = Math.clamp((FRAMES - sent) / (2 * HostileNetProgram.FRAMES), 1, MOST_PASSES);
        try {
          sent += attack(seed, passes, server.getLocalPort());
        } catch (AssertionError | Exception e) {
          throw new AssertionError("-Dpollux.net.hostile.seed=" + seed + ": " + e.getMessage(), e);
        }
      }
    }
    System.out.printf("hostile frames: %d, seeds %d to %d%n", sent, SEED, seed - 1);
  }

  /** Returns how many frames the networks got; what broke a ring did not get so far. */
  private long attack(long seed, int passes, int port) throws IOException, CommandFailed {
    byte[] image = HostileNetProgram.image(seed, passes, port);
    Path kernel = Files.write(folder.resolve("guest"), image);
    Path console = folder.resolve("debug" + seed);
    String[] options = {
      "-m",
      "32",
      "-machine",
      "pc",
      "-nodefaults",
      "-kernel",
      kernel.toString(),
      "-debugcon",
      "file:" + console,
      "-netdev",
      "user,id=n0",
      "-netdev",
      "user,id=n1",
      "-device",
      "virtio-net-pci,netdev=n0,addr=" + HostileNetProgram.VIRTIO_SLOT,
      "-device",
      "e1000,netdev=n1,addr=" + HostileNetProgram.E1000_SLOT
    };
    List<String> jvmOptions =
        List.of("-Xmx96m", "-XX:MaxDirectMemorySize=96m", "-XX:+ExitOnOutOfMemoryError");
    try (ColoMachine machine = new ColoMachine("net" + seed, folder, jvmOptions, options);
        Watchdog watchdog = new Watchdog(machine)) {
      long pid = machine.process().process().pid();
      Footprint before = Footprint.of(pid);
      long threads = threads(pid);
      long end = System.nanoTime() + GUEST_TIME.toNanos();
      while (!Files.readString(console).contains("done")) {
        assertTrue(System.nanoTime() < end, () -> "the guest has not ended: " + text(console));
        assertTrue(machine.process().process().isAlive(), () -> machine.process().errors());
        watchdog.check();
        HostileLink.pause(100);
      }
      assertEquals(
          "virtio-net: an answer\ne1000: an answer\n".repeat(passes) + "done\n", text(console));
      long frames = checkCounters(machine.run("x-pollux-query-networks"));
      Footprint after = Footprint.of(pid);
      assertTrue(after.kibibytes() < MOST_KIBIBYTES, "memory: " + after);
      // Sixteen connections of each network, and what was asked of servers.
      assertTrue(after.descriptors() <= before.descriptors() + 64, before + " became " + after);
      assertTrue(threads(pid) <= threads + 16, threads + " threads became " + threads(pid));
      machine.run("quit");
      assertEquals(0, machine.process().await(PATIENCE), machine.process().errors());
      String errors = machine.process().errors();
      assertTrue(!errors.contains("internal error") && errors.length() < 1 << 16, errors);
      return frames;
    }
  }

  /** All of them have counted what was wrong; returns the frames of both. */
  private static long checkCounters(JsonNode networks) {
    assertEquals(2, networks.size());
    long frames = 0;
    for (JsonNode network : networks) {
      long carried = network.at("/from-guest/frames").asLong();
      assertTrue(carried > HostileNetProgram.FRAMES / 4, network::toString);
      for (String reason : List.of("malformed", "other protocols", "fragments")) {
        assertTrue(dropped(network, reason) > 0, () -> reason + ": " + network);
      }
      frames += carried;
    }
    return frames;
  }

  private static long dropped(JsonNode network, String reason) {
    for (JsonNode drop : network.path("netdev-drops")) {
      if (drop.path("reason").asText().equals(reason)) {
        return drop.path("frames").asLong();
      }
    }
    return 0;
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static long threads(long pid) throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc", Long.toString(pid), "task"))) {
      return tasks.count();
    }
  }

  /** The server that the guest may speak to. */
  private static void swallow(ServerSocket server) {
    try {
      while (true) {
        Socket socket = server.accept();
        Thread.ofVirtual().start(() -> swallow(socket));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private static void swallow(Socket socket) {
    try (socket) {
      InputStream in = socket.getInputStream();
      while (in.read(new byte[4096]) >= 0) {}
    } catch (IOException e) {
      // Reset.
    }
  }
}
