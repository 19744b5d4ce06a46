package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.Virtqueue;

/** The common configuration of a modern device on PCI (4.1.4.3). Machine lock held. */
final class CommonRegisters implements BusDevice {
  private static final int DEVICE_FEATURE_SELECT = 0x00;
  private static final int DEVICE_FEATURE = 0x04;
  private static final int DRIVER_FEATURE_SELECT = 0x08;
  private static final int DRIVER_FEATURE = 0x0c;
  private static final int CONFIG_VECTOR = 0x10;
  private static final int QUEUES = 0x12;
  private static final int STATUS = 0x14;
  private static final int GENERATION = 0x15;
  private static final int QUEUE_SELECT = 0x16;
  private static final int QUEUE_SIZE = 0x18;
  private static final int QUEUE_VECTOR = 0x1a;
  private static final int QUEUE_ENABLE = 0x1c;
  private static final int QUEUE_NOTIFY_OFFSET = 0x1e;
  private static final int DESCRIPTORS = 0x20;
  private static final int DRIVER_AREA = 0x28;
  private static final int DEVICE_AREA = 0x30;
  private static final int QUEUE_RESET = 0x3a;

  static final StateDescriptor<CommonRegisters> STATE =
      StateDescriptor.of(CommonRegisters.class, "virtio-pci-common", 1)
          .u32(
              "device-feature-select",
              r -> r.deviceFeatureSelect,
              (r, v) -> r.deviceFeatureSelect = v)
          .u32(
              "driver-feature-select",
              r -> r.driverFeatureSelect,
              (r, v) -> r.driverFeatureSelect = v)
          .u16("queue-select", r -> r.queueSelect, (r, v) -> r.queueSelect = v);

  private final VirtioPci transport;
  private final VirtioDevice device;
  private int deviceFeatureSelect;
  private int driverFeatureSelect;
  private int queueSelect;

  CommonRegisters(VirtioPci transport, VirtioDevice device) {
    this.transport = transport;
    this.device = device;
  }

  Region region(long size) {
    return new Region.DeviceRegion("virtio-pci-common", size, 4, this);
  }

  void reset() {
    deviceFeatureSelect = 0;
    driverFeatureSelect = 0;
    queueSelect = 0;
  }

  @Override
  public long read(long offset, int size) {
    Virtqueue queue = device.queue(queueSelect);
    return switch ((int) offset) {
      case DEVICE_FEATURE_SELECT -> deviceFeatureSelect;
      case DEVICE_FEATURE -> Halves.get(device.offeredFeatures(), deviceFeatureSelect);
      case DRIVER_FEATURE_SELECT -> driverFeatureSelect;
      case DRIVER_FEATURE -> Halves.get(device.guestFeatures(), driverFeatureSelect);
      case CONFIG_VECTOR -> transport.configVector;
      case QUEUES -> device.queues().size();
      case STATUS -> device.status();
      case GENERATION -> device.generation();
      case QUEUE_SELECT -> queueSelect;
      default -> queue == null ? 0 : read(queue, (int) offset);
    };
  }

  private long read(Virtqueue queue, int offset) {
    return switch (offset) {
      case QUEUE_SIZE -> queue.size();
      case QUEUE_VECTOR -> transport.queueVectors[queue.index()];
      case QUEUE_ENABLE -> queue.isEnabled() ? 1 : 0;
      case QUEUE_NOTIFY_OFFSET -> queue.index();
      case DESCRIPTORS -> (int) queue.descriptorArea();
      case DESCRIPTORS + 4 -> queue.descriptorArea() >>> 32;
      case DRIVER_AREA -> (int) queue.driverArea();
      case DRIVER_AREA + 4 -> queue.driverArea() >>> 32;
      case DEVICE_AREA -> (int) queue.deviceArea();
      case DEVICE_AREA + 4 -> queue.deviceArea() >>> 32;
      default -> 0;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    int v = (int) value;
    switch ((int) offset) {
      case DEVICE_FEATURE_SELECT -> deviceFeatureSelect = v;
      case DRIVER_FEATURE_SELECT -> driverFeatureSelect = v;
      case DRIVER_FEATURE ->
          device.setGuestFeatures(Halves.with(device.guestFeatures(), driverFeatureSelect, v));
      case CONFIG_VECTOR -> transport.configVector = transport.checked(v & 0xffff);
      case STATUS -> {
        device.setStatus(v & 0xff);
        if ((v & 0xff) == 0) {
          transport.resetTransport();
        }
      }
      case QUEUE_SELECT -> queueSelect = v & 0xffff;
      default -> {
        Virtqueue queue = device.queue(queueSelect);
        if (queue != null) {
          device.setUp(() -> write(queue, (int) offset, v));
        }
      }
    }
  }

  private void write(Virtqueue queue, int offset, int value) {
    long descriptors = queue.descriptorArea();
    long driver = queue.driverArea();
    long used = queue.deviceArea();
    switch (offset) {
      case QUEUE_SIZE -> queue.setSize(value & 0xffff);
      case QUEUE_VECTOR ->
          transport.queueVectors[queue.index()] = transport.checked(value & 0xffff);
      case QUEUE_ENABLE -> {
        if (value == 1) {
          queue.setEnabled(true);
        }
      }
      case DESCRIPTORS -> queue.setAreas(Halves.with(descriptors, 0, value), driver, used);
      case DESCRIPTORS + 4 -> queue.setAreas(Halves.with(descriptors, 1, value), driver, used);
      case DRIVER_AREA -> queue.setAreas(descriptors, Halves.with(driver, 0, value), used);
      case DRIVER_AREA + 4 -> queue.setAreas(descriptors, Halves.with(driver, 1, value), used);
      case DEVICE_AREA -> queue.setAreas(descriptors, driver, Halves.with(used, 0, value));
      case DEVICE_AREA + 4 -> queue.setAreas(descriptors, driver, Halves.with(used, 1, value));
      case QUEUE_RESET -> {
        if (value == 1) {
          transport.queueVectors[queue.index()] = VirtioPci.NO_VECTOR;
          device.resetQueue(queue);
        }
      }
      default -> {}
    }
  }
}
