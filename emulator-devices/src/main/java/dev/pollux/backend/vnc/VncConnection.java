package dev.pollux.backend.vnc;

import dev.pollux.devices.display.Screen;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A viewer (RFC 6143). A thread reads what it says, another sends it what has changed, when it has
 * asked for that; so a slow viewer sees fewer pictures, and nothing piles up.
 */
final class VncConnection {
  private static final Logger log = LoggerFactory.getLogger(VncConnection.class);
  private static final Duration HANDSHAKE = Duration.ofSeconds(30);
  private static final int BUFFER = 1 << 16;
  private static final int VERSION = 12;
  private static final int MOST_CUT_TEXT = 1 << 20;

  private static final int NO_PASSWORD = 1;
  private static final int PASSWORD = 2;

  // Messages of viewers.
  private static final int SET_PIXEL_FORMAT = 0;
  private static final int SET_ENCODINGS = 2;
  private static final int UPDATE_REQUEST = 3;
  private static final int KEY_EVENT = 4;
  private static final int POINTER_EVENT = 5;
  private static final int CUT_TEXT = 6;
  private static final int SET_DESKTOP_SIZE = 251;
  private static final int OF_QEMU = 255;

  // Answers to SetDesktopSize ("The RFB Protocol").
  private static final int INVALID_LAYOUT = 3;
  private static final int FORWARDED = 4;

  private static final SecureRandom random = new SecureRandom();

  private final Viewers server;
  private final ViewerLink link;
  private final DataInputStream in;
  private final DataOutputStream out;
  private final Updates updates;
  private final Thread patience =
      Thread.ofVirtual().name("vnc patience").unstarted(this::watchHandshake);
  private volatile boolean isIn;

  /** What lets go of each key that the viewer holds down. */
  private final Map<Object, Runnable> held = new HashMap<>();

  private int buttons;
  private int pointerX = -1;
  private int pointerY = -1;

  VncConnection(Viewers server, ViewerLink link) {
    this.server = server;
    this.link = link;
    in = new DataInputStream(new BufferedInputStream(link.in(), BUFFER));
    out = new DataOutputStream(new BufferedOutputStream(link.out(), BUFFER));
    updates = new Updates(server.frames(), out);
  }

  void start() {
    patience.start();
    Thread.ofVirtual().name("vnc viewer").start(this::run);
  }

