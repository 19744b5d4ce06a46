package dev.pollux.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.chr.PeerAddress;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Networks between programs: two machines of ours, and peers that lie. */
@Timeout(60)
class WireNetworksTest {
  private static final int HEADERS = 14;

  @TempDir private Path folder;
  private final List<Networks> machines = new ArrayList<>();

  /** A card that remembers the texts of frames, and can be full. */
  private static final class Card implements NetEnd {
    final Queue<String> taken = new ConcurrentLinkedQueue<>();
    final NetLink link;
    volatile boolean full;

    Card(NetBackend backend) {
      link = backend.link();
      link.setDelivering(true);
      link.attachCard(this);
    }

    @Override
    public int take(Frame[] frames, int count) {
      if (full) {
        return 0;
      }
      for (int i = 0; i < count; i++) {
        taken.add(text(frames[i]));
      }
      return count;
    }

    @Override
    public void resume() {
      // Tests send again.
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }

    int send(String... texts) {
      Frame[] frames = Arrays.stream(texts).map(WireNetworksTest::frame).toArray(Frame[]::new);
      return link.fromCard(frames, frames.length);
    }
  }

  private static Frame frame(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    return new Frame(ByteBuffer.allocateDirect(HEADERS + bytes.length).put(HEADERS, bytes));
  }

