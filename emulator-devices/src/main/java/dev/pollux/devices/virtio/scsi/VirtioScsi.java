package dev.pollux.devices.virtio.scsi;

import dev.pollux.backend.block.IoVector;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.scsi.ScsiBus;
import dev.pollux.devices.storage.scsi.ScsiController;
import dev.pollux.devices.storage.scsi.ScsiDisk;
import dev.pollux.devices.storage.scsi.ScsiRequest;
import dev.pollux.devices.storage.scsi.ScsiSense;
import dev.pollux.devices.storage.scsi.ScsiUnits;
import dev.pollux.devices.virtio.DescriptorChain;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioError;
import dev.pollux.devices.virtio.VirtioSetup;
import dev.pollux.devices.virtio.VirtioType;
import dev.pollux.devices.virtio.Virtqueue;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A SCSI host (5.6): a control queue for task management, one for events, and queues of commands.
 * The lock of the I/O thread guards what is not said to be the machine's.
 */
public final class VirtioScsi extends VirtioDevice implements ScsiController {
  private static final Kind KIND = new Kind(8, "virtio-scsi");

  private static final long HOTPLUG = 1 << 1;
  private static final long CHANGE = 1 << 2;

  private static final int CONTROL = 0;
  private static final int EVENTS = 1;
  private static final int COMMANDS = 2;

  private static final int CONFIG_BYTES = 36;
  private static final int CONFIG_SENSE = 20;
  private static final int CONFIG_CDB = 24;
  private static final int EVENT_BYTES = 16;
  private static final int MOST_EVENTS = 128;
  private static final int SENSE_BYTES = 96;
  private static final int CDB_BYTES = 32;
  private static final int MOST_SENSE = 252;
  private static final int MOST_CDB = 255;

  /** Before the command: unit, tag, attribute, priority, number. */
  private static final int REQUEST_HEADER = ScsiAddress.BYTES + 8 + 3;

  /** Before the sense data: its length, what is left, qualifier, status, response. */
  private static final int RESPONSE_HEADER = 12;

  private static final int OK = 0;
  private static final int OVERRUN = 1;
  private static final int BAD_TARGET = 3;
  private static final int FUNCTION_REJECTED = 11;
  private static final int INCORRECT_UNIT = 12;

  private static final int TASK_MANAGEMENT = 0;
  private static final int ASYNC_QUERY = 1;
  private static final int ASYNC_SUBSCRIBE = 2;

  private static final int TARGET_RESET = 4;
  private static final int UNIT_RESET = 5;
  private static final int QUERY_TASK = 6;
  private static final int QUERY_TASK_SET = 7;

  private static final int EVENTS_MISSED = 1 << 31;
  private static final int EVENT_TRANSPORT = 1;
  private static final int EVENT_PARAMETER = 3;
  private static final int RESCAN = 1;
  private static final int REMOVED = 2;

  private static final long AUTO_QUEUES = 0xffff_ffffL;

