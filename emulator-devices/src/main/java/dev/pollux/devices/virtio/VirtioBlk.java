package dev.pollux.devices.virtio;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.OnError;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A disk (5.2): several queues, flush, discard, write zeroes. Data goes between the disk's file and
 * guest memory without a copy. A request that stops the machine, as {@code werror=stop} says, is
 * kept and done when it goes on, here or where the machine has gone.
 */
public final class VirtioBlk extends VirtioDevice {
  private static final Kind KIND = new Kind(2, "virtio-blk");

  private static final long SEG_MAX = 1 << 2;
  private static final long GEOMETRY = 1 << 4;
  private static final long READ_ONLY = 1 << 5;
  private static final long BLK_SIZE = 1 << 6;
  private static final long FLUSH = 1 << 9;
  private static final long TOPOLOGY = 1 << 10;
  private static final long CONFIG_WCE = 1 << 11;
  private static final long MULTI_QUEUE = 1 << 12;
  private static final long DISCARD = 1 << 13;
  private static final long WRITE_ZEROES = 1 << 14;

  private static final int TYPE_IN = 0;
  private static final int TYPE_OUT = 1;
  private static final int TYPE_FLUSH = 4;
  private static final int TYPE_GET_ID = 8;
  private static final int TYPE_DISCARD = 11;
  private static final int TYPE_WRITE_ZEROES = 13;

  /** Bit of the type that old drivers set for barriers; it has no meaning. */
  private static final int BARRIER = 1 << 31;

  private static final byte OK = 0;
  private static final byte IO_ERROR = 1;
  private static final byte UNSUPPORTED = 2;

  private static final int HEADER = 16;
  private static final int SEGMENT = 16;
  private static final int ID_BYTES = 20;
  private static final int SECTOR = 512;
  private static final int UNMAP = 1;
  private static final long AUTO_QUEUES = 0xffff;

