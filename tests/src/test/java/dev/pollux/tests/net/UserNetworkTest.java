package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.TapBackend;
import dev.pollux.backend.net.user.UserNetwork;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.tests.harness.FreePorts;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
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
@Timeout(1800)
class UserNetworkTest {
  private static final int CONNECTIONS = Integer.getInteger("net.connections", 600);

  /** Says what happens to which frame on a bad link. */
  private static final long SEED = Long.getLong("net.seed", 1);

  private static final String ECHO =
      """
      import socket,threading,sys
      def serve(c):
        try:
          for b in iter(lambda: c.recv(65536), b""): c.sendall(b)
        except OSError: pass
        c.close()
      s=socket.create_server((sys.argv[1],int(sys.argv[2])),backlog=500); sys.stdout.write("r"); sys.stdout.flush()
      while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
      """;

  private static final String CALL =
      """
      import socket,os,struct,sys
      n=0; b=os.urandom(2000)
      for i in range(int(sys.argv[3])):
        s=socket.create_connection((sys.argv[1],int(sys.argv[2])),20); s.sendall(b)
        if i % 3 == 0: s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack("ii",1,0))
        else:
          s.shutdown(socket.SHUT_WR); assert b"".join(iter(lambda: s.recv(65536), b"")) == b
        s.close(); n+=1
      print("done", n)
      """;

  private Namespace guest;
  private TapBackend tap;
  private UserNetwork network;
  private Crossover crossover;
  private Impairment impairment = Impairment.NONE;

  @BeforeEach
  void makeNamespace() throws Exception {
    guest = Namespace.create();
  }

