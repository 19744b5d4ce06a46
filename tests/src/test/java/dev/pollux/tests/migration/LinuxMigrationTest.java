package dev.pollux.tests.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A busy Linux guest moves from process to process, and its long computation gives the right
 * result. The engine changes each time.
 */
class LinuxMigrationTest {
  /** 50 round trips are 100. */
  private static final int TRIPS = Integer.getInteger("pollux.migration.trips", 2);

  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final List<String> ENGINES = List.of("jit", "interp");
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Rewrites memory, digests a file again and again, and computes a sequence of numbers. */
  private static final String WORK =
      "seq 1 20000 > /tmp/f; h=$(sha256sum < /tmp/f); "
          + "work() { i=0; s=7; bad=0; while [ ! -e /tmp/stop ]; do j=0; "
          + "while [ $j -lt 200 ]; do s=$(((s * 31 + i) % 1000003)); i=$((i + 1)); j=$((j + 1));"
          + " done; cp /tmp/f /tmp/g$((i / 200 % 16)); "
          + "[ \"$(sha256sum < /tmp/g$((i / 200 % 16)))\" = \"$h\" ] || bad=$((bad + 1)); done; "
          + "echo i=$i s=$s bad=$bad; }; work & echo started";

  private static final Pattern RESULT = Pattern.compile("i=(\\d+) s=(\\d+) bad=(\\d+)");

  @TempDir Path folder;

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void busyGuestComputesOnFromProcessToProcess() throws Exception {
    LinuxGuest here = start(0, List.of());
    try {
      here.awaitShell();
      here.run(WORK);
      for (int trip = 1; trip <= TRIPS; trip++) {
        LinuxGuest there = start(trip, List.of("-incoming", "defer"));
        try {
          migrate(trip);
          assertTrue(here.process().process().isAlive(), here.process().errors());
        } finally {
          here.close();
          here = there;
        }
        assertEquals("42", here.run("echo $((6 * 7))"), "trip " + trip);
      }
      String printed = here.run("touch /tmp/stop; wait; dmesg | grep -E 'BUG|Oops|WARNING|lockup'");
      Matcher result = RESULT.matcher(printed);
      assertTrue(result.find(), printed);
      long count = Long.parseLong(result.group(1));
      assertTrue(count > 200L * TRIPS, printed);
      assertEquals(sequence(count), Long.parseLong(result.group(2)), printed);
      assertEquals("0", result.group(3), printed);
      assertTrue(!printed.contains("BUG") && !printed.contains("Oops"), printed);
      here.type("poweroff -f\n");
      assertEquals(0, here.process().await(PATIENCE), here.process().errors());
    } finally {
      here.close();
    }
  }

  private static long sequence(long count) {
    long s = 7;
    for (long i = 0; i < count; i++) {
      s = (s * 31 + i) % 1_000_003;
    }
    return s;
  }

  private LinuxGuest start(int trip, List<String> more) {
    String[] options =
        Stream.concat(
                Stream.of(
                    "-m",
                    "256",
                    "-accel",
                    ENGINES.get(trip % ENGINES.size()),
                    "-cpu",
                    "Haswell,check=off", // "max" would be what each engine can do
                    "-qmp",
                    socket(trip) + ",server=on,wait=off"),
                more.stream())
            .toArray(String[]::new);
    return LinuxGuest.start(Kernel.CLOUD, options);
  }

  private String socket(int trip) {
    return "unix:" + folder.resolve("qmp" + trip);
  }

  private void migrate(int trip) throws Exception {
    try (QmpClient source = connect(trip - 1);
        QmpClient target = connect(trip)) {
      String uri = "unix:" + folder.resolve("stream" + trip);
      ObjectNode parameters = JSON.createObjectNode().put("max-bandwidth", 0);
      source.execute("migrate-set-parameters", parameters.put("downtime-limit", 2000));
      target.execute("migrate-incoming", JSON.createObjectNode().put("uri", uri));
      source.execute("migrate", JSON.createObjectNode().put("uri", uri));
      await(source, "query-migrate", "completed");
      await(target, "query-status", "running");
    }
  }

  private QmpClient connect(int trip) throws Exception {
    return Monitors.connect(socket(trip), _ -> {}, PATIENCE);
  }

  private static void await(QmpClient client, String command, String status) throws Exception {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      JsonNode reply = client.execute(command);
      String now = reply.path("status").asText();
      if (now.equals(status)) {
        return;
      }
      if (System.nanoTime() > end || now.equals("failed")) {
        fail(command + " tells " + reply);
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }
}