  private static final Property<Long> QUEUES =
      Property.unsigned("num_queues", 32, AUTO_QUEUES, 1, 255, "queues; one a vCPU by default");
  private static final Property<Long> QUEUE_SIZE =
      Property.unsigned("virtqueue_size", 32, 256, 8, 1024, "entries of a queue, a power of two");
  private static final Property<Long> MOST_SECTORS =
      Property.unsigned("max_sectors", 32, 0xffff, 1, 0xffff, "sectors of a command at most");
  private static final Property<Long> PER_UNIT =
      Property.unsigned("cmd_per_lun", 32, 128, 1, 1024, "commands at once to one unit");
  private static final Property<Boolean> HOTPLUG_PROPERTY =
      Property.flag("hotplug", true, "the guest is told of disks that come and go");
  private static final Property<Boolean> CHANGE_PROPERTY =
      Property.flag("param_change", true, "the guest is told of disks that change");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-scsi",
          DeviceCategory.STORAGE,
          "",
          0x01_0000,
          0x1004,
          -1,
          List.of(
              QUEUES,
              QUEUE_SIZE,
              MOST_SECTORS,
              PER_UNIT,
              HOTPLUG_PROPERTY,
              CHANGE_PROPERTY,
              VirtioType.IO_THREAD),
          VirtioScsi::create);

  private static final StateDescriptor<VirtioScsi> STATE =
      StateDescriptor.of(VirtioScsi.class, "virtio-scsi", 1)
          .u32("sense-size", MOST_SENSE, d -> d.senseSize, (d, v) -> d.senseSize = v)
          .u32("cdb-size", MOST_CDB, d -> d.cdbSize, (d, v) -> d.cdbSize = v)
          .bool("events-missed", d -> d.eventsMissed, (d, v) -> d.eventsMissed = v)
          .varBytes("events", MOST_EVENTS * EVENT_BYTES, d -> d.saveEvents(), (d, v) -> d.load(v))
          .varBytes("kept", 256 * 1024 * 4, d -> d.saveKept(), (d, v) -> d.loadKept(v));

  /** A command that waits for the machine to go on. */
  private record Kept(int queue, int position) {}

  /** A task management function that waits for commands to end. */
  private record Waiting(Predicate<ScsiDisk> which, Runnable end) {}

  private final long features;
  private final int queueSize;
  private final int mostSectors;
  private final int perUnit;

  /** What is plugged in; changed with both locks. */
  @HostOnly("wiring")
  private volatile List<ScsiDisk> disks = List.of();

  /** What the driver says of the sizes of its buffers. Machine lock and the I/O thread's. */
  private int senseSize = SENSE_BYTES;

  private int cdbSize = CDB_BYTES;

  /** For which the guest gives no buffers yet, and whether there were more. */
  private final ArrayDeque<byte[]> events = new ArrayDeque<>();

  private boolean eventsMissed;
  private final List<Kept> kept = new ArrayList<>();

  @HostOnly("none while the machine is stopped")
  private final List<Waiting> waiting = new ArrayList<>();

  VirtioScsi(
      VirtioSetup setup, long features, int queues, int queueSize, int mostSectors, int perUnit) {
    super(KIND, setup, sizes(queues, queueSize));
    this.features = features;
    this.queueSize = queueSize;
    this.mostSectors = mostSectors;
    this.perUnit = perUnit;
  }

  private static int[] sizes(int queues, int size) {
    int[] sizes = new int[COMMANDS + queues];
    Arrays.fill(sizes, size);
    return sizes;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    long size = context.get(QUEUE_SIZE);
    if (Long.bitCount(size) != 1) {
      throw context.error("virtqueue_size=%d is no power of two".formatted(size));
    }
    int queues =
        context.get(QUEUES) == AUTO_QUEUES
            ? Math.max(1, context.machine().vcpus().size())
            : (int) (long) context.get(QUEUES);
    boolean hotplug = context.get(HOTPLUG_PROPERTY);
    VirtioScsi controller =
        new VirtioScsi(
            setup,
            (hotplug ? HOTPLUG : 0) | (context.get(CHANGE_PROPERTY) ? CHANGE : 0),
            queues,
            (int) size,
            (int) (long) context.get(MOST_SECTORS),
            (int) (long) context.get(PER_UNIT));
    context.addBus(new ScsiBus(context.busName("scsi", 0), controller, context.devices(), hotplug));
    return controller;
  }

  // ---- configuration ----

  @Override
  protected long deviceFeatures() {
    return features;
  }

  @Override
  protected byte[] config() {
    return ByteBuffer.allocate(CONFIG_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(queues().size() - COMMANDS)
        .putInt(queueSize - 2)
        .putInt(mostSectors)
        .putInt(perUnit)
        .putInt(EVENT_BYTES)
        .putInt(senseSize)
        .putInt(cdbSize)
        .putShort((short) 0)
        .putShort((short) (ScsiBus.TARGETS - 1))
        .putInt(ScsiBus.UNITS - 1)
        .array();
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    if (bytes.length != 4 || offset != CONFIG_SENSE && offset != CONFIG_CDB) {
      return;
    }
    int value = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt();
    setUp(
        () -> {
          if (offset == CONFIG_SENSE && value >= 0 && value <= MOST_SENSE) {
            senseSize = value;
          } else if (offset == CONFIG_CDB && value >= 0 && value <= MOST_CDB) {
            cdbSize = value;
          } else {
            fail("%d bytes of %s".formatted(value, offset == CONFIG_CDB ? "command" : "sense"));
          }
        });
  }

  // ---- queues ----

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    if (queue.index() == CONTROL) {
      each(queue, chain -> manage(queue, chain));
    } else if (queue.index() == EVENTS) {
      deliver();
    } else {
      for (Kept command : List.copyOf(kept)) {
        if (command.queue() == queue.index()) {
          kept.remove(command);
          handle(queue, queue.reopen(command.position()), chain -> begin(queue, chain));
        }
      }
      each(queue, chain -> begin(queue, chain));
    }
  }

  private void begin(Virtqueue queue, DescriptorChain chain) throws VirtioError {
    byte[] header = chain.read(REQUEST_HEADER + cdbSize);
    if (chain.writableBytes() < RESPONSE_HEADER + senseSize) {
      throw new VirtioError("a command has no room for its response");
    }
    byte[] cdb =
        Arrays.copyOf(
            Arrays.copyOfRange(header, REQUEST_HEADER, header.length), Math.max(16, cdbSize));
    ScsiAddress address = ScsiAddress.read(ByteBuffer.wrap(header));
    Command command = new Command(queue, chain, cdb);
    List<ScsiDisk> units = disks.stream().filter(d -> d.target() == address.target()).toList();
    Optional<ScsiDisk> disk = units.stream().filter(d -> d.unit() == address.unit()).findFirst();
    if (!address.valid() || units.isEmpty()) {
      command.end(BAD_TARGET, ScsiRequest.GOOD, ScsiSense.NONE, 0);
    } else if (ScsiUnits.isForTarget(cdb)) {
      ScsiUnits.execute(command, units);
    } else if (disk.isEmpty()) {
      ScsiUnits.executeNowhere(command);
    } else {
      disk.get().execute(command);
    }
  }

  /** A command of the guest. */
  private final class Command extends ScsiRequest {
    private final Virtqueue queue;
    private final DescriptorChain chain;
    private final long answerAt;

    Command(Virtqueue queue, DescriptorChain chain, byte[] cdb) {
      super(cdb);
      this.queue = queue;
      this.chain = chain;
      this.answerAt = RESPONSE_HEADER + senseSize;
    }

    @Override
    public long inBytes() {
      return chain.writableBytes() - answerAt;
    }

    @Override
    public long outBytes() {
      return chain.readableLeft();
    }

    @Override
    public IoVector in(long length) {
      return chain.writableVector(answerAt, length);
    }

    @Override
    public void touchIn(long length) {
      chain.touch(answerAt, length);
    }

    @Override
    public void answer(byte[] bytes, int length) {
      chain.writeAt(answerAt, bytes, 0, length);
    }

    @Override
    public IoVector out(long length) {
      return chain.readableVector(length);
    }

    @Override
    public byte[] parameters(int length) {
      byte[] bytes = new byte[length];
      chain.read(bytes, 0, length);
      return bytes;
    }

    @Override
    public void locked(Runnable action) {
      if (io().lock().isHeldByCurrentThread()) {
        action.run();
      } else {
        io().post(action);
      }
    }

    @Override
    public void finish(int status, ScsiSense sense, long transferred) {
      end(OK, status, sense, transferred);
    }

    @Override
    public void overrun() {
      end(OVERRUN, GOOD, ScsiSense.NONE, 0);
    }

    private void end(int response, int status, ScsiSense sense, long transferred) {
      byte[] told = status == CHECK_CONDITION ? sense.encode() : new byte[0];
      int senseBytes = Math.min(told.length, senseSize);
      long asked = Math.max(inBytes(), 0) + chain.readableBytes() - REQUEST_HEADER - cdbSize;
      ByteBuffer out =
          ByteBuffer.allocate((int) answerAt)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putInt(senseBytes)
              .putInt((int) Math.clamp(asked - transferred, 0, 0xffff_ffffL))
              .putShort((short) 0)
              .put((byte) status)
              .put((byte) response)
              .put(told, 0, senseBytes);
      chain.writeAt(0, out.array(), 0, (int) answerAt);
      queue.push(chain, (int) (answerAt + Math.min(transferred, inBytes())));
      queue.signal();
      checkWaiting();
    }

    @Override
    public void keep() {
      kept.add(new Kept(queue.index(), chain.position()));
      queue.keep(chain);
      checkWaiting();
    }
  }

  // ---- task management ----

  private void manage(Virtqueue queue, DescriptorChain chain) throws VirtioError {
    ByteBuffer request = ByteBuffer.wrap(chain.read(4)).order(ByteOrder.LITTLE_ENDIAN);
    switch (request.getInt()) {
      case TASK_MANAGEMENT -> {
        ByteBuffer rest = ByteBuffer.wrap(chain.read(20)).order(ByteOrder.LITTLE_ENDIAN);
        int function = rest.getInt();
        task(queue, chain, function, ScsiAddress.read(rest));
      }
      case ASYNC_QUERY, ASYNC_SUBSCRIBE -> respond(queue, chain, new byte[] {0, 0, 0, 0, OK});
      default -> respond(queue, chain, new byte[] {FUNCTION_REJECTED});
    }
  }

  private void task(Virtqueue queue, DescriptorChain chain, int function, ScsiAddress address) {
    boolean wholeTarget = function == TARGET_RESET;
    Predicate<ScsiDisk> meant =
        disk -> disk.target() == address.target() && (wholeTarget || disk.unit() == address.unit());
    List<ScsiDisk> named = address.valid() ? disks.stream().filter(meant).toList() : List.of();
    if (named.isEmpty()) {
      boolean targetThere = disks.stream().anyMatch(disk -> disk.target() == address.target());
      respond(queue, chain, (byte) (targetThere ? INCORRECT_UNIT : BAD_TARGET));
    } else if (function == QUERY_TASK || function == QUERY_TASK_SET) {
      // "Succeeded" says that there is such a task; none stays for long.
      respond(queue, chain, (byte) OK);
    } else if (function < 0 || function > QUERY_TASK_SET) {
      respond(queue, chain, (byte) FUNCTION_REJECTED);
    } else {
      // Nothing that has begun can be called back: it is waited for.
      boolean resets = wholeTarget || function == UNIT_RESET;
      waiting.add(
          new Waiting(
              meant,
              () -> {
                if (resets) {
                  named.forEach(disk -> disk.setAttention(ScsiSense.RESET));
                }
                respond(queue, chain, (byte) OK);
              }));
      checkWaiting();
    }
  }

  private void checkWaiting() {
    for (Waiting function : List.copyOf(waiting)) {
      boolean idle = disks.stream().filter(function.which()).allMatch(ScsiDisk::isIdle);
      if (idle && waiting.remove(function)) {
        function.end().run();
      }
    }
  }

  private static void respond(Virtqueue queue, DescriptorChain chain, byte... response) {
    chain.write(response, 0, response.length);
    queue.push(chain, chain.written());
    queue.signal();
  }

  // ---- events ----

  private void tell(int event, byte[] address, int reason) {
    if (events.size() == MOST_EVENTS) {
      eventsMissed = true;
      return;
    }
    events.add(
        ByteBuffer.allocate(EVENT_BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(event)
            .put(address)
            .putInt(reason)
            .array());
    queue(EVENTS).kick();
  }

  private void deliver() throws VirtioError {
    Virtqueue queue = queue(EVENTS);
    while (!events.isEmpty() || eventsMissed) {
      DescriptorChain chain = queue.pop();
      if (chain == null) {
        queue.wantNotifications(true);
        if (queue.hasMore()) {
          continue;
        }
        return;
      }
      byte[] event = events.isEmpty() ? new byte[EVENT_BYTES] : events.remove();
      if (eventsMissed) {
        ByteBuffer first = ByteBuffer.wrap(event).order(ByteOrder.LITTLE_ENDIAN);
        first.putInt(0, first.getInt(0) | EVENTS_MISSED);
        eventsMissed = false;
      }
      chain.write(event, 0, EVENT_BYTES);
      queue.push(chain, chain.written());
      queue.signal();
    }
  }

  // ---- as the controller of disks; machine lock held ----

  @Override
  public void exclusively(Runnable action) {
    setUp(action);
  }

  @Override
  public void added(ScsiDisk disk) {
    setUp(
        () -> {
          disks = Stream.concat(disks.stream(), Stream.of(disk)).toList();
          if (isRunning() && has(HOTPLUG)) {
            tell(EVENT_TRANSPORT, ScsiAddress.of(disk), RESCAN);
          }
        });
  }

  @Override
  public void removing(ScsiDisk disk) {
    setUp(
        () -> {
          disks = disks.stream().filter(other -> !other.equals(disk)).toList();
          if (isRunning() && has(HOTPLUG)) {
            tell(EVENT_TRANSPORT, ScsiAddress.of(disk), REMOVED);
          }
        });
    // New commands find it gone; those under way end here.
    io().awaitIdle(new UnitWork(disk));
    setUp(this::checkWaiting);
  }

  /** Commands of one disk. */
  private record UnitWork(ScsiDisk disk) implements IoThread.Work {
    @Override
    public String name() {
      return disk.id();
    }

    @Override
    public boolean isIdle() {
      return disk.isIdle();
    }
  }

  @Override
  public void changed(ScsiDisk disk, ScsiSense what) {
    setUp(
        () -> {
          if (isRunning() && has(CHANGE)) {
            tell(EVENT_PARAMETER, ScsiAddress.of(disk), what.reason());
          }
        });
  }

  @Override
  public void retry() {
    queues().forEach(Virtqueue::kick);
  }

  // ---- state ----

  @Override
  protected void resetDevice() {
    senseSize = SENSE_BYTES;
    cdbSize = CDB_BYTES;
    events.clear();
    eventsMissed = false;
    kept.clear();
    waiting.clear();
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(STATE, this));
  }

  private byte[] saveEvents() {
    ByteBuffer out = ByteBuffer.allocate(events.size() * EVENT_BYTES);
    events.forEach(out::put);
    return out.array();
  }

  private void load(byte[] bytes) {
    events.clear();
    for (int at = 0; at + EVENT_BYTES <= bytes.length; at += EVENT_BYTES) {
      events.add(Arrays.copyOfRange(bytes, at, at + EVENT_BYTES));
    }
  }

  private byte[] saveKept() {
    ByteBuffer out = ByteBuffer.allocate(kept.size() * 4);
    kept.forEach(k -> out.putShort((short) k.queue()).putShort((short) k.position()));
    return out.array();
  }

  private void loadKept(byte[] bytes) {
    kept.clear();
    ByteBuffer in = ByteBuffer.wrap(bytes);
    while (in.remaining() >= 4) {
      kept.add(new Kept(in.getShort() & 0xffff, in.getShort() & 0xffff));
    }
  }
}
