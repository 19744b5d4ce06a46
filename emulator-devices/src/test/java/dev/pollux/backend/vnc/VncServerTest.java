package dev.pollux.backend.vnc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.isa.QKeyCode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What viewers see of a screen, and what they do to it. */
class VncServerTest implements VncHost {
  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
  private volatile Screen screen = picture(1, 200, 150);
  private VncServer server;

  @Override
  public String name() {
    return "test";
  }

  @Override
  public Screen screen() {
    return screen;
  }

  @Override
  public boolean wantSize(int width, int height) {
    events.add("size %dx%d".formatted(width, height));
    return width < 1000;
  }

  @Override
  public void key(QKeyCode key, boolean down) {
    events.add(key + (down ? " down" : " up"));
  }

  @Override
  public void key(int code, boolean down) {
    events.add(Integer.toHexString(code) + (down ? " down" : " up"));
  }

  @Override
  public void mouse(int dx, int dy, int dz, int buttons) {
    events.add("%d %d %d %d".formatted(dx, dy, dz, buttons));
  }

  /** Areas of one color, of two, of few and of many. */
  private static Screen picture(long seed, int width, int height) {
    Random random = new Random(seed);
    int[] pixels = new int[width * height];
    for (int i = 0; i < pixels.length; i++) {
      int x = i % width / 50;
      int y = i / width / 50;
      int colors = new int[] {1, 2, 7, 1 << 24}[(x + y) % 4];
      pixels[i] = random.nextInt(colors) * (colors < 8 ? 0x12_3456 : 1) & 0xff_ffff;
    }
    return new Screen(width, height, pixels);
  }

