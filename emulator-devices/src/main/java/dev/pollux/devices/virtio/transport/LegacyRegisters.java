package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.Virtqueue;
import java.util.List;

/**
 * The ports of the legacy interface (4.1.4.10), which transitional devices have beside the modern
 * one. With MSI-X on, two vector registers come before the device's configuration. Machine lock
 * held, but for notifications.
 */
final class LegacyRegisters implements BusDevice {
  private static final int HOST_FEATURES = 0;
  private static final int GUEST_FEATURES = 4;
  private static final int QUEUE_ADDRESS = 8;
  private static final int QUEUE_SIZE = 12;
  private static final int QUEUE_SELECT = 14;
  private static final int QUEUE_NOTIFY = 16;
  private static final int STATUS = 18;
  private static final int ISR = 19;
  private static final int CONFIG_VECTOR = 20;
  private static final int QUEUE_VECTOR = 22;
  private static final int CONFIG = 20;
  private static final int CONFIG_WITH_MSIX = 24;

  private static final int PAGE = 4096;

  static final StateDescriptor<LegacyRegisters> STATE =
      StateDescriptor.of(LegacyRegisters.class, "virtio-pci-legacy", 1)
          .u16("queue-select", r -> r.queueSelect, (r, v) -> r.queueSelect = v);

  private final VirtioPci transport;
  private final VirtioDevice device;
  private int queueSelect;

  LegacyRegisters(VirtioPci transport, VirtioDevice device) {
    this.transport = transport;
    this.device = device;
  }

  /** Ports, a power of two. */
  long size() {
    int bytes = CONFIG_WITH_MSIX + device.readableConfigSize();
    return Long.highestOneBit(bytes * 2L - 1);
  }

  /** The registers, with those for notifications apart. */
  List<PciBar.Piece> pieces() {
    return List.of(
        new PciBar.Piece(0, new Region.DeviceRegion("virtio-pci", QUEUE_NOTIFY, 4, this)),
        new PciBar.Piece(
            QUEUE_NOTIFY,
            new Region.DoorbellRegion(
                "virtio-pci-notify", 2, (_, _, value) -> transport.notified((int) value))),
        new PciBar.Piece(
            STATUS,
            new Region.DeviceRegion("virtio-pci", size() - STATUS, 4, new Shifted(this, STATUS))));
  }

  /** Registers that begin at an offset. */
  private record Shifted(BusDevice registers, int start) implements BusDevice {
    @Override
    public long read(long offset, int size) {
      return registers.read(offset + start, size);
    }

    @Override
    public void write(long offset, int size, long value) {
      registers.write(offset + start, size, value);
    }
  }

  void reset() {
    queueSelect = 0;
  }

  private int configStart() {
    return transport.usesMsix() ? CONFIG_WITH_MSIX : CONFIG;
  }

  @Override
  public long read(long offset, int size) {
    int at = (int) offset;
    if (at >= configStart()) {
      return device.readConfig(at - configStart(), size);
    }
    Virtqueue queue = device.queue(queueSelect);
    return switch (at) {
      case HOST_FEATURES -> (int) device.offeredFeatures();
      case GUEST_FEATURES -> (int) device.guestFeatures();
      case QUEUE_ADDRESS -> queue == null ? 0 : queue.descriptorArea() / PAGE;
      case QUEUE_SIZE -> queue == null ? 0 : queue.maxSize();
      case QUEUE_SELECT -> queueSelect;
      case STATUS -> device.status();
      case ISR -> transport.takeIsr();
      case CONFIG_VECTOR -> transport.configVector;
      case QUEUE_VECTOR ->
          queue == null ? VirtioPci.NO_VECTOR : transport.queueVectors[queue.index()];
      default -> 0;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    int at = (int) offset;
    if (at >= configStart()) {
      device.writeConfig(at - configStart(), size, value);
      return;
    }
    int v = (int) value;
    Virtqueue queue = device.queue(queueSelect);
    switch (at) {
      case GUEST_FEATURES -> device.setGuestFeatures(v & 0xffff_ffffL & device.offeredFeatures());
      case QUEUE_SELECT -> queueSelect = v & 0xffff;
      case QUEUE_ADDRESS -> {
        if (queue != null) {
          place(queue, (v & 0xffff_ffffL) * PAGE);
        } else if (v == 0) {
          device.reset();
        }
      }
      case STATUS -> {
        device.setStatus(v & 0xff);
        if ((v & 0xff) == 0) {
          transport.resetTransport();
        }
      }
      case CONFIG_VECTOR -> transport.configVector = transport.checked(v & 0xffff);
      case QUEUE_VECTOR -> {
        if (queue != null) {
          transport.queueVectors[queue.index()] = transport.checked(v & 0xffff);
        }
      }
      default -> {}
    }
  }

  /** The three parts of a legacy ring follow one another, the used ring on a page (2.7.2). */
  private void place(Virtqueue queue, long address) {
    if (address == 0) {
      device.resetQueue(queue);
      return;
    }
    long available = address + 16L * queue.maxSize();
    long used = available + 6 + 2L * queue.maxSize() + PAGE - 1 & -PAGE;
    device.setUp(
        () -> {
          queue.setAreas(address, available, used);
          queue.setEnabled(true);
        });
  }
}
