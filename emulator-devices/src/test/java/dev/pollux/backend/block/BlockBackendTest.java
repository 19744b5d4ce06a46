package dev.pollux.backend.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests of a device: many at once, drained, counted, failing. */
class BlockBackendTest {
  private static final int SECTOR = 512;

  private final ThreadPoolExecutor workers = BlockThreads.make("test");
  private final List<String> errors = new ArrayList<>();
  private final BlockBackend backend =
      new BlockBackend(
          "disk",
          workers,
          new BlockListener() {
            @Override
            public void ioError(
                BlockBackend of, boolean write, OnError.Action action, int errno, String reason) {
              errors.add(of.name() + " " + write + " " + action + " " + reason);
            }
          });

  @TempDir Path folder;

  @AfterEach
  void stop() {
    workers.shutdownNow();
  }

  /** A request whose end can be waited for. */
  private static final class Waited extends BlockRequest {
    final CompletableFuture<Integer> end = new CompletableFuture<>();

    Waited(Op op, long offset, IoVector data) {
      super(op, offset, data, 0);
    }

    Waited(Op op, long offset, long length) {
      super(op, offset, length, 0);
    }

    @Override
    protected void completed(int errno) {
      end.complete(errno);
    }

    int await() {
      return end.orTimeout(20, TimeUnit.SECONDS).join();
    }
  }

  private int run(Waited request) {
    backend.submit(request);
    return request.await();
  }

  @Test
  void writesAndReadsInPieces() throws IOException {
    try (MemoryNode disk = new MemoryNode(NodeOptions.of("m"), 1 << 20);
        HostBuffer from = pattern(3 * SECTOR);
        HostBuffer to = new HostBuffer(3 * SECTOR)) {
      backend.setRoot(disk);
      IoVector pieces =
          new IoVector(
              new long[] {from.address(), from.address() + 100}, new long[] {100, 1436}, 2);
      assertEquals(0, run(new Waited(BlockRequest.Op.WRITE, SECTOR, pieces)));
      assertEquals(0, run(new Waited(BlockRequest.Op.READ, SECTOR, to.vector())));
      assertTrue(RawMemory.equal(from.address(), to.address(), 3 * SECTOR));
      assertEquals(1, backend.counters().operations(BlockRequest.Op.WRITE));
      assertEquals(3 * SECTOR, backend.counters().bytes(BlockRequest.Op.READ));
      assertEquals(4 * SECTOR, backend.counters().highestWrite());
    }
  }

  @Test
  void refusesWhatLiesOutside() throws IOException {
    try (MemoryNode disk = new MemoryNode(NodeOptions.of("m"), 1 << 20);
        HostBuffer data = new HostBuffer(SECTOR)) {
      backend.setRoot(disk);
      for (long offset : new long[] {1 << 20, (1 << 20) - 1, -SECTOR, Long.MAX_VALUE - 1}) {
        assertEquals(
            Errno.EIO, run(new Waited(BlockRequest.Op.READ, offset, data.vector())), "" + offset);
      }
      assertEquals(
          Errno.EIO, run(new Waited(BlockRequest.Op.WRITE_ZEROES, SECTOR, Long.MAX_VALUE)));
      assertEquals(4, backend.counters().failed(BlockRequest.Op.READ));
      backend.setRoot(null);
      assertEquals(Errno.ENODEV, run(new Waited(BlockRequest.Op.READ, 0, data.vector())));
    }
  }

  @Test
  void keepsRequestsBackWhileDrained() throws Exception {
    try (MemoryNode disk = new MemoryNode(NodeOptions.of("m"), 1 << 20);
        HostBuffer data = pattern(SECTOR)) {
      backend.setRoot(disk);
      backend.beginDrain();
      List<Waited> waiting = new ArrayList<>();
      for (int i = 0; i < 3 * BlockThreads.MOST; i++) {
        Waited request = new Waited(BlockRequest.Op.WRITE, (long) i * SECTOR, data.vector());
        waiting.add(request);
        backend.submit(request);
      }
      assertEquals(0, backend.inFlight());
      assertFalse(waiting.getFirst().end.isDone());
      backend.endDrain();
      waiting.forEach(request -> assertEquals(0, request.await()));
      backend.drain();
      assertEquals(0, backend.inFlight());
    }
  }

