package dev.pollux.backend.vnc;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** A viewer as the protocol's specification describes one, with the screen's own pixel format. */
final class TestViewer implements AutoCloseable {
  private final Socket socket;
  private final Map<Integer, Inflater> streams = new HashMap<>();
  final DataInputStream in;
  final DataOutputStream out;
  int width;
  int height;
  int[] pixels;
  String name;

  /** What it was told of sizes, as "reason status WIDTHxHEIGHT". */
  final List<String> sizes = new ArrayList<>();

  TestViewer(SocketAddress address) throws IOException {
    int port = ((InetSocketAddress) address).getPort();
    socket = new Socket(InetAddress.getLoopbackAddress(), port);
    socket.setSoTimeout(20_000);
    in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
    out = new DataOutputStream(socket.getOutputStream());
  }

  /** Comes in; null where the password is wrong. */
  static TestViewer connect(SocketAddress address, String password, int... encodings)
      throws IOException {
    TestViewer viewer = new TestViewer(address);
    if (!viewer.enter(password)) {
      viewer.close();
      return null;
    }
    viewer.setEncodings(encodings);
    return viewer;
  }

  private boolean enter(String password) throws IOException {
    in.readNBytes(12);
    out.write("RFB 003.008\n".getBytes(StandardCharsets.US_ASCII));
    byte[] types = in.readNBytes(in.readUnsignedByte());
    out.writeByte(types[0]);
    if (types[0] == 2) {
      out.write(VncPassword.answer(password, in.readNBytes(16)));
    }
    if (in.readInt() != 0) {
      return false;
    }
    out.writeByte(1);
    setSize(in.readUnsignedShort(), in.readUnsignedShort());
    in.readNBytes(16);
    name = new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    return true;
  }

  private void setSize(int w, int h) {
    width = w;
    height = h;
    pixels = new int[w * h];
    Arrays.fill(pixels, -1);
  }

  void setEncodings(int... encodings) throws IOException {
    out.writeByte(2);
    out.writeByte(0);
    out.writeShort(encodings.length);
    for (int each : encodings) {
      out.writeInt(each);
    }
  }

  void request(boolean incremental) throws IOException {
    out.writeByte(3);
    out.writeBoolean(incremental);
    out.writeInt(0);
    out.writeShort(width);
    out.writeShort(height);
  }

  /** Asks for an update and takes it; how many pixels came. */
  int update(boolean incremental) throws IOException {
    request(incremental);
    if (in.readUnsignedByte() != 0) {
      throw new IOException("no update");
    }
    in.skipNBytes(1);
    int count = 0;
    for (int left = in.readUnsignedShort(); left > 0; left--) {
      int x = in.readUnsignedShort();
      int y = in.readUnsignedShort();
      int w = in.readUnsignedShort();
      int h = in.readUnsignedShort();
      int encoding = in.readInt();
      switch (encoding) {
        case -223 -> setSize(w, h);
        case -308 -> extendedSize(x, y, w, h);
        case -258 -> {}
        case 0 -> raw(in, x, y, w, h);
        case 5 -> hextile(x, y, w, h);
        case 7 -> tight(x, y, w, h);
        case 16 -> zrle(x, y, w, h);
        default -> throw new IOException("encoding " + encoding);
      }
      count += encoding >= 0 ? w * h : 0;
    }
    return count;
  }

  /** Who has changed the size, or asked for that, and what becomes of it. */
  private void extendedSize(int reason, int status, int w, int h) throws IOException {
    sizes.add("%d %d %dx%d".formatted(reason, status, w, h));
    in.skipNBytes(4 + 16); // one screen
    if (w != width || h != height) {
      setSize(w, h);
    }
  }

  void askForSize(int w, int h) throws IOException {
    out.writeByte(251);
    out.writeByte(0);
    out.writeShort(w);
    out.writeShort(h);
    out.writeShort(1 << 8); // one screen
    out.write(new byte[16]);
  }

  private void set(int x, int y, int pixel) {
    pixels[y * width + x] = pixel;
  }

  private void fill(int x, int y, int w, int h, int pixel) {
    for (int row = y; row < y + h; row++) {
      Arrays.fill(pixels, row * width + x, row * width + x + w, pixel);
    }
  }

  private static int pixel(DataInputStream from) throws IOException {
    return Integer.reverseBytes(from.readInt());
  }

  private void raw(DataInputStream from, int x, int y, int w, int h) throws IOException {
    for (int row = 0; row < h; row++) {
      for (int column = 0; column < w; column++) {
        set(x + column, y + row, pixel(from));
      }
    }
  }

