package dev.pollux.devices.storage.scsi;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * A disk or a disc drive as a logical unit (SBC-3, MMC-6). Commands are begun and ended with the
 * lock of the controller's I/O thread held; data goes between the disk's file and guest memory
 * without a copy.
 */
public final class ScsiDisk implements Device {
  /** Ranges of one UNMAP at most. */
  static final int MOST_UNMAPS = 255;

  private static final int CD_BLOCK = 2048;
  private static final int MODE_BYTES = 4096;
  private static final long MOST_SAME = 1 << 20;

  private static final Property<String> VENDOR = Property.text("vendor", "8 characters");
  private static final Property<String> PRODUCT = Property.text("product", "16 characters");
  private static final Property<String> VERSION = Property.text("ver", "4 characters");
  private static final Property<String> DEVICE_ID =
      Property.text("device_id", "what VPD page 0x83 calls it");
  private static final Property<Long> WWN =
      Property.unsigned("wwn", 64, 0, 0, Long.MAX_VALUE, "world-wide name");
  private static final Property<Boolean> REMOVABLE =
      Property.flag("removable", false, "the guest may take it for a removable medium");
  private static final Property<Long> MOST_UNMAP =
      Property.size("max_unmap_size", 1 << 30, 512, 1L << 40, "bytes of an UNMAP at most");
  private static final Property<Long> MOST_IO =
      Property.size("max_io_size", 0x7fff_fe00L, 512, 0x7fff_fe00L, "bytes of a transfer at most");
  private static final Property<Long> ROTATION =
      Property.unsigned("rotation_rate", 16, 0, 0, 0xfffe, "turns a minute; 1 for none");

  private static final List<Property<?>> COMMON =
      Stream.concat(
              DriveProperties.ALL.stream(), Stream.of(VENDOR, PRODUCT, VERSION, DEVICE_ID, WWN))
          .toList();

  public static final DeviceType<ScsiBus> HD =
      DeviceType.on(ScsiBus.KIND, "scsi-hd", (bus, context) -> create(bus, context, false))
          .category(DeviceCategory.STORAGE)
          .description("virtual SCSI disk")
          .properties(
              Stream.concat(COMMON.stream(), Stream.of(REMOVABLE, MOST_UNMAP, MOST_IO, ROTATION))
                  .toList());

  public static final DeviceType<ScsiBus> CD =
      DeviceType.on(ScsiBus.KIND, "scsi-cd", (bus, context) -> create(bus, context, true))
          .category(DeviceCategory.STORAGE)
          .description("virtual SCSI CD-ROM")
          .properties(COMMON);

  /** Users look for it: say what to take instead. */
  public static final DeviceType<ScsiBus> PASS_THROUGH =
      DeviceType.<ScsiBus>on(
              ScsiBus.KIND,
              "scsi-block",
              (_, context) -> {
                throw context.error(
                    "commands are not passed on to a disk of the host; take scsi-hd with a"
                        + " -blockdev driver=host_device");
              })
          .category(DeviceCategory.STORAGE)
          .description("not there: take scsi-hd")
          .properties(DriveProperties.ALL);

  private static final StateDescriptor<ScsiDisk> STATE =
      StateDescriptor.of(ScsiDisk.class, "scsi-disk", 1)
          .bool("write-cache", d -> d.backend.writeCache(), (d, v) -> d.backend.setWriteCache(v))
          .u8(
              "attention",
              ScsiSense.values().length - 1,
              d -> d.attention.ordinal(),
              (d, v) -> d.attention = ScsiSense.values()[v])
          .bool("tray-open", d -> d.trayOpen, (d, v) -> d.trayOpen = v)
          .bool("locked", d -> d.locked, (d, v) -> d.locked = v)
          .bool("new-medium", d -> d.newMedium, (d, v) -> d.newMedium = v)
          .bool("eject-asked", d -> d.ejectAsked, (d, v) -> d.ejectAsked = v)
          .bool("stopped", d -> d.stopped, (d, v) -> d.stopped = v);

  private final ScsiController controller;
  private final BlockBackend backend;
  private final ScsiInquiry inquiry;
  private final long block;

  @HostOnly("where it is plugged in")
  private final int target;

  @HostOnly("where it is plugged in")
  private final int unit;

  /** What the guest is told at its next command. */
  private ScsiSense attention = ScsiSense.RESET;

  private boolean trayOpen;
  private boolean locked;

