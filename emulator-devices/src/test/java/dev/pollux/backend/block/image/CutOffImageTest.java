package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Images whose file lost its end, before they are opened or while they are used: no byte that was
 * written ever reads as something else, and nothing is written over what is left.
 */
class CutOffImageTest {
  private static final int CLUSTER = 4096;
  private static final int DISK = 1 << 20;
  private static final NodeOptions WRITABLE = NodeOptions.of("n");

  @TempDir Path folder;

  private interface Use {
    void run(Qcow2Image image) throws IOException;
  }

  private static void with(Path path, NodeOptions options, Qcow2Options how, Use use)
      throws IOException {
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON);
        Qcow2Image image = Qcow2Image.open(options, file, null, how)) {
      use.run(image);
    }
  }

  private static void fill(Qcow2Image image, int from, int bytes) throws IOException {
    try (HostBuffer data = new HostBuffer(CLUSTER)) {
      for (int at = from; at < from + bytes; at += CLUSTER) {
        byte[] cluster = cluster(at);
        RawMemory.copyIn(cluster, 0, data.address(), CLUSTER);
        image.write(at, data.vector(), 0);
      }
    }
  }

  private static byte[] cluster(int at) {
    byte[] bytes = new byte[CLUSTER];
    Arrays.fill(bytes, (byte) (1 + at / CLUSTER % 251));
    return bytes;
  }

  private static byte[] read(Qcow2Image image, int at) throws IOException {
    try (HostBuffer data = new HostBuffer(CLUSTER)) {
      image.read(at, data.vector());
      byte[] bytes = new byte[CLUSTER];
      RawMemory.copyOut(data.address(), bytes, 0, CLUSTER);
      return bytes;
    }
  }

  private Path image(boolean lazy) throws IOException {
    Path path = Files.createFile(folder.resolve("image.qcow2"));
    try (FileNode file = FileNode.open(WRITABLE, path.toString(), Locking.ON)) {
      new Qcow2Creator(3, DISK, 12, 4, lazy, false, "", "").create(file);
    }
    with(path, WRITABLE, Qcow2Options.DEFAULTS, image -> fill(image, 0, DISK));
    return path;
  }

  private static void cut(Path path, long bytes) throws IOException {
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      file.truncate(bytes);
    }
  }

  private static String refusal(Path path, NodeOptions options) {
    IOException refused =
        assertThrows(
            IOException.class, () -> with(path, options, Qcow2Options.DEFAULTS, _ -> {}), "opened");
    return refused.getMessage();
  }

  /** Each cluster is what was written, or an I/O error; returns how many are left. */
  private static int left(Qcow2Image image) throws IOException {
    int left = 0;
    for (int at = 0; at < DISK; at += CLUSTER) {
      byte[] bytes;
      try {
        bytes = read(image, at);
      } catch (ErrnoException e) {
        assertEquals(Errno.EIO, e.errno());
        assertTrue(
            e.getMessage().contains("cut off") || e.getMessage().contains("shorter"),
            e.getMessage());
        continue;
      }
      assertArrayEquals(cluster(at), bytes, "at " + at);
      left++;
    }
    return left;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatIsCutOffAnywhereIsNeverZeros(boolean lazy) throws IOException {
    Path path = image(lazy);
    byte[] whole = Files.readAllBytes(path);
    int before = 0;
    for (long end = 0; end < whole.length; end += 3 * CLUSTER) {
      Files.write(path, whole);
      cut(path, end);
      byte[] cut = Files.readAllBytes(path);
      String refused = refusal(path, WRITABLE);
      assertTrue(refused.contains("cut off") || end == 0, refused);
      assertArrayEquals(cut, Files.readAllBytes(path), "an image that was refused is as it was");
      if (end > 4 * CLUSTER) { // header, both tables of counts, L1 table
        int[] left = new int[1];
        with(path, WRITABLE.withReadOnly(true), Qcow2Options.DEFAULTS, i -> left[0] = left(i));
        assertTrue(left[0] >= before && left[0] < DISK / CLUSTER, "left: " + left[0]);
        before = left[0];
      }
    }
    assertTrue(before > DISK / CLUSTER / 2, "left: " + before);
  }

  @Test
  void aCheckTellsOfItAndARepairHarmsNothing() throws IOException {
    Path path = image(false);
    byte[] whole = Files.readAllBytes(path);
    for (long end = 5 * CLUSTER; end < whole.length; end += 7 * CLUSTER) {
      Files.write(path, whole);
      cut(path, end);
      with(
          path,
          WRITABLE,
          Qcow2Options.REPAIRING,
          image -> {
            Qcow2Check.Result result = new Qcow2Check(image).run(Qcow2Check.Repair.ALL);
            assertTrue(result.corruptions > result.corruptionsFixed, "all is well");
          });
      assertTrue(refusal(path, WRITABLE).contains("cut off"));
      with(path, WRITABLE.withReadOnly(true), Qcow2Options.DEFAULTS, CutOffImageTest::left);
    }
  }

  @Test
  void aFileThatIsCutOffWhileItIsUsedGivesErrorsAndKeepsTheRest() throws IOException {
    Path path = image(false);
    long end = Files.size(path) / 2 & -CLUSTER; // the last cluster may be there in part
    with(
        path,
        WRITABLE,
        Qcow2Options.DEFAULTS,
        image -> {
          assertEquals(DISK / CLUSTER, left(image));
          cut(path, end);
          int left = left(image);
          assertTrue(left > 0 && left < DISK / CLUSTER, "left: " + left);
          image.flush();
        });
    with(
        path,
        WRITABLE.withReadOnly(true),
        Qcow2Options.DEFAULTS,
        image -> assertTrue(left(image) > 0));
  }

  /** After a crash counts may be ahead of the file: that costs space, and nobody is refused. */
  @Test
  void countsBehindTheEndThatNobodyUsesAreNoLoss() throws IOException {
    Path path = image(false);
    byte[] bytes = Files.readAllBytes(path);
    long last = bytes.length / CLUSTER;
    ByteBuffer.wrap(bytes).putShort((int) (2 * CLUSTER + (last + 20) * 2), (short) 1);
    Files.write(path, bytes);
    with(path, WRITABLE, Qcow2Options.DEFAULTS, image -> assertEquals(DISK / CLUSTER, left(image)));
  }

  @Test
  void aCompressedClusterWhoseEndIsLostIsAnError() throws IOException {
    Path path = Files.createFile(folder.resolve("packed.qcow2"));
    byte[] text = new byte[CLUSTER];
    Random random = new Random(3);
    for (int i = 0; i < CLUSTER; i++) {
      text[i] = (byte) random.nextInt(16);
    }
    try (FileNode file = FileNode.open(WRITABLE, path.toString(), Locking.ON)) {
      new Qcow2Creator(3, DISK, 12, 4, false, false, "", "").create(file);
      try (Qcow2Image image = Qcow2Image.open(WRITABLE, file, null, Qcow2Options.DEFAULTS)) {
        image.writeCompressed(0, text);
      }
    }
    with(
        path,
        WRITABLE.withReadOnly(true),
        Qcow2Options.DEFAULTS,
        image -> assertArrayEquals(text, read(image, 0)));
    byte[] whole = Files.readAllBytes(path);
    for (long end = 4 * CLUSTER + 512; end < whole.length; end += 512) {
      Files.write(path, whole);
      cut(path, end);
      String at = "cut off at " + end + " of " + whole.length;
      with(
          path,
          WRITABLE.withReadOnly(true),
          Qcow2Options.DEFAULTS,
          image -> assertThrows(IOException.class, () -> read(image, 0), at));
    }
  }
}
