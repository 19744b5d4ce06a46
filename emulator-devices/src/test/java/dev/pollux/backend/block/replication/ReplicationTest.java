package dev.pollux.backend.block.replication;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.job.BlockJobs;
import dev.pollux.backend.block.job.Job;
import dev.pollux.backend.block.job.JobOptions;
import dev.pollux.backend.block.job.JobStatus;
import dev.pollux.backend.block.job.SyncMode;
import dev.pollux.backend.block.nbd.NbdAddress;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.backend.block.node.QuorumNode;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Disks of pairs: guests on both sides write at random, checkpoints, failovers and lost connections
 * come in between, and a model knows what each guest has to see. {@code -Dpollux.replication=N}
 * pairs, one after the other, of which the survivor is the primary of the next one.
 */
class ReplicationTest {
  private static final int SIZE = 3 << 20;
  private static final long SEED = Long.getLong("pollux.block.seed", System.nanoTime());
  private static final int PAIRS = Integer.getInteger("pollux.replication", 8);

  private final List<Side> sides = new ArrayList<>();

  @TempDir Path folder;

  @AfterEach
  void close() throws Exception {
    for (Side side : sides) {
      side.close();
    }
  }

  /** An emulator's disks, without the emulator. */
  private final class Side {
    final ExecutorService loop = Executors.newSingleThreadExecutor();
    final BlockGraph graph = new BlockGraph(new BlockListener() {}, loop);
    final Path home;
    BlockBackend disk;
    boolean closed;

    Side() throws IOException {
      home = Files.createDirectory(folder.resolve("side" + sides.size()));
      sides.add(this);
    }

    <T> T onLoop(Callable<T> work) throws Exception {
      try {
        return loop.submit(work).get(60, TimeUnit.SECONDS);
      } catch (ExecutionException e) {
        throw e.getCause() instanceof Exception cause ? cause : e;
      }
    }

    private interface Step {
      void run() throws Exception;
    }

    void step(Step work) throws Exception {
      onLoop(
          () -> {
            work.run();
            return null;
          });
    }

    BlockNode add(String text) throws Exception {
      DeviceOptions parsed = DeviceOptions.parse("-blockdev", text, "driver");
      Map<String, String> values = new LinkedHashMap<>();
      parsed.keys().forEach(key -> values.put(key, parsed.string(key, "")));
      return onLoop(() -> graph.add(BlockOptions.of("-blockdev " + text, values)));
    }

    private String image(String name, boolean qcow2) throws IOException {
      Path path = Files.write(home.resolve(name), new byte[0]);
      try (FileNode file = FileNode.open(NodeOptions.of("new"), path.toString(), Locking.OFF)) {
        if (qcow2) {
          Qcow2Creator.of(SIZE).create(file);
        } else {
          file.resize(SIZE);
        }
      }
      return path.toString();
    }

    /** The disk of a machine that has always been alone. */
    void alone() throws Exception {
      add("raw,node-name=parent0,file.driver=file,file.filename=" + image("disk", false));
      add("quorum,node-name=top,vote-threshold=1,read-pattern=fifo,children.0=parent0");
      disk = onLoop(() -> graph.addBackend("colo-disk0", graph.require("top")));
    }

    /** The disks of a secondary, which a primary can reach. */
    int secondary(boolean qcow2) throws Exception {
      add(
          "%s,node-name=parent0,discard=unmap,file.driver=file,file.filename=%s"
              .formatted(qcow2 ? "qcow2" : "raw", image("disk", qcow2)));
      add(
          ("quorum,node-name=top,vote-threshold=1,read-pattern=fifo,"
                  + "children.0.driver=replication,children.0.node-name=repl,"
                  + "children.0.mode=secondary,children.0.top-id=top,children.0.file.driver=qcow2,"
                  + "children.0.file.file.driver=file,children.0.file.file.filename=%s,"
                  + "children.0.file.backing.driver=qcow2,"
                  + "children.0.file.backing.file.driver=file,"
                  + "children.0.file.backing.file.filename=%s,"
                  + "children.0.file.backing.backing=parent0")
              .formatted(image("active", true), image("hidden", true)));
      disk = onLoop(() -> graph.addBackend("colo-disk0", graph.require("top")));
      step(
          () -> {
            graph.exports().startServer(new NbdAddress.Inet("127.0.0.1", 0), 0);
            graph.exports().add("parent0", "parent0", "parent0", "", true);
          });
      return onLoop(() -> graph.exports().port().orElseThrow());
    }

