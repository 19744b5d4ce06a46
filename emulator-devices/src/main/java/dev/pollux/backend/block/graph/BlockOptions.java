package dev.pollux.backend.block.graph;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The description of a node: keys with values, those of its children behind the child's role and a
 * dot, as in {@code driver=qcow2,file.driver=file,file.filename=disk.qcow2}. Nested JSON comes to
 * the same. Not thread-safe.
 */
public final class BlockOptions {
  /** Who plays a part for a node. */
  public sealed interface Child {
    /** A node that is there. */
    record Reference(String name) implements Child {}

    /** One that is to be made. */
    record Inline(BlockOptions options) implements Child {}

    /** Nobody, said in so many words. */
    record Nobody() implements Child {}
  }

  private final String context;
  private final Map<String, String> values;
  private final DeviceOptions own;

  private BlockOptions(String context, Map<String, String> values) {
    this.context = context;
    this.values = new LinkedHashMap<>(values);
    Map<String, String> flat = new LinkedHashMap<>();
    values.forEach(
        (key, value) -> {
          if (!isOfChild(key)) {
            flat.put(key, value);
          }
        });
    this.own = DeviceOptions.of(context, flat);
  }

  /** Keys with a dot that are no child's. */
  private static boolean isOfChild(String key) {
    return key.indexOf('.') >= 0
        && !key.startsWith("cache.")
        && !key.startsWith("server.")
        && !key.startsWith("pass-discard-")
        && !key.startsWith("set-state.")
        && !key.startsWith("inject-error.")
        && !key.startsWith("throttling.");
  }

  /**
   * @param context how the user wrote them, for messages
   */
  public static BlockOptions of(String context, Map<String, String> values) {
    return new BlockOptions(context, values);
  }

  /** The node's own keys. */
  public DeviceOptions own() {
    return own;
  }

  public String context() {
    return context;
  }

  /** All keys and values, children's included. */
  public Map<String, String> all() {
    return Map.copyOf(values);
  }

  /** The same with another value of a key. */
  public BlockOptions with(String key, String value) {
    Map<String, String> changed = new LinkedHashMap<>(values);
    changed.put(key, value);
    return new BlockOptions(context, changed);
  }

  /** The same with a value where there is none. */
  public BlockOptions withDefault(String key, String value) {
    return values.containsKey(key) ? this : with(key, value);
  }

  public BlockOptions without(String key) {
    Map<String, String> changed = new LinkedHashMap<>(values);
    changed.remove(key);
    return new BlockOptions(context, changed);
  }

  public boolean has(String key) {
    return values.containsKey(key);
  }

  /** Who plays a part; empty where nothing is said about it. */
  public Optional<Child> child(String role) {
    Map<String, String> inline = new LinkedHashMap<>();
    String prefix = role + ".";
    values.forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            inline.put(key.substring(prefix.length()), value);
          }
        });
    Optional<String> reference = own.string(role).or(() -> Optional.ofNullable(values.get(role)));
    if (reference.isPresent() && !inline.isEmpty()) {
      throw own.error("%s names a node and describes one; do one of both".formatted(role));
    }
    if (reference.isPresent()) {
      return Optional.of(
          reference.get().isEmpty() ? new Child.Nobody() : new Child.Reference(reference.get()));
    }
    return inline.isEmpty()
        ? Optional.empty()
        : Optional.of(new Child.Inline(new BlockOptions(context, inline)));
  }

  /** The roles {@code NAME.0}, {@code NAME.1} and so on that are described, in order. */
  public Iterable<String> roles(String name) {
    Map<Integer, String> found = new TreeMap<>();
    for (String key : values.keySet()) {
      if (key.startsWith(name + ".")) {
        String number = key.substring(name.length() + 1).split("\\.", 2)[0];
        try {
          int index = Integer.parseInt(number);
          own.has(name + "." + number);
          found.put(index, name + "." + number);
        } catch (NumberFormatException e) {
          throw own.error("%s is no number, in %s".formatted(number, key));
        }
      }
    }
    return found.values();
  }

  /** Complains about keys that no driver asked for. */
  public void rejectUnknown(String... childRoles) {
    own.rejectUnknown();
    for (String key : values.keySet()) {
      if (isOfChild(key) && !isOf(key, childRoles)) {
        throw own.error("unknown property \"%s\"".formatted(key));
      }
    }
  }

  private static boolean isOf(String key, String... roles) {
    for (String role : roles) {
      if (key.startsWith(role + ".")) {
        return true;
      }
    }
    return false;
  }

  public ConfigException error(String message) {
    return own.error(message);
  }
}
