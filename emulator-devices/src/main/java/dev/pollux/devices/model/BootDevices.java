package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * What firmware may boot from, in the order of {@code bootindex}: paths as SeaBIOS and OVMF read
 * them in the file {@code bootorder} of the firmware configuration device. Machine lock held.
 */
public final class BootDevices {
  /** The place of a device; -1 for none. */
  public static final Property<Long> INDEX =
      Property.signed("bootindex", 0, Integer.MAX_VALUE, "place among what firmware boots from");

  /** What follows the place of a network card. */
  public static final String NETWORK_CARD = "/ethernet-phy@0";

  private static final long NONE = -1;

  /** What there is to boot from, by its place; the path is asked for when all are plugged in. */
  private final TreeMap<Long, Supplier<String>> places = new TreeMap<>();

  /** Gives and takes places for one device or file. */
  private final class Place {
    private final Supplier<String> path;
    private long index = NONE;

    Place(Supplier<String> path) {
      this.path = path;
    }

    void move(long to) {
      if (to < NONE || to > Integer.MAX_VALUE) {
        throw new ConfigException("bootindex %d is not between -1 and 2147483647".formatted(to));
      }
      if (to == index) {
        return;
      }
      if (places.containsKey(to)) {
        throw new ConfigException("The bootindex %d has already been used".formatted(to));
      }
      leave();
      index = to;
      if (to != NONE) {
        places.put(to, path);
      }
    }

    void leave() {
      places.remove(index);
      index = NONE;
    }
  }

  /**
   * Adds a device that has the property {@link #INDEX}, until it is removed. Monitors may change
   * the place, which firmware sees at the next reset.
   *
   * @param suffix what follows the place of the device in the path, for instance {@code /disk@0,0}
   */
  public static void add(DeviceContext context, String suffix) {
    DeviceNode node = context.node();
    Place place = context.services().bootDevices().new Place(() -> path(node) + suffix);
    try {
      place.move(context.get(INDEX));
    } catch (ConfigException e) {
      throw context.error(e.getMessage());
    }
    context.onRemove(place::leave);
    context.expose(
        new LiveProperty(
            INDEX.name(),
            INDEX.type(),
            INDEX.description(),
            () -> place.index,
            value -> place.move((Long) value)));
  }

  /**
   * Adds what is no device.
   *
   * @param index its place; -1 for none
   */
  public void add(long index, String path) {
    new Place(() -> path).move(index);
  }

  /** The path of each, first to last. */
  public List<String> paths() {
    return places.values().stream().map(Supplier::get).toList();
  }

  /**
   * The places of a device and of what it is behind, from the root, in the spelling of IEEE 1275.
   */
  private static String path(DeviceNode device) {
    List<String> parts = new ArrayList<>();
    Optional<DeviceNode> at = Optional.of(device);
    while (at.isPresent()) {
      DeviceNode node = at.get();
      node.bus().firmwareName(node).ifPresent(name -> parts.addFirst("/" + name));
      at = node.bus().owner();
    }
    return String.join("", parts);
  }
}
