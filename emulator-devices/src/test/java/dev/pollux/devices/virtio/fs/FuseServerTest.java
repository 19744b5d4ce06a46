package dev.pollux.devices.virtio.fs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.host.Errno;
import dev.pollux.core.host.HostFile;
import dev.pollux.core.host.HostFolder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests of a guest, well-behaved or not, to a folder with a secret beside it. */
class FuseServerTest {
  private static final long ROOT = 1;
  private static final int LOOKUP = 1;
  private static final int GETATTR = 3;
  private static final int SETATTR = 4;
  private static final int READLINK = 5;
  private static final int SYMLINK = 6;
  private static final int MKNOD = 8;
  private static final int MKDIR = 9;
  private static final int UNLINK = 10;
  private static final int RMDIR = 11;
  private static final int RENAME = 12;
  private static final int LINK = 13;
  private static final int OPEN = 14;
  private static final int READ = 15;
  private static final int WRITE = 16;
  private static final int STATFS = 17;
  private static final int RELEASE = 18;
  private static final int INIT = 26;
  private static final int OPENDIR = 27;
  private static final int READDIR = 28;
  private static final int CREATE = 35;
  private static final int ROOM = 16 + FuseServer.MOST_DATA;

  @TempDir private Path base;
  private Path folder;
  private FuseServer server;

  @BeforeEach
  void share() throws IOException {
    folder = Files.createDirectory(base.resolve("share"));
    Files.writeString(base.resolve("secret"), "secret");
    server = new FuseServer(folder, false);
    ask(server, INIT, 0, ints(7, 38, 1 << 20, -1)).good();
  }

  @AfterEach
  void close() throws IOException {
    server.close();
  }

  /** An answer: its error, 0 for none, and its body. */
  private record Answer(int error, ByteBuffer body) {
    Answer good() {
      assertEquals(0, error);
      return this;
    }

    long node() {
      return good().body.getLong(0);
    }
  }

  private static Answer ask(FuseServer server, int op, long node, byte[]... parts) {
    int length = Stream.of(parts).mapToInt(part -> part.length).sum();
    ByteBuffer in = ByteBuffer.allocate(40 + length).order(ByteOrder.LITTLE_ENDIAN);
    in.putInt(40 + length).putInt(op).putLong(77).putLong(node).position(40);
    for (byte[] part : parts) {
      in.put(part);
    }
    ByteBuffer out =
        ByteBuffer.wrap(server.handle(in.array(), ROOM)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(out.capacity(), out.getInt(0));
    assertEquals(77, out.getLong(8));
    int error = -out.getInt(4);
    return new Answer(error, out.position(16).slice().order(ByteOrder.LITTLE_ENDIAN));
  }

  private Answer ask(int op, long node, byte[]... parts) {
    return ask(server, op, node, parts);
  }

  private static byte[] ints(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putInt(value);
    }
    return bytes.array();
  }