  /** Events of the medium that a guest polls for. */
  private boolean newMedium;

  private boolean ejectAsked;
  private boolean stopped;

  @HostOnly("commands under way; none while the machine is stopped")
  private int inFlight;

  ScsiDisk(
      ScsiController controller, BlockBackend backend, ScsiInquiry inquiry, int target, int unit) {
    this.controller = controller;
    this.backend = backend;
    this.inquiry = inquiry;
    this.block = inquiry.cd() ? CD_BLOCK : inquiry.sizes().logicalBlock();
    this.target = target;
    this.unit = unit;
  }

  private static Device create(ScsiBus bus, DeviceContext context, boolean cd) {
    int[] address = bus.choose(context.get(ScsiBus.TARGET), context.get(ScsiBus.UNIT));
    DriveProperties sizes = DriveProperties.of(context);
    BlockBackend backend = DriveProperties.claim(context, "");
    if (!cd && backend.root().isEmpty()) {
      throw context.error("Device needs media, but drive is empty");
    }
    String name = backend.name().isEmpty() ? context.node().id().orElse("") : backend.name();
    ScsiInquiry inquiry =
        new ScsiInquiry(
            cd,
            cd || context.get(REMOVABLE),
            or(context.get(VENDOR), "POLLUX"),
            or(context.get(PRODUCT), cd ? "DVD-ROM" : "HARDDISK"),
            or(context.get(VERSION), "1.0"),
            context.get(DriveProperties.SERIAL),
            or(context.get(DEVICE_ID), or(context.get(DriveProperties.SERIAL), name)),
            context.get(WWN),
            cd ? 0 : context.get(MOST_UNMAP),
            cd ? MOST_IO.otherwise() : context.get(MOST_IO),
            cd ? 0 : (int) (long) context.get(ROTATION),
            sizes);
    ScsiDisk disk = new ScsiDisk(bus.controller(), backend, inquiry, address[0], address[1]);
    DriveProperties.attach(context, backend, disk.new Drive(context.node()));
    return disk;
  }

  /**
   * The only disk of a device that shows it in another way and has the properties of drives.
   *
   * @param serial may be empty
   * @param mostBytes of a transfer at most
   * @throws dev.pollux.core.config.ConfigException as where one is added
   */
  public static ScsiDisk within(
      ScsiController controller,
      DeviceContext context,
      boolean removable,
      String serial,
      long mostBytes) {
    DriveProperties sizes = DriveProperties.of(context);
    BlockBackend backend = DriveProperties.claim(context, "/channel@0/disk@0,0");
    if (backend.root().isEmpty()) {
      throw context.error("Device needs media, but drive is empty");
    }
    ScsiInquiry inquiry =
        new ScsiInquiry(
            false,
            removable,
            "POLLUX",
            "HARDDISK",
            "1.0",
            serial,
            or(serial, backend.name()),
            0,
            MOST_UNMAP.otherwise(),
            mostBytes,
            0,
            sizes);
    ScsiDisk disk = new ScsiDisk(controller, backend, inquiry, 0, 0);
    DriveProperties.attach(context, backend, disk.new Drive(context.node()));
    return disk;
  }

  private static String or(String given, String otherwise) {
    return given.isEmpty() ? otherwise : given;
  }

  public int target() {
    return target;
  }

  public int unit() {
    return unit;
  }

  /** Waits until the medium has done all that it was asked for. */
  public void drain() {
    backend.drain();
  }

  /** Whether nothing is under way. */
  public boolean isIdle() {
    return inFlight == 0;
  }

  /** The guest is told of something at its next command. */
  public void setAttention(ScsiSense what) {
    attention = what;
  }

  // ---- the medium ----

  private boolean hasMedium() {
    return !trayOpen && backend.root().isPresent() && backend.length() > 0;
  }

  private long blocks() {
    return backend.length() / block;
  }

  private boolean readOnly() {
    return inquiry.cd() || backend.readOnly();
  }

  // ---- commands ----

  /** Begins a command. */
  public void execute(ScsiRequest request) {
    inFlight++;
    ByteBuffer cdb = ByteBuffer.wrap(request.cdb());
    int code = cdb.get(0) & 0xff;
    boolean always = code == 0x12 || code == 0xa0 || code == 0x03 || code == 0x46 || code == 0x4a;
    if (attention != ScsiSense.NONE && !always) {
      ScsiSense told = attention;
      attention = ScsiSense.NONE;
      end(() -> request.fail(told));
      return;
    }
    ScsiSense refused = begin(request, cdb, code);
    if (refused != ScsiSense.NONE) {
      end(() -> request.fail(refused));
    }
  }

