package dev.pollux.cli.browser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.vnc.VncHost;
import dev.pollux.backend.vnc.WebScreen;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.isa.QKeyCode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The page with the screen: its pixels in a browser, its keys and pointer; and strangers. */
@Timeout(120)
class WebScreenTest {
  private static final String TOKEN = "0123456789abcdef";
  private static final int PATIENCE_MILLIS = 20_000;

  /** Bytes, eight times what is kept unread. */
  private static final int MUCH = 8 << 16;

  @TempDir private Path folder;

  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
  private volatile Screen screen = picture(1, 200, 150);

  private final VncHost host =
      new VncHost() {
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
          events.add("size of the window: " + (width > 100 && height > 100));
          screen = picture(4, 340, 180);
          return true;
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
      };

  /** Areas of one color, of two and of many. */
  private static Screen picture(long seed, int width, int height) {
    Random random = new Random(seed);
    int[] pixels = new int[width * height];
    for (int i = 0; i < pixels.length; i++) {
      int colors = new int[] {1, 2, 1 << 24}[(i % width / 50 + i / width / 50) % 3];
      pixels[i] = random.nextInt(colors) * (colors == 2 ? 0x12_3456 : 1) + (int) seed & 0xff_ffff;
    }
    return new Screen(width, height, pixels);
  }

  /** A sum over all pixels that tells their places apart, as the page computes it below. */
  private static long sum(Screen of) {
    long sum = 0;
    for (int pixel : of.pixels()) {
      sum = (sum * 31 + pixel) % 4294967291L;
    }
    return sum;
  }

  private static final String SUM =
      """
      (() => { const d = context.getImageData(0, 0, canvas.width, canvas.height).data; let sum = 0;
        for (let i = 0; i < d.length; i += 4) sum = (sum * 31 + (d[i] << 16 | d[i + 1] << 8 | d[i + 2])) % 4294967291;
        return canvas.width + 'x' + canvas.height + ' ' + sum; })()
      """;

  private static String seen(Screen screen) {
    return "%dx%d %d".formatted(screen.width(), screen.height(), sum(screen));
  }

  private String next() throws InterruptedException {
    String event = events.poll(PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
    return event == null ? "nothing" : event;
  }

  private List<String> next(int count) throws InterruptedException {
    List<String> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      all.add(next());
    }
    return all;
  }

  @Test
  void browserShowsTheScreenAndSendsKeysAndPointer() throws Exception {
    try (WebScreen web = new WebScreen("127.0.0.1", 0, Optional.of(TOKEN), host);
        Chromium browser = Chromium.start(folder)) {
      browser.open(web.address());
      browser.await(SUM, seen(screen));
      assertEquals("Pollux (test)", browser.text("name"));
      screen = picture(2, 330, 170); // another size, not of whole tiles
      browser.await(SUM, seen(screen));
      screen = picture(3, 330, 170);
      browser.await(SUM, seen(screen));
      browser.evaluate("document.getElementById('match').click()");
      assertEquals("size of the window: true", next());
      browser.await(SUM, seen(picture(4, 340, 180)));
      keys(browser);
      pointer(browser);
      assertEquals(List.of(), browser.complaints());
    }
  }

  private void keys(Chromium browser) throws Exception {
    browser.evaluate("canvas.focus()");
    browser.key("rawKeyDown", "ShiftLeft", "Shift");
    browser.key("rawKeyDown", "KeyY", "Z"); // by its place, whatever is printed on it
    browser.key("keyUp", "KeyY", "Z");
    browser.key("keyUp", "ShiftLeft", "Shift");
    assertEquals(List.of("2a down", "15 down", "15 up", "2a up"), next(4));
    browser.key("rawKeyDown", "ArrowLeft", "ArrowLeft");
    browser.evaluate("canvas.blur()");
    assertEquals(List.of("cb down", "cb up"), next(2));
    browser.evaluate("document.getElementById('reset').click()");
    assertEquals(List.of("1d down", "38 down", "d3 down", "d3 up", "38 up", "1d up"), next(6));
    browser.type("a"); // of a keyboard without places
    assertEquals(List.of("A down", "A up"), next(2));
    String many = "the quick brown fox";
    browser.evaluate(
        "for (const key of '%s') for (const type of ['keydown', 'keyup'])".formatted(many)
            + " canvas.dispatchEvent(new KeyboardEvent(type, {key}))");
    List<String> typed =
        next(many.length() * 2).stream().filter(event -> event.endsWith(" down")).toList();
    assertEquals(
        many.chars()
            .mapToObj(c -> (c == ' ' ? "SPC" : Character.toString(c - 32)) + " down")
            .toList(),
        typed);
  }

  private void pointer(Chromium browser) throws Exception {
    browser.evaluate("canvas.parentElement.className = ''"); // one pixel is one pixel
    double left = Double.parseDouble(browser.evaluate("'' + canvas.getBoundingClientRect().left"));
    double top = Double.parseDouble(browser.evaluate("'' + canvas.getBoundingClientRect().top"));
    browser.mouse("mouseMoved", left + 10.5, top + 20.5, "none", 0);
    assertEquals("0 0 0 0", next());
    browser.mouse("mousePressed", left + 40.5, top + 70.5, "left", 1);
    assertEquals("30 50 0 1", next());
    browser.mouse("mouseReleased", left + 40.5, top + 70.5, "left", 0);
    assertEquals("0 0 0 0", next());
    browser.mouse("mousePressed", left + 40.5, top + 60.5, "right", 2);
    assertEquals("0 -10 0 2", next());
  }

