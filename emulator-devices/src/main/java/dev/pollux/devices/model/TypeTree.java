package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** All types by their parents, as {@code qom-list-types} shows them. Constant; any thread. */
public final class TypeTree {
  private static final String ROOT = "object";
  private static final String DEVICE = "device";

  /**
   * A type.
   *
   * @param parent empty at the root
   * @param isAbstract whether there are none of exactly this type
   */
  public record Type(
      String name, String parent, boolean isAbstract, List<Property<?>> properties) {}

  private final Map<String, Type> types = new LinkedHashMap<>();

  public TypeTree(DeviceCatalog devices, List<ObjectType> objects) {
    add(new Type(ROOT, "", true, List.of()));
    add(new Type(DEVICE, ROOT, true, List.of()));
    for (DeviceType<?> type : devices.types()) {
      List<String> lineage = type.lineage();
      add(new Type(type.name(), lineage.get(1), false, type.allProperties()));
      add(new Type(type.bus().deviceType(), DEVICE, true, type.bus().properties()));
      for (int i = 1; i < lineage.size() - 2; i++) {
        add(new Type(lineage.get(i), lineage.get(i + 1), true, List.of()));
      }
    }
    for (ObjectType type : objects) {
      add(new Type(type.parent(), ROOT, true, List.of()));
      add(new Type(type.name(), type.parent(), false, type.properties()));
    }
  }

  /** What can be made hides an abstract type of the same name. */
  private void add(Type type) {
    Type known = types.get(type.name());
    if (known == null || known.isAbstract() && !type.isAbstract()) {
      types.put(type.name(), type);
    }
  }

  /** All types, those above before those below where they are declared so. */
  public List<Type> all() {
    return List.copyOf(types.values());
  }

  /**
   * The types below one, and it.
   *
   * @param withAbstract whether abstract ones are wanted too
   */
  public List<Type> below(Optional<String> ancestor, boolean withAbstract) {
    List<Type> result = new ArrayList<>();
    for (Type type : types.values()) {
      if ((withAbstract || !type.isAbstract())
          && (ancestor.isEmpty() || isBelow(type, ancestor.get()))) {
        result.add(type);
      }
    }
    return result;
  }

  private boolean isBelow(Type type, String ancestor) {
    for (Type t = type; t != null; t = types.get(t.parent())) {
      if (t.name().equals(ancestor)) {
        return true;
      }
    }
    return false;
  }

  /**
   * The type of a name.
   *
   * @throws ConfigException if there is none, naming the nearest
   */
  public Type find(String name) {
    Type type = types.get(name);
    if (type == null) {
      throw new ConfigException(
          "Class '%s' not found; %s".formatted(name, Suggestions.hint(name, types.keySet())));
    }
    return type;
  }

  /** The same for one of which the properties of devices are wanted. */
  public Type findDevice(String name) {
    Type type = find(name);
    if (!isBelow(type, DEVICE)) {
      throw new ConfigException(
          "Parameter 'typename' expects a non-abstract device type; '%s' is none".formatted(name));
    }
    return type;
  }
}
