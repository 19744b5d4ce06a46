package dev.pollux.devices.netfilter;

import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetFilter;
import dev.pollux.backend.net.NetFilter.Direction;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.filter.LinkFilter;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.UserObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Where a filter sits: what all types of filters have in common. */
public final class FilterPlace {
  /** Which frames a filter sees. */
  private enum Queue {
    ALL(Direction.ALL),
    RX(Direction.RX),
    TX(Direction.TX);

    private final Direction direction;

    Queue(Direction direction) {
      this.direction = direction;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final String ON = "on";
  private static final String OFF = "off";

  private static final Property<String> NETDEV = Property.text("netdev", "ID of the -netdev");
  private static final Property<Queue> QUEUE =
      Property.choice(
          "queue",
          "NetFilterDirection",
          Queue.ALL,
          "rx: what the netdev receives from the guest, tx: what it sends to it");
  private static final Property<String> STATUS =
      Property.of("status", "string", ON, "on or off", (o, k) -> o.string(k, ON), v -> v);
  private static final Property<String> POSITION =
      Property.of(
          "position",
          "string",
          "tail",
          "head, tail or id=<id> of another filter",
          (o, k) -> o.string(k, "tail"),
          v -> v);
  private static final Property<String> INSERT =
      Property.of(
          "insert",
          "string",
          "behind",
          "before or behind the filter that position names",
          (o, k) -> o.string(k, "behind"),
          v -> v);

  private static final List<Property<?>> PROPERTIES =
      List.of(NETDEV, QUEUE, STATUS, POSITION, INSERT);

  private final UserObject node;
  private final String id;
  private final NetBackend backend;
  private final boolean on;
  private final int index;

  private FilterPlace(UserObject node, String id, NetBackend backend, boolean on, int index) {
    this.node = node;
    this.id = id;
    this.backend = backend;
    this.on = on;
    this.index = index;
  }

  /** The properties of a type of filter: these and its own. */
  public static List<Property<?>> properties(Property<?>... own) {
    List<Property<?>> all = new ArrayList<>(PROPERTIES);
    all.addAll(List.of(own));
    return all;
  }

  /**
   * Reads the properties.
   *
   * @throws ConfigException where they do not fit
   */
  public static FilterPlace of(UserObject node, MachineServices services, DeviceOptions options) {
    String netdev = required(node, NETDEV);
    NetBackend backend =
        services
            .networks()
            .find(netdev)
            .orElseThrow(
                () -> new ConfigException("Parameter 'netdev' expects a network backend id"));
    if (backend.links().size() > 1) {
      throw new ConfigException(
          "multiqueue is not supported: a filter sees the frames of one queue only, and '%s' has %d"
              .formatted(netdev, backend.links().size()));
    }
    return new FilterPlace(
        node, options.required("id"), backend, isOn(node.get(STATUS)), index(node, backend.link()));
  }

  /** The value of a property that has to be given. */
  public static String required(UserObject node, Property<String> property) {
    String value = node.get(property);
    if (value.isEmpty()) {
      throw new ConfigException("Parameter '%s' is missing".formatted(property));
    }
    return value;
  }

  private static boolean isOn(Object status) {
    if (!ON.equals(status) && !OFF.equals(status)) {
      throw new ConfigException("Invalid value for netfilter status, should be 'on' or 'off'");
    }
    return ON.equals(status);
  }

  private static int index(UserObject node, NetLink link) {
    String position = node.get(POSITION);
    String insert = node.get(INSERT);
    if (!List.of("before", "behind").contains(insert)) {
      throw new ConfigException(
          "Parameter 'insert' does not accept value '%s'; give before or behind".formatted(insert));
    }
    List<String> filters = link.filters().stream().map(NetFilter::id).toList();
    if (position.equals("head")) {
      return 0;
    }
    if (position.equals("tail")) {
      return filters.size();
    }
    if (!position.startsWith("id=")) {
      throw new ConfigException("Parameter 'position' expects 'head', 'tail' or 'id=<id>'");
    }
    int other = filters.indexOf(position.substring("id=".length()));
    if (other < 0) {
      throw new ConfigException("filter '%s' not found".formatted(position.substring(3)));
    }
    return insert.equals("before") ? other : other + 1;
  }

  public String id() {
    return id;
  }

  public NetLink link() {
    return backend.link();
  }

  public Direction direction() {
    return node.get(QUEUE).direction;
  }

  public boolean on() {
    return on;
  }

  /** Puts the filter in its place; it goes with the object, and that with its network. */
  public LinkFilter install(LinkFilter filter, MachineServices services) {
    Runnable remove = () -> services.objects().remove(id);
    backend.onRemove(remove);
    node.onRemove(
        () -> {
          backend.forgetOnRemove(remove);
          filter.close();
        });
    node.expose(
        new LiveProperty(
            STATUS.name(),
            STATUS.type(),
            STATUS.description(),
            () -> filter.isOn() ? ON : OFF,
            value -> filter.setOn(isOn(value))));
    link().addFilter(index, filter);
    return filter;
  }
}
