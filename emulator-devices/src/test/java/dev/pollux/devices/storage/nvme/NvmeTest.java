package dev.pollux.devices.storage.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.storage.StorageDriverTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver of NVMe with its queues in memory, on a machine that runs. */
class NvmeTest extends StorageDriverTest {
  private static final int BLOCK = 512;
  private static final int BLOCKS = 4000;
  private static final long ADMIN_SQ = 0x1000;
  private static final long ADMIN_CQ = 0x2000;
  private static final long IO_SQ = 0x3000;
  private static final long IO_CQ = 0x6000;
  private static final long LIST = 0xa000;
  private static final long DATA = 0x10_0000;
  private static final int ENTRIES = 16;
  private static final int WORKERS = 4;

  /** The controller moves so much by one command. */
  private static final int MOST_BYTES = 4096 << 5;

  /** A disk that can be made to fail. */
  private static final class FailingNode extends BlockNode {
    private final MemoryNode contents;
    private volatile int errno;

    FailingNode() throws IOException {
      super(NodeOptions.of("disk"));
      contents = new MemoryNode(NodeOptions.of("contents"), (long) BLOCKS * BLOCK);
    }

    @Override
    public String driver() {
      return "failing";
    }

    @Override
    public long length() {
      return contents.length();
    }

    @Override
    protected void doRead(long offset, IoVector to) throws IOException {
      fail();
      contents.read(offset, to);
    }

    @Override
    protected void doWrite(long offset, IoVector from) throws IOException {
      fail();
      contents.write(offset, from, 0);
    }

    private void fail() throws IOException {
      if (errno != 0) {
        throw new ErrnoException(errno, "as asked for");
      }
    }

    @Override
    public void close() {
      contents.close();
    }
  }

  private final byte[] disk = new byte[BLOCKS * BLOCK];
  private final ExecutorService workers = Executors.newFixedThreadPool(WORKERS);
  private FailingNode node;
  private BlockBackend backend;
  private NvmeController nvme;
  private Region.DeviceRegion registers;

  /** Of each pair: where the next command goes, and where the next end is awaited. */
  private final int[] tail = new int[4];

  private final int[] head = new int[4];
  private final int[] phase = {1, 1, 1, 1};
  private int nextId;

  @BeforeEach
  void start() throws Exception {
    addRam(4 << 20);
    new Random(1).nextBytes(disk);
    node = new FailingNode();
    backend = new BlockBackend("disk", workers, new BlockListener() {});
    backend.setRoot(node);
    BlockBackend _ = filled(backend, disk);
    nvme = machine.add(NvmeContractTest.controller(machine, backend));
    registers = (Region.DeviceRegion) nvme.registers();
    run(() -> nvme.pci().write(4, 2, 6));
  }

  @AfterEach
  void stopWorkers() {
    workers.close();
  }

  // ---- the driver ----

  private long read(int offset, int size) {
    machine.lock().lock();
    try {
      return registers.device().read(offset, size);
    } finally {
      machine.lock().unlock();
    }
  }

  private void write(int offset, int size, long value) {
    locked(() -> registers.device().write(offset, size, value));
  }

  private long memory(long address, int size) {
    return machine.memory().read(address, size);
  }

  /** Switches it on with admin queues. */
  private void enable() {
    write(0x24, 4, ENTRIES - 1 << 16 | ENTRIES - 1);
    write(0x28, 8, ADMIN_SQ);
    write(0x30, 8, ADMIN_CQ);
    write(0x14, 4, 0x46_0001);
    assertEquals(1, read(0x1c, 4));
  }

  private void addPair(int pair) {
    assertEquals(0, admin(5, 0, cq(pair), 0, pair | ENTRIES - 1 << 16, pair << 16 | 3));
    assertEquals(0, admin(1, 0, sq(pair), 0, pair | ENTRIES - 1 << 16, pair << 16 | 1));
  }