  private void end(Runnable how) {
    inFlight--;
    how.run();
  }

  private ScsiSense reply(ScsiRequest request, byte[] bytes, long asked) {
    end(() -> request.reply(bytes, asked));
    return ScsiSense.NONE;
  }

  private ScsiSense succeed(ScsiRequest request) {
    end(() -> request.succeed(0));
    return ScsiSense.NONE;
  }

  /** Why it is refused; {@code NONE} where it is not: then it ends, now or later. */
  private ScsiSense begin(ScsiRequest request, ByteBuffer cdb, int code) {
    int asked16 = cdb.getShort(7) & 0xffff;
    switch (code) {
      case 0x12:
        return inquire(request, cdb);
      case 0x03:
        return requestSense(request, cdb.get(4) & 0xff);
      case 0x1a:
        return modeSense(request, cdb, cdb.get(4) & 0xff, false);
      case 0x5a:
        return modeSense(request, cdb, asked16, true);
      case 0x15:
        return modeSelect(request, cdb.get(4) & 0xff, 4);
      case 0x55:
        return modeSelect(request, asked16, 8);
      case 0x1b:
        return startStop(request, cdb.get(4));
      case 0x1e:
        locked = inquiry.removable() && (cdb.get(4) & 1) != 0;
        return succeed(request);
      case 0x16, 0x17, 0x56, 0x57: // RESERVE and RELEASE: there is one initiator
        return succeed(request);
      case 0x46:
        return inquiry.cd()
            ? reply(request, disc().configuration(), asked16)
            : ScsiSense.BAD_COMMAND;
      case 0x4a:
        return inquiry.cd() ? events(request, cdb, asked16) : ScsiSense.BAD_COMMAND;
      default:
        return hasMedium()
            ? medium(request, cdb, code)
            : ScsiCommands.isMedium(code) ? ScsiSense.NO_MEDIUM : ScsiSense.BAD_COMMAND;
    }
  }

  /** Commands that need a medium. */
  private ScsiSense medium(ScsiRequest request, ByteBuffer cdb, int code) {
    ScsiCommands.Range range = ScsiCommands.range(cdb, code);
    switch (ScsiCommands.kind(code)) {
      case TEST:
        return stopped ? ScsiSense.NOT_READY : succeed(request);
      case SEEK:
        return range.first() < blocks() ? succeed(request) : ScsiSense.BAD_ADDRESS;
      case READ:
        return transfer(request, range, BlockRequest.Op.READ);
      case WRITE:
        return transfer(request, range, BlockRequest.Op.WRITE);
      case VERIFY:
        return verify(request, cdb, range);
      case SYNCHRONIZE:
        submit(new Transfer(request, BlockRequest.Op.FLUSH, 0, 0, 0));
        return ScsiSense.NONE;
      case UNMAP:
        return unmap(request, cdb.getShort(7) & 0xffff);
      case SAME:
        return writeSame(request, cdb, range);
      case CAPACITY:
        return reply(request, capacity10(), 8);
      case CAPACITY_16:
        return (cdb.get(1) & 31) == 0x10
            ? reply(request, capacity16(), cdb.getInt(10) & 0xffff_ffffL)
            : ScsiSense.BAD_FIELD;
      case DISC:
        return disc(request, cdb, code);
      case UNKNOWN:
        return ScsiSense.BAD_COMMAND;
    }
    throw new IllegalStateException("command " + code);
  }

  private ScsiSense inquire(ScsiRequest request, ByteBuffer cdb) {
    int asked = cdb.getShort(3) & 0xffff;
    boolean page = (cdb.get(1) & 1) != 0;
    if (!page && cdb.get(2) != 0) {
      return ScsiSense.BAD_FIELD;
    }
    byte[] data = page ? inquiry.page(cdb.get(2) & 0xff) : inquiry.standard();
    return data == null ? ScsiSense.BAD_FIELD : reply(request, data, asked);
  }

  private ScsiSense requestSense(ScsiRequest request, int asked) {
    ScsiSense told = attention;
    attention = ScsiSense.NONE;
    return reply(request, told.encode(), asked);
  }

  private boolean isInside(ScsiCommands.Range range) {
    return range.first() >= 0
        && range.first() <= blocks()
        && range.count() <= blocks() - range.first();
  }

