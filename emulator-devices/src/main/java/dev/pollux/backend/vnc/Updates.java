package dev.pollux.backend.vnc;

import dev.pollux.devices.display.Screen;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What a viewer is sent: of each picture the tiles that differ from what it has. One thread sends;
 * another tells what the viewer wants.
 */
final class Updates {
  private static final int TILE = 64;

  /** Pixels of a rectangle beside each other at most: Tight has no wider ones. */
  private static final int WIDEST = 2048;

  private static final int DESKTOP_SIZE = -223;
  private static final int EXTENDED_DESKTOP_SIZE = -308;
  private static final int QEMU_KEYS = -258;

  private final Frames frames;
  private final DataOutputStream out;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition wanted = lock.newCondition();

  // Guarded by the lock: what the viewer wants.
  private PixelFormat nextFormat = PixelFormat.USUAL;
  private int[] nextEncodings = {};
  private boolean newWishes = true;
  private boolean requested;
  private boolean everything;
  private boolean ended;

  /** What becomes of the size that the viewer has asked for; -1 where it is told. */
  private int sizeAnswer = -1;

  // The sending thread's.
  private PixelFormat format = PixelFormat.USUAL;
  private boolean canResize;
  private boolean tellOfSizes;
  private boolean announceSize;
  private int nextSizeAnswer = -1;
  private boolean tellOfKeys;
  private boolean announceKeys;
  private Encoding encoding = new Encoding.Raw();

  /** By number: compressed streams go on where they were if the viewer comes back to one. */
  private final Map<Integer, Encoding> encodings = new HashMap<>();

  /** What the viewer shows, in its format, and whether that is of no use. */
  private int[] shown = {};

  private boolean shownIsOld = true;

  private volatile int width;
  private volatile int height;
  private long sent;
  private final Bytes message = new Bytes();

  Updates(Frames frames, DataOutputStream out) {
    this.frames = frames;
    this.out = out;
  }

  /** The size that the viewer has been told. Before the thread starts. */
  void setSize(int newWidth, int newHeight) {
    width = newWidth;
    height = newHeight;
    shown = new int[width * height];
    shownIsOld = true;
  }

  /** The viewer's width in pixels. */
  int width() {
    return width;
  }

  /** The viewer's height in pixels. */
  int height() {
    return height;
  }

  void setFormat(PixelFormat to) {
    lock.lock();
    try {
      nextFormat = to;
      newWishes = true;
      everything = true;
    } finally {
      lock.unlock();
    }
  }

  void setEncodings(int[] to) {
    lock.lock();
    try {
      nextEncodings = to;
      newWishes = true;
    } finally {
      lock.unlock();
    }
  }

