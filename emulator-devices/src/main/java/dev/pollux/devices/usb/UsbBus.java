package dev.pollux.devices.usb;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The ports of a controller. Devices come and go at any time; a port of a controller of USB 3 is
 * one socket for all speeds. Machine lock held.
 */
public final class UsbBus extends Bus {
  private static final Property<Long> PORT =
      Property.of(
          "port",
          "str",
          0L,
          "number of the port; the first free one",
          UsbBus::readPort,
          UsbBus::show);

  static final Property<String> SERIAL = Property.text("serial", "serial number");

  public static final BusKind<UsbBus> KIND =
      new BusKind<>("usb-bus", UsbBus.class, "usb-device", List.of(PORT, SERIAL));

  private static final int MOST_PORTS = 255;

  private final UsbHost host;
  private final DeviceManager devices;
  private final UsbDevice[] plugged;
  private int reserved;

  /**
   * @param ports how many it has
   */
  public UsbBus(String name, UsbHost host, DeviceManager devices, int ports) {
    super(KIND, name);
    this.host = host;
    this.devices = devices;
    this.plugged = new UsbDevice[ports];
  }

  private static long readPort(DeviceOptions options, String key) {
    String text = options.string(key, "");
    if (text.isEmpty()) {
      return 0;
    }
    if (text.matches("[1-9][0-9]{0,2}") && Integer.parseInt(text) <= MOST_PORTS) {
      return Integer.parseInt(text);
    }
    throw options.error(
        "port=%s is no port; give the number of one, 1 for the first".formatted(text));
  }

  private static String show(long port) {
    return port == 0 ? "" : Long.toString(port);
  }

  /** The device at a port, 1 for the first. */
  public Optional<UsbDevice> device(int port) {
    return port < 1 || port > plugged.length
        ? Optional.empty()
        : Optional.ofNullable(plugged[port - 1]);
  }

  /** All devices by their ports. */
  public List<UsbDevice> usbDevices() {
    return Arrays.stream(plugged).filter(Objects::nonNull).toList();
  }

  @Override
  public boolean hasRoom() {
    return Arrays.stream(plugged).anyMatch(Objects::isNull);
  }

  @Override
  public boolean isHotpluggable() {
    return true;
  }

  @Override
  protected void reserve(DeviceContext context) {
    int wanted = (int) (long) context.get(PORT);
    int port =
        wanted != 0
            ? wanted
            : IntStream.rangeClosed(1, plugged.length)
                .filter(i -> plugged[i - 1] == null)
                .findFirst()
                .orElse(0);
    if (port == 0) {
      throw context.error(
          "all %d ports of bus %s are in use; give its controller more with p2= and p3="
              .formatted(plugged.length, name()));
    }
    if (port > plugged.length || plugged[port - 1] != null) {
      throw context.error("usb port %d (bus %s) not found (in use?)".formatted(port, name()));
    }
    reserved = port;
  }

  /**
   * The port of the device that is being made, at the highest speed that both have.
   *
   * @throws ConfigException if there is none
   */
  UsbPort port(DeviceContext context, UsbDevice device) {
    List<UsbSpeed> speeds = new ArrayList<>(device.speeds());
    speeds.removeIf(speed -> !host.supports(reserved, speed));
    if (speeds.isEmpty()) {
      throw context.error(
          "speed mismatch trying to attach to bus %s, port %d; choose another port"
              .formatted(name(), reserved));
    }
    return new UsbPort(host, reserved, speeds.stream().max(UsbSpeed::compareTo).orElseThrow());
  }

  @Override
  protected void attach(DeviceNode node) {
    UsbDevice device = (UsbDevice) node.device();
    plug(device);
  }

  void plug(UsbDevice device) {
    plugged[device.port().number() - 1] = device;
    host.changed(device.port().number());
  }

  @Override
  protected void detach(DeviceNode node) {
    int port = ((UsbDevice) node.device()).port().number();
    plugged[port - 1] = null;
    host.changed(port);
  }

  /** The guest has no say: a plug is pulled. */
  @Override
  protected void requestUnplug(DeviceNode node) {
    devices.remove(node);
  }

  @Override
  public Optional<String> firmwareName(DeviceNode node) {
    UsbDevice device = (UsbDevice) node.device();
    return Optional.of("%s@%x".formatted(device.firmwareName(), device.port().number()));
  }

  @Override
  public List<String> describe(DeviceNode node) {
    UsbDevice device = (UsbDevice) node.device();
    return List.of(
        "addr %d.%d, port %d, speed %d, name %s, attached"
            .formatted(
                0,
                device.address(),
                device.port().number(),
                device.port().speed().megabits(),
                device.productName()));
  }
}
