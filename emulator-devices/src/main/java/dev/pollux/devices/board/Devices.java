package dev.pollux.devices.board;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.net.Networks;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.display.DisplayDevices;
import dev.pollux.devices.e1000.E1000;
import dev.pollux.devices.isa.IsaDevices;
import dev.pollux.devices.model.DeviceCatalog;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.IoThreadObject;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.MemoryBackends;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.ObjectTree;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.SecretObject;
import dev.pollux.devices.netfilter.FilterObjects;
import dev.pollux.devices.pci.PciDevices;
import dev.pollux.devices.storage.ThrottleGroupObject;
import dev.pollux.devices.storage.floppy.FloppyDevices;
import dev.pollux.devices.storage.ide.IdeDevices;
import dev.pollux.devices.storage.nvme.NvmeController;
import dev.pollux.devices.usb.UsbDevices;
import dev.pollux.devices.virtio.RngObjects;
import dev.pollux.devices.virtio.VirtioDevices;
import dev.pollux.devices.virtio.transport.VirtioTypes;
import dev.pollux.devices.virtio.transport.VirtioVga;
import java.util.List;
import java.util.stream.Stream;

/** The types of devices and objects of all rooms. */
public final class Devices {
  /** Every type of device. */
  public static final DeviceCatalog CATALOG =
      new DeviceCatalog(
          Stream.<List<DeviceType<?>>>of(
                  BoardParts.TYPES,
                  List.of(E1000.TYPE),
                  IsaDevices.TYPES,
                  PciDevices.TYPES,
                  IdeDevices.TYPES,
                  FloppyDevices.TYPES,
                  List.of(NvmeController.TYPE),
                  UsbDevices.TYPES,
                  DisplayDevices.TYPES,
                  VirtioTypes.of(VirtioDevices.TYPES),
                  List.of(VirtioVga.TYPE),
                  VirtioDevices.INNER)
              .flatMap(List::stream)
              .toList());

  /** Every type of object. */
  public static final List<ObjectType> OBJECTS =
      Stream.of(
              List.of(
                  IoThreadObject.TYPE,
                  MemoryBackends.FILE,
                  MemoryBackends.MEMFD,
                  MemoryBackends.RAM,
                  RngObjects.BUILT_IN,
                  RngObjects.RANDOM,
                  SecretObject.TYPE,
                  ThrottleGroupObject.TYPE),
              FilterObjects.TYPES)
          .flatMap(List::stream)
          .toList();

  private Devices() {}

  /** The device manager of a machine without back ends. */
  static DeviceManager manager(Machine machine) {
    return manager(
        machine,
        new CharDevices(machine.loop()::post, () -> {}),
        new BlockGraph(new BlockListener() {}));
  }

  /** The device manager of a machine that no command line describes. */
  public static DeviceManager manager(Machine machine, CharDevices charDevices, BlockGraph blocks) {
    ObjectTree tree = new ObjectTree("none-machine");
    MachineServices services =
        new MachineServices(
            machine, charDevices, blocks, new Networks(), new ObjectManager(tree, OBJECTS));
    return new DeviceManager(services, tree, CATALOG, List.of());
  }
}