    byte[] content() throws IOException {
      try (HostBuffer buffer = new HostBuffer(SIZE)) {
        disk.access(node -> node.read(0, buffer.vector()));
        return buffer.toBytes(0, SIZE);
      }
    }

    /** How far its disks are, and what its jobs do. */
    String describe() {
      StringBuilder all = new StringBuilder();
      graph.nodes().stream()
          .filter(ReplicationNode.class::isInstance)
          .map(ReplicationNode.class::cast)
          .forEach(node -> all.append(", replication ").append(node.stage()));
      graph.jobs().all().forEach(job -> all.append(", ").append(job.id()).append(job.status()));
      Thread.getAllStackTraces().entrySet().stream()
          .filter(each -> each.getKey().getName().startsWith("job "))
          .forEach(each -> all.append('\n').append(Arrays.toString(each.getValue())));
      return all.toString();
    }

    void close() throws Exception {
      if (!closed) {
        closed = true;
        onLoop(
            () -> {
              graph.close();
              return null;
            });
        loop.shutdown();
      }
    }
  }

  /** Writes at random and looks at what it reads; knows what is on its disk. */
  private static final class Guest {
    final byte[] model;
    private final BlockBackend disk;
    private final Random random;
    private final Thread thread;
    private volatile boolean stopped;
    private volatile Throwable failure;

    Guest(BlockBackend disk, byte[] content, long seed) {
      this.model = content;
      this.disk = disk;
      this.random = new Random(seed);
      this.thread = Thread.ofPlatform().daemon(true).start(this::run);
    }

    private void run() {
      try (HostBuffer buffer = new HostBuffer(128 << 10)) {
        while (!stopped) {
          int length = 512 * (1 + random.nextInt(random.nextInt(4) > 0 ? 16 : 256));
          int at = 512 * random.nextInt((SIZE - length) / 512 + 1);
          step(at, length, buffer);
        }
      } catch (Throwable e) {
        failure = e;
      }
    }

    private void step(int at, int length, HostBuffer buffer) throws IOException {
      byte[] data = new byte[length];
      switch (random.nextInt(8)) {
        case 0 -> disk.access(node -> node.writeZeroes(at, length, BlockNode.MAY_UNMAP));
        case 1, 2 -> {
          disk.access(node -> node.read(at, buffer.vector(length)));
          assertArrayEquals(
              Arrays.copyOfRange(model, at, at + length), buffer.toBytes(0, length), "at " + at);
          return;
        }
        default -> {
          random.nextBytes(data);
          RawMemory.copyIn(data, 0, buffer.address(), length);
          IoVector from = buffer.vector(length);
          disk.access(node -> node.write(at, from, 0));
        }
      }
      System.arraycopy(data, 0, model, at, length);
    }

    /** Ends it when its request is done. */
    byte[] stop() throws InterruptedException {
      stopped = true;
      thread.join(30_000);
      if (failure != null || thread.isAlive()) {
        throw new AssertionError("seed " + SEED, failure);
      }
      return model;
    }
  }

  private static Job job(Side side) {
    return side.graph.jobs().find("resync").orElseThrow();
  }

  private static void await(Side side, Callable<Boolean> condition) throws Exception {
    for (int i = 0; i < 6000 && !side.onLoop(condition); i++) {
      Thread.sleep(10);
    }
    assertTrue(side.onLoop(condition), () -> "seed " + SEED + side.describe());
  }

  private static void pause(Random random) throws InterruptedException {
    Thread.sleep(random.nextInt(60));
  }