  private static final Property<Long> QUEUES =
      Property.unsigned("num-queues", 16, AUTO_QUEUES, 1, 256, "queues; one a vCPU by default");
  private static final Property<Long> QUEUE_SIZE =
      Property.unsigned("queue-size", 16, 256, 2, 1024, "entries of a queue, a power of two");
  private static final Property<Boolean> DISCARD_PROPERTY =
      Property.flag("discard", true, "offers discard");
  private static final Property<Boolean> ZEROES_PROPERTY =
      Property.flag("write-zeroes", true, "offers write zeroes");
  private static final Property<Boolean> WCE_PROPERTY =
      Property.flag("config-wce", true, "lets the guest switch the write cache");
  private static final Property<Long> MOST_DISCARD =
      Property.unsigned(
          "max-discard-sectors", 32, 0x3f_ffff, 1, 0x3f_ffff, "sectors of a discard at most");
  private static final Property<Long> MOST_ZEROES =
      Property.unsigned(
          "max-write-zeroes-sectors",
          32,
          0x3f_ffff,
          1,
          0x3f_ffff,
          "sectors of a write of zeros at most");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-blk",
          DeviceCategory.STORAGE,
          "",
          0x01_0000,
          0x1001,
          -1,
          Stream.concat(
                  DriveProperties.ALL.stream(),
                  Stream.of(
                      QUEUES,
                      QUEUE_SIZE,
                      DISCARD_PROPERTY,
                      ZEROES_PROPERTY,
                      WCE_PROPERTY,
                      MOST_DISCARD,
                      MOST_ZEROES,
                      VirtioType.IO_THREAD))
              .toList(),
          VirtioBlk::create);

  private static final StateDescriptor<VirtioBlk> STATE =
      StateDescriptor.of(VirtioBlk.class, "virtio-blk", 1)
          .bool("write-cache", d -> d.backend.writeCache(), (d, v) -> d.backend.setWriteCache(v))
          .varBytes("kept", 256 * 1024 * 4, VirtioBlk::saveKept, VirtioBlk::loadKept);

  /** A request that waits for the machine to go on. */
  private record Kept(int queue, int position) {}

  private final BlockBackend backend;
  private final BlkConfig config;
  private final long features;

  @HostOnly("chosen by the user")
  private final byte[] serial;

  /** Guarded by the I/O thread's lock. */
  private final List<Kept> kept = new ArrayList<>();

  @HostOnly("requests of one batch on their way to the disk")
  private final List<BlockRequest> batch = new ArrayList<>();

  VirtioBlk(
      VirtioSetup setup,
      BlockBackend backend,
      BlkConfig config,
      long features,
      String serial,
      int queueSize) {
    super(KIND, setup, sizes(config.queues(), queueSize));
    this.backend = backend;
    this.config = config;
    this.features = features;
    this.serial =
        Arrays.copyOf(serial.getBytes(StandardCharsets.UTF_8), ID_BYTES); // shorter: zeros
  }

  private static int[] sizes(int queues, int size) {
    int[] sizes = new int[queues];
    Arrays.fill(sizes, size);
    return sizes;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    long queueSize = context.get(QUEUE_SIZE);
    if (Long.bitCount(queueSize) != 1) {
      throw context.error("queue-size=%d is no power of two".formatted(queueSize));
    }
    BlockBackend backend = DriveProperties.claim(context, "/disk@0,0");
    if (backend.root().isEmpty()) {
      throw context.error("Device needs media, but drive is empty");
    }
    int queues =
        context.get(QUEUES) == AUTO_QUEUES
            ? Math.max(1, context.machine().vcpus().size())
            : (int) (long) context.get(QUEUES);
    BlkConfig config =
        new BlkConfig(
            DriveProperties.of(context),
            (int) queueSize - 2,
            queues,
            (int) (long) context.get(MOST_DISCARD),
            (int) (long) context.get(MOST_ZEROES));
    VirtioBlk device =
        new VirtioBlk(
            setup,
            backend,
            config,
            features(context, backend, queues),
            context.get(DriveProperties.SERIAL),
            (int) queueSize);
    DriveProperties.attach(context, backend, device.new Disk(context.node()));
    return device;
  }

  private static long features(DeviceContext context, BlockBackend backend, int queues) {
    return SEG_MAX
        | GEOMETRY
        | BLK_SIZE
        | FLUSH
        | TOPOLOGY
        | (backend.readOnly() ? READ_ONLY : 0)
        | (queues > 1 ? MULTI_QUEUE : 0)
        | (context.get(WCE_PROPERTY) ? CONFIG_WCE : 0)
        | (context.get(DISCARD_PROPERTY) && !backend.readOnly() ? DISCARD : 0)
        | (context.get(ZEROES_PROPERTY) && !backend.readOnly() ? WRITE_ZEROES : 0);
  }

  @Override
  protected long deviceFeatures() {
    return features;
  }

  @Override
  protected byte[] config() {
    return config.encode(backend.length() / SECTOR, backend.writeCache());
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    if (offset == BlkConfig.WRITE_CACHE && (features & CONFIG_WCE) != 0) {
      backend.setWriteCache((bytes[0] & 1) != 0);
    }
  }

  // ---- requests; I/O thread's lock held ----

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    if (backend.isEbbing()) {
      return; // until ebbEnded
    }
    for (Kept request : List.copyOf(kept)) {
      if (request.queue() == queue.index()) {
        kept.remove(request);
        handle(queue, queue.reopen(request.position()), chain -> begin(queue, chain));
      }
    }
    try {
      each(queue, chain -> begin(queue, chain));
    } finally {
      submitBatch();
    }
  }

  private void begin(Virtqueue queue, DescriptorChain chain) throws VirtioError {
    ByteBuffer header = ByteBuffer.wrap(chain.read(HEADER)).order(ByteOrder.LITTLE_ENDIAN);
    int type = header.getInt(0) & ~BARRIER;
    long sector = header.getLong(8);
    if (chain.writableBytes() == 0) {
      throw new VirtioError("a request has no room for its status");
    }
    switch (type) {
      case TYPE_IN -> read(queue, chain, sector);
      case TYPE_OUT -> write(queue, chain, sector);
      case TYPE_FLUSH -> batch.add(new Transfer(BlockRequest.Op.FLUSH, queue, chain, 0, 0, 0));
      case TYPE_GET_ID -> {
        chain.write(serial, 0, (int) Math.min(ID_BYTES, chain.writableBytes() - 1));
        finish(queue, chain, OK);
      }
      case TYPE_DISCARD, TYPE_WRITE_ZEROES -> range(queue, chain, type == TYPE_DISCARD);
      default -> finish(queue, chain, UNSUPPORTED);
    }
  }

  private boolean isInside(long sector, long bytes) {
    long sectors = backend.length() / SECTOR;
    return bytes % SECTOR == 0
        && sector >= 0
        && sector <= sectors
        && bytes / SECTOR <= sectors - sector
        && sector * SECTOR % config.sizes().logicalBlock() == 0
        && bytes % config.sizes().logicalBlock() == 0;
  }

  private void read(Virtqueue queue, DescriptorChain chain, long sector) {
    long bytes = chain.writableBytes() - 1;
    if (!isInside(sector, bytes)) {
      refuse(queue, chain, BlockRequest.Op.READ);
      return;
    }
    chain.touch(0, bytes);
    batch.add(
        new Transfer(
            BlockRequest.Op.READ, queue, chain, sector * SECTOR, chain.writableVector(0, bytes)));
  }

  private void write(Virtqueue queue, DescriptorChain chain, long sector) {
    long bytes = chain.readableLeft();
    if (!isInside(sector, bytes) || backend.readOnly()) {
      refuse(queue, chain, BlockRequest.Op.WRITE);
      return;
    }
    batch.add(
        new Transfer(
            BlockRequest.Op.WRITE, queue, chain, sector * SECTOR, chain.readableVector(bytes)));
  }

  /** Discard and write zeroes: one range, as the configuration says. */
  private void range(Virtqueue queue, DescriptorChain chain, boolean discard) {
    BlockRequest.Op op = discard ? BlockRequest.Op.DISCARD : BlockRequest.Op.WRITE_ZEROES;
    if (chain.readableLeft() != SEGMENT || (features & (discard ? DISCARD : WRITE_ZEROES)) == 0) {
      finish(queue, chain, UNSUPPORTED);
      return;
    }
    byte[] bytes = new byte[SEGMENT];
    chain.read(bytes, 0, SEGMENT);
    ByteBuffer segment = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    long sector = segment.getLong();
    long length = (segment.getInt() & 0xffff_ffffL) * SECTOR;
    int flags = segment.getInt();
    if ((flags & ~UNMAP) != 0 || discard && flags != 0) {
      finish(queue, chain, UNSUPPORTED);
      return;
    }
    long most = discard ? config.mostDiscard() : config.mostZeroes();
    if (length > most * SECTOR || !isInside(sector, length)) {
      refuse(queue, chain, op);
      return;
    }
    int mayUnmap = flags == UNMAP ? BlockNode.MAY_UNMAP : 0;
    batch.add(new Transfer(op, queue, chain, sector * SECTOR, length, mayUnmap));
  }

  private void refuse(Virtqueue queue, DescriptorChain chain, BlockRequest.Op op) {
    backend.counters().invalid(op);
    finish(queue, chain, IO_ERROR);
  }

  /** Where the disk is quick, requests are done right here. */
  private void submitBatch() {
    if (!batch.isEmpty()) {
      List<BlockRequest> requests = List.copyOf(batch);
      batch.clear();
      backend.submitOrRun(requests);
    }
  }

  private void finish(Virtqueue queue, DescriptorChain chain, byte status) {
    chain.writeAt(chain.writableBytes() - 1, new byte[] {status}, 0, 1);
    queue.push(chain, (int) chain.writableBytes());
    queue.signal();
  }

  /** A request of the guest on its way through the block layer. */
  private final class Transfer extends BlockRequest {
    private final Virtqueue queue;
    private final DescriptorChain chain;

    Transfer(Op op, Virtqueue queue, DescriptorChain chain, long offset, IoVector data) {
      super(op, offset, data, 0);
      this.queue = queue;
      this.chain = chain;
    }

    Transfer(Op op, Virtqueue queue, DescriptorChain chain, long offset, long length, int flags) {
      super(op, offset, length, flags);
      this.queue = queue;
      this.chain = chain;
    }

    @Override
    protected void completed(int errno) {
      if (io().lock().isHeldByCurrentThread()) {
        end(errno);
      } else {
        io().post(() -> end(errno));
      }
    }

    private void end(int errno) {
      if (op() == Op.READ) {
        VarHandle.fullFence();
        chain.touch(0, length()); // who began to watch meanwhile
      }
      if (errno == 0) {
        finish(queue, chain, OK);
        return;
      }
      OnError.Action action = backend.onError(this, errno);
      switch (action) {
        case REPORT -> finish(queue, chain, IO_ERROR);
        case IGNORE -> finish(queue, chain, OK);
        case STOP -> {
          kept.add(new Kept(queue.index(), chain.position()));
          queue.keep(chain);
        }
      }
    }
  }

  // ---- what the block layer asks ----

  private final class Disk extends AttachedDrive {
    Disk(DeviceNode node) {
      super(node);
    }

    @Override
    public void resized() {
      configChanged();
    }

    @Override
    public void retry() {
      queues().forEach(Virtqueue::kick);
    }

    @Override
    public boolean ebbs() {
      return true;
    }

    @Override
    public void ebbEnded() {
      queues().forEach(Virtqueue::kick);
    }
  }

  // ---- state ----

  @Override
  protected void resetDevice() {
    kept.clear();
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(STATE, this));
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