  private static long sq(int pair) {
    return pair == 0 ? ADMIN_SQ : IO_SQ + (pair - 1) * 0x1000L;
  }

  private static long cq(int pair) {
    return pair == 0 ? ADMIN_CQ : IO_CQ + (pair - 1) * 0x1000L;
  }

  /** Puts a command into a queue; rings no bell. */
  private int put(int pair, int opcode, int namespace, long prp1, long prp2, int... dwords) {
    long at = sq(pair) + tail[pair] * 64L;
    int id = nextId++ & 0xffff;
    for (int i = 0; i < 64; i += 8) {
      machine.memory().write(at + i, 8, 0);
    }
    machine.memory().write(at, 4, opcode | (long) id << 16);
    machine.memory().write(at + 4, 4, namespace);
    machine.memory().write(at + 0x18, 8, prp1);
    machine.memory().write(at + 0x20, 8, prp2);
    for (int i = 0; i < dwords.length; i++) {
      machine.memory().write(at + 0x28 + i * 4L, 4, dwords[i]);
    }
    tail[pair] = (tail[pair] + 1) % ENTRIES;
    return id;
  }

  private void ring(int pair) {
    write(0x1000 + pair * 8, 4, tail[pair]);
  }

  private boolean hasEnd(int pair) {
    return (memory(cq(pair) + head[pair] * 16L + 12, 4) >> 16 & 1) == phase[pair];
  }

  /** The last two dwords and the result of the next end. */
  private long[] takeEnd(int pair) {
    await(() -> hasEnd(pair));
    long at = cq(pair) + head[pair] * 16L;
    head[pair] = (head[pair] + 1) % ENTRIES;
    phase[pair] ^= head[pair] == 0 ? 1 : 0;
    write(0x1004 + pair * 8, 4, head[pair]);
    return new long[] {memory(at + 12, 4), memory(at + 8, 4), memory(at, 4)};
  }

  /** Does a command alone; the status. */
  private int io(int pair, int opcode, int namespace, long prp1, long prp2, int... dwords) {
    int id = put(pair, opcode, namespace, prp1, prp2, dwords);
    ring(pair);
    long[] end = takeEnd(pair);
    assertEquals(id, end[0] & 0xffff);
    assertEquals(pair, end[1] >> 16);
    result = (int) end[2];
    return (int) (end[0] >> 17);
  }

  private int result;

  private int admin(int opcode, int namespace, long prp1, long prp2, int... dwords) {
    return io(0, opcode, namespace, prp1, prp2, dwords);
  }

  private byte[] bytes(long address, int length) {
    byte[] bytes = new byte[length];
    machine.memory().read(address, bytes, 0, length);
    return bytes;
  }

  private byte[] onDisk(int block, int count) throws IOException {
    try (HostBuffer buffer = new HostBuffer((long) count * BLOCK)) {
      node.read((long) block * BLOCK, buffer.vector());
      return buffer.toBytes(0, count * BLOCK);
    }
  }

  private byte[] expected(int block, int count) {
    return Arrays.copyOfRange(disk, block * BLOCK, (block + count) * BLOCK);
  }

  // ---- what it does ----

  @Test
  void tellsWhatItIs() {
    enable();
    assertEquals(0x1_0400, read(8, 4));
    assertEquals(0, admin(6, 0, DATA, 0, 1));
    assertEquals(0x1b36, memory(DATA, 2));
    assertEquals("S1" + " ".repeat(18), new String(bytes(DATA + 4, 20), StandardCharsets.US_ASCII));
    assertEquals(5, memory(DATA + 77, 1));
    assertEquals(1, memory(DATA + 516, 4));
    assertEquals(0, admin(6, 1, DATA, 0, 0));
    assertEquals(BLOCKS, memory(DATA, 8));
    assertEquals(9, memory(DATA + 130, 1));
    assertEquals(0, admin(6, 0, DATA, 0, 2));
    assertEquals(1, memory(DATA, 8));
    assertEquals(NvmeStatus.INVALID_NAMESPACE, admin(6, 2, DATA, 0, 0));
    assertEquals(NvmeStatus.INVALID_FIELD, admin(6, 1, DATA, 0, 0x55));
    assertEquals(NvmeStatus.INVALID_OPCODE, admin(0x7e, 0, DATA, 0));
  }

