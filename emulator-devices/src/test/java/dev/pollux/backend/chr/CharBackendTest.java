package dev.pollux.backend.chr;

import static dev.pollux.backend.chr.CharEvent.CLOSED;
import static dev.pollux.backend.chr.CharEvent.MUX_IN;
import static dev.pollux.backend.chr.CharEvent.MUX_OUT;
import static dev.pollux.backend.chr.CharEvent.OPENED;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class CharBackendTest {
  private final TestFrontEnd front = new TestFrontEnd();
  private final AtomicBoolean quit = new AtomicBoolean();
  private final CharDevices devices = new CharDevices(front.loop, () -> quit.set(true));
  @TempDir Path dir;

  @AfterEach
  void close() {
    devices.close();
    front.close();
  }

  private CharBackend add(String text) {
    return devices.add(CharOptions.parse(text));
  }

  private static String readUpTo(SocketChannel from, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length);
    while (buffer.hasRemaining() && from.read(buffer) >= 0) {}
    return new String(buffer.array(), 0, buffer.position(), StandardCharsets.ISO_8859_1);
  }

  private static void send(SocketChannel to, String text) throws IOException {
    to.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)));
  }

  @Test
  void unixServerServesOneClientAfterTheOther() throws IOException {
    Path path = dir.resolve("s");
    CharBackend server = add("socket,id=s,path=" + path + ",server=on,wait=off");
    server.attach(front, front.loop);
    assertEquals("disconnected:unix:" + path + ",server=on", server.describe());
    TestFrontEnd.writeAll(server, "nobody hears this");
    for (int i = 0; i < 2; i++) {
      String hello = "hello" + i;
      try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
        send(client, hello);
        TestFrontEnd.await(() -> front.received().endsWith(hello), front::received);
        assertEquals("unix:" + path + ",server=on", server.describe());
        TestFrontEnd.writeAll(server, "answer");
        assertEquals("answer", readUpTo(client, 6));
      }
      TestFrontEnd.await(() -> !server.isConnected(), () -> "still connected");
    }
    front.awaitReceived("hello0hello1");
    front.awaitEvents(OPENED, CLOSED, OPENED, CLOSED);
    devices.close();
    assertFalse(Files.exists(path));
  }

  @Test
  void aSocketFileLeftBehindIsReplacedButNothingElse() throws IOException {
    Path path = dir.resolve("s");
    try (var stale =
        java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
      stale.bind(UnixDomainSocketAddress.of(path));
    }
    assertTrue(Files.exists(path));
    add("socket,id=s,path=" + path + ",server=on,wait=off");
    Path file = Files.writeString(dir.resolve("precious"), "data");
    String message =
        assertThrows(
                ConfigException.class,
                () -> add("socket,id=t,path=" + file + ",server=on,wait=off"))
            .getMessage();
    assertTrue(message.contains("is no socket"), message);
    assertEquals("data", Files.readString(file));
  }

  @Test
  void tcpServerBindsOnlyTheAddressAskedFor() throws IOException {
    SocketBackend server =
        (SocketBackend) add("socket,id=s,host=127.0.0.1,port=0,server=on,wait=off");
    server.attach(front, front.loop);
    int port = server.localPort();
    assertEquals("disconnected:tcp:127.0.0.1:" + port + ",server=on", server.describe());
    try (Socket client = new Socket(InetAddress.getLoopbackAddress(), port)) {
      client.getOutputStream().write("x".getBytes(StandardCharsets.US_ASCII));
      front.awaitReceived("x");
      assertTrue(server.describe().contains(" <-> 127.0.0.1:"), server.describe());
    }
    try (Socket other = new Socket()) {
      assertThrows(
          IOException.class, () -> other.connect(new InetSocketAddress("127.0.0.2", port), 1000));
    }
    String message =
        assertThrows(
                ConfigException.class,
                () -> add("socket,id=t,host=127.0.0.1,port=" + port + ",server=on,wait=off"))
            .getMessage();
    assertTrue(message.contains("in use"), message);
    SocketBackend next =
        (SocketBackend)
            add(
                "socket,id=u,host=127.0.0.1,port=%d,to=%d,server=on,wait=off"
                    .formatted(port, Math.min(port + 20, 65535)));
    assertTrue(next.localPort() > port);
    SocketBackend all = (SocketBackend) add("socket,id=v,port=0,server=on,wait=off");
    assertTrue(all.localPort() > 0);
  }

  @Test
  void clientReconnects() throws Exception {
    Path path = dir.resolve("s");
    assertThrows(ConfigException.class, () -> add("socket,id=c,path=" + path));
    CharBackend client = add("socket,id=c,path=" + path + ",reconnect-ms=20");
    client.attach(front, front.loop);
    for (int i = 0; i < 2; i++) {
      try (var server =
          java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
        server.bind(UnixDomainSocketAddress.of(path));
        try (SocketChannel peer = server.accept()) {
          send(peer, "a");
          String soFar = "a".repeat(i + 1);
          front.awaitReceived(soFar);
        }
      }
      Files.delete(path);
      TestFrontEnd.await(() -> !client.isConnected(), () -> "still connected");
    }
  }

  @Test
  void waitingServerHoldsUpItsMaker() throws Exception {
    Path path = dir.resolve("s");
    CompletableFuture<CharBackend> made =
        CompletableFuture.supplyAsync(() -> add("socket,id=s,path=" + path + ",server=on"));
    TestFrontEnd.await(() -> Files.exists(path), () -> "does not listen");
    assertThrows(TimeoutException.class, () -> made.get(300, TimeUnit.MILLISECONDS));
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      assertTrue(made.get().isConnected());
      assertTrue(client.isConnected());
    }
  }

  @Test
  void aPeerThatDoesNotReadStopsTheWriterWithoutGrowth() throws IOException {
    Path path = dir.resolve("s");
    CharBackend server = add("socket,id=s,path=" + path + ",server=on,wait=off");
    server.attach(front, front.loop);
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      TestFrontEnd.await(server::isConnected, () -> "not connected");
      byte[] block = new byte[16 * 1024];
      long[] taken = {0};
      long quietSince = System.nanoTime();
      while (System.nanoTime() - quietSince < 200_000_000L) {
        int n = server.write(block, 0, block.length);
        taken[0] += n;
        quietSince = n > 0 ? System.nanoTime() : quietSince;
      }
      assertTrue(taken[0] < 4 << 20, taken[0] + " bytes buffered");
      AtomicBoolean writable = new AtomicBoolean();
      server.whenWritable(() -> writable.set(true));
      assertFalse(writable.get());
      ByteBuffer drain = ByteBuffer.allocate(1 << 20);
      client.configureBlocking(false); // the last byte may come before the word
      TestFrontEnd.await(
          () -> {
            try {
              client.read(drain.clear());
            } catch (IOException e) {
              throw new AssertionError(e);
            }
            return writable.get();
          },
          () -> "never writable");
    }
  }

  @Test
  void aClientThatFloodsIsReadOnlyAsFastAsTheFrontEndTakesIt() throws IOException {
    Path path = dir.resolve("s");
    CharBackend server = add("socket,id=s,path=" + path + ",server=on,wait=off");
    front.setRoom(1);
    server.attach(front, front.loop);
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      client.configureBlocking(false);
      StringBuilder sent = new StringBuilder();
      long quietSince = System.nanoTime();
      while (System.nanoTime() - quietSince < 200_000_000L) {
        String more = "<" + sent.length() + ">";
        int n = client.write(ByteBuffer.wrap(more.getBytes(StandardCharsets.ISO_8859_1)));
        sent.append(more, 0, n);
        quietSince = n > 0 ? System.nanoTime() : quietSince;
        assertTrue(sent.length() < 4 << 20, "all is read");
      }
      front.awaitReceived("<");
      front.setRoom(Integer.MAX_VALUE);
      server.acceptInput();
      front.awaitReceived(sent.toString());
    }
    front.awaitEvents(OPENED, CLOSED);
  }

  private static String numbers(int length) {
    StringBuilder text = new StringBuilder();
    while (text.length() < length) {
      text.append(text.length()).append(' ');
    }
    return text.substring(0, length);
  }

  /** More than all buffers on the way hold, and output that finds the peer gone. */
  @Test
  void whatCameBeforeTheCloseArrivesWhole() throws IOException {
    Path path = dir.resolve("s");
    SocketBackend server = (SocketBackend) add("socket,id=s,path=" + path + ",server=on,wait=off");
    String text = numbers(95_000);
    front.setRoom(0);
    server.attach(front, front.loop);
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      send(client, text);
    }
    byte[] output = new byte[1000];
    for (int i = 0; i < 50; i++) {
      assertTrue(server.write(output, 0, output.length) >= 0);
      front.setRoom(100);
      server.acceptInput();
      pause();
    }
    AtomicBoolean writable = new AtomicBoolean();
    server.whenWritable(() -> writable.set(true));
    TestFrontEnd.await(writable::get, () -> "the writer waits for ever");
    front.setRoom(Integer.MAX_VALUE);
    server.acceptInput();
    front.awaitReceived(text);
    front.awaitEvents(OPENED, CLOSED);
  }

  private static void pause() {
    try {
      Thread.sleep(2);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aDeviceGetsAllOfOnePeerBeforeTheNext() throws IOException {
    String text = numbers(30_000);
    for (String kind : new String[] {"path=" + dir.resolve("s"), "host=127.0.0.1,port=0"}) {
      try (TestFrontEnd slow = new TestFrontEnd()) {
        String id = kind.startsWith("path") ? "unix" : "tcp";
        SocketBackend server =
            (SocketBackend) add("socket,id=" + id + "," + kind + ",server=on,wait=off");
        SocketAddress address =
            id.equals("unix")
                ? UnixDomainSocketAddress.of(dir.resolve("s"))
                : new InetSocketAddress(InetAddress.getLoopbackAddress(), server.localPort());
        slow.setRoom(0);
        server.attach(slow, slow.loop);
        for (int i = 0; i < 2; i++) {
          try (SocketChannel client = SocketChannel.open(address)) {
            send(client, text);
          }
        }
        slow.setRoom(Integer.MAX_VALUE);
        server.acceptInput();
        slow.awaitReceived(text + text);
        slow.awaitEvents(OPENED, CLOSED, OPENED, CLOSED);
      }
    }
  }

  /** What the first left unread must not be taken for the beginning of what the second says. */
  @Test
  void aConversationStartsAfresh() {
    for (boolean conversation : new boolean[] {false, true}) {
      MemoryBackend memory = new MemoryBackend("m");
      StringBuilder seen = new StringBuilder();
      int[] room = {0};
      memory.attach(
          new CharFrontEnd() {
            @Override
            public int canReceive() {
              return room[0];
            }

            @Override
            public void receive(byte[] bytes, int offset, int length) {
              seen.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
            }

            @Override
            public void event(CharEvent event) {
              seen.append(event == OPENED ? '<' : '>');
            }

            @Override
            public boolean isConversation() {
              return conversation;
            }
          },
          Runnable::run);
      memory.type("one");
      memory.setConnected(false);
      memory.setConnected(true);
      memory.type("two");
      memory.setConnected(false);
      room[0] = 1;
      memory.acceptInput();
      assertEquals(conversation ? "<><two>" : "<one><two>", seen.toString());
    }
  }

  @Test
  void whatIsSaidToOnePeerNeverReachesTheNext() throws Exception {
    for (String address : List.of("path=" + dir.resolve("s"), "host=127.0.0.1,port=0")) {
      SocketBackend server =
          (SocketBackend) add("socket,id=s,%s,server=on,wait=off".formatted(address));
      SocketAddress there =
          address.startsWith("path")
              ? UnixDomainSocketAddress.of(dir.resolve("s"))
              : new InetSocketAddress(InetAddress.getLoopbackAddress(), server.localPort());
      BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
      List<CharEvent> heard = new ArrayList<>();
      server.attach(
          new CharFrontEnd() {
            @Override
            public int canReceive() {
              return 1;
            }

            @Override
            public void receive(byte[] bytes, int offset, int length) {}

            @Override
            public void event(CharEvent event) {
              heard.add(event);
            }

            @Override
            public boolean isConversation() {
              return true;
            }
          },
          tasks::add);
      tasks.take().run();
      SocketChannel first = SocketChannel.open(there);
      tasks.take().run();
      assertEquals(List.of(OPENED), heard);
      TestFrontEnd.writeAll(server, "first");
      assertEquals("first", readUpTo(first, 5));
      first.close();
      try (SocketChannel next = SocketChannel.open(there)) {
        send(next, "x");
        Runnable news = tasks.take(); // it is there, and the front end does not know
        TestFrontEnd.await(server::isConnected, () -> "nobody came");
        assertTrue(server.writeWhole("for the first".getBytes(StandardCharsets.US_ASCII)));
        assertTrue(server.writeWhole(ByteBuffer.wrap(new byte[1])));
        TestFrontEnd.writeAll(server, "and this");
        news.run();
        assertEquals(List.of(OPENED, CLOSED, OPENED), heard);
        TestFrontEnd.writeAll(server, "next");
        assertEquals("next", readUpTo(next, 4));
      }
      server.detach();
      devices.remove("s");
    }
  }

  @Test
  void aConnectionIsCutWhateverWaits() throws IOException {
    Path path = dir.resolve("s");
    SocketBackend server = (SocketBackend) add("socket,id=s,path=" + path + ",server=on,wait=off");
    front.setRoom(0);
    server.attach(front, front.loop);
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path));
        SocketChannel next = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      send(client, "x".repeat(3 * InputQueue.CAPACITY));
      byte[] block = new byte[OutputQueue.CAPACITY];
      TestFrontEnd.await(
          () -> server.isConnected() && server.write(block, 0, block.length) == 0,
          () -> "takes all output");
      front.awaitEvents(OPENED); // one that is gone before it is told of is not told of
      AtomicBoolean writable = new AtomicBoolean();
      server.whenWritable(() -> writable.set(true));
      server.disconnect();
      TestFrontEnd.await(writable::get, () -> "the writer waits for ever");
      front.setRoom(Integer.MAX_VALUE);
      send(next, "next");
      server.acceptInput();
      TestFrontEnd.await(() -> front.received().endsWith("next"), front::received);
    }
    TestFrontEnd.await(() -> !server.isConnected(), () -> "still connected");
    front.awaitEvents(OPENED, CLOSED, OPENED, CLOSED);
  }

  /** Both ends in one process: bytes, messages longer than the buffer, a full one, the end. */
  @Test
  void bothEndsOfASocketMayBeHere() throws IOException {
    for (String target : List.of("path=" + dir.resolve("s"), "host=127.0.0.1,port=0")) {
      SocketBackend server = (SocketBackend) add("socket,id=s," + target + ",server=on,wait=off");
      String where = target.replace("port=0", "port=" + server.localPort());
      try (TestFrontEnd here = new TestFrontEnd();
          TestFrontEnd there = new TestFrontEnd()) {
        server.attach(there, there.loop);
        SocketBackend client = (SocketBackend) add("socket,id=c," + where);
        client.attach(here, here.loop);
        here.awaitEvents(OPENED);
        there.awaitEvents(OPENED);
        assertTrue(server.describe().startsWith(target.startsWith("path") ? "unix:" : "tcp:"));
        String text = "0123456789".repeat(InputQueue.CAPACITY);
        TestFrontEnd.writeAll(client, text);
        there.awaitReceived(text);
        assertTrue(client.writeWhole(text.getBytes(StandardCharsets.US_ASCII)));
        there.awaitReceived(text + text);
        TestFrontEnd.writeAll(server, "back");
        here.awaitReceived("back");

        there.setRoom(0);
        while (client.writeWhole(new byte[InputQueue.CAPACITY / 2])) {} // until it is full
        AtomicBoolean writable = new AtomicBoolean();
        client.whenWritable(() -> writable.set(true));
        pause();
        assertFalse(writable.get());
        there.setRoom(Integer.MAX_VALUE);
        server.acceptInput();
        TestFrontEnd.await(writable::get, () -> "the writer waits for ever");

        server.disconnect();
        here.awaitEvents(OPENED, CLOSED);
        there.awaitEvents(OPENED, CLOSED);
        assertEquals("disconnected:", client.describe().substring(0, "disconnected:".length()));
        client.detach();
        devices.remove("c");
        SocketBackend next = (SocketBackend) add("socket,id=c," + where);
        there.awaitEvents(OPENED, CLOSED, OPENED);
        devices.remove(next.id());
        there.awaitEvents(OPENED, CLOSED, OPENED, CLOSED);
        server.detach();
        devices.remove("s");
      }
    }
  }

  /** One end comes from this process just as the peer before it leaves. */
  @Test
  void whoComesAsAnotherLeavesIsHeard() throws IOException {
    Path path = dir.resolve("s");
    SocketBackend server = (SocketBackend) add("socket,id=s,path=" + path + ",server=on,wait=off");
    Runnable come = () -> add("socket,id=c,path=" + path);
    server.attach(
        front,
        task -> {
          if (task.equals(come)) {
            come.run(); // on the thread that has seen the peer leave
          } else {
            front.loop.execute(task);
          }
        });
    try (SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      front.awaitEvents(OPENED);
      while (server.writeWhole(new byte[InputQueue.CAPACITY])) {} // the peer does not read
      server.whenWritable(come);
      server.disconnect();
      front.awaitEvents(OPENED, CLOSED, OPENED);
      TestFrontEnd.await(() -> devices.list().size() == 2, () -> "only " + devices.list());
      TestFrontEnd.writeAll(devices.get("c"), "here");
      front.awaitReceived("here");
    }
  }

  @Test
  void aFrontEndMayHaveALargeBuffer() throws IOException {
    int size = 64 << 10;
    MemoryBackend memory = new MemoryBackend("m");
    try (TestFrontEnd large =
        new TestFrontEnd() {
          @Override
          public int buffer() {
            return size;
          }
        }) {
      large.setRoom(0);
      assertEquals(InputQueue.CAPACITY, memory.type("x".repeat(size)));
      memory.attach(large, large.loop);
      assertEquals(size - InputQueue.CAPACITY, memory.type("x".repeat(size)));
      large.setRoom(Integer.MAX_VALUE);
      memory.acceptInput();
      large.awaitReceived("x".repeat(size));
    }
  }

  @Test
  void whatWasWrittenReachesTheClientBeforeTheEnd() throws Exception {
    Path path = dir.resolve("s");
    CharBackend server = add("socket,id=s,path=" + path + ",server=on,wait=off");
    server.attach(front, front.loop);
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
      front.awaitEvents(OPENED);
      String text = "0123456789".repeat(5_000);
      TestFrontEnd.writeAll(server, text);
      CompletableFuture<Void> end = CompletableFuture.runAsync(devices::close);
      assertEquals(text, readUpTo(client, text.length() + 1));
      end.get();
    }
    assertFalse(Files.exists(path));
  }

  @Test
  void aFrontEndThatCannotReceiveHoldsBytesBack() {
    MemoryBackend memory = new MemoryBackend("m");
    front.setRoom(3);
    memory.attach(front, front.loop);
    assertEquals(InputQueue.CAPACITY, memory.type("x".repeat(InputQueue.CAPACITY + 1)));
    front.awaitReceived("xxx");
    front.setRoom(2);
    memory.acceptInput();
    front.awaitReceived("xxxxx");
    assertThrows(IllegalStateException.class, () -> memory.attach(front, front.loop));
  }

  @Test
  void fileAndLog() throws IOException {
    Path file = dir.resolve("f");
    Path log = dir.resolve("l");
    Files.writeString(file, "old");
    Files.writeString(log, "old ");
    CharBackend out = add("file,id=f,path=%s,logfile=%s,logappend=on".formatted(file, log));
    TestFrontEnd.writeAll(out, "abc");
    devices.remove("f");
    assertEquals("abc", Files.readString(file));
    assertEquals("old abc", Files.readString(log));
    CharBackend appended = add("file,id=f,append=on,path=" + file);
    TestFrontEnd.writeAll(appended, "def");
    devices.remove("f");
    assertEquals("abcdef", Files.readString(file));
    assertThrows(ConfigException.class, () -> add("file,id=g,path=" + dir));
  }

  @Test
  void fileWritesArriveWholeAndInOrder() throws IOException {
    Path file = dir.resolve("f");
    CharBackend out = add("file,id=f,path=" + file);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 50_000; i++) {
      text.append(i).append('\n');
    }
    TestFrontEnd.writeAll(out, text.toString());
    devices.remove("f");
    assertEquals(text.toString(), Files.readString(file));
  }

  @Test
  void ringBufferKeepsTheNewest() {
    RingBufferBackend ring = (RingBufferBackend) add("ringbuf,id=r,size=8");
    TestFrontEnd.writeAll(ring, "0123456789");
    assertArrayEquals("2345".getBytes(StandardCharsets.US_ASCII), ring.read(4));
    assertArrayEquals("6789".getBytes(StandardCharsets.US_ASCII), ring.read(100));
    assertEquals(0, ring.read(100).length);
  }

  @Test
  void ptyConnectsWhoeverOpensIt() throws IOException {
    PtyBackend pty = (PtyBackend) add("pty,id=p,path=" + dir.resolve("link"));
    pty.attach(front, front.loop);
    assertEquals("pty:" + pty.path(), pty.describe());
    assertEquals(Path.of(pty.path()), Files.readSymbolicLink(dir.resolve("link")));
    TestFrontEnd.writeAll(pty, "lost");
    try (RandomAccessFile user = new RandomAccessFile(pty.path(), "rw")) {
      user.write("in\n".getBytes(StandardCharsets.US_ASCII));
      front.awaitReceived("in\n");
      TestFrontEnd.writeAll(pty, "out\r\n");
      byte[] got = new byte[5];
      user.readFully(got);
      assertEquals("out\r\n", new String(got, StandardCharsets.US_ASCII));
    }
    front.awaitEvents(OPENED, CLOSED);
  }

  @Test
  void namesAndOwners() {
    add("null,id=a");
    assertTrue(
        assertThrows(ConfigException.class, () -> add("null,id=a"))
            .getMessage()
            .contains("already exists"));
    CharBackend a = devices.claim("a");
    a.attach(front, front.loop);
    assertTrue(
        assertThrows(ConfigException.class, () -> devices.claim("a"))
            .getMessage()
            .contains("in use"));
    assertTrue(
        assertThrows(ConfigException.class, () -> devices.remove("a"))
            .getMessage()
            .contains("busy"));
    assertEquals(java.util.List.of(new CharDevices.CharInfo("a", "null", true)), devices.list());
    a.detach();
    devices.remove("a");
    assertTrue(
        assertThrows(ConfigException.class, () -> devices.claim("a"))
            .getMessage()
            .contains("not found"));
  }

  @Test
  void muxSwitchesTheKeyboardAndSharesTheScreen() {
    MemoryBackend base = new MemoryBackend("m");
    devices.add(base, true);
    CharBackend monitorPort = devices.claim("m");
    CharBackend serialPort = devices.claim("m");
    try (TestFrontEnd monitor = new TestFrontEnd()) {
      CompletableFuture.runAsync(
              () -> {
                monitorPort.attach(monitor, front.loop);
                serialPort.attach(front, front.loop);
              },
              front.loop)
          .join();
      base.type("to serial");
      front.awaitReceived("to serial");
      base.type("\u0001cto monitor");
      monitor.awaitReceived("to monitor");
      base.type("\u0001c\u0001\u0001!");
      front.awaitReceived("to serial\u0001!");
      monitor.awaitEvents(MUX_IN, MUX_OUT, OPENED, MUX_IN, MUX_OUT);
      TestFrontEnd.writeAll(monitorPort, "M");
      TestFrontEnd.writeAll(serialPort, "S");
      assertEquals("MS", base.takeOutput());
      base.type("\u0001b");
      TestFrontEnd.await(() -> front.events().contains(CharEvent.BREAK), () -> "no break");
      base.type("\u0001h");
      TestFrontEnd.await(() -> base.takeOutput().contains("end the emulator"), () -> "no help");
      assertFalse(quit.get());
      base.type("\u0001x");
      TestFrontEnd.await(quit::get, () -> "not ended");
    }
  }

  @Test
  void muxPutsTheTimeBeforeLines() {
    MemoryBackend base = new MemoryBackend("m");
    devices.add(base, true);
    CharBackend port = devices.claim("m");
    port.attach(front, front.loop);
    base.type("\u0001t.");
    front.awaitReceived(".");
    assertEquals("a\nb\n".length(), port.write("a\nb\n".getBytes(StandardCharsets.US_ASCII), 0, 4));
    String out = base.takeOutput();
    assertTrue(out.matches("a\n\\[00:00:0\\d\\.\\d{3}\\] b\n"), out);
    base.setRoom(5);
    assertEquals(0, port.write("c".getBytes(StandardCharsets.US_ASCII), 0, 1));
    base.setRoom(Integer.MAX_VALUE);
    assertEquals(1, port.write("c".getBytes(StandardCharsets.US_ASCII), 0, 1));
    out = base.takeOutput();
    assertTrue(out.matches("\\[00:00:0\\d\\.\\d{3}\\] c"), out);
  }

  @Test
  void muxCommandsWorkWhileTheGuestDoesNotRead() {
    MemoryBackend base = new MemoryBackend("m");
    devices.add(base, true);
    CharBackend port = devices.claim("m");
    front.setRoom(0);
    port.attach(front, front.loop);
    base.type("x".repeat(1000) + "\u0001x");
    TestFrontEnd.await(quit::get, () -> "not ended");
  }
}