  private void hextile(int x, int y, int w, int h) throws IOException {
    int background = 0;
    int foreground = 0;
    for (int top = y; top < y + h; top += 16) {
      for (int left = x; left < x + w; left += 16) {
        int tileWidth = Math.min(16, x + w - left);
        int tileHeight = Math.min(16, y + h - top);
        int kind = in.readUnsignedByte();
        if ((kind & 1) != 0) {
          raw(in, left, top, tileWidth, tileHeight);
          continue;
        }
        background = (kind & 2) != 0 ? pixel(in) : background;
        foreground = (kind & 4) != 0 ? pixel(in) : foreground;
        fill(left, top, tileWidth, tileHeight, background);
        for (int n = (kind & 8) != 0 ? in.readUnsignedByte() : 0; n > 0; n--) {
          int color = (kind & 16) != 0 ? pixel(in) : foreground;
          int at = in.readUnsignedByte();
          int size = in.readUnsignedByte();
          fill(left + (at >> 4), top + (at & 15), (size >> 4) + 1, (size & 15) + 1, color);
        }
      }
    }
  }

  private byte[] inflate(int stream, byte[] data, int most) throws IOException {
    Inflater inflater = streams.computeIfAbsent(stream, _ -> new Inflater());
    byte[] to = new byte[most];
    inflater.setInput(data);
    try {
      int n = inflater.inflate(to);
      return Arrays.copyOf(to, n);
    } catch (DataFormatException e) {
      throw new IOException(e);
    }
  }

  private static int three(DataInputStream from) throws IOException {
    return from.readUnsignedByte() | from.readUnsignedByte() << 8 | from.readUnsignedByte() << 16;
  }

  private void zrle(int x, int y, int w, int h) throws IOException {
    byte[] data = in.readNBytes(in.readInt());
    DataInputStream from =
        new DataInputStream(new ByteArrayInputStream(inflate(16, data, w * h * 4 + 4096)));
    for (int top = y; top < y + h; top += 64) {
      for (int left = x; left < x + w; left += 64) {
        int tileWidth = Math.min(64, x + w - left);
        int tileHeight = Math.min(64, y + h - top);
        int kind = from.readUnsignedByte();
        int[] palette = new int[kind];
        for (int i = 0; i < kind; i++) {
          palette[i] = three(from);
        }
        int bits = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? 1 : kind <= 4 ? 2 : 4;
        for (int row = top; row < top + tileHeight; row++) {
          int used = 8;
          int value = 0;
          for (int column = left; column < left + tileWidth; column++) {
            if (kind == 0) {
              set(column, row, three(from));
            } else if (kind == 1) {
              set(column, row, palette[0]);
            } else {
              if (used == 8) {
                value = from.readUnsignedByte();
                used = 0;
              }
              used += bits;
              set(column, row, palette[value >> 8 - used & (1 << bits) - 1]);
            }
          }
        }
      }
    }
  }

  private int colors(DataInputStream from) throws IOException {
    return from.readUnsignedByte() << 16 | from.readUnsignedByte() << 8 | from.readUnsignedByte();
  }

  private byte[] tightData(int stream, int bytes) throws IOException {
    if (bytes < 12) {
      return in.readNBytes(bytes);
    }
    int length = 0;
    for (int shift = 0; shift < 21; shift += 7) {
      int part = in.readUnsignedByte();
      length |= shift == 14 ? part << 14 : (part & 0x7f) << shift;
      if ((part & 0x80) == 0) {
        break;
      }
    }
    byte[] data = inflate(stream, in.readNBytes(length), bytes);
    if (data.length != bytes) {
      throw new EOFException("%d bytes of %d".formatted(data.length, bytes));
    }
    return data;
  }

  private void tight(int x, int y, int w, int h) throws IOException {
    int control = in.readUnsignedByte();
    if (control == 0x80) {
      fill(x, y, w, h, colors(in));
    } else if ((control & 0x40) != 0) {
      in.readUnsignedByte();
      int[] palette = new int[in.readUnsignedByte() + 1];
      for (int i = 0; i < palette.length; i++) {
        palette[i] = colors(in);
      }
      byte[] data = tightData(control >> 4 & 3, (w + 7) / 8 * h);
      for (int row = 0; row < h; row++) {
        for (int column = 0; column < w; column++) {
          int bit = data[row * ((w + 7) / 8) + column / 8] >> 7 - column % 8 & 1;
          set(x + column, y + row, palette[bit]);
        }
      }
    } else {
      byte[] data = tightData(control >> 4 & 3, w * h * 3);
      DataInputStream from = new DataInputStream(new ByteArrayInputStream(data));
      for (int row = 0; row < h; row++) {
        for (int column = 0; column < w; column++) {
          set(x + column, y + row, colors(from));
        }
      }
    }
  }

  @Override
  public void close() throws IOException {
    streams.values().forEach(Inflater::end);
    socket.close();
  }
}
