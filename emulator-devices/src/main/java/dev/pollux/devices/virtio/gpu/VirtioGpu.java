package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Edid;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.display.Vga;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.virtio.DescriptorChain;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioError;
import dev.pollux.devices.virtio.VirtioSetup;
import dev.pollux.devices.virtio.VirtioType;
import dev.pollux.devices.virtio.Virtqueue;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A graphics card in two dimensions (5.7): a queue of requests and one for the cursor. The lock of
 * the I/O thread guards what is not said to be the machine's.
 */
public final class VirtioGpu extends VirtioDevice implements Display {
  private static final Kind KIND = new Kind(16, "virtio-gpu");
  private static final int CONTROL_QUEUE = 64;
  private static final int CURSOR_QUEUE = 16;
  private static final int MOST_SCANOUTS = 16;

  private static final long EDID = 1 << 1;
  private static final int EVENT_DISPLAY = 1;

  private static final int CONFIG_BYTES = 16;
  private static final int EVENTS_CLEAR = 4;

  /** Type, flags, fence, context, ring. */
  private static final int HEADER_BYTES = 24;

  private static final int FENCE = 1;
  private static final int EDID_BYTES = 1024;
  private static final int MOST_REQUEST =
      HEADER_BYTES + 8 + GpuResources.MOST_ENTRIES * GpuBacking.ENTRY_BYTES;
  private static final int MOST_ANSWER = HEADER_BYTES + 8 + EDID_BYTES;

  /** What is done in one go, as bytes that are moved: others get their turn. */
  static final long MOST_WORK = 16 << 20;

  private static final long WORK_OF_REQUEST = 16 << 10;

  /** Sizes that users may want of a screen. */
  private static final int SHORTEST = 64;

  private static final int LONGEST = 8192;

