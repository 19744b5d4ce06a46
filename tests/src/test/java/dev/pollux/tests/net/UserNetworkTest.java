package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.TapBackend;
import dev.pollux.backend.net.user.UserNetwork;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The user network with the host's own kernel as its guest: a TAP interface in a network namespace,
 * crossed over to the network. So the NAT's TCP meets a real one, also over a bad link.
 */
@Timeout(180)
class UserNetworkTest {
  private Namespace guest;
  private TapBackend tap;
  private UserNetwork network;
  private Impairment impairment = Impairment.NONE;

  @BeforeEach
  void makeNamespace() throws Exception {
    guest = Namespace.create();
  }

  @AfterEach
  void takeApart() throws Exception {
    if (network != null) {
      network.close();
    }
    if (tap != null) {
      tap.close();
    }
    guest.close();
  }

  private void connect(String options) throws Exception {
    network = UserNetwork.of("n0", DeviceOptions.parse("-netdev", options, ""));
    tap = TapBackend.of("t0", DeviceOptions.parse("-netdev", "ifname=pxtest0", ""));
    Crossover.connect(network, tap, impairment, 1);
    Namespace.runOnHost(20, "ip", "link", "set", "pxtest0", "netns", guest.name());
    guest.shell(
        """
        ip link set lo up
        sysctl -qw net.ipv6.conf.pxtest0.dad_transmits=0 || true
        ip link set pxtest0 up
        ip addr add 10.0.2.15/24 dev pxtest0
        ip route add default via 10.0.2.2
        """);
  }

  @Test
  void answersPing() throws Exception {
    Namespace.needs("ping");
    connect("restrict=off");
    Namespace.Result ping = guest.run(10, "ping", "-c", "3", "-i", "0.2", "-W", "2", "10.0.2.2");
    assertEquals(0, ping.status(), ping.output());
  }

  @ParameterizedTest
  @EnumSource(Impairment.class)
  void copiesWithoutChange(Impairment impairment) throws Exception {
    Namespace.needs("python3");
    this.impairment = impairment;
    connect("ipv6=off");
    int megabytes = impairment == Impairment.NONE ? 256 : 4;
    byte[] block = new byte[1 << 20];
    new Random(1).nextBytes(block);
    try (ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
      CompletableFuture<String> received =
          CompletableFuture.supplyAsync(() -> sendAndReceive(server, block, megabytes));
      String script =
          """
          import socket,hashlib,sys
          s=socket.create_connection(("10.0.2.2",%d),20)
          h=hashlib.sha256(); n=0
          while n<%d:
            b=s.recv(1<<18)
            if not b: break
            h.update(b); n+=len(b)
          r=bytes(range(256))*4096
          t=hashlib.sha256()
          for i in range(%d):
            s.sendall(r); t.update(r)
          s.shutdown(socket.SHUT_WR)
          end=s.recv(10)
          print(h.hexdigest(), t.hexdigest(), end)
          """
              .formatted(server.getLocalPort(), megabytes << 20, megabytes);
      Namespace.Result result = guest.run(120, "python3", "-c", script);
      assertEquals(0, result.status(), result.output());
      MessageDigest sent = sha256();
      for (int i = 0; i < megabytes; i++) {
        sent.update(block);
      }
      String expected =
          HexFormat.of().formatHex(sent.digest()) + " " + received.get(20, TimeUnit.SECONDS);
      assertEquals(expected + " b''", result.output().strip());
    }
    awaitNoFlows();
  }

  private static String sendAndReceive(ServerSocket server, byte[] block, int megabytes) {
    try (Socket socket = server.accept()) {
      OutputStream out = socket.getOutputStream();
      for (int i = 0; i < megabytes; i++) {
        out.write(block);
      }
      MessageDigest digest = sha256();
      InputStream in = socket.getInputStream();
      byte[] buffer = new byte[1 << 16];
      int read;
      while ((read = in.read(buffer)) > 0) {
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

  /** Connections in TIME-WAIT go, too. */
  private void awaitNoFlows() throws InterruptedException {
    for (int i = 0; i < 150 && network.flows() > 0; i++) {
      Thread.sleep(100);
    }
    assertEquals(0, network.flows(), () -> String.join("\n", network.connections()));
  }

  @Test
  void forwardsManyConnections() throws Exception {
    Namespace.needs("python3");
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    connect("hostfwd=tcp:127.0.0.1:%d-:8000".formatted(port));
    Process server = guest.start("python3", "-m", "http.server", "8000", "--bind", "10.0.2.15");
    try {
      Thread.sleep(1500);
      for (int i = 0; i < 50; i++) {
        try (Socket socket = new Socket()) {
          socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 5000);
          socket.setSoTimeout(20000);
          socket.getOutputStream().write("GET /proc/version HTTP/1.0\r\n\r\n".getBytes(ISO_8859_1));
          String reply = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
          assertTrue(reply.startsWith("HTTP/1.0"), reply);
        }
      }
    } finally {
      server.descendants().forEach(ProcessHandle::destroyForcibly);
      server.destroyForcibly();
    }
  }
}