  private void watchHandshake() {
    try {
      Thread.sleep(HANDSHAKE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // the viewer has gone: nothing is kept of it
      return;
    }
    if (!isIn) {
      close();
    }
  }

  boolean isIn() {
    return isIn;
  }

  ViewerLink link() {
    return link;
  }

  void close() {
    try {
      link.close();
    } catch (IOException e) {
      log.debug("VNC: {}", e.getMessage());
    }
    updates.end();
    patience.interrupt();
  }

  private void run() {
    try {
      int minor = version();
      if (!authenticate(minor)) {
        return;
      }
      boolean shared = in.readUnsignedByte() != 0;
      greet();
      isIn = true;
      server.cameIn(this, shared);
      Thread.ofVirtual().name("vnc updates").start(this::sendUpdates);
      while (true) {
        message();
      }
    } catch (EOFException | ClosedChannelException e) {
      log.debug("VNC: viewer {} has gone", link.peer());
    } catch (IOException e) {
      log.info("VNC: viewer {}: {}", link.peer(), e.getMessage());
    } finally {
      server.gone(this);
      close();
      letGo();
    }
  }

  /** A viewer that has gone holds no key and no button. */
  private void letGo() {
    held.values().forEach(Runnable::run);
    if (buttons != 0) {
      buttons = 0;
      point(pointerX, pointerY, 0, 0, 0);
    }
  }

  private void sendUpdates() {
    try {
      updates.run();
    } catch (ClosedChannelException e) {
      log.debug("VNC: viewer {} has gone", link.peer());
    } catch (IOException e) {
      log.debug("VNC: viewer {}: {}", link.peer(), e.getMessage());
    } finally {
      close();
    }
  }

  // ---- handshake ----

  private int version() throws IOException {
    out.write("RFB 003.008\n".getBytes(StandardCharsets.US_ASCII));
    out.flush();
    String answer = new String(in.readNBytes(VERSION), StandardCharsets.US_ASCII);
    if (!answer.matches("RFB \\d{3}\\.\\d{3}\n")) {
      throw new IOException("speaks another protocol");
    }
    int minor = Integer.parseInt(answer.substring(8, 11));
    return minor >= 8 ? 8 : minor == 7 ? 7 : 3;
  }

  private boolean authenticate(int minor) throws IOException {
    int type = server.isGuarded() ? PASSWORD : NO_PASSWORD;
    if (minor == 3) {
      out.writeInt(type);
    } else {
      out.writeByte(1);
      out.writeByte(type);
      out.flush();
      if (in.readUnsignedByte() != type) {
        refuse(minor, "That kind of security is not possible");
        return false;
      }
    }
    if (type == PASSWORD && !checkPassword()) {
      refuse(minor, "Authentication failed");
      log.warn("VNC: viewer {} does not know the password", link.peer());
      return false;
    }
    if (type == PASSWORD || minor == 8) {
      out.writeInt(0);
    }
    out.flush();
    return true;
  }

  private boolean checkPassword() throws IOException {
    byte[] challenge = new byte[VncPassword.CHALLENGE];
    random.nextBytes(challenge);
    out.write(challenge);
    out.flush();
    byte[] answer = in.readNBytes(challenge.length);
    String password = server.password();
    return !password.isEmpty() && VncPassword.isRight(password, challenge, answer);
  }

  private void refuse(int minor, String reason) throws IOException {
    out.writeInt(1);
    if (minor == 8) {
      byte[] text = reason.getBytes(StandardCharsets.US_ASCII);
      out.writeInt(text.length);
      out.write(text);
    }
    out.flush();
  }

  private void greet() throws IOException {
    Screen screen = server.frames().latest().screen();
    updates.setSize(screen.width(), screen.height());
    out.writeShort(screen.width());
    out.writeShort(screen.height());
    PixelFormat.USUAL.write(out);
    String name = server.host().name();
    byte[] text =
        (name.isEmpty() ? "Pollux" : "Pollux (" + name + ")").getBytes(StandardCharsets.UTF_8);
    out.writeInt(text.length);
    out.write(text);
    out.flush();
  }

  // ---- messages ----

  private void message() throws IOException {
    int type = in.readUnsignedByte();
    switch (type) {
      case SET_PIXEL_FORMAT -> {
        in.skipNBytes(3);
        updates.setFormat(PixelFormat.read(in));
      }
      case SET_ENCODINGS -> {
        in.skipNBytes(1);
        int[] encodings = new int[in.readUnsignedShort()];
        for (int i = 0; i < encodings.length; i++) {
          encodings[i] = in.readInt();
        }
        updates.setEncodings(encodings);
      }
      case UPDATE_REQUEST -> {
        boolean incremental = in.readUnsignedByte() != 0;
        in.skipNBytes(8); // of which part: it gets all that has changed
        updates.request(incremental);
      }
      case KEY_EVENT -> {
        boolean down = in.readUnsignedByte() != 0;
        in.skipNBytes(2);
        int keysym = in.readInt();
        Keysyms.key(keysym).ifPresent(key -> press(key, down, to -> server.host().key(key, to)));
      }
      case POINTER_EVENT ->
          pointer(in.readUnsignedByte(), in.readUnsignedShort(), in.readUnsignedShort());
      case CUT_TEXT -> {
        in.skipNBytes(3);
        long length = in.readInt() & 0xffff_ffffL;
        if (length > MOST_CUT_TEXT) {
          throw new IOException("sends a clipboard of %d bytes".formatted(length));
        }
        in.skipNBytes(length);
      }
      case SET_DESKTOP_SIZE -> setDesktopSize();
      case OF_QEMU -> qemuMessage();
      default -> throw new IOException("sends a message of the unknown type " + type);
    }
  }

  /** One screen is what there is, whatever the viewer says of several. */
  private void setDesktopSize() throws IOException {
    in.skipNBytes(1);
    int width = in.readUnsignedShort();
    int height = in.readUnsignedShort();
    int screens = in.readUnsignedByte();
    in.skipNBytes(1 + screens * 16L);
    boolean told = width > 0 && height > 0 && server.host().wantSize(width, height);
    updates.answerSize(told ? FORWARDED : INVALID_LAYOUT);
    server.frames().expectChange();
  }

  /** Keys by what is on the keyboard rather than what is printed on them. */
  private void qemuMessage() throws IOException {
    int type = in.readUnsignedByte();
    if (type != 0) {
      throw new IOException("sends a message of QEMU's of the unknown type " + type);
    }
    boolean down = in.readUnsignedShort() != 0;
    in.skipNBytes(4);
    int code = in.readInt();
    if ((code & 0x7f) != 0 && code >>> 8 == 0) {
      press(code, down, to -> server.host().key(code, to));
    }
  }

  private void press(Object key, boolean down, Consumer<Boolean> send) {
    if (down) {
      held.put(key, () -> send.accept(false));
    } else {
      held.remove(key);
    }
    send.accept(down);
    server.frames().expectChange();
  }

  private void pointer(int pressed, int x, int y) {
    int dx = pointerX < 0 ? 0 : x - pointerX;
    int dy = pointerY < 0 ? 0 : y - pointerY;
    pointerX = x;
    pointerY = y;
    int wheel = ((pressed & 0x10) != 0 ? 1 : 0) - ((pressed & 0x08) != 0 ? 1 : 0);
    buttons = pressed & 1 | (pressed & 2) << 1 | (pressed & 4) >> 1;
    point(x, y, dx, dy, wheel);
    server.frames().expectChange();
  }

  /** Tells the machine, as its pointer wants to hear it. */
  private void point(int x, int y, int dx, int dy, int wheel) {
    if (!server.host().point(x, y, updates.width(), updates.height(), wheel, buttons)) {
      server.host().mouse(dx, dy, wheel, buttons);
    }
  }
}
