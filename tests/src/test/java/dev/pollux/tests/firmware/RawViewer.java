package dev.pollux.tests.firmware;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A VNC viewer that takes pixels as they are, and follows changes of size (RFC 6143). */
final class RawViewer implements AutoCloseable {
  private static final int RAW = 0;
  private static final int DESKTOP_SIZE = -223;

  private final SocketChannel channel;
  private final DataInputStream in;
  private final DataOutputStream out;
  private int width;
  private int height;
  private int[] pixels;

  /** Comes in at a socket file where no password is asked for. */
  RawViewer(Path socket) throws IOException {
    channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    channel.connect(UnixDomainSocketAddress.of(socket));
    in = new DataInputStream(new BufferedInputStream(Channels.newInputStream(channel)));
    out = new DataOutputStream(Channels.newOutputStream(channel));
    in.readNBytes(12);
    out.write("RFB 003.008\n".getBytes(StandardCharsets.US_ASCII));
    in.readNBytes(in.readUnsignedByte());
    out.writeByte(1);
    if (in.readInt() != 0) {
      throw new IOException("not let in");
    }
    out.writeByte(1);
    resize(in.readUnsignedShort(), in.readUnsignedShort());
    in.readNBytes(16);
    in.readNBytes(in.readInt());
    out.write(new byte[] {2, 0, 0, 2});
    out.writeInt(RAW);
    out.writeInt(DESKTOP_SIZE);
  }

  private void resize(int newWidth, int newHeight) {
    width = newWidth;
    height = newHeight;
    pixels = new int[width * height];
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  /** How many of a rectangle's pixels have a color. */
  int count(int x, int y, int w, int h, int color) {
    int found = 0;
    for (int row = y; row < Math.min(y + h, height); row++) {
      for (int column = x; column < Math.min(x + w, width); column++) {
        found += pixels[row * width + column] == color ? 1 : 0;
      }
    }
    return found;
  }

  /** Asks for the whole picture and takes it. */
  void update() throws IOException {
    out.write(new byte[] {3, 0, 0, 0, 0, 0});
    out.writeShort(width);
    out.writeShort(height);
    in.readUnsignedShort();
    for (int rectangles = in.readUnsignedShort(); rectangles > 0; rectangles--) {
      int x = in.readUnsignedShort();
      int y = in.readUnsignedShort();
      int w = in.readUnsignedShort();
      int h = in.readUnsignedShort();
      if (in.readInt() == DESKTOP_SIZE) {
        resize(w, h);
      } else {
        readRaw(x, y, w, h);
      }
    }
  }

  private void readRaw(int x, int y, int w, int h) throws IOException {
    for (int row = 0; row < h; row++) {
      for (int column = 0; column < w; column++) {
        int pixel = Integer.reverseBytes(in.readInt()) & 0xff_ffff;
        pixels[(y + row) * width + x + column] = pixel;
      }
    }
  }

  /** Presses a key and lets it go; keysyms are those of X. */
  void type(int keysym) throws IOException {
    for (int down = 1; down >= 0; down--) {
      out.write(new byte[] {4, (byte) down, 0, 0});
      out.writeInt(keysym);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
