package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.host.HostClock;
import dev.pollux.core.host.Libc;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest that may run until somebody says otherwise, and stops by itself when nobody does. */
@Timeout(120)
class LeaseTest {
  private static final long SECOND = 1_000_000_000;

  @TempDir private Path folder;

  @Test
  void guestStopsWhenItsTimeIsOver() throws Exception {
    Path kernel = new TinyKernel().halt().write(folder.resolve("kernel"));
    Path socket = folder.resolve("qmp");
    try (PolluxProcess vm =
        PolluxProcess.start(
            "run",
            "-m",
            "8",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "none",
            "-kernel",
            kernel.toString(),
            "-object",
            "x-pollux-lease,id=lease,until=1",
            "-qmp",
            "unix:%s,server=on,wait=off".formatted(socket))) {
      try (QmpClient qmp = Monitors.connect(socket, event -> {})) {
        await(qmp, "paused"); // its time was over before it began
        allow(qmp, HostClock.bootNanos() + 3600 * SECOND);
        assertEquals("running", status(qmp));
        allow(qmp, HostClock.bootNanos() + 3 * SECOND);
        assertEquals("running", status(qmp));
        await(qmp, "paused");
        allow(qmp, 0);
        assertEquals("running", status(qmp));
        allow(qmp, HostClock.bootNanos() + SECOND);
        Libc.stopProcess(vm.process().pid());
        Thread.sleep(1500);
        new ProcessBuilder("kill", "-CONT", String.valueOf(vm.process().pid())).start().waitFor();
        await(qmp, "paused");
        assertThrows(CommandFailed.class, () -> allow(qmp, -1));
      }
    }
  }

  private static void allow(QmpClient qmp, long until) throws IOException, CommandFailed {
    ObjectNode set = new ObjectMapper().createObjectNode();
    set.put("path", "/objects/lease").put("property", "until").put("value", until);
    var _ = qmp.execute("qom-set", set);
  }

  private static String status(QmpClient qmp) throws IOException, CommandFailed {
    return qmp.execute("query-status").path("status").asText();
  }

  private static void await(QmpClient qmp, String status) throws Exception {
    for (int i = 0; !status(qmp).equals(status); i++) {
      assertTrue(i < 300, "never " + status);
      Thread.sleep(50);
    }
  }
}