  @AfterEach
  void takeApart() throws Exception {
    if (crossover != null) {
      crossover.close();
    }
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
    crossover = new Crossover(network, tap, impairment, SEED);
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

  /** Also in fragments, and with too few hops for the world. */
  @Test
  void answersPing() throws Exception {
    Namespace.needs("ping");
    connect("restrict=off");
    for (String bytes : List.of("56", "9000")) {
      Namespace.Result ping =
          guest.run(10, "ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", bytes, "10.0.2.2");
      assertEquals(0, ping.status(), ping.output());
    }
    Namespace.Result far = guest.run(10, "ping", "-c", "1", "-W", "5", "-t", "1", "192.0.2.1");
    assertTrue(far.output().contains("From 10.0.2.2"), far.output());
    assertTrue(far.output().contains("exceeded"), far.output());
  }

  @ParameterizedTest
  @EnumSource(Impairment.class)
  void copiesWithoutChange(Impairment impairment) throws Exception {
    Namespace.needs("python3");
    this.impairment = impairment;
    connect("ipv6=off");
    // More than a connection holds, and of one that is slow no more than that takes.
    int megabytes = impairment == Impairment.NONE ? 64 : impairment.delay > 0 ? 3 : 4;
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

  /**
   * {@code -Dnet.connections=10000} for a long run: each goes out, comes in by a forwarded port, or
   * is reset by one of its sides in the middle, and nothing of any is left.
   */
  @Test
  void manyConnectionsLeaveNothing() throws Exception {
    connectionsLeaveNothing(CONNECTIONS);
  }

  /** The same where each frame takes its time, if it comes: a tenth of them. */
  @Test
  void connectionsOverABadLinkLeaveNothing() throws Exception {
    impairment = Impairment.ALL_DELAYED;
    connectionsLeaveNothing(CONNECTIONS / 10);
  }

  private void connectionsLeaveNothing(int count) throws Exception {
    Namespace.needs("python3");
    int port = FreePorts.take();
    connect("ipv6=off,hostfwd=tcp:127.0.0.1:%d-:8000".formatted(port));
    Process echo = guest.start("python3", "-c", ECHO, "10.0.2.15", "8000");
    ExecutorService peers = Executors.newVirtualThreadPerTaskExecutor();
    try (ServerSocket server = new ServerSocket(0, 500, InetAddress.getLoopbackAddress())) {
      var _ = peers.submit(() -> echo(server, peers));
      assertEquals('r', echo.getInputStream().read(), "the guest's server is ready");
      exchange(
          server.getLocalPort(),
          port,
          peers,
          Math.min(50, count / 4)); // what is made once is made now
      awaitNoFlows();
      Kept before = Kept.now();
      exchange(server.getLocalPort(), port, peers, count);
      awaitNoFlows();
      Kept after = Kept.now();
      // The JVM gives direct memory back a while after it has found it unused.
      for (int i = 0; i < 100 && !before.isLeftBy(after); i++) {
        Thread.sleep(100);
        after = Kept.now();
      }
      assertTrue(before.isLeftBy(after), before + " became " + after);
    } finally {
      peers.shutdownNow();
      echo.descendants().forEach(ProcessHandle::destroyForcibly);
      echo.destroyForcibly();
    }
  }

  /** What this process has of the host and of the JVM; heap and direct memory in bytes. */
  private record Kept(long descriptors, long threads, long heap, long direct) {
    /** Whether there is hardly more now. */
    boolean isLeftBy(Kept now) {
      return now.descriptors <= descriptors + 8
          && now.threads <= threads + 8
          && now.heap <= heap + (16 << 20)
          && now.direct <= direct + (16 << 20);
    }

    static Kept now() throws IOException {
      System.gc();
      long direct =
          ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
              .filter(pool -> pool.getName().equals("direct"))
              .mapToLong(BufferPoolMXBean::getMemoryUsed)
              .sum();
      Runtime runtime = Runtime.getRuntime();
      return new Kept(
          count("/proc/self/fd"),
          count("/proc/self/task"),
          runtime.totalMemory() - runtime.freeMemory(),
          direct);
    }

    private static long count(String folder) throws IOException {
      try (Stream<Path> entries = Files.list(Path.of(folder))) {
        return entries.count();
      }
    }
  }

  /** Half of them from the guest to a server of the host, half the other way. */
  private void exchange(int out, int in, ExecutorService peers, int count) throws Exception {
    Future<Integer> incoming = peers.submit(() -> call(in, count / 2));
    Namespace.Result result =
        guest.run(
            1200,
            "python3",
            "-c",
            CALL,
            "10.0.2.2",
            Integer.toString(out),
            Integer.toString(count / 2));
    assertEquals("done " + count / 2, result.output().strip());
    assertEquals(count / 2, incoming.get(20, TimeUnit.MINUTES));
  }

  /** A third of them is reset instead of ended. */
  private static int call(int port, int count) throws IOException {
    byte[] bytes = new byte[2000];
    new Random(3).nextBytes(bytes);
    for (int i = 0; i < count; i++) {
      try (Socket socket = new Socket()) {
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 20_000);
        socket.setSoTimeout(20_000);
        socket.getOutputStream().write(bytes);
        if (i % 3 == 0) {
          socket.setSoLinger(true, 0);
        } else {
          socket.shutdownOutput();
          assertArrayEquals(bytes, socket.getInputStream().readAllBytes());
        }
      }
    }
    return count;
  }

  private static void echo(ServerSocket server, ExecutorService peers) {
    try {
      while (true) {
        Socket socket = server.accept();
        var _ =
            peers.submit(
                () -> {
                  try (socket) {
                    return socket.getInputStream().transferTo(socket.getOutputStream());
                  }
                });
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  @Test
  void forwardsManyConnections() throws Exception {
    Namespace.needs("python3");
    int port = FreePorts.take();
    connect("hostfwd=tcp:127.0.0.1:%d-:8000".formatted(port));
    Process server =
        guest.start("python3", "-u", "-m", "http.server", "8000", "--bind", "10.0.2.15");
    try {
      assertEquals('S', server.getInputStream().read(), "serving");
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
