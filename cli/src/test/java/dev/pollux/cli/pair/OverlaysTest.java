package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.WriteObserver;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.replication.ReplicationNode;
import dev.pollux.cli.img.ImgTools;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A side that dies, between any two writes to any of its files, while it takes over, merges its
 * disks, or after that, has everything that was flushed when it comes back. {@code
 * -Dpollux.block.seed=N} another story, {@code -Dpollux.pair.deaths=1} every death, and not one in
 * so many.
 */
class OverlaysTest {
  private static final long SEED = Long.getLong("pollux.block.seed", System.nanoTime());
  private static final int ONE_IN = Integer.getInteger("pollux.pair.deaths", 8);
  private static final int BLOCK = 4096;
  private static final int BLOCKS = 96;
  private static final int MORE_WRITES = 25;

  /** Of the primary since the last checkpoint: not to be seen when the copy has taken over. */
  private static final int UNDONE = 255;

  @TempDir private Path folder;

  private final ExecutorService loop = Executors.newSingleThreadExecutor();
  private final BlockGraph graph = new BlockGraph(new BlockListener() {}, loop);
  private final Random random = new Random(SEED);

  /** Held for each write to a file, so that a death comes between two. */
  private final ReentrantLock alive = new ReentrantLock();

  /** What each block was when the guest flushed last, and what it may have been since. */
  private final BitSet[] allowed = new BitSet[BLOCKS];

  private int version;
  private int deaths;
  private Path disk;
  private String format = "";
  private Overlays overlays = Overlays.at("");

  private <T> T onLoop(Callable<T> work) throws Exception {
    return loop.submit(work).get(60, TimeUnit.SECONDS);
  }

  private BlockNode add(String text) throws Exception {
    DeviceOptions parsed = DeviceOptions.parse("-blockdev", text, "driver");
    Map<String, String> values = new LinkedHashMap<>();
    parsed.keys().forEach(key -> values.put(key, parsed.string(key, "")));
    return onLoop(() -> graph.add(BlockOptions.of("-blockdev " + text, values)));
  }

  private Path image(String name, String type) throws IOException {
    Path path = folder.resolve(name);
    List<String> words = new ArrayList<>(List.of("create", "-q", "-f", type));
    if (type.equals("qcow2")) {
      words.addAll(List.of("-o", "cluster_size=8k"));
    }
    words.addAll(List.of(path.toString(), String.valueOf(BLOCKS * BLOCK)));
    assertEquals(0, ImgTools.run(words));
    return path;
  }

  private BlockBackend secondary(String type) throws Exception {
    format = type;
    disk = image("disk", type);
    overlays = Overlays.at(folder.resolve("copy").toString());
    var _ = image("copy.active", "qcow2");
    var _ = image("copy.hidden", "qcow2");
    BlockNode below =
        add("%s,node-name=disk,file.driver=file,file.filename=%s".formatted(type, disk));
    BlockNode top =
        add(
            ("replication,node-name=top,mode=secondary,top-id=top,file.driver=qcow2,"
                    + "file.file.driver=file,file.file.filename=%s,file.backing.driver=qcow2,"
                    + "file.backing.file.driver=file,file.backing.file.filename=%s,"
                    + "file.backing.backing=disk")
                .formatted(overlays.active(), overlays.hidden()));
    onLoop(() -> graph.addBackend("export", below));
    BlockBackend guest = onLoop(() -> graph.addBackend("guest", top));
    for (int i = 0; i < BLOCKS; i++) {
      allowed[i] = new BitSet();
      allowed[i].set(0);
    }
    BlockNode active = top.child("file");
    for (BlockNode image : List.of(below, active, active.backing())) {
      image.child("file").addObserver(new Death());
    }
    return guest;
  }

  /** Looks before each write to a file at what would be there if it were the last. */
  private final class Death implements WriteObserver {
    @Override
    public void before(long offset, long length) throws IOException {
      alive.lock();
      try {
        dieAndComeBack();
      } catch (IOException | Error e) {
        alive.unlock();
        throw e;
      }
    }

    @Override
    public void after(long offset, long length) {
      alive.unlock();
    }
  }

  private boolean begun;

