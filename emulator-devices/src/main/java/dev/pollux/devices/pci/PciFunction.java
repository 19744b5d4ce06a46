package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * A function as its bus sees it: configuration space, BARs, the interrupt wire, MSI and MSI-X. The
 * device that owns it says what there is, in its constructor. Machine lock held.
 *
 * <pre>{@code
 * pci = new PciFunction("edu", new PciIdentity(0x1234, 0x11e8, 0xff0000, 0x10));
 * pci.addBar(0, PciBar.Kind.MEMORY, registers);
 * pci.setInterruptPin(1);
 * }</pre>
 */
public final class PciFunction {
  private static final int FIRST_CAPABILITY = 0x40;
  private static final long PAGE = 4096;

  private final PciConfig config;

  /** The level that the device drives, apart from whether it may. */
  private boolean level;

  @HostOnly("saved where there is one")
  private Msix msix;

  @HostOnly("for diagnostics")
  private final String name;

  @HostOnly("fixed by the device")
  private final List<PciBar> bars = new ArrayList<>();

  @HostOnly("fixed by the device")
  private String usualRom = "";

  @HostOnly("wiring")
  private Msi msi;

  @HostOnly("fixed by the device")
  private int nextCapability = FIRST_CAPABILITY;

  @HostOnly("fixed by the device")
  private int lastCapability = PciConfig.CAPABILITIES - 1;

  @HostOnly("wiring")
  private Runnable written = () -> {};

  @HostOnly("wiring")
  private Window window;

  @HostOnly("wiring")
  private PciBus bus;

  @HostOnly("wiring")
  private int devfn = -1;

  @HostOnly("wiring")
  private IrqLine wire = IrqLine.none();

  /**
   * A register of four bytes that stands for others.
   *
   * @param fetch runs before software reads of it
   * @param store runs after software has written to it
   */
  private record Window(int offset, Runnable fetch, Runnable store) {
    boolean meets(int at, int size) {
      return at < offset + 4 && at + size > offset;
    }
  }

  /** A conventional function. */
  public PciFunction(String name, PciIdentity id) {
    this(name, id, false);
  }

  /**
   * @param name the type's, for messages
   * @param express whether it has the extended configuration space
   */
  public PciFunction(String name, PciIdentity id, boolean express) {
    this.name = name;
    config = new PciConfig(id, express);
  }

  // ---- while the device is made ----

  public PciConfig config() {
    return config;
  }

  /** Adds a BAR of one region; its size is a power of two. */
  public PciBar addBar(int index, PciBar.Kind kind, Region region) {
    return addBar(index, kind, region.size(), List.of(new PciBar.Piece(0, region)));
  }

  /** Adds a BAR of several regions, between which nothing answers. */
  public PciBar addBar(int index, PciBar.Kind kind, long size, List<PciBar.Piece> pieces) {
    PciBar bar = new PciBar(index, kind, size, pieces);
    bar.declare(config);
    bars.add(bar);
    bars.sort((a, b) -> Integer.compare(a.index(), b.index()));
    return bar;
  }

  /** Says which option ROM it has where the user names no other. */
  public void setUsualRom(String file) {
    usualRom = file;
  }

  /** The option ROM that it has by itself; empty for none. */
  String usualRom() {
    return usualRom;
  }

  /** Adds an expansion ROM. */
  void addRom(RamBlock rom) {
    addBar(PciBar.ROM_INDEX, PciBar.Kind.ROM, new Region.RamRegion(rom, 0, rom.size()));
  }

  /**
   * Adds a capability (PCI 3.0, 6.7).
   *
   * @param id its number
   * @param size bytes
   * @return its offset
   */
  public int addCapability(int id, int size) {
    int offset = nextCapability;
    nextCapability = offset + size + 3 & ~3;
    if (nextCapability > PciConfig.CONVENTIONAL) {
      throw new IllegalStateException(name + ": no room for capability " + id);
    }
    config.init(offset, 1, id);
    config.init(lastCapability + 1, 1, offset);
    config.init(
        PciConfig.STATUS, 2, config.get(PciConfig.STATUS, 2) | PciConfig.STATUS_CAPABILITIES);
    lastCapability = offset;
    return offset;
  }

  /** Says which wire it uses: 1 for INTA# to 4 for INTD#. */
  public void setInterruptPin(int pin) {
    config.init(PciConfig.INTERRUPT_PIN, 1, pin);
  }

  /** Adds MSI with up to 2 to the power of {@code vectorsLog2} messages. */
  public Msi addMsi(int vectorsLog2) {
    msi =
        new Msi(
            config, addCapability(Msi.CAPABILITY, Msi.CAPABILITY_SIZE), vectorsLog2, this::send);
    return msi;
  }

  /**
   * Adds MSI-X in a memory BAR of its own.
   *
   * @param bar its index
   * @param vectors 1 to 2,048
   */
  public Msix addMsix(int bar, int vectors) {
    long half = Math.max(2048, powerOfTwo(Msix.tableSize(vectors)));
    return addMsix(bar, PciBar.Kind.MEMORY, vectors, 0, half, List.of());
  }

  /**
   * Adds MSI-X behind the registers of a memory BAR, in pages of their own.
   *
   * @param bar its index
   * @param vectors 1 to 2,048
   */
  public Msix addMsix(int bar, PciBar.Kind kind, int vectors, Region registers) {
    long table = registers.size() + PAGE - 1 & -PAGE;
    long pending = table + Msix.tableSize(vectors) + PAGE - 1 & -PAGE;
    return addMsix(bar, kind, vectors, table, pending, List.of(new PciBar.Piece(0, registers)));
  }

