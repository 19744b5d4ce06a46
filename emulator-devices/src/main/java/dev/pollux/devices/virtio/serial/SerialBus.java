package dev.pollux.devices.virtio.serial;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import java.util.List;

/** Where the ports of a {@link VirtioSerial} go. Ports come and go while the machine runs. */
public final class SerialBus extends Bus {
  /** A number that is not given. */
  static final long ANY = 0xffff_ffffL;

  static final Property<Long> NUMBER =
      Property.unsigned("nr", 32, ANY, 0, VirtioSerial.MOST_PORTS - 1, "number of the port");

  public static final BusKind<SerialBus> KIND =
      new BusKind<>("virtio-serial-bus", SerialBus.class, "virtio-serial-port", List.of(NUMBER));

  private final VirtioSerial controller;
  private final DeviceManager devices;

  SerialBus(String name, VirtioSerial controller, DeviceManager devices) {
    super(KIND, name);
    this.controller = controller;
    this.devices = devices;
  }

  VirtioSerial controller() {
    return controller;
  }

  /**
   * The number of a port that is being made: the one that is given, 0 for the first console, or the
   * first free one above.
   *
   * @throws ConfigException if there is none
   */
  int choose(long given, boolean console) {
    if (given != ANY) {
      if (given >= controller.mostPorts()) {
        throw new ConfigException(
            "virtio-serial-bus: Out-of-range port id specified, max. allowed: %d"
                .formatted(controller.mostPorts() - 1));
      }
      if (controller.port((int) given) != null) {
        throw new ConfigException(
            "virtio-serial-bus: A port already exists at id %d".formatted(given));
      }
      return (int) given;
    }
    if (console && controller.port(0) == null) {
      return 0;
    }
    for (int number = 1; number < controller.mostPorts(); number++) {
      if (controller.port(number) == null) {
        return number;
      }
    }
    throw new ConfigException(
        "virtio-serial-bus: Maximum port limit for this device reached; give the controller a"
            + " larger max_ports");
  }

  @Override
  public boolean isHotpluggable() {
    return true;
  }

  @Override
  protected void attach(DeviceNode node) {
    controller.plug((SerialPort) node.device());
  }

  @Override
  protected void detach(DeviceNode node) {
    controller.unplug((SerialPort) node.device());
  }

  /** The guest has no say: it is told that the port is gone. */
  @Override
  protected void requestUnplug(DeviceNode node) {
    devices.remove(node);
  }
}
