package dev.pollux.tests.harness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;

/** What a guest has on its screen. */
public final class GuestScreen {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private GuestScreen() {}

  /**
   * The monitor's picture of the screen, a PPM.
   *
   * @param folder where its file goes
   */
  public static byte[] dump(QmpClient client, Path folder) throws IOException, CommandFailed {
    Path picture = folder.resolve("screen.ppm");
    JsonNode _ =
        client.execute("screendump", JSON.createObjectNode().put("filename", picture.toString()));
    return Files.readAllBytes(picture);
  }

  /** A PPM is of this size, in pixels, and some of it is lit. */
  public static void assertLetters(byte[] ppm, int width, int height) {
    String header = "P6\n%d %d\n255\n".formatted(width, height);
    assertEquals(header, new String(ppm, 0, header.length(), StandardCharsets.US_ASCII));
    assertEquals(header.length() + width * height * 3, ppm.length);
    int lit = 0;
    for (int i = header.length(); i < ppm.length; i++) {
      lit += ppm[i] != 0 ? 1 : 0;
    }
    assertTrue(lit > 1000, "colors of letters: " + lit);
  }

  /**
   * Has the guest's console show something: the monitor's picture becomes what the guest has in its
   * frame buffer.
   *
   * @param folder for the picture
   * @param width of the frame buffer, in pixels of four bytes, as the height
   */
  public static void assertShown(
      LinuxGuest guest, QmpClient client, Path folder, int width, int height)
      throws IOException, CommandFailed {
    assertEquals(
        "",
        guest.run(
            "echo 0 > /sys/class/graphics/fbcon/cursor_blink; cat /proc/self/maps > /dev/tty0"));
    String wanted = guest.run("md5sum < /dev/fb0 | cut -c1-32");
    String seen = "";
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!seen.equals(wanted) && System.nanoTime() < end) { // a frame may be on its way
      seen = sum(asInMemory(dump(client, folder), width, height));
    }
    assertEquals(wanted, seen);
  }

  /** Blue, green, red and 0 of each pixel of a picture. */
  private static byte[] asInMemory(byte[] ppm, int width, int height) {
    assertLetters(ppm, width, height);
    int header = ppm.length - width * height * 3;
    byte[] pixels = new byte[width * height * 4];
    for (int i = 0; i < width * height; i++) {
      for (int color = 0; color < 3; color++) {
        pixels[i * 4 + color] = ppm[header + i * 3 + 2 - color];
      }
    }
    return pixels;
  }

  private static String sum(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