  private static final Property<Long> OUTPUTS =
      Property.unsigned("max_outputs", 32, 1, 1, MOST_SCANOUTS, "screens; the first is shown");
  private static final Property<Boolean> EDID_OFFERED =
      Property.flag("edid", true, "tells the guest of a monitor");
  private static final Property<Long> MEMORY =
      Property.size(
          "max_hostmem", 256L << 20, 1 << 20, 4L << 30, "memory for pictures that the host keeps");
  private static final Property<Long> WIDTH =
      Property.unsigned("xres", 32, 1280, SHORTEST, LONGEST, "width that the guest is to choose");
  private static final Property<Long> HEIGHT =
      Property.unsigned("yres", 32, 800, SHORTEST, LONGEST, "height that the guest is to choose");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-gpu",
          DeviceCategory.DISPLAY,
          "",
          0x03_8000,
          0,
          3,
          List.of(OUTPUTS, EDID_OFFERED, MEMORY, WIDTH, HEIGHT),
          VirtioGpu::create);

  private final StateDescriptor<VirtioGpu> declaration;
  private final boolean offersEdid;
  private final int usualWidth;
  private final int usualHeight;
  private final List<GpuScanout> scanouts;
  private final GpuResources resources;

  /** What the driver has not acknowledged yet. Machine lock. */
  private int events;

  @HostOnly("a measure within one call")
  private long work;

  /** What is shown until a driver has begun; null where that is nothing. */
  @HostOnly("saved by the card that has it")
  private Vga behind;

  VirtioGpu(
      VirtioSetup setup, RamBlock pictures, int outputs, boolean edid, int width, int height) {
    super(KIND, setup, CONTROL_QUEUE, CURSOR_QUEUE);
    offersEdid = edid;
    usualWidth = width;
    usualHeight = height;
    scanouts = Stream.generate(GpuScanout::new).limit(outputs).toList();
    resources = new GpuResources(pictures, new GuestMemory(setup.machine().memory()));
    scanouts.forEach(scanout -> scanout.reset(width, height));
    declaration =
        StateDescriptor.of(VirtioGpu.class, "virtio-gpu", 1)
            .u32("events", d -> d.events, (d, v) -> d.events = v & EVENT_DISPLAY)
            .structs("scanouts", outputs, GpuScanout.STATE, d -> d.scanouts)
            .varBytes(
                "resources",
                GpuResources.mostStateBytes(pictures.pages()),
                d -> d.resources.save(),
                (d, v) -> d.resources.load(v))
            .afterLoad(VirtioGpu::check);
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    Machine machine = context.machine();
    long bytes = context.get(MEMORY) & -RamBlock.PAGE_SIZE;
    long cards = machine.devices().stream().filter(VirtioGpu.class::isInstance).count();
    try {
      RamBlock pictures = new RamBlock("virtio-gpu%d.pictures".formatted(cards), bytes, false);
      machine.addRamBlock(pictures);
      return new VirtioGpu(
          setup,
          pictures,
          (int) (long) context.get(OUTPUTS),
          context.get(EDID_OFFERED),
          (int) (long) context.get(WIDTH),
          (int) (long) context.get(HEIGHT));
    } catch (IOException e) {
      throw context.error("max_hostmem=%d: %s".formatted(bytes, e.getMessage()));
    }
  }

  /** Has a VGA shown as long as no driver has begun. While the card is made. */
  public void standBehind(Vga vga) {
    behind = vga;
  }

  // ---- configuration; machine lock held ----

  @Override
  protected long deviceFeatures() {
    return offersEdid ? EDID : 0;
  }

  @Override
  protected byte[] config() {
    return little(CONFIG_BYTES).putInt(events).putInt(0).putInt(scanouts.size()).array();
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    if (offset == EVENTS_CLEAR) {
      events &= ~bytes[0];
    }
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  // ---- requests ----

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    work = 0;
    queue.wantNotifications(false);
    do {
      DescriptorChain chain;
      while ((chain = queue.pop()) != null) {
        handle(queue, chain, request -> answer(queue, request));
        if (work > MOST_WORK) {
          queue.signal();
          queue.kick();
          return;
        }
      }
      queue.wantNotifications(true);
    } while (queue.hasMore());
    queue.signal();
  }

  private void answer(Virtqueue queue, DescriptorChain chain) {
    work += WORK_OF_REQUEST;
    byte[] bytes = new byte[(int) Math.min(chain.readableBytes(), MOST_REQUEST)];
    var _ = chain.read(bytes, 0, bytes.length);
    ByteBuffer request = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    byte[] room = new byte[MOST_ANSWER];
    ByteBuffer answer = ByteBuffer.wrap(room).order(ByteOrder.LITTLE_ENDIAN).position(HEADER_BYTES);
    GpuStatus status = GpuStatus.UNSPECIFIED;
    boolean fence = false;
    if (bytes.length >= HEADER_BYTES) {
      fence = (request.getInt(4) & FENCE) != 0;
      request.position(HEADER_BYTES);
      status =
          GpuRequest.of(request.getInt(0))
              .map(kind -> kind.run(this, request, answer))
              .orElse(GpuStatus.UNSPECIFIED);
    }
    answer.putInt(0, status.number());
    if (fence) {
      answer.putInt(4, FENCE).put(8, bytes, 8, 12);
    }
    var _ = chain.write(room, 0, answer.position());
    queue.push(chain, chain.written());
  }

  private Optional<GpuScanout> scanout(int number) {
    return number >= 0 && number < scanouts.size()
        ? Optional.of(scanouts.get(number))
        : Optional.empty();
  }

  /** Each of sixteen screens: where it is, its size, whether it is there. */
  GpuStatus displayInfo(ByteBuffer request, ByteBuffer answer) {
    for (int i = 0; i < MOST_SCANOUTS; i++) {
      boolean there = i < scanouts.size();
      answer.putInt(0).putInt(0);
      answer.putInt(there ? scanouts.get(i).wantedWidth : 0);
      answer.putInt(there ? scanouts.get(i).wantedHeight : 0);
      answer.putInt(i == 0 ? 1 : 0).putInt(0);
    }
    return GpuStatus.DISPLAY_INFO;
  }

  GpuStatus edid(ByteBuffer request, ByteBuffer answer) {
    Optional<GpuScanout> scanout = scanout(request.getInt());
    if (scanout.isEmpty() || !offersEdid) {
      return offersEdid ? GpuStatus.INVALID_PARAMETER : GpuStatus.UNSPECIFIED;
    }
    byte[] edid = Edid.of(scanout.get().wantedWidth, scanout.get().wantedHeight);
    answer.putInt(edid.length).putInt(0).put(edid).put(new byte[EDID_BYTES - edid.length]);
    return GpuStatus.EDID;
  }

  GpuStatus create(ByteBuffer request, ByteBuffer answer) {
    return resources.create(request.getInt(), request.getInt(), request.getInt(), request.getInt());
  }

  GpuStatus unref(ByteBuffer request, ByteBuffer answer) {
    Optional<GpuResource> resource = resources.find(request.getInt());
    if (resource.isEmpty()) {
      return GpuStatus.INVALID_RESOURCE;
    }
    scanouts.stream()
        .filter(scanout -> scanout.resource == resource.get().id())
        .forEach(GpuScanout::showNothing);
    resources.remove(resource.get());
    return GpuStatus.OK;
  }

  GpuStatus setScanout(ByteBuffer request, ByteBuffer answer) {
    GpuArea area = GpuArea.read(request);
    Optional<GpuScanout> scanout = scanout(request.getInt());
    int id = request.getInt();
    if (scanout.isEmpty()) {
      return GpuStatus.INVALID_SCANOUT;
    }
    if (id == 0) {
      scanout.get().showNothing();
      return GpuStatus.OK;
    }
    Optional<GpuResource> resource = resources.find(id);
    if (resource.isEmpty()) {
      return GpuStatus.INVALID_RESOURCE;
    }
    if (!canShow(area, resource.get())) {
      return GpuStatus.INVALID_PARAMETER;
    }
    scanout.get().show(id, area);
    return GpuStatus.OK;
  }

  private static boolean canShow(GpuArea area, GpuResource resource) {
    return area.isIn(resource) && area.width() * area.height() <= GpuPicture.MOST_PIXELS;
  }

  /** What is shown is always what the resource has: there is nothing to do. */
  GpuStatus flush(ByteBuffer request, ByteBuffer answer) {
    GpuArea area = GpuArea.read(request);
    return resources
        .find(request.getInt())
        .map(resource -> area.isIn(resource) ? GpuStatus.OK : GpuStatus.INVALID_PARAMETER)
        .orElse(GpuStatus.INVALID_RESOURCE);
  }

  GpuStatus transfer(ByteBuffer request, ByteBuffer answer) {
    GpuArea area = GpuArea.read(request);
    long offset = request.getLong();
    Optional<GpuResource> resource = resources.find(request.getInt());
    if (resource.isEmpty()) {
      return GpuStatus.INVALID_RESOURCE;
    }
    if (!area.isIn(resource.get())) {
      return GpuStatus.INVALID_PARAMETER;
    }
    if (resource.get().backing().isEmpty()) {
      return GpuStatus.UNSPECIFIED;
    }
    work += area.work();
    resources.transfer(resource.get(), resource.get().backing().get(), area, offset);
    return GpuStatus.OK;
  }

  GpuStatus attach(ByteBuffer request, ByteBuffer answer) {
    Optional<GpuResource> resource = resources.find(request.getInt());
    int count = request.getInt();
    if (resource.isEmpty()) {
      return GpuStatus.INVALID_RESOURCE;
    }
    if (resource.get().backing().isPresent()) {
      return GpuStatus.UNSPECIFIED;
    }
    if (count < 0 || count > request.remaining() / GpuBacking.ENTRY_BYTES) {
      return GpuStatus.INVALID_PARAMETER;
    }
    if (!resources.hasRoom(count)) {
      return GpuStatus.OUT_OF_MEMORY;
    }
    resources.attach(resource.get(), GpuBacking.read(request, count));
    return GpuStatus.OK;
  }

  GpuStatus detach(ByteBuffer request, ByteBuffer answer) {
    Optional<GpuResource> resource = resources.find(request.getInt());
    if (resource.isEmpty()) {
      return GpuStatus.INVALID_RESOURCE;
    }
    if (resource.get().backing().isEmpty()) {
      return GpuStatus.UNSPECIFIED;
    }
    resources.detach(resource.get());
    return GpuStatus.OK;
  }

  GpuStatus updateCursor(ByteBuffer request, ByteBuffer answer) {
    Optional<GpuScanout> moved = move(request);
    moved.ifPresent(
        scanout -> {
          scanout.cursor = request.getInt();
          scanout.hotX = request.getInt();
          scanout.hotY = request.getInt();
        });
    return moved.isPresent() ? GpuStatus.OK : GpuStatus.INVALID_SCANOUT;
  }

  GpuStatus moveCursor(ByteBuffer request, ByteBuffer answer) {
    return move(request).isPresent() ? GpuStatus.OK : GpuStatus.INVALID_SCANOUT;
  }

  private Optional<GpuScanout> move(ByteBuffer request) {
    Optional<GpuScanout> scanout = scanout(request.getInt());
    int x = request.getInt();
    int y = request.getInt();
    request.getInt();
    scanout.ifPresent(s -> s.moveCursor(x, y));
    return scanout;
  }

  // ---- the screen; machine lock held ----

  @Override
  public int heads() {
    return scanouts.size();
  }

  @Override
  public Screen screen() {
    return screen(0);
  }

  @Override
  public Screen screen(int head) {
    if (head == 0 && showsVga()) {
      return behind.screen();
    }
    io().lock().lock();
    try {
      return GpuPicture.of(scanouts.get(head), resources);
    } finally {
      io().lock().unlock();
    }
  }

  @Override
  public Optional<TextScreen> text() {
    return showsVga() ? behind.text() : Optional.empty();
  }

  private boolean showsVga() {
    return behind != null && !hasDriver();
  }

  @Override
  public boolean wantSize(int width, int height) {
    int w = Math.clamp(width, SHORTEST, LONGEST);
    int h = Math.clamp(Math.min(height, GpuPicture.MOST_PIXELS / w), SHORTEST, LONGEST);
    setUp(
        () -> {
          scanouts.getFirst().wantedWidth = w;
          scanouts.getFirst().wantedHeight = h;
        });
    events |= EVENT_DISPLAY;
    configChanged();
    return true;
  }

  // ---- state ----

  /** What is shown after loading has to be there. */
  private void check() {
    for (GpuScanout scanout : scanouts) {
      scanout.wantedWidth = Math.clamp(scanout.wantedWidth, SHORTEST, LONGEST);
      scanout.wantedHeight = Math.clamp(scanout.wantedHeight, SHORTEST, LONGEST);
      if (resources.find(scanout.resource).filter(r -> canShow(scanout.area(), r)).isEmpty()) {
        scanout.showNothing();
      }
    }
  }

  @Override
  protected void resetDevice() {
    events = 0;
    scanouts.forEach(scanout -> scanout.reset(usualWidth, usualHeight));
    resources.clear();
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(declaration, this));
  }
}
