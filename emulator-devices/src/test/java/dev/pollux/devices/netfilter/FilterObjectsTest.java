package dev.pollux.devices.netfilter;

import static dev.pollux.devices.netfilter.FilterBench.await;
import static dev.pollux.devices.netfilter.FilterBench.frame;
import static dev.pollux.devices.netfilter.FilterBench.receive;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Checkpoints.Side;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import dev.pollux.backend.net.NetFilter;
import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.model.LiveProperty;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Filters as users make them, with a test at either end of the link. */
@Timeout(60)
class FilterObjectsTest {
  @TempDir private Path folder;
  private FilterBench bench;

  @BeforeEach
  void open() {
    bench = new FilterBench(folder);
  }

  @AfterEach
  void close() {
    bench.close();
  }

  /** The answers of QEMU 7.2. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      textBlock =
          """
          filter-buffer | Parameter 'netdev' is missing
          filter-buffer,netdev=xx,interval=10 | Parameter 'netdev' expects a network backend id
          filter-buffer,netdev=n0 | Parameter 'interval' is missing
          filter-buffer,netdev=n0,interval=0 | Property 'filter-buffer.interval' requires a positive value
          filter-buffer,netdev=n0,interval=9,status=zz | Invalid value for netfilter status, should be 'on' or 'off'
          filter-buffer,netdev=n0,interval=9,position=zz | Parameter 'position' expects 'head', 'tail' or 'id=<id>'
          filter-buffer,netdev=n0,interval=9,position=id=zz | filter 'zz' not found
          filter-dump,netdev=n0 | Parameter 'file' is missing
          filter-dump,netdev=n0,file=/nonexist/x | net dump: can't open /nonexist/x: No such file or directory
          filter-dump,netdev=n0,file=x,maxlen=0 | Property 'filter-dump.maxlen' doesn't take value '0'
          filter-mirror,netdev=n0 | Parameter 'outdev' is missing
          filter-mirror,netdev=n0,outdev=zz | Device 'zz' not found
          filter-redirector,netdev=n0 | filter redirector needs 'indev' or 'outdev' at least one property set
          filter-redirector,netdev=n0,indev=a,outdev=a | 'indev' and 'outdev' could not be same for filter redirector
          filter-redirector,netdev=n0,indev=zz | IN Device 'zz' not found
          filter-redirector,netdev=n0,outdev=zz | OUT Device 'zz' not found
          """)
  void whatDoesNotFitIsRefused(String options, String message) {
    ConfigException e = assertThrows(ConfigException.class, () -> bench.add(options + ",id=f0"));
    assertEquals(message, e.getMessage());
    assertEquals(message.contains("Device "), e.isDeviceNotFound());
    assertTrue(bench.link.filters().isEmpty());
  }

  private void assertOrder(String... ids) {
    assertEquals(List.of(ids), bench.link.filters().stream().map(NetFilter::id).toList());
  }

  @Test
  void placesAreAsAskedFor() {
    bench.add("filter-drop,id=b,netdev=n0,status=off");
    bench.add("filter-drop,id=c,netdev=n0,status=off");
    bench.add("filter-drop,id=a,netdev=n0,status=off,position=head");
    bench.add("filter-drop,id=x,netdev=n0,status=off,position=id=b,insert=before");
    bench.add("filter-drop,id=y,netdev=n0,status=off,position=id=b");
    assertOrder("a", "x", "b", "y", "c");
    bench.remove("b");
    assertOrder("a", "x", "y", "c");
    bench.services.networks().remove("n0");
    assertThrows(ConfigException.class, () -> bench.remove("a"));
  }

  @Test
  void dropFollowsItsStatusAndDirection() {
    bench.add("filter-drop,id=d,netdev=n0,queue=rx");
    bench.fromGuest("a");
    bench.toGuest("b");
    LiveProperty status = bench.services.objects().get("d", Object.class).property("status");
    assertThrows(ConfigException.class, () -> status.set().accept("maybe"));
    status.set().accept("off");
    assertEquals("off", status.get().get());
    bench.fromGuest("c");
    assertEquals(List.of("c"), bench.world.taken);
    assertEquals(List.of("b"), bench.card.taken);
  }

  @Test
  void bufferReleasesTogetherAndLosesNothingAtItsEnd() {
    bench.add("filter-buffer,id=f,netdev=n0,queue=tx,interval=3600000000");
    bench.toGuest("a", "b");
    bench.fromGuest("c");
    assertEquals(List.of(), bench.card.taken);
    assertEquals(List.of("c"), bench.world.taken);
    bench.remove("f");
    assertEquals(List.of("a", "b"), bench.card.taken);
    bench.add("filter-buffer,id=f,netdev=n0,interval=1000");
    bench.toGuest("d");
    await(() -> bench.card.taken.contains("d"));
  }

  @Test
  void dumpIsPcap() throws Exception {
    Path file = folder.resolve("dump");
    bench.add("filter-dump,id=d,netdev=n0,maxlen=20,file=" + file);
    bench.toGuest("abcdefghij");
    bench.remove("d");
    ByteBuffer dump = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.BIG_ENDIAN);
    assertEquals(24 + 16 + 20, dump.limit());
    assertEquals(0xa1b2c3d4, dump.getInt(0));
    assertEquals(0x0002_0004, dump.getInt(4));
    assertEquals(20, dump.getInt(16));
    assertEquals(1, dump.getInt(20));
    assertEquals(20, dump.getInt(32));
    assertEquals(24, dump.getInt(36));
    assertEquals('f', dump.get(59));
  }

  @Test
  void mirrorSendsCopies() throws Exception {
    try (SocketChannel peer = bench.socket("c0")) {
      bench.add("filter-mirror,id=m,netdev=n0,queue=tx,outdev=c0");
      bench.toGuest("a", "b");
      bench.fromGuest("c");
      assertEquals("a", receive(peer));
      assertEquals("b", receive(peer));
      assertEquals(List.of("a", "b"), bench.card.taken);
      assertEquals(List.of("c"), bench.world.taken);
      ConfigException e =
          assertThrows(
              ConfigException.class, () -> bench.add("filter-mirror,id=n,netdev=n0,outdev=c0"));
      assertEquals("Device 'c0' is in use", e.getMessage());
      bench.remove("m");
      bench.charDevices.remove("c0");
    }
  }

  @Test
  void redirectorKeepsWhatItSendsAndSendsOnWhatItReads() throws Exception {
    try (SocketChannel in = bench.socket("in")) {
      bench.add("filter-redirector,id=a,netdev=n0,queue=rx,indev=in");
      try (SocketChannel out = bench.socket("out")) {
        bench.add("filter-redirector,id=b,netdev=n0,queue=rx,outdev=out");
        bench.fromGuest("x");
        assertEquals("x", receive(out));
      }
      assertEquals(List.of(), bench.world.taken);
      in.write(ByteBuffer.wrap(FrameStream.encode(frame("y"), false)));
      await(() -> bench.world.taken.equals(List.of("y")));
      await(() -> !bench.charDevices.get("out").isConnected());
      bench.fromGuest("z");
      assertEquals(List.of("y", "z"), bench.world.taken);
    }
  }

  @Test
  void lengthsThatLieEndTheConnectionsUse() throws Exception {
    try (SocketChannel in = bench.socket("in")) {
      bench.add("filter-redirector,id=a,netdev=n0,queue=tx,indev=in");
      in.write(ByteBuffer.wrap(FrameStream.encode(frame("fine"), false)));
      in.write(ByteBuffer.allocate(8).putInt(3).putInt(0).flip()); // shorter than a frame
      in.write(ByteBuffer.wrap(new byte[] {1, 0, 1, 1, 0})); // the rest, and 69633 ...
      in.write(ByteBuffer.wrap(FrameStream.encode(frame("not read"), false)));
      await(() -> bench.card.taken.equals(List.of("fine")));
    }
    await(() -> !bench.charDevices.get("in").isConnected());
    try (SocketChannel again = bench.connect("in")) {
      again.write(ByteBuffer.wrap(FrameStream.encode(frame("x".repeat(60_000)), false)));
      await(() -> bench.card.taken.size() == 2);
      assertEquals(60_000, bench.card.taken.getLast().length());
    }
  }

  // ---- in a pair

  @Test
  void mirrorMarksWhereTheStateWasTaken() throws Exception {
    try (SocketChannel peer = bench.socket("c0")) {
      bench.add("filter-mirror,id=m,netdev=n0,queue=tx,outdev=c0");
      bench.checkpoints().begin(Side.PRIMARY);
      bench.toGuest("a");
      bench.checkpoints().taken(1);
      bench.toGuest("b");
      for (String expected : List.of("mark 0", "a", "mark 1", "b")) {
        assertEquals(expected, receive(peer));
      }
    }
  }

  @Test
  void secondaryHearsWhatBelongsToItsState() throws Exception {
    try (SocketChannel in = bench.socket("in")) {
      bench.add("filter-redirector,id=a,netdev=n0,queue=tx,indev=in");
      bench.checkpoints().begin(Side.SECONDARY);
      send(in, FrameStream.mark(0, false));
      send(in, FrameStream.encode(frame("a"), false));
      await(() -> bench.card.taken.equals(List.of("a")));
      send(in, FrameStream.mark(1, false));
      send(in, FrameStream.encode(frame("b"), false));
      Thread.sleep(50); // whether they come makes no difference to what is allowed
      assertEquals(List.of("a"), bench.card.taken);
      bench.checkpoints().restored(1);
      await(() -> bench.card.taken.equals(List.of("a", "b")));
      bench.checkpoints().restored(3);
      send(in, FrameStream.encode(frame("of state 1"), false));
      send(in, FrameStream.mark(4, false));
      send(in, FrameStream.encode(frame("d"), false));
      bench.toGuest("from elsewhere");
      Thread.sleep(50);
      assertEquals(List.of("a", "b"), bench.card.taken);
      bench.checkpoints().failOver();
      await(() -> bench.card.taken.equals(List.of("a", "b", "d")));
      bench.toGuest("e");
      assertEquals("e", bench.card.taken.getLast());
    }
  }

  private static void send(SocketChannel to, byte[] message) throws Exception {
    to.write(ByteBuffer.wrap(message));
  }

  /** With any filters, or none, or where their peer is gone. */
  @Test
  void secondarysOutputReachesNobodyBeforeItGoesOnAlone() throws Exception {
    bench.fromGuest("before");
    bench.checkpoints().begin(Side.SECONDARY);
    bench.fromGuest("a");
    try (SocketChannel out = bench.socket("out")) {
      bench.add("filter-redirector,id=b,netdev=n0,queue=rx,outdev=out");
      bench.fromGuest("b");
      bench.checkpoints().restored(1);
      bench.fromGuest("c");
      for (String expected : List.of("b", "mark 1", "c")) {
        assertEquals(expected, receive(out));
      }
    }
    await(() -> !bench.charDevices.get("out").isConnected());
    bench.fromGuest("d");
    assertEquals(List.of("before"), bench.world.taken);
    bench.checkpoints().failOver();
    bench.fromGuest("e");
    assertEquals(List.of("before", "e"), bench.world.taken);
  }

