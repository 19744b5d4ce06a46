package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.HostPrograms;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.BufferedReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * iperf3 from a guest in both directions and over UDP, and all of it in a dump that tshark reads.
 * {@code -Dnet.iperf.seconds=120} is a long run.
 */
@Timeout(1800)
class IperfDumpTest {
  private static final int SECONDS = Integer.getInteger("net.iperf.seconds", 0);

  /** More than all that waits between the two ends. */
  private static final long BYTES = 64 << 20;

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  @Test
  void dumpHoldsWhatIperfSends() throws Exception {
    Namespace.needs("tshark");
    Map<String, Path> iperf = HostPrograms.files("iperf3");
    assumeTrue(!iperf.isEmpty(), "the host has no iperf3");
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, iperf, "virtio_pci", "virtio_net");
    Path dump = folder.resolve("net.pcap");
    int port = FreePorts.take();
    Process server =
        new ProcessBuilder("iperf3", "-s", "-B", "127.0.0.1", "-p", Integer.toString(port))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    long sent;
    try (LinuxGuest guest =
        LinuxGuest.start(
            Kernel.CLOUD,
            initrd,
            "-netdev",
            "user,id=n0",
            "-device",
            "virtio-net-pci,netdev=n0",
            "-object",
            "filter-dump,id=d0,netdev=n0,maxlen=96,file=" + dump)) {
      guest.awaitShell();
      sent = measure(guest, port, "");
      sent += measure(guest, port, "-R");
      sent += measure(guest, port, "-u -b 2M");
      guest.monitor("object_del d0");
    } finally {
      server.destroyForcibly();
    }
    long seen = bytesOfSoundFrames(dump);
    assertTrue(seen > sent, "iperf3 has sent %d bytes, the dump has %d".formatted(sent, seen));
  }

  /** Bytes that the side that sends says it has sent, of which nearly all are to arrive. */
  private static long measure(LinuxGuest guest, int port, String options) throws Exception {
    guest.run(
        "((iperf3 -c 10.0.2.2 -p %d %s -J %s > /tmp/iperf.json 2>&1; touch /tmp/measured) &)"
            .formatted(port, length(options), options));
    for (int i = 0; !guest.run("ls /tmp").contains("measured"); i++) {
      assertTrue(i < 5 * (SECONDS + 60), "iperf3 does not end");
      TimeUnit.MILLISECONDS.sleep(200);
    }
    String text = guest.run("rm /tmp/measured; cat /tmp/iperf.json");
    JsonNode end = JSON.readTree(text).path("end");
    if (options.startsWith("-u")) {
      return end.path("sum").path("bytes").asLong();
    }
    long received = end.path("sum_received").path("bytes").asLong();
    assertTrue(received > BYTES / 2, text);
    return received;
  }

  /** A long run is one of time; otherwise it is of bytes, as many on a slow host. */
  private static String length(String options) {
    if (SECONDS > 0) {
      return "-t " + SECONDS;
    }
    return options.startsWith("-u") ? "-t 1" : "-n " + BYTES;
  }

  /** Reads a dump in which each frame makes sense, and follows those before. */
  private static long bytesOfSoundFrames(Path dump) throws Exception {
    List<String> command = new ArrayList<>(List.of("tshark", "-n", "-r", dump.toString()));
    command.addAll(List.of("-T", "fields", "-e", "frame.len", "-e", "frame.time_delta"));
    command.addAll(List.of("-e", "_ws.malformed", "-e", "tcp.analysis.ack_lost_segment"));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    long bytes = 0;
    try (BufferedReader frames = process.inputReader(ISO_8859_1)) {
      for (String frame; (frame = frames.readLine()) != null; ) {
        String[] fields = frame.split("\t", -1);
        bytes += Long.parseLong(fields[0]);
        String seen = frame;
        assertTrue(Double.parseDouble(fields[1]) >= 0, () -> "came before the last: " + seen);
        assertEquals("", fields[2], () -> "makes no sense: " + seen);
        assertEquals("", fields[3], () -> "what it acknowledges is not there: " + seen);
      }
    }
    assertTrue(process.waitFor(10, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), "tshark");
    return bytes;
  }
}
