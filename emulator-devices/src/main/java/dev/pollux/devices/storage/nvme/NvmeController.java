package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.Msix;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import dev.pollux.devices.storage.Standstill;
import java.util.stream.Stream;

/**
 * An NVMe controller with one namespace (NVM Express 1.4, chapter 3). A driver that gives it queues
 * where there is no memory, or switches it on with registers that make no sense, finds its fatal
 * status set. Machine lock held.
 *
 * <pre>
 *   00 capabilities  08 version  0c interrupts masked  10 unmasked  14 configuration  1c status
 *   24 sizes of the admin queues  28 admin submission queue  30 admin completion queue
 *   1000 doorbells: of each pair the submission queue's and the completion queue's
 * </pre>
 */
public final class NvmeController
    implements PciDevice, BusDevice, NvmeNamespace.Owner, AsyncEvents.Owner, NvmeQueues.Owner {
  private static final int MOST_PAIRS = 1024;
  private static final int MOST_VECTORS = 2048;

  private static final Property<Long> PAIRS =
      Property.unsigned(
          "max_ioqpairs", 32, 64, 1, MOST_PAIRS, "pairs of queues for input and output");
  private static final Property<Long> VECTORS =
      Property.unsigned("msix_qsize", 16, 65, 1, MOST_VECTORS, "interrupts");
  private static final Property<Long> DATA_PAGES =
      Property.unsigned("mdts", 8, 7, 1, 9, "the most that a command moves: pages of 4 KiB, log2");
  private static final Property<Long> EVENT_REQUESTS =
      Property.unsigned("aerl", 8, 3, 0, 255, "requests for events at once, less one");
  private static final Property<Boolean> INTEL =
      Property.flag("use-intel-id", false, "has the PCI ids that QEMU's had before version 6");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "nvme", NvmeController::create)
          .category(DeviceCategory.STORAGE)
          .description("Non-Volatile Memory Express")
          .properties(
              Stream.concat(
                      DriveProperties.ALL.stream(),
                      Stream.of(PAIRS, VECTORS, DATA_PAGES, EVENT_REQUESTS, INTEL))
                  .toArray(Property<?>[]::new));

  private static final PciIdentity RED_HAT = new PciIdentity(0x1b36, 0x0010, 0x01_0802, 2);
  private static final PciIdentity FROM_INTEL = new PciIdentity(0x8086, 0x5845, 0x01_0802, 2);

  private static final int MINIMUM_PAGE = 4096;

  /** Pages are of 4 KiB to 64 KiB. */
  private static final int LARGEST_PAGE = 4;

  /** One command set; 7.5 s to get ready; queues in one piece. */
  private static final long CAPABILITIES =
      (long) LARGEST_PAGE << 52 | 1L << 37 | 15L << 24 | 1 << 16 | NvmeQueues.MOST_ENTRIES - 1;

  // Of the configuration.
  private static final int ENABLE = 1;
  private static final int SHUTDOWN = 3 << 14;
  private static final int ENTRY_SIZES = 0xff << 16;

  /** Command set, page size and arbitration do not change while it is on. */
  private static final int ALWAYS_WRITABLE = ENABLE | SHUTDOWN | ENTRY_SIZES;

  private static final int WRITABLE = 0xff_fff1;

  // Of the status.
  private static final int READY = 1;
  private static final int FATAL = 2;

  private static final int SHUTTING_DOWN = 1;
  private static final int SHUT_DOWN = 2;
  private static final int QUEUE_SIZES = 0xfff_0fff;
  private static final int DOORBELLS = 0x1000;

  /**
   * What the user chooses.
   *
   * @param pairs of queues, apart from the admin queues
   * @param dataPages the most that a command moves: pages of 4 KiB, log2
   * @param eventRequests at once
   */
  record Limits(int pairs, int vectors, int dataPages, int eventRequests) {}

  private final StateDescriptor<NvmeController> declaration;
  private final PciFunction pci;
  private final Msix msix;
  private final Machine machine;
  private final Limits limits;
  private final NvmeQueues queues;
  private final NvmeNamespace namespace;
  private final NvmeFeatures features;
  private final AsyncEvents events;
  private final NvmeAdmin admin;
  private final Standstill standstill;

  @HostOnly("chosen by the user")
  private final String serial;

  private int masked;
  private int configuration;
  private boolean ready;
  private boolean fatal;
  private int shutdown;
  private int adminSizes;
  private long adminSubmission;
  private long adminCompletion;

  /** The queue that a command was taken from last: the others come first. */
  private int served;

  @HostOnly("true only while commands are being taken")
  private boolean taking;

  NvmeController(
      Machine machine,
      BlockBackend backend,
      DriveProperties sizes,
      PciIdentity identity,
      String serial,
      Limits limits) {
    this.machine = machine;
    this.serial = serial;
    this.limits = limits;
    GuestMemory memory = new GuestMemory(machine.memory());
    pci = new PciFunction("nvme", identity);
    pci.setInterruptPin(1);
    msix = pci.addMsix(0, PciBar.Kind.MEMORY64, limits.vectors(), registers());
    queues = new NvmeQueues(limits.pairs(), memory, this);
    namespace =
        new NvmeNamespace(machine, backend, sizes, MINIMUM_PAGE << limits.dataPages(), this);
    features = new NvmeFeatures(backend, limits.pairs(), limits.vectors());
    events = new AsyncEvents(limits.eventRequests(), this);
    admin = new NvmeAdmin(this, queues, namespace, features, events, memory);
    standstill = new Standstill(namespace::settle, this::goOn);
    machine.addListener(standstill);
    pci.onConfigWrite(
        () -> {
          if (machine.runState().is(RunState.RUNNING)) {
            takeCommands(); // they may have waited for access to memory
          }
        });
    declaration =
        StateDescriptor.of(NvmeController.class, "nvme", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .u32("masked", d -> d.masked, (d, v) -> d.masked = v)
            .u32("configuration", d -> d.configuration, (d, v) -> d.configuration = v & WRITABLE)
            .bool("ready", d -> d.ready, (d, v) -> d.ready = v)
            .bool("fatal", d -> d.fatal, (d, v) -> d.fatal = v)
            .u8("shutdown", SHUT_DOWN, d -> d.shutdown, (d, v) -> d.shutdown = v)
            .u32("admin-sizes", d -> d.adminSizes, (d, v) -> d.adminSizes = v & QUEUE_SIZES)
            .u64("admin-submission", d -> d.adminSubmission, (d, v) -> d.adminSubmission = v)
            .u64("admin-completion", d -> d.adminCompletion, (d, v) -> d.adminCompletion = v)
            .u16("served", limits.pairs(), d -> d.served, (d, v) -> d.served = v)
            .struct("queues", queues.descriptor(), d -> d.queues)
            .struct("namespace", NvmeNamespace.STATE, d -> d.namespace)
            .struct("features", NvmeFeatures.STATE, d -> d.features)
            .struct("events", AsyncEvents.STATE, d -> d.events)
            .afterLoad(d -> d.namespace.waiting().forEach(t -> d.queues.restore(t.queue())));
  }

  private static Device create(PciBus bus, DeviceContext context) {
    String serial = context.get(DriveProperties.SERIAL);
    if (serial.isEmpty()) {
      throw context.error("serial property not set");
    }
    BlockBackend backend = DriveProperties.claim(context, "/namespace@1,0");
    if (backend.root().isEmpty()) {
      throw context.error("Device needs media, but drive is empty");
    }
    NvmeController device =
        new NvmeController(
            context.machine(),
            backend,
            DriveProperties.of(context),
            context.get(INTEL) ? FROM_INTEL : RED_HAT,
            serial,
            new Limits(
                (int) (long) context.get(PAIRS),
                (int) (long) context.get(VECTORS),
                (int) (long) context.get(DATA_PAGES),
                (int) (long) context.get(EVENT_REQUESTS) + 1));
    DriveProperties.attach(context, backend, device.new Drive(context.node()));
    return device;
  }

  // ---- registers ----

  Region registers() {
    int doorbells = (limits.pairs() + 1) * 8;
    return new Region.DeviceRegion("nvme", DOORBELLS + doorbells, 4, 8, this);
  }

  @Override
  public long read(long offset, int size) {
    long low = readRegister((int) offset) & 0xffff_ffffL;
    return size == 8 ? low | (long) readRegister((int) offset + 4) << 32 : low;
  }

  @Override
  public void write(long offset, int size, long value) {
    writeRegister((int) offset, (int) value);
    if (size == 8) {
      writeRegister((int) offset + 4, (int) (value >>> 32));
    }
  }

  private int readRegister(int offset) {
    return switch (offset) {
      case 0x00 -> (int) CAPABILITIES;
      case 0x04 -> (int) (CAPABILITIES >>> 32);
      case 0x08 -> NvmePages.VERSION;
      case 0x0c, 0x10 -> masked;
      case 0x14 -> configuration;
      case 0x1c -> (ready ? READY : 0) | (fatal ? FATAL : 0) | shutdown << 2;
      case 0x24 -> adminSizes;
      case 0x28 -> (int) adminSubmission;
      case 0x2c -> (int) (adminSubmission >>> 32);
      case 0x30 -> (int) adminCompletion;
      case 0x34 -> (int) (adminCompletion >>> 32);
      default -> 0;
    };
  }

  private void writeRegister(int offset, int value) {
    long low = value & 0xffff_ffffL;
    switch (offset) {
      case 0x0c -> {
        masked |= value;
        updateWire();
      }
      case 0x10 -> {
        masked &= ~value;
        updateWire();
      }
      case 0x14 -> configure(value & WRITABLE);
      case 0x24 -> adminSizes = value & QUEUE_SIZES;
      case 0x28 -> adminSubmission = adminSubmission & -1L << 32 | low & -MINIMUM_PAGE;
      case 0x2c -> adminSubmission = adminSubmission & 0xffff_ffffL | low << 32;
      case 0x30 -> adminCompletion = adminCompletion & -1L << 32 | low & -MINIMUM_PAGE;
      case 0x34 -> adminCompletion = adminCompletion & 0xffff_ffffL | low << 32;
      default -> {
        if (offset >= DOORBELLS) {
          ring(offset - DOORBELLS >> 3, (offset & 4) != 0, value);
        }
      }
    }
  }

  private boolean isEnabled() {
    return (configuration & ENABLE) != 0;
  }

  private void configure(int value) {
    boolean was = isEnabled();
    int fixed = was ? ~ALWAYS_WRITABLE : 0;
    configuration = configuration & fixed | value & ~fixed;
    if (isEnabled() && !was) {
      enable();
    } else if (was && !isEnabled()) {
      disable();
    }
    if ((value & SHUTDOWN) == 0) {
      shutdown = 0;
    } else if (shutdown == 0) {
      shutdown = SHUTTING_DOWN;
      namespace.shutDown();
    }
  }

  private void enable() {
    int pageSize = configuration >> 7 & 0xf;
    int commandSet = configuration >> 4 & 7;
    int submission = (adminSizes & 0xfff) + 1;
    int completion = (adminSizes >> 16) + 1;
    boolean sensible =
        pageSize <= LARGEST_PAGE
            && commandSet == 0
            && submission > 1
            && completion > 1
            && adminSubmission != 0
            && adminCompletion != 0
            && ((adminSubmission | adminCompletion) & page() - 1) == 0;
    if (sensible) {
      ready = true;
      queues.createCompletion(NvmeQueues.ADMIN, adminCompletion, completion, 0, true);
      queues.createSubmission(NvmeQueues.ADMIN, adminSubmission, submission, NvmeQueues.ADMIN);
    } else {
      fatal = true;
    }
  }

  /** The controller's reset: all but where the admin queues are (7.3.2). */
  private void disable() {
    namespace.clear();
    queues.reset();
    features.reset();
    events.reset();
    ready = false;
    fatal = false;
    masked = 0;
    shutdown = 0;
    served = 0;
    updateWire();
  }

  private void ring(int number, boolean completion, int value) {
    if (!ready) {
      return;
    }
    CompletionQueue ended = completion ? queues.completion(number) : null;
    SubmissionQueue given = completion ? null : queues.submission(number);
    if (ended == null && given == null) {
      events.happened(AsyncEvents.Event.NO_SUCH_DOORBELL);
    } else if (!(completion ? ended.setHead(value) : given.setTail(value))) {
      events.happened(AsyncEvents.Event.BAD_DOORBELL_VALUE);
    } else {
      if (completion) {
        updateWire();
        events.tell();
      }
      takeCommands();
    }
  }

  // ---- commands ----

  private void goOn() {
    namespace.goOn();
    takeCommands();
  }

  /** Takes commands from all queues in turn, as long as there is room for what they need. */
  private void takeCommands() {
    if (taking) {
      return;
    }
    taking = true;
    while (ready && !fatal && pci.isMaster()) {
      int number = queues.next(served, !namespace.hasRoom());
      NvmeCommand command = number < 0 ? null : queues.take(number);
      if (command == null) {
        break;
      }
      served = number;
      if (number == NvmeQueues.ADMIN) {
        admin.execute(command);
      } else {
        namespace.execute(number, command);
      }
    }
    taking = false;
  }

  @Override
  public void ended(int queue, int id, int status) {
    if (queue == NvmeNamespace.SHUTDOWN) {
      shutdown = shutdown == SHUTTING_DOWN ? SHUT_DOWN : shutdown;
      return;
    }
    queues.end(queue, id, status, 0);
    takeCommands();
  }

  @Override
  public boolean canTell() {
    return queues.canEnd() && !fatal;
  }

  @Override
  public void tell(int id, int result) {
    queues.post(NvmeQueues.ADMIN, id, NvmeStatus.SUCCESS, result);
  }

  @Override
  public void posted(CompletionQueue queue) {
    if (queue.interrupts()) {
      msix.notify(queue.vector());
      updateWire();
    }
  }

  @Override
  public void failed() {
    fatal = true;
  }

  private void updateWire() {
    pci.setInterrupt(queues.isInterrupting(masked));
  }

  // ---- for admin commands ----

  @Override
  public int page() {
    return MINIMUM_PAGE << Math.min(configuration >> 7 & 0xf, LARGEST_PAGE);
  }

  /** Bytes of a command, as the driver has set them. */
  int commandBytes() {
    return 1 << (configuration >> 16 & 0xf);
  }

  /** Bytes of a completion queue's entry, as the driver has set them. */
  int endBytes() {
    return 1 << (configuration >> 20 & 0xf);
  }

  int vectors() {
    return limits.vectors();
  }

  /** What Identify says of it. */
  byte[] describe() {
    return NvmePages.controller(
        pci.read(0, 2), pci.read(0x2c, 2), serial, limits.dataPages(), limits.eventRequests());
  }

  // ---- what the block layer asks ----

  private final class Drive extends AttachedDrive {
    Drive(DeviceNode node) {
      super(node);
    }

    @Override
    public void resized() {
      if (features.tellsNamespaces()) {
        events.happened(AsyncEvents.Event.NAMESPACE_CHANGED);
      }
    }

    @Override
    public boolean ebbs() {
      return true;
    }

    @Override
    public void ebbEnded() {
      machine.loop().post(NvmeController.this::takeCommands);
    }
  }

  // ---- device ----

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "nvme";
  }

  @Override
  public void reset() {
    pci.reset();
    disable();
    configuration = 0;
    adminSizes = 0;
    adminSubmission = 0;
    adminCompletion = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }

  @Override
  public void close() {
    machine.removeListener(standstill);
    namespace.clear();
  }
}