  /** A segment of TCP over IPv4. */
  private static Frame segment(String payload) {
    byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
    ByteBuffer data = ByteBuffer.allocateDirect(14 + 40 + bytes.length);
    data.putShort(12, (short) 0x0800).put(14, (byte) 0x45);
    data.putShort(16, (short) (40 + bytes.length)).put(22, (byte) 64).put(23, (byte) 6);
    data.put(46, (byte) 0x50).put(54, bytes);
    return new Frame(data);
  }

  private void fromGuest(Frame... frames) {
    assertEquals(frames.length, bench.link.fromCard(frames, frames.length));
  }

  /** Bytes of connections since the last checkpoint, and nothing that could not come twice. */
  @Test
  void worldHearsAgainWhatTheSecondaryHasSaidWhenItGoesOnAlone() throws Exception {
    try (SocketChannel _ = bench.socket("out")) {
      bench.add("filter-redirector,id=b,netdev=n0,queue=rx,outdev=out");
      bench.checkpoints().begin(Side.SECONDARY);
      fromGuest(segment("of state 0"));
      bench.checkpoints().restored(1);
      bench.fromGuest("no TCP");
      fromGuest(segment("one"), segment(""), segment("two"));
      assertEquals(List.of(), bench.world.taken);
      bench.checkpoints().failOver();
      assertEquals(
          List.of("one", "two"),
          bench.world.taken.stream().map(text -> text.substring(40)).toList());
      bench.checkpoints().failOver();
      assertEquals(2, bench.world.taken.size(), "once");
    }
  }

