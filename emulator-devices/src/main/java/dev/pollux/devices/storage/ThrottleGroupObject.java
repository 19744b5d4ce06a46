package dev.pollux.devices.storage;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.node.ThrottleGroup;
import dev.pollux.backend.block.node.ThrottleLimits;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.UserObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The object type {@code throttle-group}: limits that disks share, as {@code x-bps-total=} and so
 * on, and while it runs by the property {@code limits}.
 */
public final class ThrottleGroupObject {
  private static final String PREFIX = "x-";
  private static final List<Property<Long>> LIMITS = limits();

  public static final ObjectType TYPE =
      new ObjectType(
          "throttle-group",
          "object",
          "limits that disks share",
          List.copyOf(LIMITS),
          (node, services, options) -> {
            BlockGraph blocks = services.blocks();
            String id = options.required("id");
            ThrottleGroup group = blocks.addThrottleGroup(id, limitsOf(node, options));
            node.keepWhile(() -> blocks.isUsed(group));
            node.onRemove(() -> blocks.removeThrottleGroup(id));
            node.expose(
                new LiveProperty(
                    "limits",
                    "ThrottleLimits",
                    "all limits at once",
                    () -> group.limits().asMap(),
                    value -> group.setLimits(limitsOf(group.limits(), value))));
            return group;
          });

  private ThrottleGroupObject() {}

  private static List<Property<Long>> limits() {
    List<Property<Long>> list = new ArrayList<>();
    for (String key : ThrottleLimits.keys()) {
      boolean length = key.endsWith("-length");
      list.add(
          Property.unsigned(
              PREFIX + key,
              64,
              length ? 1 : 0,
              length ? 1 : 0,
              length ? Integer.MAX_VALUE : ThrottleLimits.MOST,
              "the limit " + key));
    }
    return list;
  }

  private static ThrottleLimits limitsOf(UserObject node, DeviceOptions options) {
    Map<String, String> values = new LinkedHashMap<>();
    LIMITS.forEach(property -> values.put(property.name(), Long.toString(node.get(property))));
    try {
      return ThrottleLimits.of(DeviceOptions.of("throttle-group", values), PREFIX);
    } catch (ConfigException e) {
      throw options.error(e.getMessage());
    }
  }

  /** The limits of an object; those that are no members of it stay. */
  private static ThrottleLimits limitsOf(ThrottleLimits before, Object value) {
    if (!(value instanceof Map<?, ?> members)) {
      throw new ConfigException("Invalid parameter type for 'limits', expected: object");
    }
    Map<String, String> values = new LinkedHashMap<>();
    before.asMap().forEach((key, limit) -> values.put(key, Long.toString(limit)));
    members.forEach((key, limit) -> values.put(String.valueOf(key), String.valueOf(limit)));
    DeviceOptions options = DeviceOptions.of("limits", values);
    ThrottleLimits limits = ThrottleLimits.of(options, "");
    options.rejectUnknown();
    return limits;
  }
}
