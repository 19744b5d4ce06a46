package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.pci.Msix;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioTransport;
import dev.pollux.devices.virtio.Virtqueue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A virtio device on PCI (4.1): modern, and transitional with the legacy registers too. Machine
 * lock held, but for notifications.
 *
 * <pre>
 *   BAR 0  ports   legacy registers, of a transitional device
 *   BAR 1  memory  MSI-X
 *   BAR 4  memory  0x0000 common configuration, 0x1000 ISR, 0x2000 device configuration,
 *                  0x3000 notifications, 4 bytes a queue; with a VGA as its layout says
 * </pre>
 */
final class VirtioPci implements PciDevice, VirtioTransport {
  static final int NO_VECTOR = 0xffff;

  private static final int VENDOR = 0x1af4;
  private static final int MODERN_IDS = 0x1040;

  private static final int LEGACY_BAR = 0;

  private static final int CAP_VENDOR = 9;
  private static final int CAP_COMMON = 1;
  private static final int CAP_NOTIFY = 2;
  private static final int CAP_ISR = 3;
  private static final int CAP_DEVICE = 4;
  private static final int CAP_WINDOW = 5;

  private static final long DEVICE = 0x2000;
  private static final long NOTIFY = 0x3000;
  private static final long WINDOW = 0x1000;
  private static final int NOTIFY_MULTIPLIER = 4;

  private static final int ISR_QUEUE = 1;
  private static final int ISR_CONFIG = 2;

  /**
   * Which interfaces it has.
   *
   * @param transitionalId its PCI device id with the legacy one
   */
  record Variant(boolean legacy, boolean modern, int transitionalId) {}

  /**
   * Where the registers are.
   *
   * @param msixBar the BAR of MSI-X
   * @param modernBar the BAR of the modern registers
   * @param common where the common configuration is there
   * @param isr where the ISR is, behind it
   * @param others registers before them that are not virtio's
   */
  record Layout(int msixBar, int modernBar, long common, long isr, List<PciBar.Piece> others) {
    static final Layout USUAL = new Layout(1, 4, 0, 0x1000, List.of());
  }

  private final StateDescriptor<VirtioPci> declaration;
  private final VirtioDevice device;
  private final PciFunction pci;

  int isr;
  int configVector = NO_VECTOR;

  /** By queue. */
  final int[] queueVectors;

  @HostOnly("wiring; its selectors are saved")
  private final CommonRegisters common;

  @HostOnly("wiring; its selector is saved")
  private final LegacyRegisters legacy;

  VirtioPci(VirtioDevice device, int pciClass, Variant variant, int vectors) {
    this(device, pciClass, variant, vectors, Layout.USUAL);
  }

