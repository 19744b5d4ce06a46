package dev.pollux.backend.block.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs: what they copy while a guest writes, and what they tell, in QEMU's order. */
class JobsTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 8 * MIB;
  private static final long SEED = Long.getLong("pollux.block.seed", System.nanoTime());

  private final ExecutorService loop = Executors.newSingleThreadExecutor();
  private final BlockGraph graph = new BlockGraph(new BlockListener() {}, loop);
  private final List<String> events = new CopyOnWriteArrayList<>();
  private Guest guest;

  @TempDir Path folder;

  @BeforeEach
  void listen() {
    graph
        .jobs()
        .setListener(
            new JobListener() {
              @Override
              public void statusChanged(Job job) {
                events.add(job.status().word());
              }

              @Override
              public void ready(Job job) {
                events.add("READY");
              }

              @Override
              public void pending(Job job) {
                events.add("PENDING");
              }

              @Override
              public void completed(Job job) {
                events.add("COMPLETED" + job.error().map(e -> ": " + e).orElse(""));
              }

              @Override
              public void cancelled(Job job) {
                events.add("CANCELLED");
              }

              @Override
              public void failed(Job job, boolean write, OnError.Action action) {
                events.add("ERROR " + (write ? "write " : "read ") + action);
              }
            });
  }

  @AfterEach
  void close() throws Exception {
    if (guest != null) {
      guest.stop();
    }
    onLoop(
        () -> {
          graph.close();
          return null;
        });
    loop.shutdown();
  }

  private <T> T onLoop(Callable<T> work) throws Exception {
    try {
      return loop.submit(work).get();
    } catch (java.util.concurrent.ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    }
  }

  private BlockNode add(String text) throws Exception {
    DeviceOptions parsed = DeviceOptions.parse("-blockdev", text, "driver");
    Map<String, String> values = new LinkedHashMap<>();
    parsed.keys().forEach(key -> values.put(key, parsed.string(key, "")));
    return onLoop(() -> graph.add(BlockOptions.of("-blockdev " + text, values)));
  }

  private Path raw(String name) throws IOException {
    Path path = Files.write(folder.resolve(name), new byte[0]);
    try (FileNode file = FileNode.open(NodeOptions.of("new"), path.toString(), Locking.OFF)) {
      file.resize(SIZE);
    }
    return path;
  }

  private Path qcow2(String name, String backing, String format) throws IOException {
    Path path = Files.write(folder.resolve(name), new byte[0]);
    try (FileNode file = FileNode.open(NodeOptions.of("new"), path.toString(), Locking.OFF)) {
      Qcow2Creator.of(SIZE).withBacking(backing, format).create(file);
    }
    return path;
  }

  private BlockNode addRaw(String name) throws Exception {
    return add(
        "raw,node-name=" + name + ",discard=unmap,file.driver=file,file.filename=" + raw(name));
  }

  private static byte[] all(BlockNode node) throws IOException {
    try (HostBuffer buffer = new HostBuffer(SIZE)) {
      node.read(0, buffer.vector());
      return buffer.toBytes(0, SIZE);
    }
  }

  private static void fill(BlockNode node, long offset, int length, long seed) throws IOException {
    byte[] data = new byte[length];
    new Random(seed).nextBytes(data);
    try (HostBuffer buffer = new HostBuffer(length)) {
      RawMemory.copyIn(data, 0, buffer.address(), length);
      node.write(offset, buffer.vector(), 0);
    }
  }

  /** Writes, zeroes and discards at random places of a disk, and knows what is on it. */
  private static final class Guest {
    final byte[] model;
    private final BlockBackend disk;
    private final Random random;
    private final Thread thread;
    private volatile boolean stopped;
    private volatile Throwable failure;

    Guest(BlockBackend disk, long seed, byte[] content) {
      this.model = content;
      this.disk = disk;
      this.random = new Random(seed);
      this.thread = Thread.ofPlatform().start(this::run);
    }

    private void run() {
      try (HostBuffer buffer = new HostBuffer(256 << 10)) {
        while (!stopped) {
          int length = 512 * (1 + random.nextInt(random.nextBoolean() ? 8 : 512));
          int at = 512 * random.nextInt((SIZE - length) / 512 + 1);
          byte[] data = new byte[length];
          if (random.nextInt(4) == 0) {
            disk.access(node -> node.writeZeroes(at, length, BlockNode.MAY_UNMAP));
          } else {
            random.nextBytes(data);
            RawMemory.copyIn(data, 0, buffer.address(), length);
            disk.access(node -> node.write(at, buffer.vector(length), 0));
          }
          System.arraycopy(data, 0, model, at, length);
        }
      } catch (Throwable e) {
        failure = e;
      }
    }

    void stop() throws InterruptedException {
      stopped = true;
      thread.join();
      if (failure != null) {
        fail("seed " + SEED, failure);
      }
    }
  }

  private Guest guestOn(BlockNode node) throws Exception {
    guest = new Guest(onLoop(() -> graph.addBackend("disk", node)), SEED, all(node));
    return guest;
  }

  private void await(String event) throws InterruptedException {
    for (int i = 0; i < 3000 && !events.contains(event); i++) {
      Thread.sleep(10);
    }
    assertTrue(events.contains(event), events + " without " + event + ", seed " + SEED);
  }

  private void mirror(JobOptions options, String from, String to, boolean blocking)
      throws Exception {
    onLoop(
        () -> {
          BlockJobs.mirror(
              graph.jobs(),
              options,
              graph.require(from),
              graph.require(to),
              new BlockJobs.Mirror(SyncMode.FULL, 0, blocking));
          return null;
        });
  }

  private interface Verb {
    void run(Jobs jobs) throws Exception;
  }

  private void tell(Verb verb) throws Exception {
    onLoop(
        () -> {
          verb.run(graph.jobs());
          return null;
        });
  }

  @Test
  void aMirrorIsTheDiskWhenItEnds() throws Exception {
    BlockNode a = addRaw("a");
    fill(a, MIB, MIB, 1);
    BlockNode b = addRaw("b");
    fill(b, 0, SIZE, 2); // what the target has before is of no importance
    Guest guest = guestOn(a);
    for (boolean blocking : new boolean[] {false, true}) {
      events.clear();
      mirror(JobOptions.of("m"), "a", "b", blocking);
      await("READY");
      Thread.sleep(200);
      tell(jobs -> jobs.cancel("m", false));
      await("null");
      guest.stop();
      assertEquals(
          List.of(
              "created",
              "running",
              "ready",
              "READY",
              "waiting",
              "pending",
              "COMPLETED",
              "concluded",
              "null"),
          events);
      if (!blocking) {
        // Both were equal at one moment; what was written after that is not on the copy.
        this.guest =
            new Guest(
                onLoop(() -> graph.backend("disk").orElseThrow()), SEED + 1, guest.model.clone());
        guest = this.guest;
      }
    }
    assertArrayEquals(guest.model, all(a), "seed " + SEED);
  }

  /** The guest goes on with the copy without noticing. */
  @Test
  void aMirrorTakesThePlaceOfTheDisk() throws Exception {
    BlockNode a = addRaw("a");
    BlockNode b = addRaw("b");
    Guest guest = guestOn(a);
    mirror(JobOptions.of("m"), "a", "b", false);
    await("READY");
    Thread.sleep(100);
    tell(jobs -> jobs.complete("m"));
    await("null");
    Thread.sleep(100);
    assertEquals(b, graph.backend("disk").orElseThrow().root().orElseThrow());
    guest.stop();
    assertArrayEquals(guest.model, all(b), "seed " + SEED);
  }

  @Test
  void aMirrorThatIsHeldIsCompletedWhenItGoesOn() throws Exception {
    BlockNode a = addRaw("a");
    BlockNode b = addRaw("b");
    BlockBackend disk = onLoop(() -> graph.addBackend("disk", a));
    mirror(JobOptions.of("m"), "a", "b", false);
    await("READY");
    tell(jobs -> jobs.pause("m"));
    tell(jobs -> jobs.complete("m"));
    Thread.sleep(100);
    assertEquals("standby", events.getLast());
    assertEquals(a, disk.root().orElseThrow());
    tell(jobs -> jobs.resume("m"));
    await("null");
    assertEquals(b, disk.root().orElseThrow());
  }

  /** Somebody writes while the job waits for the user's word. */
  @Test
  void aMirrorGoesOnBeforeItIsFinal() throws Exception {
    BlockNode a = addRaw("a");
    BlockNode b = addRaw("b");
    BlockBackend disk = onLoop(() -> graph.addBackend("disk", a));
    mirror(new JobOptions("m", 0, OnError.REPORT, OnError.REPORT, false, true), "a", "b", false);
    await("READY");
    tell(jobs -> jobs.complete("m"));
    await("pending");
    disk.access(node -> fill(node, 4096, 65536, SEED));
    tell(jobs -> jobs.finalizeJob("m"));
    await("null");
    assertEquals(b, onLoop(() -> disk.root().orElseThrow()));
    assertArrayEquals(all(a), all(b), "seed " + SEED);
  }

  @Test
  void aStoppedGuestsMirrorEqualsTheDisk() throws Exception {
    BlockNode a = addRaw("a");
    BlockNode b = addRaw("b");
    Guest guest = guestOn(a);
    mirror(new JobOptions("m", 0, OnError.IGNORE, OnError.REPORT, true, false), "a", "b", false);
    await("READY");
    guest.stop();
    tell(Jobs::heldStill);
    tell(jobs -> jobs.cancel("m", false));
    await("concluded");
    assertEquals(
        List.of(
            "created",
            "running",
            "ready",
            "READY",
            "standby",
            "ready",
            "waiting",
            "pending",
            "COMPLETED",
            "concluded"),
        events);
    assertThrows(ConfigException.class, () -> tell(jobs -> jobs.complete("m")));
    tell(jobs -> jobs.dismiss("m"));
    assertEquals("null", events.getLast());
    assertArrayEquals(guest.model, all(a));
    assertArrayEquals(guest.model, all(b), "seed " + SEED);
  }

  @Test
  void aBackupIsTheDiskOfTheMomentItBegan() throws Exception {
    BlockNode a = addRaw("a");
    BlockNode b = addRaw("b");
    fill(a, 0, SIZE, SEED);
    byte[] before = all(a);
    onLoop(
        () -> {
          BlockJobs.backup(
              graph.jobs(),
              new JobOptions("b", 20 * MIB, OnError.REPORT, OnError.REPORT, false, true),
              a,
              b,
              SyncMode.FULL);
          return null;
        });
    Guest guest = guestOn(a);
    await("PENDING");
    assertEquals(
        List.of("created", "running", "paused", "running", "waiting", "pending", "PENDING"),
        events);
    tell(jobs -> jobs.finalizeJob("b"));
    assertEquals(List.of("COMPLETED", "concluded", "null"), events.subList(7, 10));
    guest.stop();
    assertArrayEquals(before, all(b), "seed " + SEED);
    assertArrayEquals(guest.model, all(a), "seed " + SEED);
  }

  @Test
  void aBackupOfNothingKeepsWhatIsOverwritten() throws Exception {
    BlockNode a = addRaw("a");
    fill(a, 0, SIZE, SEED);
    byte[] before = all(a);
    Path target = qcow2("b", folder.resolve("a").toString(), "raw");
    BlockNode b = add("qcow2,node-name=b,backing=a,file.driver=file,file.filename=" + target);
    onLoop(
        () -> {
          BlockJobs.backup(graph.jobs(), JobOptions.of("b"), a, b, SyncMode.NONE);
          return null;
        });
    Guest guest = guestOn(a);
    Thread.sleep(200);
    guest.stop();
    assertArrayEquals(before, all(b), "seed " + SEED); // a snapshot, while the job lasts
    tell(jobs -> jobs.cancel("b", true));
    await("null");
    assertTrue(events.contains("CANCELLED"));
  }

  @Test
  void whatIsCommittedIsBelow() throws Exception {
    Path base = raw("base");
    Path mid = qcow2("mid", base.toString(), "raw");
    Path top = qcow2("top", mid.toString(), "qcow2");
    BlockNode disk = add("qcow2,node-name=top,discard=unmap,file.driver=file,file.filename=" + top);
    Guest guest = guestOn(disk);
    Thread.sleep(100);
    onLoop( // into the middle one, then that into the lowest
        () -> {
          BlockJobs.commit(
              graph.jobs(), JobOptions.of("c"), disk, disk, disk.backing(), Optional.empty());
          return null;
        });
    await("READY");
    Thread.sleep(50);
    tell(jobs -> jobs.complete("c"));
    await("null");
    BlockNode middle = graph.backend("disk").orElseThrow().root().orElseThrow();
    assertEquals(mid.toString(), middle.fileName());
    events.clear();
    onLoop(
        () -> {
          BlockJobs.commit(
              graph.jobs(), JobOptions.of("c"), middle, middle, middle.backing(), Optional.empty());
          return null;
        });
    await("READY");
    tell(jobs -> jobs.complete("c"));
    await("null");
    Thread.sleep(50);
    guest.stop();
    BlockNode now = graph.backend("disk").orElseThrow().root().orElseThrow();
    assertEquals("raw", now.driver());
    assertArrayEquals(guest.model, all(now), "seed " + SEED);
    assertArrayEquals(guest.model, Files.readAllBytes(base), "seed " + SEED);
  }

  @Test
  void anImageInTheMiddleIsCommitted() throws Exception {
    Path base = raw("base");
    Path mid = qcow2("mid", base.toString(), "raw");
    try (FileNode file = FileNode.open(NodeOptions.of("m"), mid.toString(), Locking.OFF)) {
      BlockNode image =
          dev.pollux.backend.block.image.Qcow2Image.open(
              NodeOptions.of("i"),
              file,
              null,
              new dev.pollux.backend.block.image.Qcow2Options(
                  null, 1 << 20, false, false, new BlockListener() {}));
      fill(image, 0, MIB, 5);
      image.close();
    }
    Path top = qcow2("top", mid.toString(), "qcow2");
    BlockNode disk = add("qcow2,node-name=top,file.driver=file,file.filename=" + top);
    Guest guest = guestOn(disk);
    onLoop(
        () -> {
          BlockJobs.commit(
              graph.jobs(),
              JobOptions.of("c"),
              disk,
              disk.backing(),
              disk.backing().backing(),
              Optional.empty());
          return null;
        });
    await("null");
    guest.stop();
    assertEquals("raw", disk.backing().driver());
    assertArrayEquals(guest.model, all(disk), "seed " + SEED);
    assertEquals(
        List.of("created", "running", "waiting", "pending", "COMPLETED", "concluded", "null"),
        events);
  }

  @Test
  void aStreamedImageStandsOnItsOwn() throws Exception {
    Path base = raw("base");
    try (FileNode file = FileNode.open(NodeOptions.of("m"), base.toString(), Locking.OFF)) {
      fill(file, 0, SIZE, 5);
    }
    Path top = qcow2("top", base.toString(), "raw");
    BlockNode disk = add("qcow2,node-name=top,discard=unmap,file.driver=file,file.filename=" + top);
    Guest guest = guestOn(disk);
    onLoop(
        () -> {
          BlockJobs.stream(
              graph.jobs(),
              new JobOptions("s", 30 * MIB, OnError.REPORT, OnError.REPORT, true, true),
              disk,
              null,
              Optional.empty());
          return null;
        });
    await("null");
    guest.stop();
    assertEquals(null, disk.backing());
    assertArrayEquals(guest.model, all(disk), "seed " + SEED);
  }

  @Test
  void jobsAreHeldLimitedAndCancelled() throws Exception {
    addRaw("a");
    addRaw("b");
    fill(graph.require("a"), 0, SIZE, 1);
    mirror(new JobOptions("m", 1, OnError.REPORT, OnError.REPORT, true, true), "a", "b", false);
    Job job = graph.jobs().find("m").orElseThrow();
    for (int i = 0; i < 1000 && job.done() == 0; i++) {
      Thread.sleep(10);
    }
    assertEquals(MIB, job.done()); // one piece, then the limit
    assertTrue(
        assertThrows(ConfigException.class, () -> tell(jobs -> jobs.complete("m")))
            .getMessage()
            .equals("Job 'm' in state 'running' cannot accept command verb 'complete'"));
    assertThrows(ConfigException.class, () -> mirror(JobOptions.of("n"), "a", "b", false)); // busy
    assertThrows(ConfigException.class, () -> mirror(JobOptions.of("0"), "a", "b", false));
    tell(jobs -> jobs.pause("m"));
    assertThrows(ConfigException.class, () -> tell(jobs -> jobs.pause("m")));
    tell(jobs -> jobs.setSpeed("m", 0));
    Thread.sleep(50);
    assertEquals(MIB, job.done());
    tell(jobs -> jobs.resume("m"));
    assertThrows(ConfigException.class, () -> tell(jobs -> jobs.resume("m")));
    await("READY");
    tell(jobs -> jobs.cancel("m", true));
    await("null");
    assertEquals(
        List.of(
            "created",
            "running",
            "paused",
            "running",
            "ready",
            "READY",
            "aborting",
            "CANCELLED",
            "concluded",
            "null"),
        events);
    graph.remove("b"); // it is not in use any more
  }

  @Test
  void errorsEndOrHoldAJob() throws Exception {
    addRaw("a");
    fill(graph.require("a"), 0, SIZE, 1);
    add(
        "blkdebug,node-name=b,inject-error.0.iotype=write,inject-error.0.errno=28,"
            + "inject-error.0.once=on,image.driver=file,image.filename="
            + raw("b"));
    mirror(JobOptions.of("m"), "a", "b", false);
    await("null");
    assertEquals(
        List.of(
            "created",
            "running",
            "ERROR write REPORT",
            "aborting",
            "COMPLETED: No space left on device",
            "concluded",
            "null"),
        events);
    events.clear();
    add(
        "blkdebug,node-name=c,inject-error.0.iotype=write,inject-error.0.errno=28,"
            + "inject-error.0.once=on,image.driver=file,image.filename="
            + raw("c"));
    mirror(new JobOptions("m", 0, OnError.REPORT, OnError.STOP, true, true), "a", "c", false);
    await("paused");
    Job job = graph.jobs().find("m").orElseThrow();
    assertEquals(28, job.ioStatus());
    tell(jobs -> jobs.resume("m"));
    await("READY");
    tell(jobs -> jobs.cancel("m", false));
    await("null");
    assertEquals(
        List.of(
            "created",
            "running",
            "ERROR write STOP",
            "paused",
            "running",
            "ready",
            "READY",
            "waiting",
            "pending",
            "COMPLETED",
            "concluded",
            "null"),
        new ArrayList<>(events));
    assertArrayEquals(all(graph.require("a")), all(graph.require("c")));
  }
}
