package dev.pollux.devices.e1000;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.NetCard;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.BootDevices;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The card: registers in memory and behind two ports, interrupts, and the two ways of frames.
 *
 * <p>Interrupts, EEPROM and transceiver are guarded by the machine lock. Rings, filters and
 * counters are worked on with the I/O thread's lock, so who writes their registers holds both; a
 * ring's tail alone is written with the machine lock, and the I/O thread told.
 */
public final class E1000 implements PciDevice, BusDevice, NetCard, NetEnd, IoThread.Work {
  private static final Property<String> NETDEV =
      Property.text("netdev", "link<netdev>", "back end that it is connected to");
  private static final Property<String> ADDRESS =
      Property.text("mac", "hardware address; one of 52:54:00:12:34:.. by default");
  private static final Property<Boolean> MITIGATION =
      Property.flag(
          "mitigation", true, "keeps the distance between interrupts that drivers ask for");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "e1000", E1000::create)
          .alias("e1000-82540em")
          .category(DeviceCategory.NETWORK)
          .description("Intel Gigabit Ethernet")
          .properties(NETDEV, ADDRESS, MITIGATION, BootDevices.INDEX);

  private static final int DEVICE_ID = 0x100e;
  private static final long MEMORY_BYTES = 0x2_0000;
  private static final long PORT_BYTES = 64;

  private final StateDescriptor<E1000> declaration;
  private final PciFunction pci =
      new PciFunction("e1000", new PciIdentity(0x8086, DEVICE_ID, 0x020000, 3));
  private final Registers registers = new Registers();
  private final Interrupts interrupts;
  private final Eeprom eeprom;
  private final Phy phy = new Phy();
  private final SendContext.Slot plainContext = new SendContext.Slot();
  private final SendContext.Slot segmentationContext = new SendContext.Slot();

  /** The register that the data port leads to. */
  private int portAddress;

  @HostOnly("what a reset brings back")
  private final byte[] address;

  private final NetLink link;
  private final Drops drops = new Drops();
  private final IoThread io;

  @HostOnly("its registers are saved")
  private final Sender sender;

  @HostOnly("its registers are saved")
  private final Receiver receiver;

  private final IoThread.Kick sendKick;
  private final IoThread.Kick wantsFrames;

  @HostOnly("causes on their way from the I/O thread; none while the machine is stopped")
  private final AtomicInteger pending = new AtomicInteger();

  @HostOnly("a frame was refused; who brought it is asked again after a load, too")
  private volatile boolean refused;

  @SuppressWarnings("this-escape") // nothing comes before the link is connected
  E1000(Machine machine, IoThread io, NetworkClaim network, boolean mitigates) {
    this.io = io;
    this.link = network.link();
    this.address = network.address();
    GuestMemory memory = new GuestMemory(machine.memory());
    Dma dma = new Dma(memory);
    eeprom = new Eeprom(address, DEVICE_ID);
    interrupts =
        new Interrupts(
            pci::setInterrupt,
            callback -> machine.clocks().timer(ClockType.VIRTUAL, "e1000 interrupt", callback),
            machine.clocks()::virtualNow,
            mitigates);
    Ring sendRing = new Ring(registers, memory, Registers.SEND_RING);
    sender =
        new Sender(
            registers, sendRing, dma, link, this::interrupt, plainContext, segmentationContext);
    Ring receiveRing = new Ring(registers, memory, Registers.RECEIVE_RING);
    receiver = new Receiver(registers, receiveRing, dma, drops, this::interrupt);
    sendKick = io.kick(this::send);
    wantsFrames = io.kick(this::askForFrames);
    pci.setInterruptPin(1);
    pci.addBar(0, PciBar.Kind.MEMORY, memoryRegisters());
    pci.addBar(1, PciBar.Kind.IO, ports());
    declaration =
        StateDescriptor.of(E1000.class, "e1000", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .struct("registers", Registers.STATE, d -> d.registers)
            .struct("interrupts", Interrupts.STATE, d -> d.interrupts)
            .struct("eeprom", Eeprom.STATE, d -> d.eeprom)
            .struct("phy", Phy.STATE, d -> d.phy)
            .struct("plain-context", SendContext.Slot.STATE, d -> d.plainContext)
            .struct("segmentation-context", SendContext.Slot.STATE, d -> d.segmentationContext)
            .u32("port-address", d -> d.portAddress, (d, v) -> d.portAddress = v)
            .afterLoad(E1000::lookAgain);
    io.add(this);
  }

  private static Device create(PciBus bus, DeviceContext context) {
    byte[] address =
        MacAddress.parse(context.get(ADDRESS))
            .orElseThrow(
                () ->
                    context.error(
                        "mac=%s is no address; they look like 52:54:00:12:34:56"
                            .formatted(context.get(ADDRESS))));
    BootDevices.add(context, BootDevices.NETWORK_CARD);
    NetworkClaim network = context.network(NETDEV, address);
    E1000 card =
        new E1000(
            context.machine(), context.services().ioThread(), network, context.get(MITIGATION));
    network.connect(card, "e1000");
    return card;
  }

  Region memoryRegisters() {
    return new Region.DeviceRegion("e1000-mmio", MEMORY_BYTES, 4, 4, this);
  }

  /** The address and the data of a register (manual, 13.3.1). */
  Region ports() {
    return new Region.DeviceRegion(
        "e1000-io",
        PORT_BYTES,
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return offset == 0 ? portAddress : offset == 4 ? readRegister(portAddress) : 0;
          }

          @Override
          public void write(long offset, int size, long value) {
            if (offset == 0) {
              portAddress = (int) value;
            } else if (offset == 4) {
              writeRegister(portAddress, (int) value);
            }
          }
        });
  }

  // ---- registers ----

  @Override
  public long read(long offset, int size) {
    return readRegister((int) offset) & 0xffff_ffffL;
  }

  @Override
  public void write(long offset, int size, long value) {
    writeRegister((int) offset, (int) value);
  }

  private int readRegister(int offset) {
    if (offset < 0 || offset >= Registers.END) {
      return 0;
    }
    return switch (offset) {
      case Registers.ICR -> interrupts.take();
      case Registers.IMS, Registers.IMC -> interrupts.mask();
      case Registers.EECD -> eeprom.readLines();
      case Registers.EERD -> eeprom.answer();
      case Registers.MDIC -> phy.transaction();
      default -> Registers.isCounter(offset) ? takeCounter(offset) : registers.get(offset);
    };
  }

  private int takeCounter(int offset) {
    io.lock().lock();
    try {
      return registers.take(offset);
    } finally {
      io.lock().unlock();
    }
  }

  private void writeRegister(int offset, int value) {
    if (offset < 0 || offset >= Registers.END) {
      return;
    }
    switch (offset) {
      case Registers.TDT -> {
        registers.write(offset, value);
        sendKick.raise();
      }
      case Registers.RDT -> {
        registers.write(offset, value);
        if (refused) {
          wantsFrames.raise();
        }
      }
      case Registers.ICR -> interrupts.clear(value);
      case Registers.ICS -> interrupts.raise(value);
      case Registers.IMS -> interrupts.allow(value);
      case Registers.IMC -> interrupts.forbid(value);
      case Registers.ITR -> {
        registers.write(offset, value);
        interrupts.setInterval(value);
      }
      case Registers.EECD -> eeprom.writeLines(value);
      case Registers.EERD -> eeprom.ask(value);
      case Registers.MDIC -> transact(value);
      case Registers.CTRL -> control(value);
      default -> setUp(offset, value);
    }
  }

  private void setUp(int offset, int value) {
    io.lock().lock();
    try {
      registers.write(offset, value);
    } finally {
      io.lock().unlock();
    }
    if (offset == Registers.TCTL || offset == Registers.RCTL) {
      lookAgain();
    }
  }

  private void control(int value) {
    if ((value & Registers.CTRL_RESET) != 0) {
      resetCard();
      return;
    }
    setUp(Registers.CTRL, value);
    if ((value & Registers.CTRL_PHY_RESET) != 0) {
      phy.reset(link.isUp());
      showLink();
    }
  }

  private void transact(int value) {
    boolean restarted = phy.transact(value);
    if ((value & 1 << 29) != 0) {
      interrupts.raise(Interrupts.PHY_TRANSACTION);
    }
    if (restarted) {
      showLink();
    }
  }

  private void showLink() {
    phy.setLink(link.isUp());
    int status = Registers.STATUS_FULL_DUPLEX | Registers.STATUS_1000;
    io.lock().lock();
    try {
      registers.set(Registers.STATUS, link.isUp() ? status | Registers.STATUS_LINK_UP : status);
    } finally {
      io.lock().unlock();
    }
    interrupts.raise(Interrupts.LINK_CHANGED);
  }

  /** Rings may move again. */
  private void lookAgain() {
    refused = true;
    sendKick.raise();
    wantsFrames.raise();
  }

  // ---- the I/O thread ----

  private void send() {
    if (pci.isMaster() && sender.send()) {
      sendKick.raise();
    }
  }

  /** Without the lock: frames come on other threads, too, and those need it. */
  private void askForFrames() {
    io.withoutLock(() -> link.ready(this));
  }

  /** Has causes told to the guest. I/O thread's lock held. */
  private void interrupt(int causes) {
    if (causes != 0 && pending.getAndUpdate(before -> before | causes) == 0) {
      io.withMachineLock(() -> interrupts.raise(pending.getAndSet(0)));
    }
  }

  @Override
  public String name() {
    return id();
  }

  @Override
  public boolean isIdle() {
    return true; // a step ends what it begins
  }

  // ---- the cable's side ----

  @Override
  public int take(Frame[] frames, int count) {
    refused = true;
    if (!io.borrow()) {
      wantsFrames.raise();
      return 0;
    }
    try {
      if (io.isPaused()) {
        return 0;
      }
      if (!receiver.isOn() || !pci.isMaster()) {
        drops.counter("the driver is not ready").add(count);
        refused = false;
        return count;
      }
      int taken = receiver.take(frames, count);
      refused = taken < count;
      return taken;
    } finally {
      io.giveBack();
    }
  }

  @Override
  public void settle() {
    io.settle();
  }

  @Override
  public void resume() {
    sendKick.raise();
  }

  @Override
  public Offloads offloads() {
    return Offloads.NONE;
  }

  @Override
  public Drops drops() {
    return drops;
  }

  @Override
  public byte[] currentAddress() {
    return registers.firstAddress();
  }

  @Override
  public void linkChanged(boolean up) {
    showLink();
  }

  // ---- as a device ----

  private void resetCard() {
    io.lock().lock();
    try {
      registers.reset(address);
      plainContext.set(SendContext.NONE);
      segmentationContext.set(SendContext.NONE);
    } finally {
      io.lock().unlock();
    }
    pending.set(0);
    eeprom.reset();
    phy.reset(link.isUp());
    showLink();
    interrupts.reset();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "e1000";
  }

  @Override
  public void reset() {
    pci.reset();
    portAddress = 0;
    resetCard();
  }

  @Override
  public void close() {
    io.remove(this);
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