  /** The primary has died, and the secondary does not know yet. */
  @Test
  void worldHearsWhatWasSaidWhenThePrimaryWasGone() throws Exception {
    try (SocketChannel _ = bench.socket("out")) {
      bench.add("filter-redirector,id=b,netdev=n0,queue=rx,outdev=out");
      bench.checkpoints().begin(Side.SECONDARY);
    }
    await(() -> !bench.charDevices.get("out").isConnected());
    fromGuest(segment("gone"));
    assertEquals(List.of(), bench.world.taken);
    bench.checkpoints().failOver();
    assertEquals(1, bench.world.taken.size());
    assertEquals("gone", bench.world.taken.getFirst().substring(40));
  }

  /** What the guest hears it has not said. */
  @Test
  void onlyTheGuestsOwnIsSaidAgain() throws Exception {
    try (SocketChannel _ = bench.socket("out")) {
      bench.add("filter-drop,id=a,netdev=n0,status=off");
      bench.add("filter-redirector,id=b,netdev=n0,queue=all,outdev=out");
      bench.checkpoints().begin(Side.SECONDARY);
      NetFilter before = bench.link.filters().getFirst();
      assertTrue(bench.link.inject(before, segment("heard"), NetFilter.Direction.TX));
      bench.checkpoints().failOver();
      assertEquals(List.of(), bench.world.taken);
    }
  }

  @Test
  void noMoreIsSaidAgainThanTheBound() throws Exception {
    String large = "x".repeat(60_000);
    try (SocketChannel peer = bench.socket("out")) {
      Thread.ofPlatform().daemon(true).start(() -> readAll(peer));
      bench.add("filter-redirector,id=b,netdev=n0,queue=rx,outdev=out");
      bench.checkpoints().begin(Side.SECONDARY);
      for (int i = 0; i < 40; i++) {
        fromGuest(segment(i + large));
      }
      bench.checkpoints().failOver();
      List<String> again = bench.world.taken;
      assertTrue(again.size() * 60_000 > 900_000 && again.size() * 60_000 < 1 << 20);
      assertTrue(again.getLast().substring(40).startsWith("39"));
    }
  }

  private static void readAll(SocketChannel peer) {
    try {
      while (peer.read(ByteBuffer.allocate(1 << 16)) >= 0) {
        // nobody asks what it is
      }
    } catch (IOException e) {
      // The test has ended.
    }
  }
}
