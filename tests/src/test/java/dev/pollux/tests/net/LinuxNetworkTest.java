package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's kernels on the user network: they get an address, reach the router and the host, copy in
 * both directions without change, and serve many clients through a forwarded port. {@code
 * -Dnet.copy.mib} makes the copies longer.
 */
@Timeout(7200)
class LinuxNetworkTest {
  private static final int MEBIBYTES = Integer.getInteger("net.copy.mib", 24);

  /** A mebibyte a second is slow. */
  private static final int COPY_SECONDS = 60 + MEBIBYTES;

  private static final int CLIENTS = 100;
  private static final int DOWNLOAD_BYTES = 4 << 20;
  private static final String PAGE = "served by the guest";

  @TempDir Path folder;

  @Test
  void virtioWithTheCloudKernel() throws Exception {
    check(Kernel.CLOUD, "virtio-net-pci", "virtio_pci", "virtio_net");
  }

  @Test
  void e1000WithTheGenericKernel() throws Exception {
    check(Kernel.GENERIC, "e1000", "e1000");
  }

  private void check(Kernel kernel, String model, String... modules) throws Exception {
    int port = FreePorts.take();
    Path initrd = LinuxGuest.initrd(folder, kernel, modules);
    String nic = "user,model=%s,hostfwd=tcp:127.0.0.1:%d-:80".formatted(model, port);
    try (LinuxGuest guest = LinuxGuest.start(kernel, initrd, "-nic", nic)) {
      guest.awaitShell();
      String address = guest.run("ip addr show eth0");
      assertTrue(address.contains("inet 10.0.2.15/24"), address);
      assertTrue(guest.run("cat /etc/resolv.conf").contains("10.0.2.3"), "DNS by DHCP");
      String ping = guest.run("ping -c 3 -i 0.2 -W 5 10.0.2.2");
      assertTrue(ping.contains(" 0% packet loss"), ping);
      copies(guest);
      serves(guest, port);
      downloads(guest);
      String six =
          guest.run(
              "for i in $(seq 50); do ip addr show eth0 | grep fec0: | grep -qv tentative && break;"
                  + " sleep 0.2; done; ping6 -c 2 -i 0.2 -W 5 fec0::2");
      assertTrue(six.contains(" 0% packet loss"), six);
    }
  }

  /** In and, as it comes, out again, with sums made on both sides. */
  private static void copies(LinuxGuest guest) throws Exception {
    byte[] block = new byte[1 << 20];
    new Random(7).nextBytes(block);
    InetAddress here = InetAddress.getLoopbackAddress();
    try (ServerSocket source = new ServerSocket(0, 1, here);
        ServerSocket sink = new ServerSocket(0, 1, here);
        ExecutorService peers = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<String> sent = peers.submit(() -> send(source, block));
      Future<String> received = peers.submit(() -> receive(sink));
      guest.run(
          ("mkfifo /tmp/pipe; (sha256sum < /tmp/pipe > /tmp/sum &); (nc 10.0.2.2 %d < /dev/null |"
                  + " tee /tmp/pipe | nc 10.0.2.2 %d &)")
              .formatted(source.getLocalPort(), sink.getLocalPort()));
      String there = sent.get(COPY_SECONDS, TimeUnit.SECONDS);
      assertEquals(there, received.get(COPY_SECONDS, TimeUnit.SECONDS), "there and back");
      String inGuest = guest.run("while ! [ -s /tmp/sum ]; do sleep 0.1; done; cat /tmp/sum");
      assertEquals(there, inGuest.replaceFirst(" .*", ""), "in the guest");
    }
  }

  private static String send(ServerSocket server, byte[] block) {
    try (Socket socket = server.accept()) {
      MessageDigest digest = sha256();
      for (int i = 0; i < MEBIBYTES; i++) {
        socket.getOutputStream().write(block);
        digest.update(block);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static String receive(ServerSocket server) {
    try (Socket socket = server.accept();
        InputStream in = socket.getInputStream()) {
      MessageDigest digest = sha256();
      byte[] buffer = new byte[1 << 16];
      for (int read; (read = in.read(buffer)) > 0; ) {
        digest.update(buffer, 0, read);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void serves(LinuxGuest guest, int port) throws Exception {
    guest.run("mkdir /www; echo %s > /www/index.html; httpd -p 80 -h /www".formatted(PAGE));
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        answers.add(clients.submit(() -> fetch(port)));
      }
      for (Future<String> answer : answers) {
        String text = answer.get(120, TimeUnit.SECONDS);
        assertTrue(text.startsWith("HTTP/1.1 200") && text.contains(PAGE), text);
      }
    }
  }

  private static String fetch(int port) throws IOException {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 10_000);
      socket.setSoTimeout(100_000);
      socket.getOutputStream().write("GET /index.html HTTP/1.0\r\n\r\n".getBytes(ISO_8859_1));
      return new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  /** A file whole and right, from a server with which each kind of thing goes wrong. */
  private static void downloads(LinuxGuest guest) throws Exception {
    byte[] file = new byte[DOWNLOAD_BYTES];
    new Random(11).nextBytes(file);
    try (UnreliableServer server = new UnreliableServer(file)) {
      String got =
          guest.run(
              ("for i in $(seq 60); do timeout 2 wget -q -c -O /tmp/file http://10.0.2.2:%d/file &&"
                      + " break; done; sha256sum /tmp/file; rm /tmp/file")
                  .formatted(server.port()));
      MessageDigest digest = sha256();
      digest.update(file);
      assertEquals(
          HexFormat.of().formatHex(digest.digest()),
          got.replaceFirst("(?s).*?([0-9a-f]{64}).*", "$1"),
          got);
      assertEquals(UnreliableServer.Fault.values().length, server.faults(), got);
    }
    // The connections that hung go with the server.
    String left = flows(guest);
    for (int i = 0; i < 300 && !left.isEmpty(); i++) {
      TimeUnit.MILLISECONDS.sleep(200);
      left = flows(guest);
    }
    assertEquals("", left);
  }

  /** TCP connections of the guest, without the forwarded port. */
  private static String flows(LinuxGuest guest) {
    return guest
        .monitor("info usernet")
        .lines()
        .filter(line -> line.contains("TCP[") && !line.contains("HOST_FORWARD"))
        .collect(Collectors.joining("\n"));
  }
}