  VirtioPci(VirtioDevice device, int pciClass, Variant variant, int vectors, Layout layout) {
    this.device = device;
    this.queueVectors = new int[device.queues().size()];
    this.pci = new PciFunction(device.kind().name(), identity(device, pciClass, variant));
    common = new CommonRegisters(this, device);
    legacy = new LegacyRegisters(this, device);
    pci.setInterruptPin(1);
    if (vectors > 0) {
      pci.addMsix(layout.msixBar(), vectors);
    }
    if (variant.legacy()) {
      pci.addBar(LEGACY_BAR, PciBar.Kind.IO, legacy.size(), legacy.pieces());
    }
    if (variant.modern()) {
      addModern(layout);
    }
    Arrays.fill(queueVectors, NO_VECTOR);
    declaration =
        StateDescriptor.of(VirtioPci.class, "virtio-pci", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .u8("isr", 3, d -> d.isr, (d, v) -> d.isr = v)
            .u16("config-vector", d -> d.configVector, (d, v) -> d.configVector = v)
            .u32Array("queue-vectors", queueVectors.length, d -> d.queueVectors)
            .struct("common", CommonRegisters.STATE, d -> d.common)
            .struct("legacy", LegacyRegisters.STATE, d -> d.legacy);
    device.connect(this);
  }

  private static PciIdentity identity(VirtioDevice device, int pciClass, Variant variant) {
    int id = device.kind().id();
    return variant.legacy()
        ? new PciIdentity(VENDOR, variant.transitionalId(), pciClass, 0, VENDOR, id)
        : new PciIdentity(VENDOR, MODERN_IDS + id, pciClass, 1);
  }

  private void addModern(Layout layout) {
    long notifyBytes = (long) device.queues().size() * NOTIFY_MULTIPLIER;
    long notifyWindow = Math.max(WINDOW, notifyBytes);
    long size = Long.highestOneBit((NOTIFY + notifyWindow) * 2 - 1);
    long commonWindow = layout.isr() - layout.common();
    long isrWindow = DEVICE - layout.isr();
    List<PciBar.Piece> pieces = new ArrayList<>(layout.others());
    pieces.add(new PciBar.Piece(layout.common(), common.region(commonWindow)));
    pieces.add(new PciBar.Piece(layout.isr(), isrRegion(isrWindow)));
    pieces.add(new PciBar.Piece(DEVICE, ConfigRegion.of(device, WINDOW)));
    pieces.add(
        new PciBar.Piece(
            NOTIFY,
            new Region.DoorbellRegion(
                "virtio-pci-notify",
                notifyWindow,
                (offset, _, _) -> notified((int) (offset / NOTIFY_MULTIPLIER)))));
    int bar = layout.modernBar();
    pci.addBar(bar, PciBar.Kind.PREFETCHABLE64, size, pieces);
    addCapability(CAP_COMMON, bar, layout.common(), commonWindow);
    addCapability(CAP_ISR, bar, layout.isr(), isrWindow);
    addCapability(CAP_DEVICE, bar, DEVICE, WINDOW);
    int notify = addCapability(CAP_NOTIFY, bar, NOTIFY, notifyWindow);
    pci.config().init(notify + 16, 4, NOTIFY_MULTIPLIER);
    AddressSpace registers = new AddressSpace("virtio-pci-window", device.machineLock());
    pieces.forEach(piece -> registers.map(piece.offset(), piece.region()));
    ConfigWindow.add(pci, addCapability(CAP_WINDOW, bar, 0, 0), bar, registers);
  }

  private int addCapability(int type, int bar, long offset, long length) {
    int size = type == CAP_NOTIFY || type == CAP_WINDOW ? 20 : 16;
    int at = pci.addCapability(CAP_VENDOR, size);
    pci.config()
        .init(at + 2, 1, size)
        .init(at + 3, 1, type)
        .init(at + 4, 1, bar)
        .init(at + 8, 4, offset)
        .init(at + 12, 4, length);
    return at;
  }

  private Region isrRegion(long size) {
    return ConfigRegion.bytes("virtio-pci-isr", size, (offset, _) -> offset == 0 ? takeIsr() : 0);
  }

  /** Reading acknowledges. */
  int takeIsr() {
    int value = isr;
    isr = 0;
    pci.setInterrupt(false);
    return value;
  }

  /** The guest has notified a queue. Any thread, no lock held. */
  void notified(int index) {
    Virtqueue queue = device.queue(index);
    if (queue != null) {
      queue.kick();
    }
  }

  /** The vector if there is one of that number. */
  int checked(int vector) {
    return pci.msix().isPresent() && vector < pci.msix().get().vectors() ? vector : NO_VECTOR;
  }

  boolean usesMsix() {
    return pci.msix().map(Msix::isEnabled).orElse(false);
  }

  @Override
  public void notifyQueue(int queue) {
    interrupt(queueVectors[queue], ISR_QUEUE);
  }

  @Override
  public void notifyConfig() {
    interrupt(configVector, ISR_QUEUE | ISR_CONFIG);
  }

  private void interrupt(int vector, int cause) {
    if (usesMsix()) {
      pci.msix().orElseThrow().notify(vector);
    } else {
      isr |= cause;
      pci.setInterrupt(true);
    }
  }

  /** The driver has reset the device. */
  void resetTransport() {
    isr = 0;
    configVector = NO_VECTOR;
    Arrays.fill(queueVectors, NO_VECTOR);
    common.reset();
    legacy.reset();
    pci.setInterrupt(false);
  }

  /** The declaration of the state, for cards that have more. */
  StateDescriptor<VirtioPci> descriptor() {
    return declaration;
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String path() {
    return pci.path();
  }

  @Override
  public String sectionName() {
    return "virtio-pci";
  }

  @Override
  public void reset() {
    pci.reset();
    resetTransport();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
