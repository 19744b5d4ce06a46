package dev.pollux.tests.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What Linux does by itself with a balloon: it tells of its memory, gives free pages back to the
 * host, and takes pages out of the balloon when it is short.
 */
@Timeout(600)
class LinuxBalloonTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final long MEBIBYTE = 1 << 20;
  private static final String FILL =
      "dd if=/dev/zero of=/tmp/fill bs=1M count=%d 2>&1 | grep -c 'records out'";

  @TempDir private Path folder;

  /** Something that becomes true. */
  @FunctionalInterface
  private interface Condition {
    boolean holds() throws Exception;
  }

  private static void await(String what, Condition condition) throws Exception {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.holds()) {
      assertTrue(System.nanoTime() < end, what);
      Thread.sleep(50);
    }
  }

  @Test
  void guestTellsGivesAndTakes() throws Exception {
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_balloon");
    String device = "virtio-balloon-pci,id=balloon,free-page-reporting=on,deflate-on-oom=on";
    try (LinuxGuest guest =
            LinuxGuest.start(
                    Kernel.CLOUD,
                    initrd,
                    "-device",
                    device,
                    "-qmp",
                    "unix:%s,server=on,wait=off".formatted(folder.resolve("qmp")))
                .awaitShell();
        QmpClient client = Monitors.connect(folder.resolve("qmp"), _ -> {})) {
      tells(guest, client);
      gives(guest);
      takes(guest, client);
    }
  }

  private static JsonNode statistics(QmpClient client) throws Exception {
    return client.execute(
        "qom-get",
        JSON.createObjectNode()
            .put("path", "/machine/peripheral/balloon")
            .put("property", "guest-stats"));
  }

  private static void tells(LinuxGuest guest, QmpClient client) throws Exception {
    JsonNode _ =
        client.execute(
            "qom-set",
            JSON.createObjectNode()
                .put("path", "balloon")
                .put("property", "guest-stats-polling-interval")
                .put("value", 1));
    await("statistics", () -> statistics(client).path("last-update").asLong() > 0);
    long total = Long.parseLong(guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9")) * 1024;
    JsonNode told = statistics(client).path("stats");
    assertEquals(total, told.path("stat-total-memory").asLong());
    long free = told.path("stat-free-memory").asLong();
    assertTrue(free > 0 && free < total, () -> "free: " + told);
    assertEquals("1", guest.run(FILL.formatted(150)));
    await(
        "less memory is free",
        () ->
            statistics(client).path("stats").path("stat-free-memory").asLong()
                < free - 100 * MEBIBYTE);
  }

  /** The host has its memory back soon after a file was removed. */
  private static void gives(LinuxGuest guest) throws Exception {
    long resident = residentMemory(guest);
    assertEquals("", guest.run("rm /tmp/fill"));
    await("free pages are given back", () -> residentMemory(guest) < resident - 80 * MEBIBYTE);
  }

  /** More is used than the balloon has left. */
  private static void takes(LinuxGuest guest, QmpClient client) throws Exception {
    ObjectNode size = JSON.createObjectNode().put("value", 128 * MEBIBYTE);
    JsonNode _ = client.execute("balloon", size);
    await("the balloon is full", () -> actual(client) == 128 * MEBIBYTE);
    assertEquals("", guest.run("mount -o remount,size=90% /tmp"));
    assertEquals("1", guest.run(FILL.formatted(180)));
    assertEquals("188743680", guest.run("stat -c %s /tmp/fill"));
    assertTrue(actual(client) > 128 * MEBIBYTE, "pages came out of the balloon");
  }

  private static long actual(QmpClient client) throws Exception {
    return client.execute("query-balloon").path("actual").asLong();
  }

  /** Bytes of the process that lie in the host's memory. */
  private static long residentMemory(LinuxGuest guest) throws IOException {
    Path status = Path.of("/proc", String.valueOf(guest.process().process().pid()), "status");
    return Files.readAllLines(status).stream()
            .filter(line -> line.startsWith("VmRSS:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
            .sum()
        * 1024;
  }
}
