package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A process that writes to an image is killed in the middle: what it had flushed is there, and the
 * image is whole but for lost space. {@code -Dpollux.block.crashes=} says how often.
 */
class Qcow2CrashTest {
  private static final int CRASHES = Integer.getInteger("pollux.block.crashes", 4);
  private static final long SEED = Long.getLong("pollux.block.seed", 11);

  @TempDir Path folder;

  @Test
  void whatWasFlushedSurvivesTheProcess() throws Exception {
    Random random = new Random(SEED);
    for (int crash = 0; crash < CRASHES; crash++) {
      Path path = folder.resolve("image" + crash);
      // The first one has its counts rebuilt, with both structures' places told apart.
      int clusterBits = crash == 0 ? 11 : 9 + random.nextInt(8);
      boolean lazy = crash == 0 || random.nextInt(3) == 0;
      Files.createFile(path);
      try (FileNode file = FileNode.open(NodeOptions.of("f"), path.toString(), Locking.ON)) {
        new Qcow2Creator(
                3, CrashWriter.BLOCKS * CrashWriter.BLOCK, clusterBits, 4, lazy, false, "", "")
            .create(file);
      }
      long seed = random.nextLong();
      int flushed = writeAndKill(path, seed, 1 + random.nextInt(200));
      String what =
          "crash %d, seed %d, clusters 2^%d, lazy %s, %d operations flushed"
              .formatted(crash, seed, clusterBits, lazy, flushed);
      checkImage(path, lazy, what);
      try {
        checkContents(path, seed, flushed, what);
      } catch (IOException e) {
        throw new AssertionError(what, e);
      }
      Files.delete(path);
    }
  }

  /** Returns how many operations were flushed for certain. */
  private int writeAndKill(Path path, long seed, int flushes) throws Exception {
    Path log = folder.resolve("flushed");
    Files.deleteIfExists(log);
    Process writer =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-cp",
                    System.getProperty("java.class.path"),
                    CrashWriter.class.getName(),
                    path.toString(),
                    Long.toString(seed)))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .redirectOutput(log.toFile())
            .start();
    while (wholeLines(log).size() < flushes) {
      assertTrue(writer.isAlive(), "the writer ended by itself");
      Thread.sleep(1);
    }
    writer.destroyForcibly();
    assertTrue(writer.waitFor(20, TimeUnit.SECONDS));
    return Integer.parseInt(wholeLines(log).getLast());
  }

  private static List<String> wholeLines(Path log) throws IOException {
    String text = Files.readString(log);
    return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
  }

  private static void checkImage(Path path, boolean lazy, String what) throws IOException {
    NodeOptions options = NodeOptions.of("n").withReadOnly(true);
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON);
        Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.REPAIRING)) {
      Qcow2Check.Result result = new Qcow2Check(image).run(Qcow2Check.Repair.NONE);
      assertEquals(0, result.checkErrors, what);
      assertTrue(lazy || result.corruptions == 0, what + ": " + result.corruptions + " corrupt");
    }
  }

  private static void checkContents(Path path, long seed, int flushed, String what)
      throws IOException {
    int[] certain = new int[CrashWriter.BLOCKS];
    Random random = new Random(seed);
    for (int i = 1; i <= flushed; i++) {
      CrashWriter.Operation operation = CrashWriter.Operation.next(random);
      for (int b = 0; b < operation.blocks(); b++) {
        certain[operation.block() + b] = operation.zero() ? 0 : i;
      }
    }
    // What came after the last flush may be there or not.
    int unsure = flushed + 2000;
    boolean[] later = new boolean[CrashWriter.BLOCKS];
    for (int i = flushed + 1; i <= unsure; i++) {
      CrashWriter.Operation operation = CrashWriter.Operation.next(random);
      for (int b = 0; b < operation.blocks(); b++) {
        later[operation.block() + b] |= operation.zero();
      }
    }
    NodeOptions options = NodeOptions.of("n").withUnmap(true);
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON);
        Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.DEFAULTS);
        HostBuffer buffer = new HostBuffer(CrashWriter.BLOCK)) {
      for (int block = 0; block < CrashWriter.BLOCKS; block++) {
        image.read((long) block * CrashWriter.BLOCK, buffer.vector());
        checkBlock(buffer, block, certain[block], flushed, later[block], what);
      }
      // It can be used as before.
      image.write(0, IoVector.of(buffer.address(), 512), 0);
    }
    try (FileNode file = FileNode.open(options, path.toString(), Locking.ON);
        Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.REPAIRING)) {
      assertEquals(0, new Qcow2Check(image).run(Qcow2Check.Repair.NONE).corruptions, what);
      new Qcow2Check(image).run(Qcow2Check.Repair.LEAKS);
      assertEquals(0, new Qcow2Check(image).run(Qcow2Check.Repair.NONE).leaks, what);
    }
  }

  /** Each sector of a block is one of the versions it may be. */
  private static void checkBlock(
      HostBuffer buffer, int block, int certain, int flushed, boolean mayBeZero, String what) {
    for (int at = 0; at < CrashWriter.BLOCK; at += 8) {
      long found = RawMemory.getLong(buffer.address() + at);
      int version = (int) (found >>> 32);
      String where =
          "%s: block %d at %d has version %d, not %d".formatted(what, block, at, version, certain);
      if (found == 0) {
        assertTrue(certain == 0 || mayBeZero, where);
      } else {
        assertTrue(version == certain || version > flushed, where);
        assertEquals(block * CrashWriter.BLOCK + at, (int) found, where);
      }
    }
  }
}
