package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import dev.pollux.devices.virtio.VirtioBus;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioTransport;
import dev.pollux.devices.virtio.Virtqueue;

/**
 * A place for a virtio device on MMIO (4.2.2), version 2. Without a device the id reads as 0.
 * Machine lock held, but for notifications.
 */
public final class VirtioMmio implements Device, BusDevice, VirtioTransport {
  public static final DeviceType<SystemBus> TYPE = DeviceType.part(SystemBus.KIND, "virtio-mmio");

  /** Bytes of the registers. */
  public static final int SIZE = 0x200;

  private static final int MAGIC = 0x000;
  private static final int VERSION = 0x004;
  private static final int DEVICE_ID = 0x008;
  private static final int VENDOR_ID = 0x00c;
  private static final int DEVICE_FEATURES = 0x010;
  private static final int DEVICE_FEATURES_SELECT = 0x014;
  private static final int DRIVER_FEATURES = 0x020;
  private static final int DRIVER_FEATURES_SELECT = 0x024;
  private static final int QUEUE_SELECT = 0x030;
  private static final int QUEUE_SIZE_MAX = 0x034;
  private static final int QUEUE_SIZE = 0x038;
  private static final int QUEUE_READY = 0x044;
  private static final int QUEUE_NOTIFY = 0x050;
  private static final int INTERRUPT_STATUS = 0x060;
  private static final int INTERRUPT_ACK = 0x064;
  private static final int STATUS = 0x070;
  private static final int DESCRIPTORS = 0x080;
  private static final int DRIVER_AREA = 0x090;
  private static final int DEVICE_AREA = 0x0a0;

  /** Length and base of the shared memory region that is selected, both -1 where there is none. */
  private static final int SHARED_MEMORY_LENGTH = 0x0b0;

  private static final int SHARED_MEMORY_BASE = 0x0b8;

  private static final int QUEUE_RESET = 0x0c0;
  private static final int GENERATION = 0x0fc;
  private static final int CONFIG = 0x100;

  private static final int MAGIC_VALUE = 0x7472_6976; // "virt"
  private static final int VENDOR = 0x554d_4551; // "QEMU"
  private static final int QUEUE_INTERRUPT = 1;
  private static final int CONFIG_INTERRUPT = 2;

  private static final StateDescriptor<VirtioMmio> STATE =
      StateDescriptor.of(VirtioMmio.class, "virtio-mmio", 1)
          .u32("device-select", t -> t.deviceSelect, (t, v) -> t.deviceSelect = v)
          .u32("driver-select", t -> t.driverSelect, (t, v) -> t.driverSelect = v)
          .u32("queue-select", t -> t.queueSelect, (t, v) -> t.queueSelect = v)
          .u8("interrupts", 3, t -> t.interrupts, (t, v) -> t.interrupts = v)
          .afterLoad(VirtioMmio::updateIrq);

  private final long address;
  private final IrqLine irq;
  private final Bus bus;
  private int deviceSelect;
  private int driverSelect;
  private int queueSelect;
  private int interrupts;

  @HostOnly("wiring")
  private VirtioDevice device;

  /** The inside of the transport. */
  private final class Bus extends VirtioBus {
    Bus(int number) {
      super("virtio-mmio-bus." + number);
    }

    @Override
    public void connect(VirtioDevice plugged) {
      device = plugged;
      plugged.connect(VirtioMmio.this);
    }
  }

  /**
   * @param number counts the transports of a machine
   * @param address where its registers are mapped
   */
  public VirtioMmio(int number, long address, IrqLine irq) {
    this.address = address;
    this.irq = irq;
    this.bus = new Bus(number);
  }

  /** What a device is plugged into. */
  public VirtioBus bus() {
    return bus;
  }

  /** Maps the registers. */
  public void map(AddressSpace memory) {
    memory.map(address, new Region.DeviceRegion("virtio-mmio", SIZE, 4, this));
    memory.map(
        address + QUEUE_NOTIFY,
        new Region.DoorbellRegion("virtio-mmio-notify", 4, (_, _, value) -> notified((int) value)),
        1);
  }

  /** Any thread, no lock held. */
  private void notified(int index) {
    VirtioDevice present = device;
    Virtqueue queue = present == null ? null : present.queue(index & 0xffff);
    if (queue != null) {
      queue.kick();
    }
  }

