package dev.pollux.cli.guest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArchiveTest {
  /** One file in the "newc" format, laid out by hand from the format's description. */
  @Test
  void cpioHasTheKernelsLayout() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (CpioWriter cpio = new CpioWriter(out)) {
      cpio.file("ab", 0755, "hello".getBytes(StandardCharsets.US_ASCII));
    }
    String header =
        "070701"
            + "00000001"
            + "000081ed"
            + "00000000".repeat(2)
            + "00000001"
            + "00000000"
            + "00000005"
            + "00000000".repeat(4)
            + "00000003"
            + "00000000";
    String file = header + "ab\0" + "\0\0\0" + "hello\0\0\0";
    String trailer =
        "070701"
            + "00000002"
            + "00000000".repeat(3)
            + "00000001"
            + "00000000".repeat(6)
            + "0000000b"
            + "00000000"
            + "TRAILER!!!\0\0\0\0";
    assertEquals(file + trailer, out.toString(StandardCharsets.US_ASCII));
  }

  @Test
  void tarIsReadEntryByEntry() throws IOException {
    byte[] tar =
        concat(
            tarEntry("./boot/vmlinuz", '0', "kernel"),
            tarEntry("./bin/", '5', ""),
            tarEntry("x", '0', ""),
            new byte[1024]);
    TarReader reader = new TarReader(new ByteArrayInputStream(tar));
    assertTrue(reader.next());
    assertEquals("boot/vmlinuz", reader.name());
    assertTrue(reader.isFile());
    assertArrayEquals("kernel".getBytes(StandardCharsets.US_ASCII), reader.content());
    assertTrue(reader.next());
    assertFalse(reader.isFile());
    assertTrue(reader.next());
    assertEquals("x", reader.name());
    assertFalse(reader.next());
  }

  @Test
  void longNamesOfGnuTarAreUnderstood() throws IOException {
    String name = "usr/" + "long/".repeat(30) + "name";
    byte[] tar = concat(tarEntry("././@LongLink", 'L', name + "\0"), tarEntry("cut", '0', "a"));
    TarReader reader = new TarReader(new ByteArrayInputStream(tar));
    assertTrue(reader.next());
    assertEquals(name, reader.name());
  }

  @Test
  void truncatedTarIsAnError() throws IOException {
    byte[] whole = tarEntry("file", '0', "content");
    TarReader reader = new TarReader(new ByteArrayInputStream(whole, 0, 514));
    assertTrue(reader.next());
    assertThrows(IOException.class, reader::content);
    TarReader garbage =
        new TarReader(
            new ByteArrayInputStream("x".repeat(512).getBytes(StandardCharsets.US_ASCII)));
    assertThrows(IOException.class, garbage::next);
  }

  @Test
  void addedFoldersComeWithAllTheirFiles(@TempDir Path folder) throws IOException {
    Path busybox = Files.write(folder.resolve("busybox"), new byte[] {1, 2, 3});
    Path tree = Files.createDirectories(folder.resolve("tree/sub"));
    Files.writeString(tree.resolve("file"), "content");
    Files.createSymbolicLink(tree.resolve("link"), Path.of("file"));
    Map<String, Path> added = new LinkedHashMap<>();
    added.put("/opt/some/tree", folder.resolve("tree"));
    Path image = folder.resolve("image");
    Initramfs.write(image, busybox, added, List.of());
    String text = Files.readString(image, StandardCharsets.ISO_8859_1);
    for (String name :
        new String[] {
          "init",
          "bin/busybox",
          "opt",
          "opt/some",
          "opt/some/tree/sub/file",
          "opt/some/tree/sub/link"
        }) {
      assertTrue(text.contains(name + "\0"), name);
    }
    assertEquals(0, Files.size(image) % 4);
  }

  private static byte[] tarEntry(String name, char type, String content) {
    byte[] block = new byte[512 + (content.isEmpty() ? 0 : 512)];
    put(block, 0, name);
    put(block, 124, "%011o".formatted(content.length()));
    block[156] = (byte) type;
    put(block, 257, "ustar");
    put(block, 512, content);
    return block;
  }

  private static void put(byte[] block, int offset, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(bytes, 0, block, offset, bytes.length);
  }

  private static byte[] concat(byte[]... parts) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.write(part);
    }
    return all.toByteArray();
  }
}
