package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** qcow2 against a flat model and against qemu-img. */
class Qcow2ImageTest {
  /** Not a multiple of any cluster's size. */
  private static final int BYTES = (3 << 20) + 3 * 512;

  @TempDir Path folder;

  /** An open image with what it stands on. */
  private record Opened(FileNode file, Qcow2Image image, Opened below) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      image.close();
      file.close();
      if (below != null) {
        below.close();
      }
    }
  }

  private static Opened open(Path path, Opened below, boolean readOnly) throws IOException {
    NodeOptions options = NodeOptions.of("n").withReadOnly(readOnly).withUnmap(true);
    FileNode file = FileNode.open(options, path.toString(), Locking.ON);
    return new Opened(
        file,
        Qcow2Image.open(options, file, below == null ? null : below.image, Qcow2Options.DEFAULTS),
        below);
  }

  private static void create(Path path, Qcow2Creator how) throws IOException {
    Files.createFile(path);
    try (FileNode file = FileNode.open(NodeOptions.of("f"), path.toString(), Locking.ON)) {
      how.create(file);
    }
  }

  private void assertSameAsQemu(Path image, byte[] model) throws IOException {
    Path raw = folder.resolve("raw");
    QemuImg.ok("qemu-img", "convert", "-O", "raw", image.toString(), raw.toString());
    assertArrayEquals(model, Files.readAllBytes(raw));
  }

  @ParameterizedTest
  @CsvSource({
    "3, 16, 4, false",
    "2, 16, 4, false",
    "3, 9, 0, false",
    "3, 12, 6, true",
    "3, 21, 3, true",
    "2, 9, 4, false",
    "3, 10, 2, false"
  })
  void randomOperationsGiveWhatTheModelSays(
      int version, int clusterBits, int refcountOrder, boolean lazy) throws IOException {
    QemuImg.assumeInstalled();
    Path path = folder.resolve("image.qcow2");
    create(path, new Qcow2Creator(version, BYTES, clusterBits, refcountOrder, lazy, false, "", ""));
    QemuImg.check(path);
    long seed = 1000L * clusterBits + version;
    byte[] model = new byte[BYTES];
    for (int round = 0; round < 2; round++) {
      try (Opened opened = open(path, null, false)) {
        FlatModel flat = new FlatModel(opened.image, model, new Random(seed + round), true);
        flat.run(200);
        flat.compareAll();
      }
      QemuImg.check(path);
      assertSameAsQemu(path, model);
    }
  }

  @Test
  void aBackingFileShowsWhereNothingWasWritten() throws IOException {
    QemuImg.assumeInstalled();
    Path base = folder.resolve("base.qcow2");
    Path middle = folder.resolve("middle.qcow2");
    Path top = folder.resolve("top.qcow2");
    create(base, Qcow2Creator.of(BYTES / 2 & -512));
    create(middle, new Qcow2Creator(2, BYTES, 12, 4, false, false, base.toString(), "qcow2"));
    create(top, new Qcow2Creator(3, BYTES, 16, 4, false, false, middle.toString(), "qcow2"));
    byte[] model = new byte[BYTES];
    try (Opened opened = open(base, null, false)) {
      byte[] half = new byte[BYTES / 2 & -512];
      new FlatModel(opened.image, half, new Random(1), true).run(100);
      System.arraycopy(half, 0, model, 0, half.length);
    }
    try (Opened opened = open(middle, open(base, null, true), false)) {
      new FlatModel(opened.image, model, new Random(2), false).run(100);
    }
    try (Opened opened = open(top, open(middle, open(base, null, true), true), false)) {
      FlatModel flat = new FlatModel(opened.image, model, new Random(3), true);
      flat.run(200);
      flat.compareAll();
    }
    QemuImg.check(top);
    assertSameAsQemu(top, model);
  }

  @Test
  void compressedClustersOfQemuAreReadAndOverwritten() throws IOException {
    QemuImg.assumeInstalled();
    byte[] model = new byte[BYTES];
    Random random = new Random(4);
    for (int i = 0; i < BYTES; i++) {
      model[i] = (byte) (i / 3000 + random.nextInt(4));
    }
    Path raw = Files.write(folder.resolve("input"), model);
    for (String type : new String[] {"zlib", "zstd"}) {
      Path path = folder.resolve(type + ".qcow2");
      QemuImg.ok(
          "qemu-img",
          "convert",
          "-c",
          "-f",
          "raw",
          "-O",
          "qcow2",
          "-o",
          "compression_type=" + type,
          raw.toString(),
          path.toString());
      byte[] changed = model.clone();
      try (Opened opened = open(path, null, false)) {
        FlatModel flat = new FlatModel(opened.image, changed, random, true);
        flat.compareAll();
        flat.run(200);
        flat.compareAll();
      }
      QemuImg.check(path);
      assertSameAsQemu(path, changed);
    }
  }

  @Test
  void qemuReadsWhatWeCompress() throws IOException {
    QemuImg.assumeInstalled();
    Random random = new Random(5);
    for (boolean zstd : new boolean[] {false, true}) {
      Path path = folder.resolve("zstd" + zstd);
      create(path, new Qcow2Creator(3, 4 << 20, 16, 4, false, zstd, "", ""));
      byte[] model = new byte[4 << 20];
      try (Opened opened = open(path, null, false)) {
        for (int cluster = 0; cluster < 64; cluster++) {
          byte[] bytes = new byte[1 << 16];
          for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) random.nextInt(1 + cluster * 4);
          }
          System.arraycopy(bytes, 0, model, cluster << 16, bytes.length);
          opened.image.writeCompressed((long) cluster << 16, bytes);
        }
        new FlatModel(opened.image, model, random, true).compareAll();
      }
      QemuImg.check(path);
      assertSameAsQemu(path, model);
    }
  }

  @Test
  void snapshotsAndBitmapsStayIntact() throws IOException {
    QemuImg.assumeInstalled();
    Path path = folder.resolve("image.qcow2");
    QemuImg.ok("qemu-img", "create", "-f", "qcow2", path.toString(), "8M");
    QemuImg.io(path, "write -P 1 0 1M", "write -P 2 3M 1M");
    QemuImg.ok("qemu-img", "snapshot", "-c", "before", path.toString());
    QemuImg.ok("qemu-img", "bitmap", "--add", "--disable", path.toString(), "marks");
    QemuImg.ok("qemu-img", "bitmap", "--add", "-g", "32k", path.toString(), "live");
    byte[] model = new byte[8 << 20];
    java.util.Arrays.fill(model, 0, 1 << 20, (byte) 1);
    java.util.Arrays.fill(model, 3 << 20, 4 << 20, (byte) 2);
    byte[] then = model.clone();
    try (Opened opened = open(path, null, false)) {
      Qcow2Info info = opened.image.info();
      assertEquals("before", info.snapshots().getFirst().name());
      assertEquals(8 << 20, info.snapshots().getFirst().size());
      assertEquals("marks", info.bitmaps().get(0).name());
      assertEquals(32 << 10, info.bitmaps().get(1).granularity());
      FlatModel flat = new FlatModel(opened.image, model, new Random(6), true);
      flat.run(200);
      flat.compareAll();
    }
    QemuImg.check(path);
    assertSameAsQemu(path, model);
    String info = QemuImg.ok("qemu-img", "info", path.toString());
    assertTrue(info.contains("name: marks") && info.contains("in-use"), info);
    Path raw = folder.resolve("then");
    QemuImg.ok(
        "qemu-img",
        "convert",
        "-l",
        "snapshot.name=before",
        "-O",
        "raw",
        path.toString(),
        raw.toString());
    assertArrayEquals(then, Files.readAllBytes(raw));
  }

  @Test
  void growsAndShrinks() throws IOException {
    QemuImg.assumeInstalled();
    Path path = folder.resolve("image.qcow2");
    create(path, new Qcow2Creator(3, 64 << 10, 9, 4, false, false, "", ""));
    byte[] model = new byte[BYTES];
    try (Opened opened = open(path, null, false)) {
      opened.image.resize(BYTES);
      new FlatModel(opened.image, model, new Random(7), true).run(300);
      opened.image.resize(BYTES / 4 & -512);
      opened.image.resize(BYTES);
      java.util.Arrays.fill(model, BYTES / 4 & -512, BYTES, (byte) 0);
      new FlatModel(opened.image, model, new Random(8), true).compareAll();
    }
    QemuImg.check(path);
    assertSameAsQemu(path, model);
  }
}
