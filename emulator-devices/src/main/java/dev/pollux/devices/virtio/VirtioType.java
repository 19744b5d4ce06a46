package dev.pollux.devices.virtio;

import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.List;
import java.util.stream.Stream;

/**
 * The declaration of a virtio device, whatever carries it. {@code transport} makes device types of
 * it: {@code NAME-pci} with its variants, and {@code NAME-device}.
 *
 * @param name for instance {@code virtio-rng}
 * @param pciClass class, subclass and programming interface on PCI
 * @param transitionalId the PCI device id of the transitional variant; 0 where there is none
 * @param vectors MSI-X vectors on PCI by default; -1 for one a queue and one for the configuration
 * @param properties its own
 * @param factory makes the device
 */
public record VirtioType(
    String name,
    DeviceCategory category,
    String description,
    int pciClass,
    int transitionalId,
    int vectors,
    List<Property<?>> properties,
    Factory factory) {
  public static final Property<Boolean> INDIRECT =
      Property.flag("indirect_desc", true, "offers indirect descriptors");
  public static final Property<Boolean> EVENT_INDEX =
      Property.flag("event_idx", true, "offers event indices");
  public static final Property<Boolean> PACKED =
      Property.flag("packed", false, "offers packed rings");
  public static final Property<Boolean> QUEUE_RESET =
      Property.flag("queue_reset", true, "offers the reset of single queues");
  public static final Property<Boolean> ANY_LAYOUT =
      Property.flag("any_layout", true, "tells old drivers that any layout of buffers will do");
  public static final Property<Boolean> NOTIFY_ON_EMPTY =
      Property.flag("notify_on_empty", true, "offered to old drivers");

  /** For devices whose queues may be worked on by a thread of their own. */
  public static final Property<String> IO_THREAD =
      Property.text("iothread", "link<iothread>", "object that works on the queues");

  /** Makes a device. */
  @FunctionalInterface
  public interface Factory {
    VirtioDevice create(VirtioSetup setup, DeviceContext context);
  }

  public VirtioType {
    properties = List.copyOf(properties);
  }

  /** Its own properties and those of all virtio devices. */
  public List<Property<?>> allProperties() {
    return Stream.concat(
            properties.stream(),
            Stream.of(INDIRECT, EVENT_INDEX, PACKED, QUEUE_RESET, ANY_LAYOUT, NOTIFY_ON_EMPTY))
        .toList();
  }

  /** Makes the device that a transport carries, with the properties of its context. */
  public VirtioDevice create(DeviceContext context) {
    long features =
        VirtioFeature.VERSION_1
            | bit(context, INDIRECT, VirtioFeature.INDIRECT)
            | bit(context, EVENT_INDEX, VirtioFeature.EVENT_INDEX)
            | bit(context, PACKED, VirtioFeature.PACKED_RING)
            | bit(context, QUEUE_RESET, VirtioFeature.RING_RESET)
            | bit(context, ANY_LAYOUT, VirtioFeature.ANY_LAYOUT)
            | bit(context, NOTIFY_ON_EMPTY, VirtioFeature.NOTIFY_ON_EMPTY);
    return factory.create(new VirtioSetup(context.machine(), ioThread(context), features), context);
  }

  private static long bit(DeviceContext context, Property<Boolean> property, long feature) {
    return context.get(property) ? feature : 0;
  }

  private IoThread ioThread(DeviceContext context) {
    boolean named = properties.contains(IO_THREAD) && !context.get(IO_THREAD).isEmpty();
    return named ? context.object(IO_THREAD, IoThread.class) : context.services().ioThread();
  }
}