  // ---- without a browser ----

  private Socket connect(WebScreen web, String... headers) throws Exception {
    URI address = URI.create(web.address());
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), address.getPort());
    socket.setSoTimeout(PATIENCE_MILLIS);
    List<String> lines = new ArrayList<>(List.of("GET /rfb HTTP/1.1", "Upgrade: websocket"));
    lines.addAll(
        List.of(
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="));
    lines.addAll(List.of(headers));
    if (lines.stream().noneMatch(line -> line.startsWith("Host:"))) {
      lines.add("Host: 127.0.0.1:" + address.getPort());
    }
    String request = String.join("\r\n", lines) + "\r\n\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    return socket;
  }

  /** A connection on which frames may be sent. */
  private Socket open(WebScreen web) throws Exception {
    Socket socket = connect(web, cookie(web));
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      head.append((char) socket.getInputStream().read());
    }
    return socket;
  }

  private String status(WebScreen web, String... headers) throws Exception {
    try (Socket socket = connect(web, headers)) {
      return new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
    }
  }

  private static String cookie(WebScreen web) {
    return "Cookie: pollux-screen-%d=%s".formatted(URI.create(web.address()).getPort(), TOKEN);
  }

  @Test
  void strangersSeeNothing() throws Exception {
    try (WebScreen web = new WebScreen("127.0.0.1", 0, Optional.of(TOKEN), host)) {
      String known = cookie(web);
      String own = "Origin: http://127.0.0.1:" + URI.create(web.address()).getPort();
      assertEquals("HTTP/1.1 401", status(web));
      assertEquals("HTTP/1.1 401", status(web, known + "0"));
      assertEquals("HTTP/1.1 403", status(web, known, "Origin: http://evil.example"));
      assertEquals("HTTP/1.1 403", status(web, known, "Origin: null"));
      assertEquals("HTTP/1.1 403", status(web, known, own + "0"));
      assertEquals("HTTP/1.1 403", status(web, known, "Host: evil.example"));
      assertEquals("HTTP/1.1 101", status(web, known, own));
      assertEquals("HTTP/1.1 101", status(web, "Authorization: Bearer " + TOKEN));
    }
  }

  /** A frame of a client, its mask all zeros, its length as short as can be. */
  private static byte[] frame(int kind, byte[] data) {
    int size = data.length < 126 ? 0 : data.length < 1 << 16 ? 2 : 8;
    byte[] frame = new byte[2 + size + 4 + data.length];
    frame[0] = (byte) (0x80 | kind);
    frame[1] = (byte) (0x80 | (size == 0 ? data.length : size == 2 ? 126 : 127));
    for (int i = 0; i < size; i++) {
      frame[2 + i] = (byte) ((long) data.length >>> (size - 1 - i) * 8);
    }
    System.arraycopy(data, 0, frame, 2 + size + 4, data.length);
    return frame;
  }

  @Test
  void hostileFramesEndTheirConnectionOnly() throws Exception {
    try (WebScreen web = new WebScreen("127.0.0.1", 0, Optional.of(TOKEN), host)) {
      List<byte[]> hostile =
          List.of(
              frame(1, new byte[100]), // text
              frame(2, new byte[100]), // no version of the protocol
              frame(3, new byte[10]), // a kind that is none
              frame(9, new byte[200]), // a longer ping than may be
              frame(2, new byte[2 << 20]), // longer than any message
              new byte[] {(byte) 0x82, 0x05, 1, 2, 3, 4, 5}); // not masked
      for (byte[] bytes : hostile) {
        try (Socket socket = open(web)) {
          assertTrue(ends(socket, bytes), "still there after " + bytes[0]);
        }
      }
      assertEquals("HTTP/1.1 101", status(web, cookie(web)));
    }
  }

  @Test
  void moreThanIsKeptUnreadIsReadInTheEnd() throws Exception {
    try (WebScreen web = new WebScreen("127.0.0.1", 0, Optional.of(TOKEN), host);
        Socket socket = open(web)) {
      OutputStream out = socket.getOutputStream();
      byte[] hello = "RFB 003.008\n\1\1".getBytes(StandardCharsets.US_ASCII);
      out.write(frame(2, hello));
      byte[] key = {4, 1, 0, 0, 0, 0, 0, 'a', 4, 0, 0, 0, 0, 0, 0, 'a'};
      byte[] keys = new byte[MUCH];
      for (int i = 0; i < MUCH; i++) {
        keys[i] = key[i % key.length];
      }
      out.write(frame(9, new byte[100]));
      out.write(frame(2, keys));
      for (int i = 0; i < MUCH / key.length; i++) {
        assertEquals("A down", next());
        assertEquals("A up", next());
      }
    }
  }

  /** Whether the server ends a connection after these bytes. */
  private static boolean ends(Socket socket, byte[] bytes) throws Exception {
    try {
      socket.getOutputStream().write(bytes);
      InputStream in = socket.getInputStream();
      while (in.read() >= 0) {
        // to its end
      }
    } catch (SocketTimeoutException e) {
      return false;
    } catch (IOException e) {
      return true; // reset
    }
    return true;
  }
}