  private void dieAndComeBack() throws IOException {
    if (!begun || ++deaths % ONE_IN != 0) {
      return;
    }
    Path dead = Files.createDirectories(folder.resolve("dead"));
    Path left = dead.resolve("disk");
    Overlays beside = Overlays.at(dead.resolve("copy").toString());
    copy(disk, left);
    copy(overlays.active(), beside.active());
    copy(overlays.hidden(), beside.hidden());
    boolean tookOver = beside.haveTakenOver();
    if (tookOver) {
      beside.merge(left, format);
      beside.merge(left, format); // and dies again before it has noted that
    }
    byte[] found = content(left);
    for (int i = 0; i < BLOCKS; i++) {
      int block = found[i * BLOCK] & 0xff;
      // Where the copy has not taken over yet the disk is what the primary has written.
      boolean fits = tookOver ? allowed[i].get(block) : primarys[i] == block;
      assertTrue(
          fits,
          "death %d, block %d is %d, not of %s; seed %d"
              .formatted(deaths, i, block, tookOver ? allowed[i] : primarys[i], SEED));
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.write(to, Files.readAllBytes(from));
  }

  private byte[] content(Path image) throws IOException {
    Path raw = image.resolveSibling("raw");
    List<String> words =
        List.of("convert", "-f", format, "-O", "raw", image.toString(), raw.toString());
    assertEquals(0, ImgTools.run(words));
    return Files.readAllBytes(raw);
  }

  private void write(BlockBackend to) throws IOException {
    int count = 1 + random.nextInt(6);
    int first = random.nextInt(BLOCKS - count);
    int value = 1 + version++ % (UNDONE - 1);
    alive.lock();
    try {
      for (int i = first; i < first + count; i++) {
        allowed[i].set(value);
      }
    } finally {
      alive.unlock();
    }
    long bytes = (long) count * BLOCK;
    try (HostBuffer buffer = new HostBuffer(bytes)) {
      RawMemory.fill(buffer.address(), bytes, (byte) value);
      to.access(node -> node.write((long) first * BLOCK, buffer.vector(), 0));
    }
    for (int i = first; i < first + count; i++) {
      written[i] = value;
    }
    if (random.nextInt(3) == 0) {
      flush(to);
    }
  }

  private final int[] written = new int[BLOCKS];
  private final int[] primarys = new int[BLOCKS];

  private void flush(BlockBackend to) throws IOException {
    to.access(BlockNode::flush);
    alive.lock();
    try {
      for (int i = 0; i < BLOCKS; i++) {
        allowed[i].clear();
        allowed[i].set(written[i]);
      }
    } finally {
      alive.unlock();
    }
  }

  private static void fill(BlockNode node, int block, int count, int value) throws IOException {
    long bytes = (long) count * BLOCK;
    try (HostBuffer buffer = new HostBuffer(bytes)) {
      RawMemory.fill(buffer.address(), bytes, (byte) value);
      node.write((long) block * BLOCK, buffer.vector(), 0);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"raw", "qcow2"})
  void nothingThatWasFlushedIsLost(String type) throws Exception {
    BlockBackend guest = secondary(type);
    onLoop(
        () -> {
          graph.replication().start(ReplicationNode.Mode.SECONDARY);
          return null;
        });
    BlockNode exported = graph.require("disk");
    for (int i = 0; i < 12; i++) {
      write(guest);
      int first = random.nextInt(BLOCKS - 4);
      fill(exported, first, 4, UNDONE);
      Arrays.fill(primarys, first, first + 4, UNDONE);
    }
    flush(guest);
    exported.flush();
    begun = true;
    onLoop(
        () -> {
          graph.replication().stop(true);
          return null;
        });
    int after = 0;
    for (int i = 0; after < MORE_WRITES; i++) {
      assertTrue(i < 10_000, "the merge does not end; seed " + SEED);
      write(guest);
      boolean merged = onLoop(() -> graph.require("top").child("file").name().equals("disk"));
      after += merged ? 1 : 0;
    }
    flush(guest);
    begun = false;
    close();
    byte[] found = content(disk);
    for (int i = 0; i < BLOCKS; i++) {
      assertEquals(written[i], found[i * BLOCK] & 0xff, "block " + i + ", seed " + SEED);
    }
    assertTrue(deaths > MORE_WRITES, "only " + deaths);
  }

  private void close() throws Exception {
    onLoop(
        () -> {
          graph.close();
          return null;
        });
    loop.shutdown();
  }
}
