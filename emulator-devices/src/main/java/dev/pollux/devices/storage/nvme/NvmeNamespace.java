package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.storage.DriveProperties;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The one namespace: its I/O commands (chapter 6), each as one request of the block layer or
 * several, between guest memory and the disk without a buffer. Machine lock held.
 *
 * <p>While the machine stands none is under way; those that have been taken then, or failed and are
 * to be tried again, are state, and submitted when it goes on.
 */
final class NvmeNamespace {
  static final int ID = 1;

  /** All namespaces. */
  static final int BROADCAST = -1;

  /** The number of the queue that the controller's own flush belongs to. */
  static final int SHUTDOWN = 0xffff;

  /** Commands that are taken from the queues at once. */
  private static final int MOST = 256;

  private static final int FLUSH = 0x00;
  private static final int WRITE = 0x01;
  private static final int READ = 0x02;
  private static final int WRITE_ZEROES = 0x08;
  private static final int DATASET_MANAGEMENT = 0x09;

  /** The I/O commands that there are. */
  static final List<Integer> OPCODES =
      List.of(FLUSH, WRITE, READ, WRITE_ZEROES, DATASET_MANAGEMENT);

  private static final int FORCE_UNIT_ACCESS = 1 << 30;
  private static final int DEALLOCATE_ZEROES = 1 << 25;
  private static final int DEALLOCATE = 1 << 2;
  private static final int RANGE = 16;
  private static final int TAKEN_BYTES = 2 + NvmeCommand.BYTES;

  static final StateDescriptor<NvmeNamespace> STATE =
      StateDescriptor.of(NvmeNamespace.class, "nvme-namespace", 1)
          .varBytes("waiting", (MOST + 1) * TAKEN_BYTES, n -> n.save(), (n, v) -> n.load(v));

  /** The controller. */
  interface Owner {
    /** A command of a queue has ended. */
    void ended(int queue, int id, int status);

    /** Bytes of a page of guest memory. */
    int page();
  }

  /** A command and the queue that it came from. */
  record Taken(int queue, NvmeCommand command) {}

  private final Machine machine;
  private final BlockBackend backend;
  private final DriveProperties sizes;
  private final int mostBytes;
  private final GuestMemory memory;
  private final Owner owner;
  private final List<Taken> waiting = new ArrayList<>();

  @HostOnly("none is under way while the machine stands")
  private final Set<Work> inFlight = new LinkedHashSet<>();

  /**
   * @param mostBytes what a read or a write moves at most
   */
  NvmeNamespace(
      Machine machine, BlockBackend backend, DriveProperties sizes, int mostBytes, Owner owner) {
    this.machine = machine;
    this.backend = backend;
    this.sizes = sizes;
    this.mostBytes = mostBytes;
    this.memory = new GuestMemory(machine.memory());
    this.owner = owner;
  }

  BlockBackend backend() {
    return backend;
  }

  DriveProperties sizes() {
    return sizes;
  }

  long blocks() {
    return backend.length() / sizes.logicalBlock();
  }

  /** Whether a command changes data. */
  static boolean isWrite(int opcode) {
    return opcode != READ && opcode != FLUSH;
  }

  /** Whether one more command can be taken. */
  boolean hasRoom() {
    return waiting.size() + inFlight.size() < MOST && !backend.isEbbing();
  }

  List<Taken> waiting() {
    return List.copyOf(waiting);
  }

  // ---- commands ----

  /** Begins a command. */
  void execute(int queue, NvmeCommand command) {
    Taken taken = new Taken(queue, command);
    if (isRunning()) {
      begin(taken);
    } else {
      waiting.add(taken);
    }
  }

  private boolean isRunning() {
    return machine.runState().is(RunState.RUNNING);
  }

  /**
   * Has everything reach the medium after what is under way, for the end of {@link #SHUTDOWN}.
   * There is room for one beside the commands: a driver that asks again and again gets the first's
   * end.
   */
  void shutDown() {
    if (waiting.size() + inFlight.size() <= MOST) {
      execute(SHUTDOWN, new NvmeCommand(new byte[NvmeCommand.BYTES]));
    }
  }