  @Test
  void movesDataOfEveryLengthAndPlace() throws IOException {
    enable();
    addPair(1);
    Random random = new Random(3);
    byte[] model = disk.clone();
    for (int round = 0; round < 60; round++) {
      int count = 1 + random.nextInt(round % 2 == 0 ? 16 : MOST_BYTES / BLOCK);
      int block = random.nextInt(BLOCKS - count + 1);
      long start = DATA + random.nextInt(1024) * 4L;
      boolean write = random.nextBoolean();
      // Each page is somewhere else; the list begins near the end of one, to lead to another.
      long[] pages = new long[(count * BLOCK + 4095) / 4096 + 1];
      pages[0] = start;
      for (int i = 1; i < pages.length; i++) {
        pages[i] = DATA + 0x1_0000 + (long) (pages.length - i) * 0x3000;
      }
      long second = describe(pages, count * BLOCK, random);
      if (write) {
        byte[] bytes = new byte[count * BLOCK];
        random.nextBytes(bytes);
        System.arraycopy(bytes, 0, model, block * BLOCK, bytes.length);
        spread(pages, bytes);
      }
      int status = io(1, write ? 1 : 2, 1, start, second, block, 0, count - 1);
      assertEquals(0, status, "round " + round);
      byte[] now = Arrays.copyOfRange(model, block * BLOCK, (block + count) * BLOCK);
      assertArrayEquals(now, write ? onDisk(block, count) : collect(pages, now.length));
    }
    assertEquals(0, io(1, 0, -1, 0, 0));
  }

  /** Writes lists where they are needed; the second PRP. */
  private long describe(long[] pages, int length, Random random) {
    long left = length - (4096 - pages[0] % 4096);
    if (left <= 4096) {
      return pages[1];
    }
    long start = LIST + 4096 - 8L * (1 + random.nextInt(8));
    long at = start;
    for (int i = 1; left > 0; i++) {
      if (at % 4096 == 4088 && left > 4096) {
        machine.memory().write(at, 8, LIST + 0x2000);
        at = LIST + 0x2000;
      }
      machine.memory().write(at, 8, pages[i]);
      at += 8;
      left -= 4096;
    }
    return start;
  }

  private void spread(long[] pages, byte[] bytes) {
    int at = 0;
    for (int i = 0; at < bytes.length; i++) {
      int part = (int) Math.min(bytes.length - at, 4096 - pages[i] % 4096);
      machine.memory().write(pages[i], bytes, at, part);
      at += part;
    }
  }

  private byte[] collect(long[] pages, int length) {
    byte[] bytes = new byte[length];
    int at = 0;
    for (int i = 0; at < length; i++) {
      int part = (int) Math.min(length - at, 4096 - pages[i] % 4096);
      machine.memory().read(pages[i], bytes, at, part);
      at += part;
    }
    return bytes;
  }

  @Test
  void severalQueuesWorkAtOnce() {
    enable();
    for (int pair = 1; pair <= 3; pair++) {
      addPair(pair);
    }
    for (int round = 0; round < 5; round++) {
      for (int pair = 1; pair <= 3; pair++) {
        for (int i = 0; i < ENTRIES - 1; i++) {
          int _ = put(pair, 2, 1, place(pair, i), 0, i + pair * 100, 0, 0);
        }
        ring(pair);
      }
      for (int pair = 1; pair <= 3; pair++) {
        for (int i = 0; i < ENTRIES - 1; i++) {
          assertEquals(0, takeEnd(pair)[0] >> 17);
        }
        for (int i = 0; i < ENTRIES - 1; i++) {
          assertArrayEquals(expected(i + pair * 100, 1), bytes(place(pair, i), BLOCK));
        }
      }
    }
  }