  /** The survivor gets a new peer while its guest goes on; returns the guest, stopped for it. */
  private Guest resync(Side primary, Guest guest, int port) throws Exception {
    primary.add(
        "nbd,node-name=nbd0,detect-zeroes=on,export=parent0,server.type=inet,"
            + "server.host=127.0.0.1,server.port="
            + port);
    primary.step(
        () ->
            BlockJobs.mirror(
                primary.graph.jobs(),
                new JobOptions("resync", 0, OnError.IGNORE, OnError.REPORT, true, true),
                primary.graph.require("top"),
                primary.graph.require("nbd0"),
                new BlockJobs.Mirror(SyncMode.FULL, 0, false)));
    await(primary, () -> job(primary).status() == JobStatus.READY);
    byte[] model = guest.stop();
    primary.step(() -> primary.graph.jobs().cancel("resync", false));
    await(primary, () -> primary.graph.jobs().find("resync").isEmpty());
    primary.step(() -> primary.graph.addChild("top", "nbd0"));
    return new Guest(primary.disk, model, SEED);
  }

  /** Each pair has some checkpoints and a failover to either side. */
  @Test
  void pairAfterPair() throws Exception {
    Random random = new Random(SEED);
    Side primary = new Side();
    primary.alone();
    Guest guest = new Guest(primary.disk, new byte[SIZE], SEED);
    for (int pair = 0; pair < PAIRS; pair++) {
      String which = "pair %d, seed %d".formatted(pair, SEED);
      Side secondary = new Side();
      int port = secondary.secondary(random.nextBoolean());
      guest = resync(primary, guest, port);
      pause(random);

      byte[] model = guest.stop();
      start(primary, secondary);
      Guest twin = new Guest(secondary.disk, model.clone(), SEED + pair);
      guest = new Guest(primary.disk, model, SEED - pair);
      for (int i = random.nextInt(5); i > 0; i--) {
        pause(random);
        guest = checkpoint(primary, guest);
        pause(random); // the primary's guest runs, its writes wait
        twin.stop();
        byte[] state = atCheckpoint;
        secondary.step(() -> secondary.graph.replication().checkpoint());
        primary.graph.replication().letGo();
        assertArrayEquals(state, secondary.content(), which);
        twin = new Guest(secondary.disk, state, SEED + i);
      }
      pause(random);
      if (random.nextBoolean()) {
        guest = failOverToSecondary(primary, secondary, guest, twin, which);
        primary = secondary;
      } else {
        guest = failOverToPrimary(primary, secondary, guest, twin);
      }
    }
    byte[] model = guest.stop();
    assertArrayEquals(model, primary.content(), "seed " + SEED);
  }

  /** What the primary's disk held when its state was taken last. */
  private byte[] atCheckpoint;

  private static void start(Side primary, Side secondary) throws Exception {
    secondary.step(() -> secondary.graph.replication().start(ReplicationNode.Mode.SECONDARY));
    primary.step(() -> primary.graph.replication().start(ReplicationNode.Mode.PRIMARY));
  }

  private Guest checkpoint(Side primary, Guest guest) throws Exception {
    byte[] model = guest.stop();
    atCheckpoint = model.clone();
    primary.step(() -> primary.graph.replication().hold());
    return new Guest(primary.disk, model, SEED + model[0]);
  }

  /** The primary's connection breaks in the middle of whatever it does. */
  private Guest failOverToSecondary(
      Side primary, Side secondary, Guest guest, Guest twin, String which) throws Exception {
    primary.graph.connections().get("nbd0").run();
    byte[] model = twin.stop();
    secondary.step(() -> secondary.graph.replication().stop(true));
    assertArrayEquals(model, secondary.content(), which);
    Guest alone = new Guest(secondary.disk, model, SEED);
    guest.stop(); // it goes on with its own disk, and is not needed any more
    primary.close();
    await(secondary, () -> secondary.graph.require("repl").child("file").name().equals("parent0"));
    secondary.step(() -> secondary.graph.exports().stopServer());
    model = alone.stop();
    assertArrayEquals(model, secondary.content(), which);
    try (HostBuffer buffer = new HostBuffer(SIZE)) {
      secondary.graph.require("parent0").read(0, buffer.vector());
      assertArrayEquals(model, buffer.toBytes(0, SIZE), which);
    }
    return new Guest(secondary.disk, model, SEED);
  }