  private void begin(Taken taken) {
    Work work = new Work(taken);
    int status = plan(work);
    if (status != NvmeStatus.SUCCESS || work.parts.isEmpty()) {
      owner.ended(taken.queue, taken.command.id(), status);
      return;
    }
    inFlight.add(work);
    work.submit();
  }

  private int plan(Work work) {
    NvmeCommand command = work.taken.command;
    boolean flush = command.opcode() == FLUSH;
    boolean ours = command.namespace() == ID || flush && command.namespace() == BROADCAST;
    if (!ours && work.taken.queue != SHUTDOWN) {
      return NvmeStatus.INVALID_NAMESPACE;
    }
    if (command.isStrange()) {
      return NvmeStatus.INVALID_FIELD;
    }
    return switch (command.opcode()) {
      case FLUSH -> {
        work.add(BlockRequest.Op.FLUSH, 0, 0, 0);
        yield NvmeStatus.SUCCESS;
      }
      case READ -> transfer(work, BlockRequest.Op.READ);
      case WRITE -> transfer(work, BlockRequest.Op.WRITE);
      case WRITE_ZEROES -> writeZeroes(work);
      case DATASET_MANAGEMENT -> manage(work);
      default -> NvmeStatus.INVALID_OPCODE;
    };
  }

  /** Whether the blocks may be asked for: they are there, and may be written if they are to be. */
  private int check(BlockRequest.Op op, long first, long count) {
    if (op.isWrite() && backend.readOnly()) {
      return NvmeStatus.WRITE_PROTECTED;
    }
    if (first < 0 || first > blocks() - count) {
      backend.counters().invalid(op);
      return NvmeStatus.LBA_OUT_OF_RANGE;
    }
    return NvmeStatus.SUCCESS;
  }

  private int transfer(Work work, BlockRequest.Op op) {
    NvmeCommand command = work.taken.command;
    long count = command.low(12) + 1L;
    long bytes = count * sizes.logicalBlock();
    if (bytes > mostBytes) {
      backend.counters().invalid(op);
      return NvmeStatus.INVALID_FIELD;
    }
    int status = check(op, command.qword(10), count);
    if (status != NvmeStatus.SUCCESS) {
      return status;
    }
    PrpList data = PrpList.of(memory, command, bytes, owner.page(), op == BlockRequest.Op.READ);
    if (data.status() == NvmeStatus.SUCCESS) {
      work.add(op, command.qword(10) * sizes.logicalBlock(), data, unitAccess(command));
    }
    return data.status();
  }

  private static int unitAccess(NvmeCommand command) {
    return isWrite(command.opcode()) && (command.dword(12) & FORCE_UNIT_ACCESS) != 0
        ? BlockNode.FUA
        : 0;
  }

  private int writeZeroes(Work work) {
    NvmeCommand command = work.taken.command;
    long count = command.low(12) + 1L;
    int status = check(BlockRequest.Op.WRITE_ZEROES, command.qword(10), count);
    if (status == NvmeStatus.SUCCESS) {
      boolean unmaps = (command.dword(12) & DEALLOCATE_ZEROES) != 0;
      work.add(
          BlockRequest.Op.WRITE_ZEROES,
          command.qword(10) * sizes.logicalBlock(),
          count * sizes.logicalBlock(),
          unitAccess(command) | (unmaps ? BlockNode.MAY_UNMAP : 0));
    }
    return status;
  }