  /** The viewer is ready for the next picture. */
  void request(boolean incremental) {
    lock.lock();
    try {
      requested = true;
      everything |= !incremental;
      wanted.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Tells the viewer what becomes of the size that it has asked for. */
  void answerSize(int status) {
    lock.lock();
    try {
      sizeAnswer = status;
      wanted.signalAll();
    } finally {
      lock.unlock();
    }
  }

  void end() {
    lock.lock();
    try {
      ended = true;
      wanted.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Sends until the end. */
  void run() throws IOException {
    try {
      while (awaitRequest()) {
        send();
      }
    } finally {
      encodings.values().forEach(Encoding::close);
    }
  }

  /** Waits until something is to be sent; false at the end. */
  private boolean awaitRequest() throws IOException {
    lock.lock();
    try {
      while (!ended) {
        if (!requested) {
          wanted.await();
        } else if (everything
            || newWishes
            || shownIsOld
            || sizeAnswer >= 0
            || frames.latest().number() != sent) {
          takeWishes();
          requested = false;
          return true;
        } else {
          wanted.awaitNanos(frames.patience());
        }
      }
      return false;
    } catch (InterruptedException e) {
      throw new IOException("interrupted", e);
    } finally {
      lock.unlock();
    }
  }

  private void takeWishes() {
    shownIsOld |= everything;
    everything = false;
    nextSizeAnswer = sizeAnswer;
    sizeAnswer = -1;
    if (!newWishes) {
      return;
    }
    newWishes = false;
    format = nextFormat;
    canResize = false;
    boolean couldTellKeys = tellOfKeys;
    boolean couldTellSizes = tellOfSizes;
    int best = -1;
    for (int each : nextEncodings) {
      switch (each) {
        case Encoding.Raw.NUMBER, Hextile.NUMBER, Tight.NUMBER, Zrle.NUMBER ->
            best = best < 0 ? each : best; // the viewer's first choice
        case DESKTOP_SIZE -> canResize = true;
        case EXTENDED_DESKTOP_SIZE -> tellOfSizes = true;
        case QEMU_KEYS -> tellOfKeys = true;
        default -> {}
      }
    }
    encoding = encodings.computeIfAbsent(best, Updates::encoding);
    announceKeys = tellOfKeys && !couldTellKeys;
    announceSize = tellOfSizes && !couldTellSizes;
  }

  private static Encoding encoding(int number) {
    return switch (number) {
      case Hextile.NUMBER -> new Hextile();
      case Tight.NUMBER -> new Tight();
      case Zrle.NUMBER -> new Zrle();
      default -> new Encoding.Raw();
    };
  }

  private void send() throws IOException {
    Frames.Frame frame = frames.latest();
    Screen screen = frame.screen();
    sent = frame.number();
    message.clear();
    int rectangles = 0;
    if (announceKeys) {
      rectangle(0, 0, 0, 0, QEMU_KEYS);
      rectangles++;
      announceKeys = false;
    }
    if (announceSize) {
      extendedSize(0, 0);
      rectangles++;
      announceSize = false;
    }
    if (nextSizeAnswer >= 0 && tellOfSizes) {
      extendedSize(1, nextSizeAnswer); // 1: this viewer has asked
      rectangles++;
    }
    nextSizeAnswer = -1;
    if ((canResize || tellOfSizes) && (screen.width() != width || screen.height() != height)) {
      setSize(screen.width(), screen.height());
      if (tellOfSizes) {
        extendedSize(0, 0);
      } else {
        rectangle(0, 0, width, height, DESKTOP_SIZE);
      }
      rectangles++;
    } else {
      rectangles += changes(converted(screen));
    }
    if (rectangles == 0) { // what has changed is beyond the viewer's picture
      request(true);
      return;
    }
    out.writeByte(0);
    out.writeByte(0);
    out.writeShort(rectangles);
    out.write(message.array(), 0, message.size());
    out.flush();
  }

  /** The size, and that there is one screen, which has all of it. */
  private void extendedSize(int reason, int status) {
    rectangle(reason, status, width, height, EXTENDED_DESKTOP_SIZE);
    message.putInt(1 << 24); // screens, and nothing
    message.putInt(0); // its number
    message.putInt(0); // where it is
    message.putShort(width);
    message.putShort(height);
    message.putInt(0);
  }

  private void rectangle(int x, int y, int w, int h, int kind) {
    message.putShort(x);
    message.putShort(y);
    message.putShort(w);
    message.putShort(h);
    message.putInt(kind);
  }

  /** The picture in the viewer's size and format. */
  private int[] converted(Screen screen) {
    boolean usual = format.isUsual();
    if (usual && screen.width() == width && screen.height() == height) {
      return screen.pixels(); // which nobody changes
    }
    int[] pixels = new int[width * height];
    int columns = Math.min(width, screen.width());
    for (int y = 0; y < Math.min(height, screen.height()); y++) {
      int from = y * screen.width();
      int to = y * width;
      for (int x = 0; x < columns; x++) {
        int pixel = screen.pixels()[from + x];
        pixels[to + x] = usual ? pixel : format.convert(pixel);
      }
    }
    return pixels;
  }

  /** Appends rectangles of tiles that are beside each other; how many. */
  private int changes(int[] now) {
    int rectangles = 0;
    for (int y = 0; y < height; y += TILE) {
      int h = Math.min(TILE, height - y);
      int from = -1;
      for (int x = 0; x < width + TILE; x += TILE) {
        boolean changed = x < width && isChanged(now, x, y, Math.min(TILE, width - x), h);
        if (from >= 0 && (!changed || x - from == WIDEST)) {
          int w = Math.min(x, width) - from;
          rectangle(from, y, w, h, encoding.number());
          encoding.encode(new Area(now, width, from, y, w, h), format, message);
          rectangles++;
          from = -1;
        }
        if (changed && from < 0) {
          from = x;
        }
      }
    }
    shown = now;
    shownIsOld = false;
    return rectangles;
  }

  private boolean isChanged(int[] now, int x, int y, int w, int h) {
    if (shownIsOld) {
      return true;
    }
    for (int row = y; row < y + h; row++) {
      int at = row * width + x;
      if (!Arrays.equals(now, at, at + w, shown, at, at + w)) {
        return true;
      }
    }
    return false;
  }
}