  private static String text(Frame frame) {
    byte[] bytes = new byte[frame.length() - HEADERS];
    frame.data().get(frame.data().position() + HEADERS, bytes);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private Networks machine() {
    Networks networks = new Networks();
    machines.add(networks);
    return networks;
  }

  private static Card card(Networks machine, String options) {
    return new Card(machine.add(DeviceOptions.parse("-netdev", options, "type")));
  }

  private static void await(BooleanSupplier condition) {
    long end = System.nanoTime() + 20_000_000_000L;
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, "nothing came within 20 s");
      Thread.onSpinWait();
    }
  }

  @AfterEach
  void close() {
    machines.forEach(Networks::close);
  }

  private static int freePort() throws Exception {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }

  private static void assertTalk(Card a, Card b) {
    await(
        () -> {
          a.send("hello"); // dropped until the peer is there
          LockSupport.parkNanos(20_000_000);
          return !b.taken.isEmpty();
        });
    assertEquals("hello", b.taken.peek());
    b.send("x".repeat(1500), "y");
    await(() -> a.taken.size() == 2);
    assertEquals(List.of("x".repeat(1500), "y"), List.copyOf(a.taken));
  }

  @Test
  void streamsTalkOverUnixSocketsAndPeersMayComeAgain() throws Exception {
    Path path = folder.resolve("s");
    Networks server = machine();
    List<String> heard = new ArrayList<>();
    server.addListener(
        new NetworkListener() {
          @Override
          public void connected(String netdev, PeerAddress peer) {
            heard.add(netdev + " " + peer);
          }

          @Override
          public void disconnected(String netdev) {
            heard.add(netdev + " alone");
          }
        });
    Card a = card(server, "stream,id=n0,addr.type=unix,server=on,addr.path=" + path);
    for (int i = 0; i < 2; i++) {
      Networks client = machine();
      Card b = card(client, "stream,id=n1,addr.type=unix,addr.path=" + path);
      assertTalk(a, b);
      a.taken.clear();
      client.remove("n1");
      int events = (i + 1) * 2;
      await(() -> heard.size() == events);
    }
    assertEquals("n0 Unix[path=" + path + "]", heard.getFirst());
    assertEquals("n0 alone", heard.getLast());
  }

  @Test
  void clientFindsAServerThatComesLate() throws Exception {
    int port = freePort();
    String address = "addr.type=inet,addr.host=127.0.0.1,addr.port=" + port;
    Card client = card(machine(), "stream,id=n1,reconnect-ms=20," + address);
    assertEquals(1, client.send("dropped"));
    Card server = card(machine(), "stream,id=n0,server=on," + address);
    assertTalk(server, client);
  }

  @Test
  void socketListensAndConnects() throws Exception {
    int port = freePort();
    Card a = card(machine(), "socket,id=n0,listen=127.0.0.1:" + port);
    Card b = card(machine(), "socket,id=n1,connect=127.0.0.1:" + port);
    assertTalk(a, b);
  }

  @Test
  void framesHaveTheirLengthInFront() throws Exception {
    int port = freePort();
    Card card = card(machine(), "socket,id=n0,listen=127.0.0.1:" + port);
    try (Socket peer = new Socket(InetAddress.getLoopbackAddress(), port)) {
      DataOutputStream out = new DataOutputStream(peer.getOutputStream());
      out.writeInt(HEADERS + 2);
      out.write(new byte[HEADERS]);
      out.writeBytes("ab");
      await(() -> "ab".equals(card.taken.peek()));
      card.send("cde");
      DataInputStream in = new DataInputStream(peer.getInputStream());
      assertEquals(HEADERS + 3, in.readInt());
      assertEquals(
          "cde", new String(in.readNBytes(HEADERS + 3), HEADERS, 3, StandardCharsets.US_ASCII));
      out.writeInt(0x7fff_ffff); // that long no frame is
      out.write(new byte[100_000]);
    }
    try (Socket next = new Socket(InetAddress.getLoopbackAddress(), port)) {
      DataOutputStream out = new DataOutputStream(next.getOutputStream());
      out.writeInt(HEADERS + 1);
      out.write(new byte[HEADERS]);
      out.writeBytes("z");
      await(() -> card.taken.contains("z"));
    }
  }

  /** Its hub carries frames from one of our streams to the other. */
  @Test
  void qemuReadsAndWritesTheSame() throws Exception {
    List<String> command = new ArrayList<>();
    command.addAll(List.of("qemu-system-x86_64", "-display", "none", "-machine", "none"));
    for (int i = 0; i < 2; i++) {
      String path = "addr.type=unix,addr.path=" + folder.resolve("q" + i);
      command.addAll(List.of("-netdev", "stream,id=s%d,server=on,%s".formatted(i, path)));
      command.addAll(List.of("-netdev", "hubport,id=h%1$d,hubid=0,netdev=s%1$d".formatted(i)));
    }
    Process qemu;
    try {
      qemu = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      Assumptions.abort("no qemu-system-x86_64: " + e.getMessage());
      return;
    }
    try {
      String form = "stream,id=n0,reconnect-ms=50,addr.type=unix,addr.path=";
      assertTalk(
          card(machine(), form + folder.resolve("q0")),
          card(machine(), form + folder.resolve("q1")));
    } finally {
      qemu.destroyForcibly();
    }
  }

  /** Far more than all queues between hold. */
  @Test
  void slowGuestHoldsTheSenderUpAndLosesNothing() throws Exception {
    int port = freePort();
    Card a = card(machine(), "socket,id=n0,listen=127.0.0.1:" + port);
    Card b = card(machine(), "socket,id=n1,connect=127.0.0.1:" + port);
    assertTalk(a, b);
    b.full = true;
    int sent = 0;
    String text = "x".repeat(1400);
    for (int refused = 0; refused < 200; ) {
      if (a.send(sent + text) == 1) {
        sent++;
        refused = 0;
      } else {
        refused++;
        Thread.sleep(1);
      }
      assertTrue(sent < 1_000_000, "nothing holds the sender up");
    }
    b.full = false;
    b.link.ready(b);
    int all = sent;
    await(() -> b.taken.contains((all - 1) + text));
    b.taken.removeIf("hello"::equals);
    int number = 0;
    for (String each : b.taken) {
      assertEquals(number++ + text, each);
    }
    assertEquals(all, number);
  }

  @Test
  void datagramsGoBetweenTwoAddresses() throws Exception {
    int[] ports = {freePort(), freePort()};
    String form =
        "dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port=%d,"
            + "remote.type=inet,remote.host=127.0.0.1,remote.port=%d";
    Card a = card(machine(), form.formatted(ports[0], ports[1]));
    Card b = card(machine(), form.formatted(ports[1], ports[0]));
    assertTalk(a, b);
    int[] others = {freePort(), freePort()};
    String old = "socket,id=n0,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d";
    assertTalk(
        card(machine(), old.formatted(others[0], others[1])),
        card(machine(), old.formatted(others[1], others[0])));
  }

  @Test
  void datagramsGoBetweenTwoPaths() {
    String a = folder.resolve("a").toString();
    String b = folder.resolve("b").toString();
    String form = "dgram,id=n0,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s";
    Card first = card(machine(), form.formatted(a, b));
    first.send("to nobody");
    assertTalk(first, card(machine(), form.formatted(b, a)));
    NetBackend backend = machines.getFirst().find("n0").orElseThrow();
    assertTrue(backend.drops().counts().get("nobody at the other end") >= 1);
    machines.getFirst().remove("n0");
    assertTrue(Files.notExists(Path.of(a)), "the path goes with the socket");
  }

  @ParameterizedTest
  @CsvSource({
    "2, 'dgram,id=n0,local.type=fd,local.str=%d'",
    "2, 'socket,id=n0,fd=%d'",
    "1, 'socket,id=n0,fd=%d'",
    "1, 'stream,id=n0,addr.type=fd,addr.str=%d'"
  })
  void inheritedSocketsCarryFrames(int type, String form) throws Throwable {
    int[] pair = socketPair(type);
    assertTalk(card(machine(), form.formatted(pair[0])), card(machine(), form.formatted(pair[1])));
  }

  /** {@code int socketpair(int domain, int type, int protocol, int *pair)}, with AF_UNIX. */
  private static int[] socketPair(int type) throws Throwable {
    Linker linker = Linker.nativeLinker();
    MethodHandle function =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("socketpair"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pair = arena.allocate(ValueLayout.JAVA_INT, 2);
      assertEquals(0, (int) function.invokeExact(1, type, 0, pair));
      return pair.toArray(ValueLayout.JAVA_INT);
    }
  }

  @Test
  void groupHearsEachButNotItself() throws Exception {
    int member = (int) (ProcessHandle.current().pid() % 250) + 1;
    String group =
        "socket,id=n0,localaddr=127.0.0.1,mcast=239.192.77.%d:%d".formatted(member, freePort());
    Card a = card(machine(), group);
    Card b = card(machine(), group);
    Card c = card(machine(), group);
    await(
        () -> {
          a.send("hello");
          return !b.taken.isEmpty() && !c.taken.isEmpty();
        });
    assertTrue(a.taken.isEmpty());
  }

  @Test
  void hubConnectsItsPorts() throws Exception {
    Networks machine = machine();
    int port = freePort();
    Card a = card(machine, "hubport,id=a,hubid=1");
    Card b = card(machine, "hubport,id=b,hubid=1");
    Card other = card(machine, "hubport,id=c,hubid=2");
    machine.add(DeviceOptions.parse("-netdev", "socket,id=s,listen=127.0.0.1:" + port, "type"));
    machine.find("s").orElseThrow().link().setDelivering(true);
    machine.add(DeviceOptions.parse("-netdev", "hubport,id=d,hubid=1,netdev=s", "type"));
    Card far = card(machine(), "socket,id=n1,connect=127.0.0.1:" + port);
    assertTalk(a, far);
    assertTrue(b.taken.contains("y"));
    assertTrue(other.taken.isEmpty());
    assertThrows(ConfigException.class, () -> machine.claim("e0", "s", new byte[0]));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          stream,id=n | addr.type is missing
          stream,id=n,addr.type=vsock | not supported
          stream,id=n,addr.type=unix,addr.path=/x,server=on,reconnect=1 | incompatible with socket in server mode
          stream,id=n,addr.type=inet,addr.host=127.0.0.1,addr.port=1 | netdev n: cannot connect to tcp:127.0.0.1:1
          stream,id=n,addr.type=fd,addr.str=9999 | is not open
          socket,id=n | exactly one of
          socket,id=n,listen=:1,connect=:2 | exactly one of
          socket,id=n,udp=127.0.0.1:1 | localaddr= is mandatory with udp=
          socket,id=n,mcast=127.0.0.1:1 | does not contain a multicast address
          socket,id=n,connect=127.0.0.1 | has no port
          socket,id=n,connect=127.0.0.1:99999 | is no port
          dgram,id=n | requires remote=
          dgram,id=n,local.type=unix,local.path=/x | type=unix requires remote parameter
          dgram,id=n,remote.type=unix,remote.path=/x | requires local=
          dgram,id=n,local.type=fd,local.str=5,remote.type=inet | leave remote out
          dgram,id=n,local.type=fd,local.str=12345 | Can't use file descriptor 12345
          socket,id=n,fd=12345 | Can't use file descriptor 12345
          tap,id=n,fds=5:6,queues=2 | queues= is invalid with fds=
          tap,id=n,fds=5:x | "x" is no descriptor
          tap,id=n,fd=12345 | descriptor 12345 is no TAP interface
          dgram,id=n,remote.host=127.0.0.1,remote.port=5 | requires local=
          hubport,id=n | hubid is missing
          hubport,id=n,hubid=0,netdev=zz | not found
          bridge,id=n,br=br7,helper=/bin/false | bridge helper failed
          """)
  void whatDoesNotFitIsRefused(String options, String part) {
    ConfigException e = assertThrows(ConfigException.class, () -> card(machine(), options));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }
}