  private static long place(int pair, int command) {
    return DATA + (pair * ENTRIES + command) * 4096L;
  }

  @Test
  void discardsAndWritesZeroes() throws IOException {
    enable();
    addPair(1);
    assertEquals(0, io(1, 8, 1, 0, 0, 10, 0, 19));
    assertArrayEquals(new byte[20 * BLOCK], onDisk(10, 20));
    assertArrayEquals(expected(30, 1), onDisk(30, 1));
    machine.memory().write(DATA + 4, 4, 8);
    machine.memory().write(DATA + 8, 8, 40);
    machine.memory().write(DATA + 16 + 4, 4, 8);
    machine.memory().write(DATA + 16 + 8, 8, BLOCKS - 8);
    assertEquals(0, io(1, 9, 1, DATA, 0, 1, 4));
    assertArrayEquals(expected(39, 1), onDisk(39, 1));
    machine.memory().write(DATA + 16 + 8, 8, BLOCKS - 7);
    assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, io(1, 9, 1, DATA, 0, 1, 4));
  }

  @Test
  void refusesWhatMakesNoSense() {
    enable();
    assertEquals(NvmeStatus.INVALID_QUEUE, admin(5, 0, IO_CQ, 0, 4 | 7 << 16, 3));
    assertEquals(NvmeStatus.INVALID_QUEUE_SIZE, admin(5, 0, IO_CQ, 0, 1, 3));
    assertEquals(NvmeStatus.INVALID_PRP_OFFSET, admin(5, 0, IO_CQ + 16, 0, 1 | 7 << 16, 3));
    assertEquals(NvmeStatus.INVALID_FIELD, admin(5, 0, IO_CQ, 0, 1 | 7 << 16, 2));
    assertEquals(NvmeStatus.INVALID_VECTOR, admin(5, 0, IO_CQ, 0, 1 | 7 << 16, 5 << 16 | 3));
    assertEquals(
        NvmeStatus.INVALID_COMPLETION_QUEUE, admin(1, 0, IO_SQ, 0, 1 | 7 << 16, 1 << 16 | 1));
    addPair(1);
    assertEquals(NvmeStatus.QUEUE_IN_USE, admin(4, 0, 0, 0, 1));
    assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, io(1, 2, 1, DATA, 0, BLOCKS, 0, 0));
    assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, io(1, 2, 1, DATA, 0, 0, 1 << 31, 0));
    assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, io(1, 1, 1, DATA, 0, -1, -1, 0));
    assertEquals(NvmeStatus.INVALID_NAMESPACE, io(1, 2, 2, DATA, 0, 0, 0, 0));
    assertEquals(NvmeStatus.INVALID_FIELD, io(1, 2, 1, DATA, LIST, 0, 0, MOST_BYTES / BLOCK));
    assertEquals(NvmeStatus.INVALID_PRP_OFFSET, io(1, 2, 1, DATA + 2, 0, 0, 0, 0));
    assertEquals(NvmeStatus.INVALID_PRP_OFFSET, io(1, 2, 1, DATA, DATA + 512, 0, 0, 15));
    assertEquals(NvmeStatus.DATA_TRANSFER, io(1, 2, 1, 1L << 40, 0, 0, 0, 0));
    assertEquals(NvmeStatus.DATA_TRANSFER, io(1, 2, 1, -4096, 0, 0, 0, 0));
    assertEquals(NvmeStatus.DATA_TRANSFER, io(1, 2, 1, DATA, 1L << 40, 0, 0, 100));
    assertEquals(NvmeStatus.INVALID_OPCODE, io(1, 0x55, 1, DATA, 0));
    assertEquals(0, admin(0, 0, 0, 0, 1));
    assertEquals(0, admin(4, 0, 0, 0, 1));
  }

  @Test
  void queuesOutsideMemoryAreFatal() {
    write(0x24, 4, ENTRIES - 1 << 16 | ENTRIES - 1);
    write(0x28, 8, 1L << 40);
    write(0x30, 8, ADMIN_CQ);
    write(0x14, 4, 0x46_0001);
    assertEquals(1, read(0x1c, 4));
    write(0x1000, 4, 1);
    assertEquals(3, read(0x1c, 4));
    write(0x14, 4, 0x46_0000);
    assertEquals(0, read(0x1c, 4));
    write(0x14, 4, 0x46_0f81); // a page size that there is not
    assertEquals(2, read(0x1c, 4));
    write(0x14, 4, 0);
    enable();
    assertEquals(0, admin(6, 0, DATA, 0, 1));
  }

  @Test
  void tellsOfEventsOnceUntilTheLogIsRead() {
    enable();
    int request = put(0, 12, 0, 0, 0);
    ring(0);
    write(0x1000 + 8, 4, 3); // of a queue that there is not
    long[] end = takeEnd(0);
    assertEquals(request, end[0] & 0xffff);
    assertEquals(0x1_0000, end[2]);
    int again = put(0, 12, 0, 0, 0);
    ring(0);
    write(0x1000 + 8, 4, 3);
    assertFalse(hasEnd(0));
    int _ = put(0, 2, -1, DATA, 0, 1 | 15 << 16);
    ring(0);
    assertEquals(0, takeEnd(0)[0] >> 17);
    write(0x1000 + 8, 4, 3);
    assertEquals(again, takeEnd(0)[0] & 0xffff);
    for (int i = 0; i < 4; i++) {
      int _ = put(0, 12, 0, 0, 0);
    }
    assertEquals(NvmeStatus.TOO_MANY_EVENT_REQUESTS, admin(12, 0, 0, 0));
  }

  @Test
  void featuresAreKeptUntilItsReset() {
    enable();
    assertEquals(0, admin(10, 0, 0, 0, 7));
    assertEquals(0x2_0002, result);
    assertEquals(0, admin(9, 0, 0, 0, 11, 0x100));
    assertEquals(0, admin(9, 0, 0, 0, 6, 0));
    assertFalse(backend.writeCache());
    assertEquals(0, admin(10, 0, 0, 0, 11));
    assertEquals(0x100, result);
    assertEquals(NvmeStatus.NOT_CHANGEABLE, admin(9, 0, 0, 0, 1, 0));
    assertEquals(NvmeStatus.INVALID_FIELD, admin(9, 0, 0, 0, 0x77, 0));
    write(0x14, 4, 0);
    Arrays.fill(tail, 0);
    Arrays.fill(head, 0);
    Arrays.fill(phase, 1);
    machine.memory().write(ADMIN_CQ, new byte[ENTRIES * 16], 0, ENTRIES * 16);
    enable();
    assertEquals(0, admin(10, 0, 0, 0, 11));
    assertEquals(0, result);
  }

  @Test
  void errorsReachTheDriver() {
    backend.setOnError(OnError.REPORT, OnError.REPORT);
    enable();
    addPair(1);
    node.errno = Errno.EIO;
    assertEquals(NvmeStatus.UNRECOVERED_READ, io(1, 2, 1, DATA, 0, 0, 0, 0));
    assertEquals(NvmeStatus.WRITE_FAULT, io(1, 1, 1, DATA, 0, 0, 0, 0));
    node.errno = 0;
    assertEquals(0, io(1, 2, 1, DATA, 0, 0, 0, 0));
  }

  @Test
  void whatFailedWhileTheMachineStopsIsDoneWhereItGoesOn() throws StateException {
    backend.setOnError(OnError.STOP, OnError.STOP);
    enable();
    addPair(1);
    node.errno = Errno.EIO;
    int id = put(1, 2, 1, DATA, 0, 77, 0, 7);
    ring(1);
    await(() -> backend.ioStatus() != 0);
    locked(() -> machine.stop(RunState.IO_ERROR));
    StateOutput out = new StateOutput();
    locked(() -> nvme.state().save(out));
    node.errno = 0;
    int version = nvme.state().descriptor().version();
    locked(nvme::reset);
    var loaded = nvme.state().load(new StateInput(out.toByteArray()), version);
    locked(loaded::apply);
    assertFalse(hasEnd(1));
    machine.loop().post(machine::start);
    long[] end = takeEnd(1);
    assertEquals(id, end[0] & 0xffff);
    assertEquals(0, end[0] >> 17);
    assertArrayEquals(expected(77, 8), bytes(DATA, 8 * BLOCK));
  }

  @Test
  void aShutdownFlushesWhatWasWritten() {
    enable();
    addPair(1);
    assertEquals(0, io(1, 1, 1, DATA, 0, 5, 0, 0));
    write(0x14, 4, 0x46_4001);
    await(() -> read(0x1c, 4) == 9);
    assertTrue(backend.counters().operations(BlockRequest.Op.FLUSH) > 0);
  }

  /** No more is under way than the saved state has room for, however often a driver asks. */
  @Test
  void askingForAShutdownAgainAddsNoWork() {
    enable();
    CountDownLatch disk = new CountDownLatch(1);
    for (int i = 0; i < WORKERS; i++) {
      workers.execute(() -> waitFor(disk));
    }
    for (int i = 0; i < 1000; i++) {
      write(0x14, 4, 0x46_0001);
      write(0x14, 4, 0x46_4001);
    }
    disk.countDown();
    await(() -> read(0x1c, 4) == 9);
    locked(backend::drain);
    long flushes = backend.counters().operations(BlockRequest.Op.FLUSH);
    assertTrue(flushes > 0 && flushes <= 257, flushes + " flushes");
  }

  private static void waitFor(CountDownLatch latch) {
    try {
      assertTrue(latch.await(20, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** A loaded state can say that admin commands end in a queue that there is not. */
  @Test
  void nothingIsToldWithoutAQueueForIt() {
    NvmeQueues queues = new NvmeQueues(1, new GuestMemory(machine.memory()), nvme);
    queues.createCompletion(NvmeQueues.ADMIN, ADMIN_CQ, ENTRIES, 0, true);
    queues.createSubmission(NvmeQueues.ADMIN, ADMIN_SQ, ENTRIES, 1);
    assertFalse(queues.canEnd());
    queues.createCompletion(1, IO_CQ, ENTRIES, 0, true);
    assertTrue(queues.canEnd());
  }

  /** More commands than the completion queue has room for wait in their own queue. */
  @Test
  void noEndIsWrittenOverOneThatWasNotSeen() {
    enable();
    assertEquals(0, admin(5, 0, cq(1), 0, 1 | 3 << 16, 3)); // four entries
    assertEquals(0, admin(1, 0, sq(1), 0, 1 | ENTRIES - 1 << 16, 1 << 16 | 1));
    int[] ids = new int[10];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = put(1, 2, 1, place(1, i), 0, i, 0, 0);
    }
    ring(1);
    boolean[] seen = new boolean[ids.length];
    for (int i = 0; i < ids.length; i++) {
      long at = cq(1) + i % 4 * 16L;
      int expectedPhase = 1 - i / 4 % 2;
      await(() -> (memory(at + 12, 4) >> 16 & 1) == expectedPhase);
      seen[(int) (memory(at + 12, 4) & 0xffff) - ids[0]] = true;
      write(0x100c, 4, (i + 1) % 4);
    }
    for (boolean each : seen) {
      assertTrue(each);
    }
  }
}