  private ScsiSense transfer(ScsiRequest request, ScsiCommands.Range range, BlockRequest.Op op) {
    boolean write = op == BlockRequest.Op.WRITE;
    if (write && readOnly()) {
      backend.counters().invalid(op);
      return ScsiSense.WRITE_PROTECTED;
    }
    if (!isInside(range)) {
      backend.counters().invalid(op);
      return ScsiSense.BAD_ADDRESS;
    }
    long bytes = range.count() * block;
    if (bytes > inquiry.mostBytes()) {
      return ScsiSense.BAD_FIELD;
    }
    if (bytes > (write ? request.outBytes() : request.inBytes())) {
      end(request::overrun);
      return ScsiSense.NONE;
    }
    if (bytes == 0) {
      return succeed(request);
    }
    if (!write) {
      request.touchIn(bytes);
    }
    int flags = write && range.fua() ? BlockNode.FUA : 0;
    submit(
        new Transfer(
            request,
            op,
            range.first() * block,
            write ? request.out(bytes) : request.in(bytes),
            flags));
    return ScsiSense.NONE;
  }

  /** Without bytes to compare there is nothing to find out that a read would not. */
  private ScsiSense verify(ScsiRequest request, ByteBuffer cdb, ScsiCommands.Range range) {
    if ((cdb.get(1) & 6) != 0) {
      return ScsiSense.BAD_FIELD;
    }
    return isInside(range) ? succeed(request) : ScsiSense.BAD_ADDRESS;
  }

  private ScsiSense unmap(ScsiRequest request, int length) {
    if (readOnly()) {
      return inquiry.cd() ? ScsiSense.BAD_COMMAND : ScsiSense.WRITE_PROTECTED;
    }
    if (length > request.outBytes()) {
      end(request::overrun);
      return ScsiSense.NONE;
    }
    if (length < 8) {
      return length == 0 ? succeed(request) : ScsiSense.BAD_PARAMETERS;
    }
    ByteBuffer list = ByteBuffer.wrap(request.parameters(length));
    int bytes = list.getShort(2) & 0xffff;
    if (bytes > length - 8 || bytes % 16 != 0 || bytes / 16 > MOST_UNMAPS) {
      return ScsiSense.BAD_PARAMETERS;
    }
    List<Runnable> parts = new ArrayList<>();
    Several several = new Several(request);
    for (int at = 8; at < 8 + bytes; at += 16) {
      ScsiCommands.Range range =
          new ScsiCommands.Range(list.getLong(at), list.getInt(at + 8) & 0xffff_ffffL, false);
      if (!isInside(range)) {
        return ScsiSense.BAD_ADDRESS;
      }
      if (range.count() * block > inquiry.mostUnmap()) {
        return ScsiSense.BAD_PARAMETERS;
      }
      if (range.count() > 0) {
        parts.add(
            () ->
                several.submit(
                    BlockRequest.Op.DISCARD, range.first() * block, range.count() * block, 0));
      }
    }
    several.begin(parts);
    return ScsiSense.NONE;
  }

  private ScsiSense writeSame(ScsiRequest request, ByteBuffer cdb, ScsiCommands.Range range) {
    int flags = cdb.get(1);
    boolean anchor = (flags & 0x10) != 0;
    boolean unmap = (flags & 0x08) != 0;
    boolean noData = (flags & 0x01) != 0 && (cdb.get(0) & 0xff) == 0x93;
    if (readOnly()) {
      return ScsiSense.WRITE_PROTECTED;
    }
    if (anchor || (flags & 6) != 0 || range.count() == 0) {
      return ScsiSense.BAD_FIELD;
    }
    if (!isInside(range)) {
      return ScsiSense.BAD_ADDRESS;
    }
    if (range.count() * block > inquiry.mostBytes()) {
      return ScsiSense.BAD_FIELD;
    }
    if (!noData && request.outBytes() < block) {
      end(request::overrun);
      return ScsiSense.NONE;
    }
    byte[] data = noData ? new byte[(int) block] : request.parameters((int) block);
    long bytes = range.count() * block;
    if (isZero(data)) {
      int mayUnmap = unmap ? BlockNode.MAY_UNMAP : 0;
      submit(
          new Transfer(
              request, BlockRequest.Op.WRITE_ZEROES, range.first() * block, bytes, mayUnmap));
    } else if (bytes > MOST_SAME) {
      return ScsiSense.BAD_FIELD;
    } else {
      submit(new Transfer(request, range.first() * block, data, (int) bytes));
    }
    return ScsiSense.NONE;
  }