  private static Guest failOverToPrimary(Side primary, Side secondary, Guest guest, Guest twin)
      throws Exception {
    twin.stop();
    secondary.close();
    primary.graph.replication().abandon();
    primary.step(
        () -> {
          primary.graph.replication().stop(true);
          primary.graph.removeChild("top", "children.1");
          primary.graph.remove("nbd0");
        });
    return guest;
  }

  // ---- one pair ----

  private static void fill(BlockNode node, int from, int length, int with) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      RawMemory.fill(buffer.address(), length, (byte) with);
      node.write(from, buffer.vector(), 0);
    }
  }

  private static int at(BlockNode node, int offset) throws IOException {
    try (HostBuffer buffer = new HostBuffer(512)) {
      node.read(offset, buffer.vector());
      return buffer.toBytes(0, 512)[0];
    }
  }

  @Test
  void beforeItBeginsEveryRequestFails() throws Exception {
    Side secondary = new Side();
    int _ = secondary.secondary(false);
    BlockNode top = secondary.graph.require("top");
    assertThrows(IOException.class, () -> at(top, 0));
    assertThrows(IOException.class, () -> fill(top, 0, 512, 1));
    assertEquals(
        "Block replication is not running", secondary.graph.replication().error().orElseThrow());
    start(secondary, ReplicationNode.Mode.SECONDARY);
    assertTrue(secondary.graph.replication().error().isEmpty());
    fill(top, 0, 512, 1);
    assertEquals(1, at(top, 0));
    assertEquals(0, at(secondary.graph.require("parent0"), 0));
    ConfigException again =
        assertThrows(ConfigException.class, () -> start(secondary, ReplicationNode.Mode.SECONDARY));
    assertEquals("Block replication is running or done", again.getMessage());
  }

  private static void start(Side side, ReplicationNode.Mode mode) throws Exception {
    side.step(() -> side.graph.replication().start(mode));
  }

  @Test
  void whatThePrimaryWritesIsSeenAfterACheckpoint() throws Exception {
    Side secondary = new Side();
    int _ = secondary.secondary(false);
    start(secondary, ReplicationNode.Mode.SECONDARY);
    BlockNode top = secondary.graph.require("top");
    BlockNode disk = secondary.graph.require("parent0");
    fill(disk, 0, 1 << 20, 5);
    fill(top, 4096, 512, 7);
    assertEquals(0, at(top, 0));
    assertEquals(7, at(top, 4096));
    secondary.step(() -> secondary.graph.replication().checkpoint());
    assertEquals(5, at(top, 0));
    assertEquals(5, at(top, 4096));
    fill(disk, 0, 512, 6);
    disk.discard(8192, 65536);
    fill(top, 512, 512, 8);
    secondary.step(() -> secondary.graph.replication().stop(false));
    assertEquals(6, at(disk, 0)); // without a failover the disk is the primary's
  }

  /** A primary that is only believed to be dead writes on. */
  @Test
  void lateWritesOfThePrimaryAreRefused() throws Exception {
    Side secondary = new Side();
    int port = secondary.secondary(false);
    Side primary = new Side();
    primary.alone();
    BlockNode copy =
        primary.add(
            "nbd,node-name=nbd0,export=parent0,server.type=inet,server.host=127.0.0.1,server.port="
                + port);
    start(secondary, ReplicationNode.Mode.SECONDARY);
    fill(copy, 0, 65536, 3);
    secondary.step(() -> secondary.graph.replication().stop(true));
    assertThrows(IOException.class, () -> fill(copy, 0, 512, 4));
    assertThrows(
        IOException.class,
        () ->
            primary.add(
                "nbd,node-name=nbd1,export=parent0,server.type=inet,server.host=127.0.0.1,"
                    + "server.port="
                    + port));
    assertEquals(0, at(secondary.graph.require("top"), 0));
  }

  @Test
  void writesThatAreHeldEndWithThePair() throws Exception {
    Side secondary = new Side();
    int port = secondary.secondary(false);
    Side primary = new Side();
    primary.alone();
    BlockNode _ =
        primary.add(
            "nbd,node-name=nbd0,export=parent0,server.type=inet,server.host=127.0.0.1,server.port="
                + port);
    primary.step(() -> primary.graph.addChild("top", "nbd0"));
    start(primary, ReplicationNode.Mode.PRIMARY);
    primary.step(() -> primary.graph.replication().hold());
    BlockNode top = primary.graph.require("top");
    CompletableFuture<Void> write =
        CompletableFuture.runAsync(
            () -> {
              try {
                fill(top, 0, 512, 9);
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            },
            task -> Thread.ofPlatform().daemon(true).start(task));
    Thread.sleep(100);
    assertTrue(!write.isDone());
    assertEquals(9, at(top, 0)); // reads go on
    primary.graph.replication().abandon();
    write.get(10, TimeUnit.SECONDS); // on its own disk it is
    assertEquals(0, at(secondary.graph.require("parent0"), 0));
  }

  @Test
  void aFullHiddenDiskFailsThePrimarysWrite() throws Exception {
    Side secondary = new Side();
    fill(
        secondary.add(
            "raw,node-name=parent0,file.driver=file,file.filename="
                + secondary.image("disk", false)),
        0,
        65536,
        2);
    secondary.add(
        ("replication,node-name=repl,mode=secondary,top-id=repl,file.driver=qcow2,"
                + "file.file.driver=file,file.file.filename=%s,file.backing.driver=qcow2,"
                + "file.backing.backing=parent0,file.backing.file.driver=blkdebug,"
                + "file.backing.file.inject-error.0.iotype=write,"
                + "file.backing.file.inject-error.0.errno=28,"
                + "file.backing.file.image.driver=file,file.backing.file.image.filename=%s")
            .formatted(secondary.image("active", true), secondary.image("hidden", true)));
    secondary.step(
        () -> {
          secondary.graph.addBackend("b", secondary.graph.require("parent0"));
          secondary.graph.replication().start(ReplicationNode.Mode.SECONDARY);
        });
    IOException full =
        assertThrows(IOException.class, () -> fill(secondary.graph.require("parent0"), 0, 512, 1));
    assertEquals(28, dev.pollux.core.host.ErrnoException.of(full));
    assertEquals(2, at(secondary.graph.require("repl"), 0));
  }

  /** Its guest was told that it is written, since the primary's own disk has it. */
  @Test
  void aCheckpointIsRefusedWhereTheCopyHasMissedAWrite() throws Exception {
    Side secondary = new Side();
    secondary.add("null-co,node-name=below,size=" + SIZE);
    secondary.add(
        "blkdebug,node-name=parent0,image=below,inject-error.0.iotype=write,"
            + "inject-error.0.errno=28,inject-error.0.sector=8");
    secondary.step(
        () -> {
          secondary.graph.exports().startServer(new NbdAddress.Inet("127.0.0.1", 0), 0);
          secondary.graph.exports().add("parent0", "parent0", "parent0", "", true);
        });
    Side primary = new Side();
    primary.alone();
    BlockNode _ =
        primary.add(
            "nbd,node-name=nbd0,export=parent0,server.type=inet,server.host=127.0.0.1,server.port="
                + secondary.onLoop(() -> secondary.graph.exports().port().orElseThrow()));
    primary.step(() -> primary.graph.addChild("top", "nbd0"));
    start(primary, ReplicationNode.Mode.PRIMARY);
    Replication pair = primary.graph.replication();
    BlockNode top = primary.graph.require("top");
    fill(top, 0, 512, 1);
    primary.step(pair::hold);
    pair.check();
    pair.letGo();
    fill(top, 4096, 512, 1);
    primary.step(pair::hold);
    IOException told = assertThrows(IOException.class, pair::check);
    assertEquals(
        "the disks are not alike: node nbd0: write: No space left on device", told.getMessage());
    pair.abandon();
    primary.step(() -> primary.graph.removeChild("top", "children.1"));
    primary.step(pair::hold);
    pair.check(); // alone it is like itself
  }

  @Test
  void whatTheGuestWasToldToHaveFailedIsNotMissing() throws Exception {
    Side side = new Side();
    side.add("null-co,node-name=below,size=" + SIZE);
    side.add(
        "blkdebug,node-name=full,image=below,inject-error.0.iotype=write,"
            + "inject-error.0.errno=28,inject-error.0.sector=8");
    side.add("quorum,node-name=top,vote-threshold=1,read-pattern=fifo,children.0=full");
    BlockNode top = side.graph.require("top");
    assertThrows(IOException.class, () -> fill(top, 4096, 512, 1));
    assertEquals("", ((QuorumNode) top).missed());
  }

  /** What the primary has written before is on the disk below, and may be in the host's memory. */
  @Test
  void aFlushAfterTheTakeoverReachesAllDisks() throws Exception {
    Side secondary = new Side();
    secondary.add(
        ("blkdebug,node-name=parent0,image.driver=file,image.filename=%s,"
                + "inject-error.0.iotype=flush,inject-error.0.errno=5")
            .formatted(secondary.image("disk", false)));
    secondary.add(
        ("replication,node-name=repl,mode=secondary,top-id=repl,file.driver=qcow2,"
                + "file.file.driver=file,file.file.filename=%s,file.backing.driver=qcow2,"
                + "file.backing.backing=parent0,file.backing.file.driver=file,"
                + "file.backing.file.filename=%s")
            .formatted(secondary.image("active", true), secondary.image("hidden", true)));
    secondary.step(
        () -> {
          secondary.graph.addBackend("b", secondary.graph.require("parent0"));
          secondary.graph.replication().start(ReplicationNode.Mode.SECONDARY);
        });
    BlockNode guest = secondary.graph.require("repl");
    fill(guest, 0, 512, 1);
    guest.flush();
    secondary.step(() -> secondary.graph.replication().stop(true));
    assertThrows(IOException.class, guest::flush);
  }

  @Test
  void disksThatAreNotAsTheyHaveToBe() throws Exception {
    Side side = new Side();
    for (String[] wrong :
        new String[][] {
          {"replication,node-name=r,file.driver=null-co", "Missing the option mode"},
          {
            "replication,node-name=r,mode=x,file.driver=null-co",
            "The option mode's value should be primary or secondary"
          },
          {
            "replication,node-name=r,mode=primary,top-id=t,file.driver=null-co",
            "The primary side does not support option top-id"
          },
          {
            "replication,node-name=r,mode=secondary,file.driver=null-co",
            "Missing the option top-id"
          }
        }) {
      ConfigException told = assertThrows(ConfigException.class, () -> side.add(wrong[0]));
      assertTrue(told.getMessage().contains(wrong[1]), told.getMessage());
    }
    side.add("replication,node-name=r,mode=secondary,top-id=r,file.driver=null-co");
    assertThrows(ConfigException.class, () -> start(side, ReplicationNode.Mode.SECONDARY));
    assertThrows(ConfigException.class, () -> start(side, ReplicationNode.Mode.PRIMARY));
  }

  /** On the primary an error of the copy is not the guest's. */
  @Test
  void thePrimaryKeepsErrorsToItself() throws Exception {
    Side side = new Side();
    side.add(
        "replication,node-name=r,mode=primary,file.driver=blkdebug,file.image.driver=null-co,"
            + "file.inject-error.0.iotype=write,file.inject-error.0.errno=5");
    start(side, ReplicationNode.Mode.PRIMARY);
    BlockNode node = side.graph.require("r");
    fill(node, 0, 512, 1);
    assertThrows(IOException.class, () -> at(node, 0));
    assertEquals("I/O error occurred", side.graph.replication().error().orElseThrow());
    side.step(() -> side.graph.replication().stop(false));
    assertThrows(IOException.class, () -> fill(node, 0, 512, 1));
  }
}
