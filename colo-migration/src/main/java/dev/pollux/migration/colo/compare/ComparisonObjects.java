package dev.pollux.migration.colo.compare;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.UserObject;
import dev.pollux.devices.netfilter.FilterObjects;
import dev.pollux.devices.netfilter.FilterPlace;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/** The types of objects that make what a pair says on a network one. */
public final class ComparisonObjects {
  private static final String COMPARE = "colo-compare";

  private static final Property<String> PRIMARY_IN =
      Property.text("primary_in", "ID of the chardev that the primary's frames come from");
  private static final Property<String> SECONDARY_IN =
      Property.text("secondary_in", "ID of the chardev that the secondary's frames come from");
  private static final Property<String> OUT =
      Property.text("outdev", "ID of the chardev that gets what may leave");
  private static final Property<String> THREAD =
      Property.text("iothread", "link<iothread>", "ID of the iothread that compares");
  private static final Property<String> NOTIFY =
      Property.text("notify_dev", "ID of a chardev to whoever makes checkpoints instead of COLO");
  private static final Property<Long> TIMEOUT =
      Property.unsigned(
          "compare_timeout",
          64,
          ComparisonSettings.DEFAULTS.timeout().toMillis(),
          0,
          Duration.ofDays(1).toMillis(),
          "ms after which a packet that waits calls for a checkpoint");
  private static final Property<Long> CYCLE =
      Property.unsigned(
          "expired_scan_cycle", 32, 1000, 0, 0xffff_ffffL, "ms between two looks for such packets");
  private static final Property<Long> QUEUE =
      Property.unsigned(
          "max_queue_size",
          32,
          ComparisonSettings.DEFAULTS.longestQueue(),
          0,
          1 << 20,
          "packets of one connection that wait on one side");
  private static final Property<Long> PATIENCE =
      Property.unsigned(
          "x-pollux-patience",
          32,
          ComparisonSettings.DEFAULTS.patience().toMillis(),
          0,
          Duration.ofDays(1).toMillis(),
          "ms after which one of the primary's packets that waits calls for a checkpoint");
  private static final Property<Long> INTERVAL =
      Property.unsigned(
          "x-pollux-interval",
          32,
          10,
          0,
          Duration.ofDays(1).toMillis(),
          "ms at least between two checkpoints that this object calls for");
  private static final Property<Boolean> IPV6 =
      Property.flag("x-pollux-ipv6", false, "IPv6 is compared, rather than let through");
  private static final Property<Boolean> VLAN =
      Property.flag("x-pollux-vlan", false, "tagged frames are compared, rather than let through");

  public static final List<ObjectType> TYPES =
      List.of(
          new ObjectType(
              COMPARE,
              "object",
              "lets a primary's frames go as far as its secondary has said the same",
              List.of(
                  PRIMARY_IN,
                  SECONDARY_IN,
                  OUT,
                  THREAD,
                  FilterObjects.HEADER,
                  TIMEOUT,
                  CYCLE,
                  QUEUE,
                  NOTIFY,
                  PATIENCE,
                  INTERVAL,
                  IPV6,
                  VLAN),
              ComparisonObjects::compare,
              true),
          FilterObjects.type(
              "filter-rewriter",
              "gives a secondary's TCP connections the primary's numbers",
              FilterPlace.properties(FilterObjects.HEADER),
              (place, node, services) ->
                  new RewriterFilter(
                      place.id(),
                      place.link(),
                      place.direction(),
                      place.on(),
                      node.get(FilterObjects.HEADER),
                      services.networks().checkpoints())));

  private ComparisonObjects() {}

  private static Object compare(UserObject node, MachineServices services, DeviceOptions options) {
    String primaryIn = FilterPlace.required(node, PRIMARY_IN);
    String secondaryIn = FilterPlace.required(node, SECONDARY_IN);
    String out = FilterPlace.required(node, OUT);
    UserObject thread = services.objects().get(FilterPlace.required(node, THREAD), IoThread.class);
    List.of(TIMEOUT, CYCLE, QUEUE).forEach(number -> checkPositive(number, node.get(number)));
    if (primaryIn.equals(out) || secondaryIn.equals(out) || primaryIn.equals(secondaryIn)) {
      throw new ConfigException("'indev' and 'outdev' could not be same for compare module");
    }
    Comparison comparison =
        new Comparison(
            new Comparison.Wiring(
                options.required("id"),
                claim(services, primaryIn),
                claim(services, secondaryIn),
                claim(services, out),
                Optional.of(node.get(NOTIFY))
                    .filter(id -> !id.isEmpty())
                    .map(id -> claim(services, id)),
                node.get(FilterObjects.HEADER),
                (IoThread) thread.target(),
                services.networks().checkpoints()),
            new ComparisonSettings(
                Duration.ofMillis(node.get(TIMEOUT)),
                Duration.ofMillis(node.get(PATIENCE)),
                node.get(QUEUE).intValue(),
                ComparisonSettings.DEFAULTS.mostBytes(),
                node.get(IPV6),
                node.get(VLAN)),
            new Comparison.Times(node.get(CYCLE), node.get(PATIENCE), node.get(INTERVAL)),
            services.networks().filters());
    thread.use();
    expose(node, comparison);
    node.expose(LiveProperty.constant(THREAD.name(), THREAD.type(), thread::path));
    node.expose(
        LiveProperty.constant(
            "x-pollux-statistics", "ComparisonStatistics", () -> shown(comparison.statistics())));
    node.onRemove(
        () -> {
          comparison.close();
          thread.unuse();
        });
    return comparison;
  }

  private static void checkPositive(Property<Long> number, long value) {
    if (value == 0) {
      throw new ConfigException(
          "Property '%s.%s' requires a positive value".formatted(COMPARE, number));
    }
  }

  /** What can be changed while it compares. */
  private static void expose(UserObject node, Comparison comparison) {
    expose(
        node,
        TIMEOUT,
        () -> comparison.settings().timeout().toMillis(),
        value -> comparison.change(s -> s.withTimeout(Duration.ofMillis(value))));
    expose(
        node,
        QUEUE,
        () -> (long) comparison.settings().longestQueue(),
        value -> comparison.change(s -> s.withLongestQueue((int) value)));
    expose(
        node,
        CYCLE,
        () -> comparison.times().cycle(),
        value -> comparison.change(comparison.times().withCycle(value)));
  }

  private static void expose(
      UserObject node, Property<Long> number, Supplier<Object> get, LongConsumer set) {
    node.expose(
        new LiveProperty(
            number.name(),
            number.type(),
            number.description(),
            get,
            value -> {
              Map<String, String> text = Map.of(number.name(), String.valueOf(value));
              long read = number.read(DeviceOptions.of(COMPARE, text));
              checkPositive(number, read);
              set.accept(read);
            }));
  }

  private static Map<String, Object> shown(PacketComparator.Statistics s) {
    Map<String, Object> shown = new LinkedHashMap<>();
    shown.put("alike", s.alike());
    shown.put("by-checkpoint", s.byCheckpoint());
    shown.put("held", s.held());
    shown.put("differences", s.differences());
    shown.put("dropped", s.dropped());
    return shown;
  }

  private static CharBackend claim(MachineServices services, String id) {
    CharBackend backend = FilterObjects.claim(services, id, "");
    if (!backend.isSocket()) {
      throw new ConfigException("chardev \"%s\" is not reconnectable".formatted(id));
    }
    return backend;
  }
}