  private void listen(boolean guarded, String password, VncOptions.Share share) {
    server =
        new VncServer(
            new VncOptions(
                List.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)),
                guarded,
                Optional.empty(),
                share,
                Optional.empty(),
                Optional.empty()),
            password,
            this);
  }

  private TestViewer connect(String password, int... encodings) throws IOException {
    return TestViewer.connect(server.address(), password, encodings);
  }

  @AfterEach
  void close() {
    server.close();
  }

  private void assertShows(TestViewer viewer) {
    assertEquals(screen.width(), viewer.width);
    assertArrayEquals(screen.pixels(), viewer.pixels);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 5, 7, 16})
  void showsThePicture(int encoding) throws IOException {
    listen(false, "", VncOptions.Share.IGNORE);
    try (TestViewer viewer = connect("", encoding, -223)) {
      assertEquals("Pollux (test)", viewer.name);
      assertEquals(200 * 150, viewer.update(false));
      assertShows(viewer);
      for (int seed = 2; seed < 6; seed++) { // streams go on
        screen = picture(seed, 200, 150);
        viewer.update(true);
        assertShows(viewer);
      }
      int[] pixels = screen.pixels().clone();
      pixels[149 * 200 + 199] ^= 1;
      screen = new Screen(200, 150, pixels);
      assertEquals(8 * 22, viewer.update(true)); // one tile at the edge
      assertShows(viewer);
      screen = picture(9, 320, 100);
      viewer.update(true);
      viewer.update(true);
      assertShows(viewer);
    }
  }

  @Test
  void severalLookOn() throws IOException {
    listen(false, "", VncOptions.Share.IGNORE);
    try (TestViewer one = connect("", 16);
        TestViewer other = connect("", 0)) {
      one.update(false);
      other.update(false);
      assertShows(one);
      assertShows(other);
      assertEquals(2, server.viewers().size());
    }
  }

  @Test
  void passwordIsAskedFor() throws IOException {
    listen(true, "", VncOptions.Share.IGNORE);
    assertNull(connect(""), "nobody comes in before there is a password");
    assertTrue(server.setPassword("correct horse"));
    assertNull(connect("wrong"));
    try (TestViewer viewer = connect("correct", 0)) {
      assertNull(viewer, "it counts eight characters, the blank among them");
    }
    try (TestViewer viewer = connect("correct horse", 0)) {
      assertNotNull(viewer);
      viewer.update(false);
      assertShows(viewer);
    }
  }

  @Test
  void keysAndMouseArrive() throws IOException, InterruptedException {
    listen(false, "", VncOptions.Share.IGNORE);
    try (TestViewer viewer = connect("", 0, -258)) {
      viewer.update(false);
      for (int keysym : new int[] {0xffe1, 'A', '?', '~', 0xffc9, 0xffb7}) {
        viewer.out.writeByte(4);
        viewer.out.writeBoolean(true);
        viewer.out.writeShort(0);
        viewer.out.writeInt(keysym);
      }
      for (String key : new String[] {"SHIFT", "A", "SLASH", "GRAVE_ACCENT", "F12", "KP_7"}) {
        assertEquals(key + " down", events.poll(20, TimeUnit.SECONDS));
      }
      viewer.out.write(new byte[] {(byte) 255, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0, (byte) 0xcb});
      assertEquals("cb up", events.poll(20, TimeUnit.SECONDS));
      viewer.out.write(new byte[] {5, 0, 0, 100, 0, 50});
      viewer.out.write(new byte[] {5, 5, 0, 90, 0, 53});
      viewer.out.write(new byte[] {5, 0x12, 0, 90, 0, 53});
      assertEquals("0 0 0 0", events.poll(20, TimeUnit.SECONDS));
      assertEquals("-10 3 0 3", events.poll(20, TimeUnit.SECONDS));
      assertEquals("0 0 1 4", events.poll(20, TimeUnit.SECONDS));
    }
    Set<String> letGo = new HashSet<>();
    for (int i = 0; i < 6; i++) {
      letGo.add(events.poll(20, TimeUnit.SECONDS));
    }
    assertEquals(
        Set.of("SHIFT up", "A up", "SLASH up", "GRAVE_ACCENT up", "F12 up", "KP_7 up"), letGo);
    assertEquals("0 0 0 0", events.poll(20, TimeUnit.SECONDS), "nor does it hold a button");
  }

  @Test
  void passwordsExpire() throws IOException {
    listen(true, "secret", VncOptions.Share.IGNORE);
    Instant now = Instant.ofEpochSecond(1000);
    assertEquals(Optional.of(now.plusSeconds(60)), PasswordExpiry.read("+60", now));
    assertEquals(Optional.of(Instant.ofEpochSecond(77)), PasswordExpiry.read("77", now));
    for (String wrong : List.of("", "+", "-1", "soon", "+99999999999999999999", "+ 1")) {
      assertEquals(Optional.empty(), PasswordExpiry.read(wrong, now), wrong);
    }
    assertTrue(server.expirePassword(PasswordExpiry.read("now", Instant.now()).orElseThrow()));
    assertNull(connect("secret"));
    assertTrue(server.expirePassword(PasswordExpiry.read("never", now).orElseThrow()));
    try (TestViewer viewer = connect("secret", 0)) {
      assertNotNull(viewer);
    }
  }

  /** Whatever a viewer says, the others see the screen. */
  @Test
  void hostileViewersHarmNobody() throws IOException {
    listen(false, "", VncOptions.Share.IGNORE);
    Random random = new Random(7);
    byte[][] beginnings = {
      {0, 0, 0, 0, 32, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
      {0, 0, 0, 0, 24, 24, 0, 1, 0, -1, 0, -1, 0, -1, 16, 8, 0, 0, 0, 0},
      {0, 0, 0, 0, 32, 32, 0, 1, -1, -1, -1, -1, -1, -1, 31, 8, 0, 0, 0, 0},
      {2, 0, -1, -1},
      {6, 0, 0, 0, -1, -1, -1, -1},
      {(byte) 255, 7},
      {99}
    };
    int thrownOut = 0;
    for (int i = 0; i < 60; i++) {
      try (TestViewer viewer = connect("", 16)) {
        viewer.out.write(beginnings[i % beginnings.length]);
        byte[] noise = new byte[random.nextInt(2000)];
        random.nextBytes(noise);
        viewer.out.write(noise);
      } catch (IOException e) {
        thrownOut++; // in the middle of what it said
      }
    }
    assertTrue(thrownOut < 60, "nobody could say anything");
    try (TestViewer viewer = new TestViewer(server.address())) {
      viewer.out.write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    }
    try (TestViewer viewer = connect("", 16)) {
      viewer.update(false);
      assertShows(viewer);
    }
  }

  @Test
  void optionsAreRead() {
    listen(false, "", VncOptions.Share.IGNORE);
    VncOptions options = VncOptions.parse("127.0.0.1:2,to=4,password=on").orElseThrow();
    assertEquals(3, options.addresses().size());
    assertEquals(5902, ((InetSocketAddress) options.addresses().getFirst()).getPort());
    assertTrue(options.password());
    assertTrue(VncOptions.parse("none").isEmpty());
    for (String wrong : new String[] {"5", ":x", ":70000", ":1,share=no", ":1,tls-creds=x"}) {
      assertThrows(ConfigException.class, () -> VncOptions.parse(wrong), wrong);
    }
  }

  @Test
  void browsersComeInByWebSockets() throws Exception {
    String where = "127.0.0.1:150,to=190,websocket=on";
    server = new VncServer(VncOptions.parse(where).orElseThrow(), "", this);
    int port = server.webAddress().orElseThrow().getPort();
    assertEquals(((InetSocketAddress) server.address()).getPort() - 200, port);
    BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    WebSocket.Listener ears =
        new WebSocket.Listener() {
          @Override
          public CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
            heard.add(StandardCharsets.US_ASCII.decode(data).toString());
            from.request(1);
            return null;
          }
        };
    HttpClient client = HttpClient.newHttpClient();
    try {
      URI address = URI.create("ws://127.0.0.1:%d/websockify".formatted(port));
      WebSocket.Builder builder = client.newWebSocketBuilder().subprotocols("binary");
      WebSocket socket =
          builder.header("Origin", "http://127.0.0.1:6080").buildAsync(address, ears).join();
      assertEquals("RFB 003.008\n", heard.poll(20, TimeUnit.SECONDS));
      ByteBuffer enter = StandardCharsets.US_ASCII.encode("RFB 003.008\n\1\1");
      socket.sendBinary(enter, true).join();
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (server.viewers().isEmpty() && System.nanoTime() < end) {
        Thread.sleep(10);
      }
      assertTrue(server.viewers().getFirst().web());
      socket.abort();
      CompletableFuture<WebSocket> stranger =
          client
              .newWebSocketBuilder()
              .header("Origin", "http://evil.example:6080")
              .buildAsync(address, ears);
      assertThrows(CompletionException.class, stranger::join);
    } finally {
      client.shutdownNow(); // to close it would wait for what a failure has left open
    }
  }

  @Test
  void viewerAsksForAnotherSize() throws Exception {
    listen(false, "", VncOptions.Share.IGNORE);
    try (TestViewer viewer = connect("", 0, -308)) {
      viewer.update(true);
      assertEquals(List.of("0 0 200x150"), viewer.sizes, "it can ask");
      viewer.askForSize(800, 600);
      assertEquals("size 800x600", events.poll(20, TimeUnit.SECONDS));
      viewer.update(true);
      assertEquals("1 4 200x150", viewer.sizes.getLast(), "handed on");
      screen = picture(9, 800, 600);
      viewer.update(true);
      assertEquals("0 0 800x600", viewer.sizes.getLast());
      viewer.update(true);
      assertShows(viewer);
      viewer.askForSize(2000, 600);
      assertEquals("size 2000x600", events.poll(20, TimeUnit.SECONDS));
      viewer.update(true);
      assertEquals("1 3 800x600", viewer.sizes.getLast(), "refused");
    }
  }
}