  private static boolean isZero(byte[] data) {
    for (byte b : data) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  private byte[] capacity10() {
    return ByteBuffer.allocate(8)
        .putInt((int) Math.min(blocks() - 1, 0xffff_ffffL))
        .putInt((int) block)
        .array();
  }

  private byte[] capacity16() {
    int exponent =
        Long.numberOfTrailingZeros(Math.max(block, inquiry.sizes().physicalBlock()) / block);
    return ByteBuffer.allocate(32)
        .putLong(blocks() - 1)
        .putInt((int) block)
        .put((byte) 0)
        .put((byte) exponent)
        .put((byte) (readOnly() ? 0 : 0xc0)) // thin, unmapped blocks read as zeros
        .array();
  }

  // ---- modes ----

  private ScsiSense modeSense(ScsiRequest request, ByteBuffer cdb, int asked, boolean ten) {
    int page = cdb.get(2) & 0x3f;
    int control = cdb.get(2) >> 6 & 3;
    if (control == 3) {
      return ScsiSense.BAD_FIELD; // no saved values
    }
    byte[] pages = ScsiModes.pages(page, inquiry.cd(), backend.writeCache(), locked, control == 1);
    if (pages == null) {
      return ScsiSense.BAD_FIELD;
    }
    int specific = inquiry.cd() ? 0 : 0x10 | (readOnly() ? 0x80 : 0); // DPO and FUA
    boolean descriptor = !inquiry.cd() && (cdb.get(1) & 8) == 0;
    return reply(
        request,
        ScsiModes.data(pages, specific, ten, descriptor ? blocks() : -1, (int) block),
        asked);
  }

  private ScsiSense modeSelect(ScsiRequest request, int length, int header) {
    if (length > request.outBytes() || length > MODE_BYTES) {
      return ScsiSense.BAD_PARAMETERS;
    }
    if (length == 0) {
      return succeed(request);
    }
    Boolean cache = ScsiModes.selectedCache(request.parameters(length), header);
    if (cache == null) {
      return ScsiSense.BAD_PARAMETERS;
    }
    if (!inquiry.cd()) {
      backend.setWriteCache(cache);
    }
    return succeed(request);
  }

  private ScsiSense startStop(ScsiRequest request, int action) {
    boolean load = (action & 2) != 0;
    boolean start = (action & 1) != 0;
    if (load && inquiry.removable()) {
      if (!start && !trayOpen && locked) {
        return backend.root().isPresent() ? ScsiSense.LOCKED : ScsiSense.NOT_READY;
      }
      moveTray(!start);
    } else {
      stopped = !start && !inquiry.cd();
    }
    return succeed(request);
  }

  private void moveTray(boolean open) {
    if (trayOpen != open) {
      trayOpen = open;
      newMedium = !open;
      backend.trayMoved(open);
    }
  }

  // ---- discs ----

  private ScsiDisc disc() {
    return new ScsiDisc(blocks(), hasMedium());
  }

  private ScsiSense disc(ScsiRequest request, ByteBuffer cdb, int code) {
    if (!inquiry.cd()) {
      return ScsiSense.BAD_COMMAND;
    }
    int asked = cdb.getShort(code == 0xbd ? 8 : 7) & 0xffff;
    byte[] data = disc().answer(code, cdb);
    return data == null ? ScsiSense.BAD_FIELD : reply(request, data, asked);
  }

  private ScsiSense events(ScsiRequest request, ByteBuffer cdb, int asked) {
    if ((cdb.get(1) & 1) == 0) {
      return ScsiSense.BAD_FIELD; // by polling only
    }
    byte[] data = new byte[8];
    data[3] = 1 << 4;
    if ((cdb.get(4) & 1 << 4) == 0) {
      data[1] = 2;
      data[2] = (byte) 0x80;
      return reply(request, Arrays.copyOf(data, 4), asked);
    }
    data[1] = 6;
    data[2] = 4;
    data[4] = (byte) (ejectAsked ? 1 : newMedium ? 2 : 0);
    data[5] = (byte) ((trayOpen ? 1 : 0) | (hasMedium() ? 2 : 0));
    ejectAsked = false;
    newMedium = false;
    return reply(request, data, asked);
  }

  // ---- on the way to the disk ----

  private void submit(Transfer transfer) {
    backend.submitOrRun(List.of(transfer));
  }

  private ScsiSense error(BlockRequest.Op op) {
    return op == BlockRequest.Op.READ ? ScsiSense.READ_ERROR : ScsiSense.WRITE_ERROR;
  }

  /** A command that is one request. */
  private final class Transfer extends BlockRequest {
    private final ScsiRequest request;
    private final HostBuffer memory;

    Transfer(ScsiRequest request, Op op, long offset, IoVector data, int flags) {
      super(op, offset, data, flags);
      this.request = request;
      this.memory = null;
    }

    Transfer(ScsiRequest request, Op op, long offset, long length, int flags) {
      super(op, offset, length, flags);
      this.request = request;
      this.memory = null;
    }

    /** The same block again and again. */
    Transfer(ScsiRequest request, long offset, byte[] data, int bytes) {
      HostBuffer buffer = new HostBuffer(bytes);
      for (int at = 0; at < bytes; at += data.length) {
        RawMemory.copyIn(data, 0, buffer.address() + at, data.length);
      }
      super(Op.WRITE, offset, buffer.vector(), 0);
      this.request = request;
      this.memory = buffer;
    }

    @Override
    protected void completed(int errno) {
      request.locked(() -> done(errno));
    }

    private void done(int errno) {
      if (memory != null) {
        memory.close();
      }
      if (op() == Op.READ) {
        VarHandle.fullFence();
        request.touchIn(length()); // who began to watch meanwhile
      }
      conclude(request, this, errno, length());
    }
  }

  private void conclude(ScsiRequest request, BlockRequest part, int errno, long transferred) {
    if (errno == 0) {
      end(() -> request.succeed(transferred));
      return;
    }
    switch (backend.onError(part, errno)) {
      case REPORT -> end(() -> request.fail(error(part.op())));
      case IGNORE -> end(() -> request.succeed(transferred));
      case STOP -> end(request::keep);
    }
  }

  /** A command that is several requests: the worst of their ends is its end. */
  private final class Several {
    private final ScsiRequest request;
    private int left = 1;
    private BlockRequest failed;
    private int errno;

    Several(ScsiRequest request) {
      this.request = request;
    }

    void begin(List<Runnable> parts) {
      left += parts.size();
      parts.forEach(Runnable::run);
      partDone(null, 0);
    }

    void submit(BlockRequest.Op op, long offset, long length, int flags) {
      backend.submit(
          new BlockRequest(op, offset, length, flags) {
            @Override
            protected void completed(int error) {
              request.locked(() -> partDone(this, error));
            }
          });
    }

    private void partDone(BlockRequest part, int error) {
      if (error != 0) {
        failed = part;
        errno = error;
      }
      if (--left == 0) {
        conclude(request, failed, errno, 0);
      }
    }
  }

  // ---- what the block layer asks; machine lock held ----

  private final class Drive extends AttachedDrive {
    Drive(DeviceNode node) {
      super(node);
    }

    @Override
    public void resized() {
      controller.exclusively(() -> attention = ScsiSense.CAPACITY_CHANGED);
      controller.changed(ScsiDisk.this, ScsiSense.CAPACITY_CHANGED);
    }

    @Override
    public void retry() {
      controller.retry();
    }

    @Override
    public boolean removable() {
      return inquiry.cd();
    }

    @Override
    public boolean trayOpen() {
      return trayOpen;
    }

    @Override
    public boolean locked() {
      return locked;
    }

    @Override
    public void ejectRequested(boolean force) {
      controller.exclusively(
          () -> {
            ejectAsked = true;
            if (force) {
              locked = false;
              moveTray(true);
            }
          });
    }

    @Override
    public void mediumChanged(boolean present) {
      controller.exclusively(
          () -> {
            moveTray(!present);
            newMedium = present;
            attention = ScsiSense.MEDIUM_CHANGED;
          });
      controller.changed(ScsiDisk.this, ScsiSense.MEDIUM_CHANGED);
    }
  }

  // ---- as a device ----

  @Override
  public String id() {
    return "%s/%d:%d".formatted(controller.id(), target, unit);
  }

  @Override
  public void reset() {
    controller.exclusively(
        () -> {
          attention = ScsiSense.RESET;
          trayOpen = false;
          locked = false;
          newMedium = false;
          ejectAsked = false;
          stopped = false;
        });
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