  /** Counts how often it may take up requests again. */
  private static final class Counting implements BlockDevice {
    private boolean ebbs = true;
    private int told;

    @Override
    public boolean ebbs() {
      return ebbs;
    }

    @Override
    public String id() {
      return "disk0";
    }

    @Override
    public String qomPath() {
      return "/machine/peripheral/disk0";
    }

    @Override
    public void ebbEnded() {
      told++;
    }
  }

  @Test
  void whatIsUnderWayEndsWhileTheDeviceTakesUpNothing() throws Exception {
    try (MemoryNode disk = new MemoryNode(NodeOptions.of("m"), 1 << 20)) {
      Counting device = new Counting();
      backend.setRoot(disk);
      backend.attach(device);
      CountDownLatch go = new CountDownLatch(1);
      backend.submit(
          new BlockRequest(BlockRequest.Op.FLUSH, 0, 0, 0) {
            @Override
            protected void completed(int errno) {
              try {
                go.await();
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
            }
          });
      device.ebbs = false;
      backend.beginEbb();
      assertFalse(backend.isEbbing());
      backend.awaitEbb(Long.MAX_VALUE); // not for one that goes on
      device.ebbs = true;
      backend.beginEbb();
      assertTrue(backend.isEbbing());
      backend.awaitEbb(10);
      assertEquals(1, backend.inFlight()); // it does not wait for ever
      new Thread(go::countDown).start();
      backend.awaitEbb(20_000);
      assertEquals(0, backend.inFlight());
      assertEquals(0, device.told);
      backend.endEbb();
      assertFalse(backend.isEbbing());
      assertEquals(1, device.told);
    }
  }

  @Test
  void drainWaitsForCompletions() throws Exception {
    try (MemoryNode disk = new MemoryNode(NodeOptions.of("m"), 1 << 20)) {
      backend.setRoot(disk);
      CountDownLatch go = new CountDownLatch(1);
      boolean[] ended = new boolean[1];
      backend.submit(
          new BlockRequest(BlockRequest.Op.FLUSH, 0, 0, 0) {
            @Override
            protected void completed(int errno) {
              try {
                go.await();
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
              ended[0] = true;
            }
          });
      new Thread(go::countDown).start();
      backend.drain();
      assertTrue(ended[0]);
    }
  }

  @Test
  void anErrorOfOursEndsARequestToo() throws IOException {
    BlockNode broken =
        new BlockNode(NodeOptions.of("broken")) {
          @Override
          public String driver() {
            return "broken";
          }

          @Override
          public long length() {
            return 1 << 20;
          }

          @Override
          protected void doRead(long offset, IoVector to) {
            throw new IllegalStateException("on purpose");
          }

          @Override
          protected void doWrite(long offset, IoVector from) {}
        };
    try (HostBuffer data = new HostBuffer(SECTOR)) {
      backend.setRoot(broken);
      assertEquals(Errno.EIO, run(new Waited(BlockRequest.Op.READ, 0, data.vector())));
      backend.drain();
    }
  }

  @Test
  void errorPoliciesAreQemus() {
    BlockRequest write = new Waited(BlockRequest.Op.WRITE, 0, IoVector.EMPTY);
    BlockRequest read = new Waited(BlockRequest.Op.READ, 0, IoVector.EMPTY);
    assertEquals(OnError.Action.STOP, backend.onError(write, Errno.ENOSPC));
    assertEquals(Errno.ENOSPC, backend.ioStatus());
    assertEquals(OnError.Action.REPORT, backend.onError(write, Errno.EIO));
    assertEquals(OnError.Action.REPORT, backend.onError(read, Errno.EIO));
    backend.setOnError(OnError.STOP, OnError.IGNORE);
    assertEquals(OnError.Action.STOP, backend.onError(read, Errno.EIO));
    assertEquals(OnError.Action.IGNORE, backend.onError(write, Errno.ENOSPC));
    assertEquals("disk true STOP No space left on device", errors.getFirst());
  }

  @Test
  void aFileIsWrittenThroughAllItsModes() throws IOException {
    for (String mode : CacheMode.WORDS.keySet()) {
      Path path = Files.write(folder.resolve("disk." + mode), new byte[100_000]);
      NodeOptions options = NodeOptions.of("f").withCache(CacheMode.WORDS.get(mode));
      try (FileNode disk = FileNode.open(options, path.toString(), Locking.ON);
          HostBuffer data = pattern(5000)) {
        disk.write(777, IoVector.of(data.address() + 3, 4000), 0);
        disk.writeZeroes(1000, 100, 0);
        disk.flush();
        byte[] expected = new byte[100_000];
        System.arraycopy(data.toBytes(3, 4000), 0, expected, 777, 4000);
        java.util.Arrays.fill(expected, 1000, 1100, (byte) 0);
        assertArrayEquals(expected, Files.readAllBytes(path), mode);
      }
    }
  }

  @Test
  void whatAnotherProcessHasCutOffIsAnError() throws IOException {
    Path path = Files.write(folder.resolve("disk"), new byte[64 * SECTOR]);
    try (FileNode disk = FileNode.open(NodeOptions.of("f"), path.toString(), Locking.ON);
        HostBuffer data = new HostBuffer(4 * SECTOR)) {
      backend.setRoot(disk);
      Files.write(path, new byte[10 * SECTOR]);
      assertEquals(0, run(new Waited(BlockRequest.Op.READ, 6 * SECTOR, data.vector())));
      assertEquals(Errno.EIO, run(new Waited(BlockRequest.Op.READ, 8 * SECTOR, data.vector())));
      assertEquals(Errno.EIO, run(new Waited(BlockRequest.Op.READ, 20 * SECTOR, data.vector())));
      assertEquals(0, run(new Waited(BlockRequest.Op.WRITE, 60 * SECTOR, data.vector())));
      assertEquals(0, run(new Waited(BlockRequest.Op.READ, 20 * SECTOR, data.vector())));
    }
  }

  /** A disk on which each read does something first. */
  private static BlockNode disk(Runnable first) {
    return new BlockNode(NodeOptions.of("disk")) {
      @Override
      public String driver() {
        return "test";
      }

      @Override
      public long length() {
        return 1 << 20;
      }

      @Override
      protected void doRead(long offset, IoVector to) {
        first.run();
      }

      @Override
      protected void doWrite(long offset, IoVector from) {}
    };
  }

  @Test
  void whatWaitsChangesThreadsAndWhatIsBusyDoesNot() {
    Thread[] reader = new Thread[1];
    try (HostBuffer data = new HostBuffer(SECTOR)) {
      backend.setRoot(
          disk(
              () -> {
                reader[0] = Thread.currentThread();
                long start = System.nanoTime();
                while (System.nanoTime() - start < 200_000) {
                  Thread.onSpinWait();
                }
              }));
      List<Boolean> here = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        Waited read = new Waited(BlockRequest.Op.READ, 0, data.vector());
        backend.submitOrRun(List.of(read));
        read.await();
        here.add(reader[0] == Thread.currentThread());
      }
      assertTrue(here.stream().filter(own -> own).count() > 30, here::toString);
      backend.setRoot(
          disk(
              () -> {
                reader[0] = Thread.currentThread();
                LockSupport.parkNanos(1_000_000);
              }));
      List<Boolean> there = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        Waited read = new Waited(BlockRequest.Op.READ, 0, data.vector());
        backend.submitOrRun(List.of(read));
        read.await();
        there.add(reader[0] != Thread.currentThread());
      }
      assertTrue(there.stream().filter(other -> other).count() > 30, there::toString);
    }
  }

  private static HostBuffer pattern(int bytes) {
    HostBuffer buffer = new HostBuffer(bytes);
    for (int i = 0; i < bytes; i++) {
      RawMemory.putByte(buffer.address() + i, (byte) (i * 7 + 1));
    }
    return buffer;
  }
}