  @Override
  public void notifyQueue(int queue) {
    interrupts |= QUEUE_INTERRUPT;
    updateIrq();
  }

  @Override
  public void notifyConfig() {
    interrupts |= CONFIG_INTERRUPT;
    updateIrq();
  }

  private void updateIrq() {
    irq.set(interrupts != 0);
  }

  @Override
  public String path() {
    return "virtio-mmio@%x".formatted(address);
  }

  @Override
  public String id() {
    return path();
  }

  @Override
  public long read(long offset, int size) {
    int at = (int) offset;
    if (device == null) {
      return switch (at) {
        case MAGIC -> MAGIC_VALUE;
        case VERSION -> 2;
        case VENDOR_ID -> VENDOR;
        default -> 0;
      };
    }
    if (at >= CONFIG) {
      return device.readConfig(at - CONFIG, size);
    }
    Virtqueue queue = device.queue(queueSelect);
    return switch (at) {
      case MAGIC -> MAGIC_VALUE;
      case VERSION -> 2;
      case DEVICE_ID -> device.kind().id();
      case VENDOR_ID -> VENDOR;
      case DEVICE_FEATURES -> Halves.get(device.offeredFeatures(), deviceSelect);
      case QUEUE_SIZE_MAX -> queue == null ? 0 : queue.maxSize();
      case QUEUE_READY -> queue != null && queue.isEnabled() ? 1 : 0;
      case INTERRUPT_STATUS -> interrupts;
      case STATUS -> device.status();
      case SHARED_MEMORY_LENGTH,
          SHARED_MEMORY_LENGTH + 4,
          SHARED_MEMORY_BASE,
          SHARED_MEMORY_BASE + 4 ->
          0xffff_ffffL; // no device has any
      case GENERATION -> device.generation();
      default -> 0;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    int at = (int) offset;
    int v = (int) value;
    if (device == null) {
      return;
    }
    if (at >= CONFIG) {
      device.writeConfig(at - CONFIG, size, value);
      return;
    }
    switch (at) {
      case DEVICE_FEATURES_SELECT -> deviceSelect = v;
      case DRIVER_FEATURES ->
          device.setGuestFeatures(Halves.with(device.guestFeatures(), driverSelect, v));
      case DRIVER_FEATURES_SELECT -> driverSelect = v;
      case QUEUE_SELECT -> queueSelect = v;
      case INTERRUPT_ACK -> {
        interrupts &= ~v;
        updateIrq();
      }
      case STATUS -> {
        device.setStatus(v & 0xff);
        if ((v & 0xff) == 0) {
          resetRegisters();
        }
      }
      default -> {
        Virtqueue queue = device.queue(queueSelect);
        if (queue != null) {
          writeQueue(queue, at, v);
        }
      }
    }
  }

  private void writeQueue(Virtqueue queue, int at, int value) {
    if (at == QUEUE_RESET) {
      if (value == 1) {
        device.resetQueue(queue);
      }
      return;
    }
    device.setUp(
        () -> {
          long descriptors = queue.descriptorArea();
          long driver = queue.driverArea();
          long used = queue.deviceArea();
          switch (at) {
            case QUEUE_SIZE -> queue.setSize(value);
            case QUEUE_READY -> queue.setEnabled(value == 1);
            case DESCRIPTORS -> queue.setAreas(Halves.with(descriptors, 0, value), driver, used);
            case DESCRIPTORS + 4 ->
                queue.setAreas(Halves.with(descriptors, 1, value), driver, used);
            case DRIVER_AREA -> queue.setAreas(descriptors, Halves.with(driver, 0, value), used);
            case DRIVER_AREA + 4 ->
                queue.setAreas(descriptors, Halves.with(driver, 1, value), used);
            case DEVICE_AREA -> queue.setAreas(descriptors, driver, Halves.with(used, 0, value));
            case DEVICE_AREA + 4 ->
                queue.setAreas(descriptors, driver, Halves.with(used, 1, value));
            default -> {}
          }
        });
  }

  private void resetRegisters() {
    deviceSelect = 0;
    driverSelect = 0;
    queueSelect = 0;
    interrupts = 0;
    updateIrq();
  }

  @Override
  public void reset() {
    resetRegisters();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