  /**
   * Adds MSI-X at places of a memory BAR that has registers, too.
   *
   * @param bar its index
   * @param vectors 1 to 2,048
   * @param table where in the BAR the table is
   * @param pending where the pending bits are
   */
  public Msix addMsix(
      int bar,
      PciBar.Kind kind,
      int vectors,
      long table,
      long pending,
      List<PciBar.Piece> registers) {
    int capability = addCapability(Msix.CAPABILITY, Msix.CAPABILITY_SIZE);
    msix = new Msix(config, capability, vectors, this::send);
    config.init(capability + 4, 4, (int) table | bar);
    config.init(capability + 8, 4, (int) pending | bar);
    List<PciBar.Piece> pieces = new ArrayList<>(registers);
    pieces.add(new PciBar.Piece(table, msix.table()));
    pieces.add(new PciBar.Piece(pending, msix.pendingBits()));
    addBar(bar, kind, powerOfTwo(pending + Msix.pbaSize(vectors)), pieces);
    return msix;
  }

  private static long powerOfTwo(long atLeast) {
    return Long.highestOneBit(atLeast * 2 - 1);
  }

  /** Runs after software has written to the configuration space, whatever it was. */
  public void onConfigWrite(Runnable action) {
    written = action;
  }

  /**
   * Has a register of four bytes of the configuration space stand for others.
   *
   * @param fetch runs before software reads of it
   * @param store runs after software has written to it
   */
  public void setWindow(int offset, Runnable fetch, Runnable store) {
    window = new Window(offset, fetch, store);
  }

  /** The declaration of the state, once the device is complete. */
  public StateDescriptor<PciFunction> descriptor() {
    StateDescriptor<PciFunction> state =
        StateDescriptor.of(PciFunction.class, "pci", 1)
            .struct("config", config.descriptor(), f -> f.config)
            .bool("level", f -> f.level, (f, v) -> f.level = v);
    if (msix != null) {
      state.struct("msix", msix.descriptor(), f -> f.msix);
    }
    return state.afterLoad(
        f -> {
          f.updateMappings();
          f.written.run();
          f.updateWire();
        });
  }

  // ---- interrupts ----

  /**
   * Drives the interrupt wire, unless the guest has switched it off; a device that uses MSI does
   * not.
   */
  public void setInterrupt(boolean up) {
    level = up;
    updateWire();
  }

  private void updateWire() {
    boolean disabled = (config.get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_INTX_DISABLE) != 0;
    int status = config.get(PciConfig.STATUS, 2);
    config.set(
        PciConfig.STATUS,
        2,
        level ? status | PciConfig.STATUS_INTERRUPT : status & ~PciConfig.STATUS_INTERRUPT);
    wire.set(level && !disabled && !usesMessages());
  }

  private boolean usesMessages() {
    return msi != null && msi.isEnabled() || msix != null && msix.isEnabled();
  }

  /** MSI-X, where the device has it. */
  public Optional<Msix> msix() {
    return Optional.ofNullable(msix);
  }

  private void send(MsiMessage message) {
    if (bus != null && isMaster()) {
      bus.host().send(message);
    }
  }

  /** Whether it may access memory and send messages. */
  public boolean isMaster() {
    return (config.get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_MASTER) != 0;
  }

  // ---- for its bus ----

  /** Slot times 8 plus function, or -1 as long as it is not plugged in. */
  public int devfn() {
    return devfn;
  }

  /** Where it is plugged in. */
  PciBus bus() {
    return bus;
  }

  public List<PciBar> bars() {
    return Collections.unmodifiableList(bars);
  }

  /** Where it is, for instance {@code 0000:00:02.0}; behind bridges a pair for each. */
  public String path() {
    return bus == null ? "unplugged" : bus.path() + ":%02x.%x".formatted(devfn >> 3, devfn & 7);
  }

  void attach(PciBus to, int at) {
    bus = to;
    devfn = at;
    int pin = config.get(PciConfig.INTERRUPT_PIN, 1);
    wire = pin == 0 ? IrqLine.none() : to.wire(at >> 3, pin - 1);
  }

  void detach() {
    wire.set(false);
    wire = IrqLine.none();
    bars.forEach(bar -> bar.unmap(space(bar)));
    bus = null;
  }

  private AddressSpace space(PciBar bar) {
    return bar.kind().isIo() ? bus.host().io() : bus.host().memory();
  }

  /** Maps the BARs as the registers of this function and of the bridges above it say. */
  void updateMappings() {
    if (bus != null) {
      bars.forEach(bar -> bar.update(config, space(bar), bus));
    }
  }

  /** Power-on state. For the device's own reset. */
  public void reset() {
    config.reset();
    level = false;
    if (msix != null) {
      msix.reset();
    }
    updateMappings();
    updateWire();
  }

  /** What software reads of the configuration space. */
  public int read(int offset, int size) {
    if (window != null && window.meets(offset, size)) {
      window.fetch().run();
    }
    return config.read(offset, size);
  }

  /** What software writes to the configuration space. */
  public void write(int offset, int size, int value) {
    config.write(offset, size, value);
    if (offset < PciConfig.CAPABILITIES && offset + size > PciConfig.COMMAND) {
      updateMappings();
    }
    if (msix != null) {
      msix.configWritten();
    }
    updateWire();
    written.run();
    if (window != null && window.meets(offset, size)) {
      window.store().run();
    }
  }

  @Override
  public String toString() {
    return name + "@" + path();
  }
}
