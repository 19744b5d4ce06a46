package dev.pollux.devices.board;

import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.isa.IsaDevices;
import dev.pollux.devices.model.DeviceCatalog;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.ObjectTree;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.virtio.VirtioDevices;
import dev.pollux.devices.virtio.transport.VirtioTypes;
import java.util.List;
import java.util.stream.Stream;

/** The types of devices and objects of all rooms. */
public final class Devices {
  /** Every type of device. */
  public static final DeviceCatalog CATALOG =
      new DeviceCatalog(
          Stream.<List<DeviceType<?>>>of(
                  BoardParts.TYPES, IsaDevices.TYPES, VirtioTypes.of(VirtioDevices.TYPES))
              .flatMap(List::stream)
              .toList());

  /** Every type of object. */
  public static final List<ObjectType> OBJECTS = List.of();

  private Devices() {}

  /** The device manager of a machine on which users make no devices. */
  static DeviceManager manager(Machine machine) {
    ObjectTree tree = new ObjectTree("none-machine");
    MachineServices services =
        new MachineServices(
            machine,
            new CharDevices(machine.loop()::post, () -> {}),
            new ObjectManager(tree, OBJECTS));
    return new DeviceManager(services, tree, CATALOG, List.of());
  }
}
