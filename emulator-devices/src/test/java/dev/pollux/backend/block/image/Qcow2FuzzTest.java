package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged and hostile images: each is opened, or refused in one sentence; reading, writing,
 * checking and repairing it ends, and nothing else is harmed. {@code -Dpollux.block.fuzz=} says how
 * many.
 */
class Qcow2FuzzTest {
  private static final int IMAGES = Integer.getInteger("pollux.block.fuzz", 300);
  private static final long SEED = Long.getLong("pollux.block.seed", 12);
  private static final int DISK = 1 << 20;

  @TempDir Path folder;

  private Path write(byte[] image) throws IOException {
    return Files.write(folder.resolve("image"), image);
  }

  private byte[] goodImage(int clusterBits, int version) throws IOException {
    Path path = folder.resolve("good");
    Files.deleteIfExists(path);
    Files.createFile(path);
    NodeOptions options = NodeOptions.of("f").withUnmap(true);
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON)) {
      new Qcow2Creator(version, DISK, clusterBits, 4, false, false, "", "").create(file);
      try (Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.DEFAULTS)) {
        new FlatModel(image, new byte[DISK], new Random(clusterBits), true).run(60);
        byte[] cluster = new byte[1 << clusterBits];
        image.writeCompressed(0, cluster);
        image.writeCompressed(cluster.length, cluster);
      }
    }
    return Files.readAllBytes(path);
  }

  /** Everything that can be done to an image; only errors of images may come of it. */
  private void use(Path path) throws IOException {
    NodeOptions writable = NodeOptions.of("n").withUnmap(true);
    for (int way = 0; way < 3; way++) {
      try (FileNode file = FileNode.open(writable, path.toString(), Locking.ON);
          Qcow2Image image =
              Qcow2Image.open(
                  writable, file, null, way == 0 ? Qcow2Options.DEFAULTS : Qcow2Options.REPAIRING);
          HostBuffer buffer = new HostBuffer(DISK)) {
        if (way == 0) {
          image.info();
          image.read(0, buffer.vector(Math.min(DISK, image.length())));
          image.write(512, buffer.vector(Math.min(70_000, image.length() - 512)), 0);
          image.discard(0, Math.min(DISK, image.length()));
          image.flush();
        } else {
          new Qcow2Check(image).run(way == 1 ? Qcow2Check.Repair.NONE : Qcow2Check.Repair.ALL);
        }
      } catch (IOException e) {
        assertFalse(e.getMessage() == null || e.getMessage().isBlank(), "an error without words");
      }
    }
  }

  @Test
  @Timeout(value = 600, unit = TimeUnit.SECONDS)
  void damagedImagesDoNoHarm() throws IOException {
    Random random = new Random(SEED);
    byte[][] good = {goodImage(9, 3), goodImage(9, 2), goodImage(12, 3), goodImage(16, 3)};
    for (int i = 0; i < IMAGES; i++) {
      byte[] image = good[random.nextInt(good.length)].clone();
      int damages = 1 + random.nextInt(6);
      for (int d = 0; d < damages; d++) {
        damage(image, random);
      }
      try {
        use(write(image));
      } catch (RuntimeException | OutOfMemoryError e) {
        throw new AssertionError("image %d of seed %d".formatted(i, SEED), e);
      }
    }
  }

  private static void damage(byte[] image, Random random) {
    int where =
        switch (random.nextInt(3)) {
          case 0 -> random.nextInt(112);
          case 1 -> random.nextInt(Math.min(image.length, 1 << 18));
          default -> random.nextInt(image.length);
        };
    where = Math.min(where, image.length - 8);
    switch (random.nextInt(4)) {
      case 0 -> image[where] = (byte) random.nextInt();
      case 1 -> image[where] ^= (byte) (1 << random.nextInt(8));
      case 2 -> ByteBuffer.wrap(image).putLong(where & -8, random.nextLong());
      default ->
          ByteBuffer.wrap(image)
              .putLong(
                  where & -8,
                  (long) random.nextInt(1 + image.length) & -512L
                      | (long) random.nextInt(4) << 62
                      | random.nextInt(2));
    }
  }

  private void refused(byte[] image, String words) throws IOException {
    Path path = write(image);
    NodeOptions options = NodeOptions.of("n");
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON)) {
      IOException error =
          assertThrows(
              IOException.class,
              () -> Qcow2Image.open(options, file, null, Qcow2Options.DEFAULTS).close(),
              words);
      assertTrue(error.getMessage().contains(words), error.getMessage());
    }
  }

  @Test
  void hostileHeadersAreRefusedInWords() throws IOException {
    byte[] good = goodImage(16, 3);
    record Change(int offset, int bytes, long value, String words) {}
    Change[] changes = {
      new Change(4, 4, 4, "Unsupported qcow2 version 4"),
      new Change(20, 4, 8, "Unsupported cluster size"),
      new Change(20, 4, 22, "Unsupported cluster size"),
      new Change(20, 4, -1, "Unsupported cluster size"),
      new Change(24, 8, -1, "too big"),
      new Change(24, 8, 1L << 52, "L1 table is too small"),
      new Change(32, 4, 1, "Encrypted"),
      new Change(36, 4, -1, "L1 table too large"),
      new Change(36, 4, 0x7fff_ffff, "L1 table too large"),
      new Change(40, 8, 0x30001, "L1 table offset invalid"),
      new Change(40, 8, Long.MIN_VALUE, "L1 table offset invalid"),
      new Change(48, 8, 77, "Reference count table offset invalid"),
      new Change(56, 4, 0, "does not contain a reference count table"),
      new Change(56, 4, -1, "reference count table"),
      new Change(60, 4, -1, "Snapshot table too large"),
      new Change(72, 8, 16, "subclusters"),
      new Change(72, 8, 4, "external data file"),
      new Change(72, 8, 1L << 60, "Unknown incompatible feature"),
      new Change(72, 8, 2, "corrupt"),
      new Change(96, 4, 7, "Reference count entry width"),
      new Change(100, 4, 50, "header too short"),
      new Change(100, 4, 1 << 30, "header exceeds cluster size"),
      new Change(8, 8, 1L << 40, "Backing file name"),
      new Change(116, 4, -1, "Header extension too large"),
    };
    for (Change change : changes) {
      byte[] image = good.clone();
      ByteBuffer buffer = ByteBuffer.wrap(image);
      if (change.bytes == 8) {
        buffer.putLong(change.offset, change.value);
      } else {
        buffer.putInt(change.offset, (int) change.value);
      }
      if (change.offset == 8) {
        buffer.putInt(16, 5);
      }
      refused(image, change.words);
    }
    refused(java.util.Arrays.copyOf(good, 40), "beyond the end of the file");
  }
}
