package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The objects that users make with {@code -object} and {@code object-add}. Machine lock held. */
public final class ObjectManager implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ObjectManager.class);

  private final ObjectTree tree;
  private final List<ObjectType> types;

  public ObjectManager(ObjectTree tree, List<ObjectType> types) {
    this.tree = tree;
    this.types = List.copyOf(types);
  }

  /** All types, in the order of their declaration. */
  public List<ObjectType> types() {
    return types;
  }

  /**
   * The type of this name.
   *
   * @throws ConfigException if there is none
   */
  public static ObjectType type(List<ObjectType> types, String name) {
    return types.stream()
        .filter(type -> type.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ConfigException(
                    "Parameter 'qom-type' does not accept value '%s'; %s"
                        .formatted(
                            name,
                            Suggestions.hint(
                                name, types.stream().map(ObjectType::name).toList()))));
  }

  /**
   * Makes an object.
   *
   * @param options with {@code qom-type} and {@code id}
   * @throws ConfigException with one line for the user
   */
  public UserObject add(MachineServices services, DeviceOptions options) {
    ObjectType type = type(types, options.required("qom-type"));
    String id = Identifiers.check(options.required("id"));
    if (tree.objects().child(id).isPresent()) {
      throw options.error(
          "attempt to add duplicate property '%s' to object (type 'container'); choose another id"
              .formatted(id));
    }
    UserObject node = new UserObject(type, PropertyValues.read(type.properties(), options));
    node.setTarget(type.factory().create(node, services, options));
    return tree.objects().add(id, node);
  }

  /**
   * Removes an object that nobody uses.
   *
   * @throws ConfigException if there is none of this name or it is in use
   */
  public void remove(String id) {
    UserObject object = find(id);
    if (object.isUsed()) {
      throw new ConfigException("object '%s' is in use, can not be deleted".formatted(id));
    }
    object.remove();
    close(object);
  }

  private UserObject find(String id) {
    return tree.objects()
        .child(id)
        .map(UserObject.class::cast)
        .orElseThrow(() -> new ConfigException("object '%s' not found%s".formatted(id, hint(id))));
  }

  private String hint(String id) {
    List<String> names = tree.objects().children().stream().map(TreeNode::name).toList();
    return names.isEmpty() ? "; there are none" : "; " + Suggestions.hint(id, names);
  }

  /**
   * The object of this name.
   *
   * @param kind what its target must be
   * @throws ConfigException if there is none, or it is something else
   */
  public UserObject get(String id, Class<?> kind) {
    UserObject object = find(id);
    if (!kind.isInstance(object.target())) {
      throw new ConfigException("object '%s' is of type %s".formatted(id, object.type()));
    }
    return object;
  }

  private static void close(UserObject object) {
    try {
      object.release();
    } catch (RuntimeException e) {
      log.warn("object {}: {}", object.name(), e.getMessage());
    }
  }

  @Override
  public void close() {
    for (TreeNode object : new ArrayList<>(tree.objects().children()).reversed()) {
      object.remove();
      close((UserObject) object);
    }
  }
}
