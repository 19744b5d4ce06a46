package dev.pollux.devices.usb.xhci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.Msix;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import dev.pollux.devices.usb.UsbBus;
import dev.pollux.devices.usb.UsbDevice;
import dev.pollux.devices.usb.UsbHost;
import dev.pollux.devices.usb.UsbSpeed;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A host controller for USB 2 and 3 as QEMU's {@code qemu-xhci} (xHCI 1.2). Machine lock held.
 *
 * <p>All of its work is small steps: a command or a transfer. What a driver's rings say without
 * meaning stops the controller until it is reset.
 */
public final class Xhci implements PciDevice, UsbHost, Interrupter.Owner, Port.Owner {
  private static final Logger log = LoggerFactory.getLogger(Xhci.class);

  private static final int MOST_PORTS = 15;

  private static final Property<Long> USB2_PORTS =
      Property.unsigned("p2", 32, 4, 0, MOST_PORTS, "ports of USB 2");
  private static final Property<Long> USB3_PORTS =
      Property.unsigned("p3", 32, 4, 0, MOST_PORTS, "ports of USB 3");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "qemu-xhci", Xhci::create)
          .category(DeviceCategory.USB)
          .description("controller for USB 2 and 3")
          .properties(USB2_PORTS, USB3_PORTS);

  private static final int SERIAL_BUS_RELEASE = 0x60;

  // Of the command register.
  private static final int RUN = 1;
  private static final int RESET = 1 << 1;
  private static final int INTERRUPTS = 1 << 2;
  private static final int SAVE = 1 << 8;
  private static final int RESTORE = 1 << 9;
  private static final int WRITABLE = RUN | INTERRUPTS | 1 << 3 | 1 << 10 | 1 << 11;

  // Of the status register.
  private static final int HALTED = 1;
  private static final int EVENT = 1 << 3;
  private static final int PORT_CHANGED = 1 << 4;
  private static final int RESTORE_ERROR = 1 << 10;
  private static final int HOST_ERROR = 1 << 12;
  private static final int CLEARABLE = 1 << 2 | EVENT | PORT_CHANGED | RESTORE_ERROR;
  private static final int STATUS_BITS = HALTED | CLEARABLE | HOST_ERROR;

  // Of the command ring's register.
  private static final int RING_STOP = 1 << 1;
  private static final int RING_ABORT = 1 << 2;
  private static final int RING_RUNS = 1 << 3;

  private static final int COMMAND_EVENT = 33 << 10;
  private static final int PORT_EVENT = 34 << 10;
  private static final int MICROFRAME_NANOS = 125_000;
  private static final int MICROFRAMES = 0x3fff;

  /** Commands or transfers that are done before others have their turn. */
  private static final int STEP = 256;

  /** Bytes that transfers move before others have their turn; the last one may move more. */
  private static final long STEP_BYTES = 4 << 20;

  private final StateDescriptor<Xhci> declaration;
  private final PciFunction pci =
      new PciFunction("qemu-xhci", new PciIdentity(0x1b36, 0x000d, 0x0c_0330, 1));
  private final Msix msix;
  private final Machine machine;
  private final XhciMemory memory;
  private final UsbBus bus;
  private final Commands commands = new Commands(this);

  @HostOnly("fixed by the number of ports")
  private final int[] capabilities;

  @HostOnly("what the user has chosen")
  private final int usb2Ports;

  @HostOnly("what the user has chosen")
  private final int usb3Ports;

  private int command;
  private int status = HALTED;
  private int notifications;
  private long commandRing;
  private boolean commandsRun;
  private long contexts;
  private int config;
  private final List<Port> ports = new ArrayList<>();
  private final List<Interrupter> interrupters;
  private final List<Slot> slots;

  /** Endpoints that may have something to do; all of them after the machine stood. */
  @HostOnly("looked for anew when the machine goes on")
  private final ArrayDeque<Endpoint> ready = new ArrayDeque<>();

  @HostOnly("true only during a step")
  private boolean working;

  @HostOnly("a measure within a step")
  private long moved;

  /** The event loop will go on: it is asked once, however often a driver rings meanwhile. */
  @HostOnly("looked for anew when the machine goes on")
  private boolean postponed;

  @HostOnly("whether the log has told of an error")
  private boolean complained;

  @HostOnly("wiring")
  private final MachineListener listener =
      new MachineListener() {
        @Override
        public void stopped() {
          ready.clear();
        }

        @Override
        public void resumed() {
          kickAll();
        }
      };

  /**
   * @param busName names its bus
   */
  Xhci(Machine machine, DeviceManager devices, String busName, int usb2Ports, int usb3Ports) {
    this.machine = machine;
    this.usb2Ports = usb2Ports;
    this.usb3Ports = usb3Ports;
    memory = new XhciMemory(new GuestMemory(machine.memory()));
    bus = new UsbBus(busName, this, devices, Math.max(usb2Ports, usb3Ports));
    capabilities = Registers.capabilities(usb2Ports, usb3Ports);
    for (int i = 1; i <= usb3Ports + usb2Ports; i++) {
      boolean usb3 = i <= usb3Ports;
      ports.add(new Port(i, usb3 ? i : i - usb3Ports, usb3, this));
    }
    interrupters =
        IntStream.range(0, Registers.INTERRUPTERS_COUNT)
            .mapToObj(i -> new Interrupter(i, this))
            .toList();
    slots = IntStream.rangeClosed(1, Registers.SLOTS).mapToObj(i -> new Slot(this, i)).toList();
    pci.config().init(SERIAL_BUS_RELEASE, 1, 0x30);
    pci.setInterruptPin(1);
    msix =
        pci.addMsix(
            0,
            PciBar.Kind.MEMORY64,
            Registers.INTERRUPTERS_COUNT,
            Registers.MSIX_TABLE,
            Registers.MSIX_PENDING,
            List.of(new PciBar.Piece(0, registers())));
    pci.onConfigWrite(this::kickAll);
    machine.addListener(listener);
    declaration = declare();
  }

  private StateDescriptor<Xhci> declare() {
    return StateDescriptor.of(Xhci.class, "qemu-xhci", 1)
        .struct("pci", pci.descriptor(), d -> d.pci)
        .u32("command", d -> d.command, (d, v) -> d.command = v & WRITABLE)
        .u32("status", d -> d.status, (d, v) -> d.status = v & STATUS_BITS)
        .u32("notifications", d -> d.notifications, (d, v) -> d.notifications = v)
        .u64("command-ring", d -> d.commandRing, (d, v) -> d.commandRing = v)
        .bool("commands-run", d -> d.commandsRun, (d, v) -> d.commandsRun = v)
        .u64("contexts", d -> d.contexts, (d, v) -> d.contexts = v & -64)
        .u8("config", d -> d.config, (d, v) -> d.config = v)
        .structs("ports", ports.size(), Port.STATE, d -> d.ports)
        .structs("interrupters", interrupters.size(), Interrupter.STATE, d -> d.interrupters)
        .structs("slots", slots.size(), Slot.STATE, d -> d.slots)
        .afterLoad(d -> d.ready.clear());
  }

  private static Device create(PciBus on, DeviceContext context) {
    Xhci controller =
        new Xhci(
            context.machine(),
            context.devices(),
            context.busName("usb-bus", 0),
            (int) (long) context.get(USB2_PORTS),
            (int) (long) context.get(USB3_PORTS));
    context.addBus(controller.bus);
    context.onRemove(() -> context.machine().removeListener(controller.listener));
    return controller;
  }

  /** What is plugged into it. */
  public UsbBus bus() {
    return bus;
  }

  // ---- registers ----

  Region registers() {
    return new Region.DeviceRegion(
        "xhci",
        Registers.MSIX_TABLE,
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readRegister((int) offset) & 0xffff_ffffL;
          }

          @Override
          public void write(long offset, int size, long value) {
            try {
              writeRegister((int) offset, (int) value);
            } catch (HostError e) {
              fail(e);
            }
          }
        });
  }

  private int readRegister(int offset) {
    if (offset < Registers.OPERATIONAL) {
      return capabilities[offset / 4];
    }
    int port = (offset - Registers.PORTS) / Port.SIZE;
    if (offset >= Registers.PORTS && port < ports.size()) {
      return ports.get(port).read(offset % Port.SIZE);
    }
    int interrupter = (offset - Registers.INTERRUPTERS) / Interrupter.SIZE;
    if (offset >= Registers.INTERRUPTERS && interrupter < interrupters.size()) {
      return interrupters.get(interrupter).read(offset % Interrupter.SIZE);
    }
    return offset == Registers.RUNTIME
        ? microframe()
        : readOperational(offset - Registers.OPERATIONAL);
  }

  private int microframe() {
    return (int) (machine.clocks().virtualNow() / MICROFRAME_NANOS) & MICROFRAMES;
  }

  private int readOperational(int offset) {
    return switch (offset) {
      case 0x00 -> command;
      case 0x04 -> status;
      case 0x08 -> 1; // pages of 4 KiB
      case 0x14 -> notifications;
      case 0x18 -> commandsRun ? RING_RUNS : 0;
      case 0x30 -> (int) contexts;
      case 0x34 -> (int) (contexts >>> 32);
      case 0x38 -> config;
      default -> 0;
    };
  }

  private void writeRegister(int offset, int value) throws HostError {
    int port = (offset - Registers.PORTS) / Port.SIZE;
    int interrupter = (offset - Registers.INTERRUPTERS) / Interrupter.SIZE;
    if (offset >= Registers.DOORBELLS) {
      ringDoorbell((offset - Registers.DOORBELLS) / 4, value & 0xff);
    } else if (offset >= Registers.INTERRUPTERS) {
      if (interrupter < interrupters.size()) {
        interrupters.get(interrupter).write(offset % Interrupter.SIZE, value);
      }
    } else if (offset >= Registers.PORTS) {
      if (port < ports.size()) {
        ports.get(port).write(offset % Port.SIZE, value);
      }
    } else {
      writeOperational(offset - Registers.OPERATIONAL, value);
    }
  }

  private void writeOperational(int offset, int value) throws HostError {
    switch (offset) {
      case 0x00 -> writeCommand(value);
      case 0x04 -> {
        status &= ~(value & CLEARABLE);
        updateWire();
      }
      case 0x14 -> notifications = value & 0xffff;
      case 0x18 -> writeCommandRing(value);
      case 0x1c -> commandRing = commandsRun ? commandRing : Halves.high(commandRing, value);
      case 0x30 -> contexts = Halves.low(contexts, value & -64);
      case 0x34 -> contexts = Halves.high(contexts, value);
      case 0x38 -> config = value & 0xff;
      default -> {}
    }
  }

  private void writeCommand(int value) {
    if ((value & RESET) != 0) {
      resetController();
      return;
    }
    command = value & WRITABLE;
    status = (value & SAVE) != 0 ? status & ~RESTORE_ERROR : status;
    status |= (value & RESTORE) != 0 ? RESTORE_ERROR : 0; // the driver then sets all up anew
    boolean halts = (command & RUN) == 0 || (status & HOST_ERROR) != 0;
    status = halts ? status | HALTED : status & ~HALTED;
    commandsRun &= !halts;
    updateWire();
    for (int i = 0; i < interrupters.size(); i++) {
      update(i);
    }
    kickAll();
  }

  private void writeCommandRing(int value) throws HostError {
    if (!commandsRun) {
      commandRing = Halves.low(commandRing, value & -16 | value & 1);
    } else if ((value & (RING_STOP | RING_ABORT)) != 0) {
      commandsRun = false;
      Position at = Position.of(commandRing);
      post(0, at.address(), CompletionCode.COMMAND_RING_STOPPED.shifted(), COMMAND_EVENT);
    }
  }

  // ---- work ----

  private boolean isRunning() {
    return (status & (HALTED | HOST_ERROR)) == 0 && pci.isMaster();
  }

  private void ringDoorbell(int slot, int target) throws HostError {
    if (!isRunning()) {
      return;
    }
    if (slot == 0) {
      if (target == 0) {
        commandsRun = true;
        runCommands();
      }
      return;
    }
    Slot meant = slot(slot);
    Endpoint endpoint = meant == null ? null : meant.endpoint(target);
    if (endpoint != null) {
      endpoint.ring();
      kick(endpoint);
    }
  }

  private void runCommands() throws HostError {
    for (int i = 0; i < STEP; i++) {
      Position.Found found =
          commandsRun && isRunning() ? Position.of(commandRing).find(memory) : null;
      if (found == null) {
        return;
      }
      commandRing = found.next().bits();
      Commands.Result result = commands.execute(found.trb());
      post(0, found.trb().address(), result.code().shifted(), result.slot() << 24 | COMMAND_EVENT);
    }
    postpone();
  }

  /** More is to be done than fits into a step. */
  private void postpone() {
    if (!postponed) {
      postponed = true;
      machine
          .loop()
          .post(
              () -> {
                postponed = false;
                goOn();
              });
    }
  }

  private void goOn() {
    if (machine.runState().current().isRunning()) {
      try {
        runCommands();
      } catch (HostError e) {
        fail(e);
      }
      work();
    }
  }

  private void kick(Endpoint endpoint) {
    if (!ready.contains(endpoint)) {
      ready.add(endpoint);
    }
    work();
  }

  private void kickAll() {
    if (!isRunning()) {
      return;
    }
    for (Slot slot : slots) {
      for (int i = Endpoint.FIRST; slot.isEnabled() && i < Endpoint.COUNT; i++) {
        Endpoint endpoint = slot.endpoint(i);
        if (endpoint != null && !ready.contains(endpoint)) {
          ready.add(endpoint);
        }
      }
    }
    goOn();
  }

  /** Does transfers, one of each endpoint in turn. */
  private void work() {
    if (working || !machine.runState().current().isRunning()) {
      return;
    }
    working = true;
    moved = 0;
    try {
      for (int i = 0; !ready.isEmpty() && isRunning(); i++) {
        if (i == STEP || moved > STEP_BYTES) {
          postpone();
          return;
        }
        Endpoint endpoint = ready.remove();
        if (isCurrent(endpoint) && endpoint.step() && !ready.contains(endpoint)) {
          ready.add(endpoint);
        }
      }
    } catch (HostError e) {
      fail(e);
    } finally {
      working = false;
    }
  }

  /** Whether the driver has not disabled it meanwhile. */
  private boolean isCurrent(Endpoint endpoint) {
    return endpoint.slot().endpoint(endpoint.number()) == endpoint;
  }

  private void fail(HostError e) {
    status |= HOST_ERROR | HALTED;
    commandsRun = false;
    ready.clear();
    if (!complained) {
      complained = true;
      log.warn(
          "{}: the driver is wrong: {}; the controller stands until it is reset",
          id(),
          e.getMessage());
    }
  }

  // ---- for its parts ----

  @Override
  public XhciMemory memory() {
    return memory;
  }

  /** A transfer has moved so many bytes. */
  void moved(long bytes) {
    moved += bytes;
  }

  /** Tells the driver of something; those for interrupters that there are not are lost. */
  void post(int interrupter, long parameter, int statusWord, int control) throws HostError {
    if (interrupter < interrupters.size()) {
      interrupters.get(interrupter).post(parameter, statusWord, control);
    }
  }

  @Override
  public void eventPosted() {
    status |= EVENT;
  }

  @Override
  public void update(int interrupter) {
    if (msix.isEnabled()) {
      Interrupter asking = interrupters.get(interrupter);
      if ((command & INTERRUPTS) != 0 && asking.isAsking()) {
        asking.sent();
        msix.notify(interrupter);
      }
    }
    updateWire();
  }

  private void updateWire() {
    pci.setInterrupt(
        (command & INTERRUPTS) != 0 && !msix.isEnabled() && interrupters.getFirst().isAsking());
  }

  @Override
  public void portChanged(Port port) {
    status |= PORT_CHANGED;
    if (!isRunning()) {
      return;
    }
    try {
      post(0, (long) port.number() << 24, CompletionCode.SUCCESS.shifted(), PORT_EVENT);
    } catch (HostError e) {
      fail(e);
    }
  }

  @Override
  public UsbDevice device(Port port) {
    return bus.device(port.socket()).filter(d -> port.carries(d.port().speed())).orElse(null);
  }

  /**
   * The device behind a root port, 1 for the first, that may be spoken to; null if there is none.
   */
  UsbDevice device(int port) {
    if (port < 1 || port > ports.size() || !ports.get(port - 1).isEnabled()) {
      return null;
    }
    return device(ports.get(port - 1));
  }

  /** A slot, 1 for the first; null if there is none. */
  Slot slot(int number) {
    return number < 1 || number > slots.size() ? null : slots.get(number - 1);
  }

  /** A slot that the driver may have; null if there is none. */
  Slot freeSlot() {
    return slots.stream().limit(config).filter(slot -> !slot.isEnabled()).findFirst().orElse(null);
  }

  /** Whether a port belongs to another slot. */
  boolean isTaken(int port, Slot than) {
    return slots.stream().anyMatch(slot -> slot != than && slot.isEnabled() && slot.port() == port);
  }

  /** Where the driver wants the context of a device. */
  long deviceContext(int slot) throws HostError {
    return memory.quad(contexts + slot * 8L) & -64;
  }

  // ---- for its bus ----

  @Override
  public String path() {
    return id();
  }

  @Override
  public boolean supports(int socket, UsbSpeed speed) {
    return socket <= (speed == UsbSpeed.SUPER ? usb3Ports : usb2Ports);
  }

  @Override
  public void changed(int socket) {
    for (Port port : ports) {
      boolean here = device(port) != null;
      if (port.socket() == socket && here != port.hasDevice()) {
        port.plugged();
      }
    }
  }

  @Override
  public void ready(int socket, int endpoint) {
    int number = (endpoint & 15) << 1 | (endpoint >> 7 & 1);
    for (Port port : ports) {
      if (port.socket() == socket && port.hasDevice()) {
        port.wake();
        slots.stream()
            .filter(slot -> slot.isEnabled() && slot.port() == port.number())
            .map(slot -> slot.endpoint(number))
            .filter(java.util.Objects::nonNull)
            .forEach(this::kick);
      }
    }
  }

  // ---- device ----

  private void resetController() {
    command = 0;
    status = HALTED;
    notifications = 0;
    commandRing = 0;
    commandsRun = false;
    contexts = 0;
    config = 0;
    ready.clear();
    slots.forEach(Slot::reset);
    interrupters.forEach(Interrupter::reset);
    ports.forEach(Port::reset);
    updateWire();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "qemu-xhci";
  }

  @Override
  public void reset() {
    pci.reset();
    complained = false;
    resetController();
  }

  /** Nothing of what its driver has left in its rings is done any more. */
  @Override
  public void close() {
    status |= HALTED;
    ready.clear();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