  private static byte[] longs(long... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 8).order(ByteOrder.LITTLE_ENDIAN);
    for (long value : values) {
      bytes.putLong(value);
    }
    return bytes.array();
  }

  private static byte[] name(String text) {
    return (text + '\0').getBytes(StandardCharsets.UTF_8);
  }

  private long lookUp(long parent, String name) {
    return ask(LOOKUP, parent, name(name)).node();
  }

  private long open(long node, int flags) {
    return ask(OPEN, node, ints(flags, 0)).good().body().getLong(0);
  }

  private String read(long handle, long offset, int size) {
    ByteBuffer body =
        ask(READ, 0, longs(handle, offset), ints(size, 0), longs(0), ints(0, 0)).good().body();
    return StandardCharsets.ISO_8859_1.decode(body).toString();
  }

  private Answer write(long handle, long offset, String text) {
    byte[] data = text.getBytes(StandardCharsets.ISO_8859_1);
    return ask(WRITE, 0, longs(handle, offset), ints(data.length, 0), longs(0), ints(0, 0), data);
  }

  @Test
  void filesAreMadeWrittenAndRead() throws IOException {
    ByteBuffer made = ask(CREATE, ROOT, ints(2, 0100640, 022, 0), name("file")).good().body();
    long node = made.getLong(0);
    long handle = made.getLong(128);
    assertEquals(6, write(handle, 0, "abcdef").good().body().getInt(0));
    write(handle, 1 << 20, "end").good();
    assertEquals("cdef", read(handle, 2, 4));
    assertEquals("", read(handle, 2 << 20, 10));
    ask(RELEASE, node, longs(handle, 0, 0)).good();
    assertEquals(9, ask(READ, 0, longs(handle, 0), ints(1, 0), longs(0), ints(0, 0)).error());
    assertEquals((1 << 20) + 3, Files.size(folder.resolve("file")));
    assertEquals(0100640, ask(GETATTR, node, ints(0, 0), longs(0)).good().body().getInt(16 + 60));
    byte[] size = new byte[88];
    ByteBuffer.wrap(size)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(0, 8 | 1)
        .putLong(16, 3)
        .putInt(68, 0600);
    ask(SETATTR, node, size).good();
    assertEquals("abc", Files.readString(folder.resolve("file")));
    ask(LINK, ROOT, longs(node), name("other")).good();
    assertEquals(2, Files.getAttribute(folder.resolve("other"), "unix:nlink"));
    ask(UNLINK, ROOT, name("other")).good();
    assertEquals(20, ask(RMDIR, ROOT, name("file")).error());
    ask(STATFS, ROOT).good();
  }

  @Test
  void foldersAreMadeListedAndMoved() throws IOException {
    long one = ask(MKDIR, ROOT, ints(0755, 0), name("one")).node();
    long two = ask(MKDIR, one, ints(0755, 0), name("two")).node();
    Files.writeString(folder.resolve("one/two/file"), "x");
    long file = lookUp(two, "file");
    ask(RENAME, one, longs(ROOT), name("two"), name("moved")).good();
    assertTrue(Files.exists(folder.resolve("moved/file")));
    assertEquals("x", read(open(file, 0), 0, 10), "found where it is now");
    for (int i = 0; i < 300; i++) {
      Files.writeString(folder.resolve("moved/name" + i), "");
    }
    long listing = ask(OPENDIR, two, ints(0, 0)).good().body().getLong(0);
    int seen = 0;
    long offset = 0;
    while (true) {
      ByteBuffer body =
          ask(READDIR, two, longs(listing, offset), ints(1000, 0), longs(0), ints(0, 0))
              .good()
              .body();
      if (!body.hasRemaining()) {
        break;
      }
      for (int at = 0; at < body.capacity(); at += 24 + body.getInt(at + 16) + 7 & ~7) {
        offset = body.getLong(at + 8);
        seen++;
      }
    }
    assertEquals(303, seen);
    assertEquals(39, ask(RMDIR, ROOT, name("moved")).error());
    ask(RMDIR, ROOT, name("one")).good();
  }

  @Test
  void nothingOutsideIsReached() throws IOException {
    Files.createSymbolicLink(folder.resolve("out"), base);
    Files.createSymbolicLink(folder.resolve("file"), base.resolve("secret"));
    for (String bad : new String[] {"..", ".", "", "../secret", "out/secret", "/etc/passwd"}) {
      assertEquals(Errno.ENOENT, ask(LOOKUP, ROOT, name(bad)).error(), bad);
      assertTrue(ask(CREATE, ROOT, ints(2, 0100644, 0, 0), name(bad)).error() != 0);
      assertTrue(ask(MKDIR, ROOT, ints(0755, 0), name(bad)).error() != 0);
      assertTrue(ask(UNLINK, ROOT, name(bad)).error() != 0);
    }
    long out = lookUp(ROOT, "out");
    assertTrue(ask(LOOKUP, out, name("secret")).error() != 0, "a link is no folder");
    assertTrue(ask(OPENDIR, out, ints(0, 0)).error() != 0);
    assertTrue(ask(MKDIR, out, ints(0755, 0), name("made")).error() != 0);
    long link = lookUp(ROOT, "file");
    assertEquals(
        base.resolve("secret").toString(),
        StandardCharsets.UTF_8.decode(ask(READLINK, link).good().body()).toString());
    assertTrue(ask(OPEN, link, ints(0, 0)).error() != 0, "a link is not opened");
    assertTrue(ask(SETATTR, link, new byte[88]).error() != 0);
    assertTrue(
        ask(CREATE, ROOT, ints(1 | 0x200, 0100644, 0, 0), name("file")).error() != 0,
        "nor written through");
    long real = ask(MKDIR, ROOT, ints(0755, 0), name("real")).node();
    Files.delete(folder.resolve("real"));
    Files.createSymbolicLink(folder.resolve("real"), base);
    assertTrue(ask(LOOKUP, real, name("secret")).error() != 0, "a folder that became a link");
    ask(SYMLINK, ROOT, name("new"), name("../../etc")).good();
    assertEquals("secret", Files.readString(base.resolve("secret")));
    assertEquals(Errno.EPERM, ask(MKNOD, ROOT, ints(020600, 0x103, 0, 0), name("dev")).error());
    assertFalse(Files.exists(folder.resolve("dev"), LinkOption.NOFOLLOW_LINKS));
  }

  @Test
  void sharesThatAreReadOnlyStaySo() throws IOException {
    Files.writeString(folder.resolve("file"), "text");
    try (FuseServer reader = new FuseServer(folder, true)) {
      ask(reader, INIT, 0, ints(7, 31, 0, 0)).good();
      long node = ask(reader, LOOKUP, ROOT, name("file")).node();
      for (int flags : new int[] {1, 2}) {
        assertEquals(Errno.EROFS, ask(reader, OPEN, node, ints(flags, 0)).error());
      }
      assertEquals(Errno.EROFS, ask(reader, CREATE, ROOT, ints(2, 0644, 0, 0), name("x")).error());
      assertEquals(Errno.EROFS, ask(reader, UNLINK, ROOT, name("file")).error());
      assertEquals(Errno.EROFS, ask(reader, SETATTR, node, new byte[88]).error());
      ask(reader, OPEN, node, ints(0x200, 0)).good();
    }
    assertEquals("text", Files.readString(folder.resolve("file")));
  }

  @Test
  void handlesHaveABound() throws IOException {
    Files.writeString(folder.resolve("file"), "");
    long node = lookUp(ROOT, "file");
    int error = 0;
    for (int i = 0; i < 2000 && error == 0; i++) {
      error = ask(OPEN, node, ints(0, 0)).error();
    }
    assertEquals(24, error);
    ask(INIT, 0, ints(7, 31, 0, 0)).good();
    ask(OPEN, lookUp(ROOT, "file"), ints(0, 0)).good();
  }

  @Test
  void noiseHarmsNothing() throws IOException {
    Files.createSymbolicLink(folder.resolve("b"), base);
    String[] names = {"a", "b", "c", "..", "../secret", "a/b", "", ".", "\0"};
    int requests = Integer.getInteger("pollux.fs.fuzz", 5_000);
    long seed = Long.getLong("pollux.fs.seed", 1);
    Random random = new Random(seed);
    for (int i = 0; i < requests; i++) {
      byte[] request = new byte[40 + random.nextInt(120)];
      random.nextBytes(request);
      ByteBuffer in = ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN);
      in.putInt(4, random.nextInt(50)).putLong(16, random.nextInt(6));
      for (int at = 40; at + 8 <= request.length; at += 8) {
        if (random.nextInt(3) > 0) {
          in.putLong(at, random.nextInt(4));
        }
      }
      byte[] text =
          (names[random.nextInt(9)] + '\0' + names[random.nextInt(9)] + '\0')
              .getBytes(StandardCharsets.UTF_8);
      int start = 40 + new int[] {0, 8, 16}[random.nextInt(3)];
      if (random.nextInt(4) > 0 && start + text.length <= request.length) {
        in.position(start).put(text);
      }
      byte[] answer = server.handle(request, random.nextInt(300));
      assertTrue(answer.length <= Math.max(300, 16), "seed " + seed + " request " + i);
    }
    try (Stream<Path> beside = Files.list(base)) {
      assertArrayEquals(
          new String[] {"secret", "share"},
          beside.map(path -> path.getFileName().toString()).sorted().toArray());
    }
    assertEquals("secret", Files.readString(base.resolve("secret")));
  }

  /** Bytes of a name go to the host and come back as they are. */
  @Test
  void namesAreBytes() throws IOException {
    byte[] raw = {(byte) 0xff, (byte) 0xc3, (byte) 0xa4, ' ', 0};
    ask(MKDIR, ROOT, ints(0755, 022), raw).good();
    try (HostFile open = HostFile.open(folder.toString(), HostFile.O_RDONLY)) {
      assertEquals(List.of("\u00ff\u00c3\u00a4 "), HostFolder.list(open, 9));
    }
    long handle = ask(OPENDIR, ROOT, ints(0, 0)).good().body().getLong(0);
    ByteBuffer lines =
        ask(READDIR, ROOT, longs(handle, 0), ints(4096, 0), longs(0), ints(0, 0)).good().body();
    String listing = StandardCharsets.ISO_8859_1.decode(lines).toString();
    assertTrue(listing.contains("\u00ff\u00c3\u00a4 "), listing);
    ask(SYMLINK, ROOT, name("link"), raw).good();
    long link = lookUp(ROOT, "link");
    ByteBuffer target = ask(READLINK, link).good().body();
    assertEquals(ByteBuffer.wrap(raw, 0, 4), target);
    ask(RMDIR, ROOT, raw).good();
    assertEquals(Errno.ENOENT, ask(LOOKUP, ROOT, raw).error());
  }

  @Test
  void openFilesOutliveTheirNames() throws IOException {
    Files.writeString(folder.resolve("file"), "text");
    long node = lookUp(ROOT, "file");
    long handle = open(node, 2);
    ask(UNLINK, ROOT, name("file")).good();
    assertEquals(4, ask(GETATTR, node, ints(0, 0), longs(0)).good().body().getLong(24), "bytes");
    assertEquals("text", read(handle, 0, 9));
    ask(RELEASE, node, longs(handle), ints(0, 0), longs(0)).good();
    assertTrue(ask(GETATTR, node, ints(0, 0), longs(0)).error() != 0);
  }
}
