package dev.pollux.devices.display;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;

/** Pictures as files. Any thread. */
public enum PictureFile {
  /** Portable pixmap, binary (Netpbm "P6"). */
  PPM {
    @Override
    public void write(Screen screen, OutputStream out) throws IOException {
      String header = "P6\n%d %d\n255\n".formatted(screen.width(), screen.height());
      out.write(header.getBytes(StandardCharsets.US_ASCII));
      out.write(bytes(screen, 0));
    }
  },
  /** Portable Network Graphics (ISO/IEC 15948). */
  PNG {
    @Override
    public void write(Screen screen, OutputStream out) throws IOException {
      out.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
      ByteArrayOutputStream header = new ByteArrayOutputStream();
      DataOutputStream fields = new DataOutputStream(header);
      fields.writeInt(screen.width());
      fields.writeInt(screen.height());
      fields.write(new byte[] {8, 2, 0, 0, 0}); // 8 bits each of red, green and blue
      chunk(out, "IHDR", header.toByteArray());
      ByteArrayOutputStream data = new ByteArrayOutputStream();
      try (DeflaterOutputStream deflater = new DeflaterOutputStream(data)) {
        deflater.write(bytes(screen, 1)); // each row begins with its filter: none
      }
      chunk(out, "IDAT", data.toByteArray());
      chunk(out, "IEND", new byte[0]);
    }
  };

  /** Writes a whole file. */
  public abstract void write(Screen screen, OutputStream out) throws IOException;

  /**
   * Red, green and blue, byte by byte.
   *
   * @param before bytes of 0 in front of each row
   */
  private static byte[] bytes(Screen screen, int before) {
    byte[] bytes = new byte[screen.height() * (before + screen.width() * 3)];
    int at = 0;
    for (int i = 0; i < screen.pixels().length; i++) {
      if (i % screen.width() == 0) {
        at += before;
      }
      int pixel = screen.pixels()[i];
      bytes[at++] = (byte) (pixel >> 16);
      bytes[at++] = (byte) (pixel >> 8);
      bytes[at++] = (byte) pixel;
    }
    return bytes;
  }

  private static void chunk(OutputStream out, String type, byte[] data) throws IOException {
    DataOutputStream chunk = new DataOutputStream(out);
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    CRC32 sum = new CRC32();
    sum.update(name);
    sum.update(data);
    chunk.writeInt(data.length);
    chunk.write(name);
    chunk.write(data);
    chunk.writeInt((int) sum.getValue());
  }
}
