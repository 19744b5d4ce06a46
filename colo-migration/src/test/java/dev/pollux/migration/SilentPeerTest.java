package dev.pollux.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.transport.PeerWatch;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Peers that stop to do their part: each wait for one ends, says what it was for, and loses
 * nothing.
 */
@Timeout(120)
class SilentPeerTest {
  private static final int RAM = 8 << 20;

  /** More than a socket's buffers hold. */
  private static final int MUCH_RAM = 40 << 20;

  /** Long enough for a busy host. */
  private static final Duration SHORT = Duration.ofSeconds(2);

  private static final MigrationAddress ANY_PORT =
      new MigrationAddress.Inet("127.0.0.1", "0", Optional.empty(), Optional.empty());
  private static final String IN_DOUBT =
      "; the guest may run there, so it stays stopped here until somebody says cont";

  @TempDir Path folder;

  private static TestVm impatient(int ram) {
    return new TestVm(ram, ram, SHORT);
  }

  private static MigrationAddress at(ServerSocket listener) {
    return MigrationUri.parse("tcp:127.0.0.1:" + listener.getLocalPort());
  }

  private static InetSocketAddress of(TestVm target) {
    int port = Integer.parseInt(((MigrationAddress.Inet) target.address()).port());
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  private static void assertFailed(TestVm vm, String reason) {
    vm.awaitStatus(MigrationStatus.FAILED);
    assertEquals(Optional.of(reason), vm.info().errorDesc());
  }

  @Test
  void destinationThatReadsNothing() throws Exception {
    for (boolean multifd : new boolean[] {false, true}) {
      try (TestVm source = impatient(MUCH_RAM).run();
          ServerSocket silent = new ServerSocket(0)) {
        if (multifd) {
          source.enable(MigrationCapability.MULTIFD);
        }
        source.unthrottle();
        source.migrate(at(silent));
        source.awaitStatus(MigrationStatus.FAILED);
        String reason = source.info().errorDesc().orElseThrow();
        assertTrue(reason.endsWith("the destination has taken nothing for 2 s"), reason);
        source.assertRunning();
      }
    }
  }

  /** It takes something all the time, but the guest stands still meanwhile. */
  @Test
  void destinationThatTakesTheRestTooSlowly() throws Exception {
    try (TestVm source = new TestVm(MUCH_RAM, MUCH_RAM, Duration.ofSeconds(3)).run();
        ServerSocket listener = new ServerSocket(0)) {
      CompletableFuture<Void> slow = CompletableFuture.runAsync(() -> readSlowly(listener));
      source.set(
          Map.of("maxBandwidth", 0L, "availSwitchoverBandwidth", 1L << 40, "downtimeLimit", 100L));
      source.migrate(at(listener));
      assertFailed(
          source, "the destination has not taken the rest of the stopped guest within 3100 ms");
      source.assertRunning();
      slow.get();
    }
  }

  /** Reads all memory once, and then a little now and then, until the connection ends. */
  private static void readSlowly(ServerSocket listener) {
    byte[] buffer = new byte[1 << 17];
    try (Socket socket = listener.accept()) {
      InputStream in = socket.getInputStream();
      long all = 0;
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        all += n;
        if (all > MUCH_RAM) {
          Thread.sleep(50);
        }
      }
    } catch (IOException e) {
      // The source has had enough.
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Nobody answers where connecting has no end of its own: a socket file whose queue is full. */
  @Test
  void destinationThatDoesNotAccept() throws Exception {
    Path path = folder.resolve("s");
    List<SocketChannel> waiting = new ArrayList<>();
    try (TestVm source = impatient(RAM).run();
        ServerSocketChannel full = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      full.bind(UnixDomainSocketAddress.of(path), 1);
      for (int i = 0; i < 2; i++) {
        waiting.add(SocketChannel.open(UnixDomainSocketAddress.of(path)));
      }
      source.migrate(new MigrationAddress.Unix(path.toString()));
      assertFailed(source, "unix:" + path + " has not answered within 2 s");
      source.assertRunning();
      for (SocketChannel channel : waiting) {
        channel.close();
      }
    }
  }

  /**
   * What a destination does that has read everything, and must now say whether it has the guest.
   */
  enum LastWord {
    NOTHING("the destination has not said whether it has the guest within 2 s" + IN_DOUBT),
    CLOSES("the stream ends after 0 bytes" + IN_DOUBT),
    NONSENSE("return path: message 0x7777" + IN_DOUBT),
    ANSWERS_FOR_EVER("return path: an answer that nobody has asked for" + IN_DOUBT),
    LONG_REASON("return path: a reason of 65535 bytes" + IN_DOUBT),
    FAILED("the destination has failed: no?room");

    private final String reason;

    LastWord(String reason) {
      this.reason = reason;
    }

    void say(Socket socket) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      switch (this) {
        case NOTHING -> {}
        case CLOSES -> socket.close();
        case NONSENSE -> out.writeInt(0x7777_0004);
        case ANSWERS_FOR_EVER -> {
          for (int i = 0; i < 10; i++) {
            out.writeInt(0x0002_0004);
            out.writeInt(i);
          }
        }
        case LONG_REASON -> out.writeInt(0x0100_ffff);
        case FAILED -> {
          out.writeInt(0x0100_0007);
          out.write("no\nroom".getBytes(StandardCharsets.UTF_8));
          out.writeInt(0x0001_0004);
          out.writeInt(1);
        }
      }
      if (!socket.isClosed()) {
        // At once: the source may cut the connection at the first of them.
        socket.getOutputStream().write(bytes.toByteArray());
      }
    }
  }

  /** Reads a stream up to its description, which follows the end mark, as a destination does. */
  private static CompletableFuture<Socket> readToTheEnd(ServerSocket listener) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            Socket socket = listener.accept();
            InputStream in = new BufferedInputStream(socket.getInputStream(), 1 << 20);
            byte[] mark = "{\"page_size\":4096,\"devices\":[".getBytes(StandardCharsets.US_ASCII);
            for (int matched = 0; matched < mark.length; ) {
              int next = in.read();
              if (next < 0) {
                throw new IOException("the stream ends");
              }
              matched = next == mark[matched] ? matched + 1 : next == mark[0] ? 1 : 0;
            }
            return socket;
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  /** The guest never runs twice, and goes on here only where the destination says it has failed. */
  @ParameterizedTest
  @EnumSource(LastWord.class)
  void destinationThatHasEverything(LastWord word) throws Exception {
    Duration patience = word == LastWord.NOTHING ? SHORT : PeerWatch.PATIENCE;
    try (TestVm source = new TestVm(RAM, 1 << 20, patience).run();
        ServerSocket listener = new ServerSocket(0)) {
      CompletableFuture<Socket> read = readToTheEnd(listener);
      source.enable(MigrationCapability.RETURN_PATH);
      source.unthrottle();
      source.migrate(at(listener));
      word.say(read.get());
      assertFailed(source, word.reason);
      if (word == LastWord.FAILED) {
        source.assertRunning();
      } else {
        assertTrue(source.machine().runState().is(RunState.POSTMIGRATE));
        source.order(LiveMigration::cont); // somebody who knows better
        source.assertRunning();
      }
      read.get().close();
    }
  }

  /** A pair's secondary shows nothing before a failover: the primary's guest goes on. */
  @Test
  void secondaryThatIsFrozenAtTheBeginning() throws Exception {
    try (TestVm source = new TestVm(RAM, 1 << 20, SHORT).run();
        ServerSocket listener = new ServerSocket(0)) {
      CompletableFuture<Socket> read = readToTheEnd(listener);
      source.enable(MigrationCapability.RETURN_PATH, MigrationCapability.X_COLO);
      source.unthrottle();
      source.migrate(at(listener));
      assertFailed(source, "the destination has not said whether it has the guest within 2 s");
      source.assertRunning();
      read.get().close();
    }
  }

  @Test
  void cancelSaysWhatItCanNoLongerDo() throws Exception {
    try (TestVm source = new TestVm(RAM, 1 << 20, Duration.ofSeconds(10)).run();
        ServerSocket listener = new ServerSocket(0)) {
      CompletableFuture<Socket> read = readToTheEnd(listener);
      source.enable(MigrationCapability.RETURN_PATH);
      source.unthrottle();
      source.migrate(at(listener));
      Socket socket = read.get();
      assertEquals(
          "The destination may have started the guest already:"
              + " the migration can not be cancelled any more, and ends by itself",
          assertThrows(ConfigException.class, () -> source.order(LiveMigration::cancel))
              .getMessage());
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      out.writeInt(0x0001_0004);
      out.writeInt(0);
      source.awaitStatus(MigrationStatus.COMPLETED);
      assertTrue(source.machine().runState().is(RunState.POSTMIGRATE));
      source.order(LiveMigration::cancel); // nothing is left to cancel
      socket.close();
    }
  }

  /** What a source says before it falls silent. */
  enum FirstWord {
    NOTHING(""),
    HALF_A_HEADER("QEVM\0\0"),
    HALF_A_TYPE("QEVM\0\0\0\3\7\0\0\0\4ba");

    private final String text;

    FirstWord(String text) {
      this.text = text;
    }
  }

  @ParameterizedTest
  @EnumSource(FirstWord.class)
  void sourceThatFallsSilent(FirstWord word) throws Exception {
    try (TestVm target = impatient(RAM).expect(ANY_PORT, false);
        Socket source = new Socket()) {
      source.connect(of(target));
      source.getOutputStream().write(word.text.getBytes(StandardCharsets.US_ASCII));
      assertFailed(target, "nothing has come from the source for 2 s");
      assertTrue(target.machine().runState().is(RunState.INMIGRATE));
    }
  }

  /** Questions without end, whose answers nobody reads. */
  @Test
  void sourceThatAsksAndDoesNotRead() throws Exception {
    byte[] start = beginning();
    byte[] ping = {8, 0, 2, 0, 4, 0, 0, 0, 1};
    try (TestVm target = impatient(RAM).expect(ANY_PORT, false);
        Socket source = new Socket()) {
      source.setReceiveBufferSize(1 << 16);
      source.connect(of(target));
      OutputStream out = source.getOutputStream();
      out.write(start);
      out.write(new byte[] {8, 0, 1, 0, 0}); // opens the return path
      byte[] many = new byte[ping.length * 10_000];
      for (int i = 0; i < many.length; i++) {
        many[i] = ping[i % ping.length];
      }
      assertThrows(
          IOException.class,
          () -> {
            for (int i = 0; i < 10_000; i++) {
              out.write(many);
            }
          });
      target.awaitStatus(MigrationStatus.FAILED);
      String reason = target.info().errorDesc().orElseThrow();
      assertTrue(
          reason.matches("the source has taken nothing for 2 s|nothing has come .*"), reason);
    }
  }

  /** Header and configuration of a stream for these machines. */
  private byte[] beginning() throws IOException {
    Path file = folder.resolve("stream");
    try (TestVm source = new TestVm(RAM, 1 << 20).run()) {
      source.unthrottle();
      source.migrate(new MigrationAddress.File(file.toString(), 0));
      source.awaitStatus(MigrationStatus.COMPLETED);
    }
    byte[] stream = Files.readAllBytes(file);
    String text = new String(stream, StandardCharsets.ISO_8859_1);
    return Arrays.copyOf(stream, text.indexOf("\3ram") - 5);
  }

  /** Pauses of the source, by a limit or by a user, are none of a peer that is gone. */
  @Test
  void sourceThatPausesIsHeardOf() throws Exception {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM, RAM, Duration.ofSeconds(4)).expect(ANY_PORT, false)) {
      source.enable(MigrationCapability.PAUSE_BEFORE_SWITCHOVER, MigrationCapability.RETURN_PATH);
      source.throttle(1);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.ACTIVE);
      Thread.sleep(5000);
      assertEquals(Optional.of(MigrationStatus.ACTIVE), target.status());
      source.unthrottle();
      source.awaitStatus(MigrationStatus.PRE_SWITCHOVER);
      Thread.sleep(5000);
      source.migration().continueFrom(MigrationStatus.PRE_SWITCHOVER);
      target.awaitStatus(MigrationStatus.COMPLETED);
      source.awaitStatus(MigrationStatus.COMPLETED);
      target.assertRunning();
    }
  }

  /** At a byte per second a page takes more than an hour. */
  @Test
  void limitsThatAreLiftedActAtOnce() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true)) {
      source.throttle(1);
      source.migrate(target.address());
      source.awaitStatus(MigrationStatus.ACTIVE);
      source.unthrottle();
      target.awaitStatus(MigrationStatus.COMPLETED);
      source.awaitStatus(MigrationStatus.COMPLETED);
    }
  }

  /** A pass would take minutes; a guest that may stand still for so long is stopped at once. */
  @Test
  void downtimeLimitThatIsRaisedActsAtOnce() {
    try (TestVm source = new TestVm(MUCH_RAM).run();
        TestVm target = new TestVm(MUCH_RAM).expect(ANY_PORT, true)) {
      source.throttle(300_000);
      source.migrate(target.address());
      TestVm.await(
          () -> source.info().ram().map(ram -> ram.transferred() > 200_000).orElse(false), "flow");
      source.set(Map.of("downtimeLimit", 2_000_000L));
      source.awaitStatus(MigrationStatus.COMPLETED);
      target.assertRunning();
      assertFalse(source.info().ram().orElseThrow().dirtySyncCount() > 4);
    }
  }
}
