package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.HostPrograms;
import dev.pollux.tests.harness.LinuxGuest;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
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
  private static final int SECONDS = Integer.getInteger("net.iperf.seconds", 2);
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  @Test
  void dumpHoldsWhatIperfSends() throws Exception {
    Namespace.needs("tshark");
    Map<String, Path> iperf = HostPrograms.files("iperf3");
    assumeTrue(!iperf.isEmpty(), "the host has no iperf3");
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, iperf, "virtio_pci", "virtio_net");
    Path dump = folder.resolve("net.pcap");
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
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
    assertEquals("", tshark(dump, "-Y", "_ws.malformed"), "what makes no sense");
    assertEquals(
        "", tshark(dump, "-Y", "frame.time_delta < 0 || tcp.analysis.ack_lost_segment"), "gaps");
    String lengths = tshark(dump, "-T", "fields", "-e", "frame.len");
    long seen = lengths.lines().mapToLong(Long::parseLong).sum();
    assertTrue(seen > sent, "iperf3 has sent %d bytes, the dump has %d".formatted(sent, seen));
  }

  /** Bytes that the side that sends says it has sent, of which nearly all are to arrive. */
  private static long measure(LinuxGuest guest, int port, String options) throws Exception {
    guest.run(
        "((iperf3 -c 10.0.2.2 -p %d -t %d -J %s > /tmp/iperf.json 2>&1; touch /tmp/measured) &)"
            .formatted(port, SECONDS, options));
    for (int i = 0; !guest.run("ls /tmp").contains("measured"); i++) {
      assertTrue(i < SECONDS + 60, "iperf3 does not end");
      TimeUnit.SECONDS.sleep(1);
    }
    String text = guest.run("rm /tmp/measured; cat /tmp/iperf.json");
    JsonNode end = JSON.readTree(text).path("end");
    if (options.startsWith("-u")) {
      return end.path("sum").path("bytes").asLong();
    }
    long received = end.path("sum_received").path("bytes").asLong();
    assertTrue(received > 1 << 20, text);
    return received;
  }

  private static String tshark(Path dump, String... options) throws Exception {
    String[] command = new String[options.length + 4];
    command[0] = "tshark";
    command[1] = "-n";
    command[2] = "-r";
    command[3] = dump.toString();
    System.arraycopy(options, 0, command, 4, options.length);
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String output = new String(process.getInputStream().readAllBytes(), ISO_8859_1).strip();
    assertTrue(process.waitFor(10, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), "tshark");
    return output;
  }
}