  /** Up to 256 ranges (6.7), of which those to be deallocated are more than a hint. */
  private int manage(Work work) {
    NvmeCommand command = work.taken.command;
    byte[] bytes = new byte[((command.dword(10) & 0xff) + 1) * RANGE];
    PrpList data = PrpList.of(memory, command, bytes.length, owner.page(), false);
    if (data.status() != NvmeStatus.SUCCESS) {
      return data.status();
    }
    data.read(bytes);
    ByteBuffer ranges = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < bytes.length; at += RANGE) {
      long count = ranges.getInt(at + 4) & 0xffff_ffffL;
      long first = ranges.getLong(at + 8);
      int status = check(BlockRequest.Op.DISCARD, first, count);
      if (status != NvmeStatus.SUCCESS) {
        return status;
      }
      if (count > 0 && (command.dword(11) & DEALLOCATE) != 0) {
        long block = sizes.logicalBlock();
        work.add(BlockRequest.Op.DISCARD, first * block, count * block, 0);
      }
    }
    return NvmeStatus.SUCCESS;
  }

  // ---- on their way ----

  /** A command that the block layer works on. */
  private final class Work {
    private final Taken taken;
    private final List<Part> parts = new ArrayList<>();
    private final AtomicInteger left = new AtomicInteger();

    @HostOnly("only of reads and writes")
    private PrpList data;

    Work(Taken taken) {
      this.taken = taken;
    }

    void add(BlockRequest.Op op, long offset, PrpList memoryOf, int flags) {
      data = memoryOf;
      parts.add(new Part(this, op, offset, flags));
    }

    void add(BlockRequest.Op op, long offset, long length, int flags) {
      parts.add(new Part(this, op, offset, length, flags));
    }

    void submit() {
      touch();
      left.set(parts.size());
      parts.forEach(backend::submit);
    }

    void touch() {
      if (data != null) {
        data.touch();
      }
    }
  }

  /** One of its requests. */
  private final class Part extends BlockRequest {
    private final Work work;

    @HostOnly("passed from the block layer's thread")
    private volatile int errno;

    Part(Work work, Op op, long offset, int flags) {
      super(op, offset, work.data.vector(), flags);
      this.work = work;
    }

    Part(Work work, Op op, long offset, long length, int flags) {
      super(op, offset, length, flags);
      this.work = work;
    }

    @Override
    protected void completed(int result) {
      errno = result;
      if (work.left.decrementAndGet() == 0) {
        machine.loop().post(() -> finish(work));
      }
    }
  }

  private void finish(Work work) {
    if (!inFlight.remove(work)) {
      return; // it has been waited for
    }
    work.touch();
    for (Part part : work.parts) {
      if (part.errno != 0) {
        failed(work, part);
        return;
      }
    }
    end(work, NvmeStatus.SUCCESS);
  }

  private void failed(Work work, Part part) {
    switch (backend.onError(part, part.errno)) {
      case IGNORE -> end(work, NvmeStatus.SUCCESS);
      case REPORT ->
          end(
              work,
              switch (part.op()) {
                case READ -> NvmeStatus.UNRECOVERED_READ;
                case WRITE -> NvmeStatus.WRITE_FAULT;
                default -> NvmeStatus.INTERNAL;
              });
      case STOP -> waiting.add(work.taken); // submitted again when the machine goes on
    }
  }

  private void end(Work work, int status) {
    owner.ended(work.taken.queue, work.taken.command.id(), status);
  }

  // ---- all of them ----

  /** Waits for what is under way, and ends it. */
  void settle() {
    if (!inFlight.isEmpty()) {
      backend.drain();
      List.copyOf(inFlight).forEach(this::finish);
    }
  }

  /** Begins what has waited for the machine. */
  void goOn() {
    if (!isRunning()) {
      return; // it sleeps
    }
    List<Taken> all = List.copyOf(waiting);
    waiting.clear();
    all.forEach(this::begin);
  }

  /** Ends a queue's commands, which goes away. */
  void endQueue(int queue) {
    settle();
    for (Taken taken : List.copyOf(waiting)) {
      if (taken.queue == queue) {
        waiting.remove(taken);
        owner.ended(queue, taken.command.id(), NvmeStatus.QUEUE_DELETED);
      }
    }
  }

  /** Forgets all commands, as soon as nobody uses their memory. */
  void clear() {
    if (!inFlight.isEmpty()) {
      backend.drain();
      inFlight.forEach(Work::touch);
      inFlight.clear();
    }
    waiting.clear();
  }

  // ---- state ----

  private byte[] save() {
    ByteBuffer out =
        ByteBuffer.allocate(waiting.size() * TAKEN_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    waiting.forEach(t -> out.putShort((short) t.queue).put(t.command.bytes()));
    return out.array();
  }

  private void load(byte[] bytes) {
    waiting.clear();
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (in.remaining() >= TAKEN_BYTES) {
      int queue = in.getShort() & 0xffff;
      byte[] command = new byte[NvmeCommand.BYTES];
      in.get(command);
      waiting.add(new Taken(queue, new NvmeCommand(command)));
    }
  }
}
