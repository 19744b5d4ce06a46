package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import java.util.List;
import java.util.Optional;

/**
 * Everything of a machine that has a name, as {@code qom-list} shows it. Everything with the
 * machine lock held.
 *
 * <pre>
 *   /machine/peripheral/ID               what users add with an id
 *   /machine/peripheral-anon/device[n]   without one
 *   /machine/unattached/device[n]        parts of the board
 *   /objects/ID                          -object
 * </pre>
 */
public final class ObjectTree {
  private static final String CONTAINER = "container";

  private final TreeNode root = new TreeNode(CONTAINER);
  private final TreeNode objects = root.add("objects", new TreeNode(CONTAINER));
  private final TreeNode machine;
  private final TreeNode unattached;
  private final TreeNode peripheral;
  private final TreeNode anonymous;

  /**
   * @param machineType for instance {@code pc-i440fx-10.2-machine}
   */
  public ObjectTree(String machineType) {
    machine = root.add("machine", new TreeNode(machineType));
    unattached = machine.add("unattached", new TreeNode(CONTAINER));
    peripheral = machine.add("peripheral", new TreeNode(CONTAINER));
    anonymous = machine.add("peripheral-anon", new TreeNode(CONTAINER));
  }

  public TreeNode root() {
    return root;
  }

  public TreeNode machine() {
    return machine;
  }

  public TreeNode objects() {
    return objects;
  }

  public TreeNode unattached() {
    return unattached;
  }

  public TreeNode peripheral() {
    return peripheral;
  }

  public TreeNode anonymous() {
    return anonymous;
  }

  /**
   * The node of a path: an absolute one, or the end of one that fits a single node.
   *
   * @throws ConfigException if there is none, or more than one
   */
  public TreeNode find(String path) {
    if (path.startsWith("/")) {
      return absolute(path).orElseThrow(() -> notFound(path));
    }
    List<TreeNode> matches =
        root.all().stream()
            .filter(node -> !path.isEmpty() && node.path().endsWith("/" + path))
            .toList();
    return switch (matches.size()) {
      case 0 -> throw notFound(path);
      case 1 -> matches.getFirst();
      default ->
          throw new ConfigException(
              "Path '%s' is ambiguous; give the whole one, for instance %s"
                  .formatted(path, matches.getFirst().path()));
    };
  }

  private static ConfigException notFound(String path) {
    return ConfigException.deviceNotFound("Device '%s' not found".formatted(path));
  }

  private Optional<TreeNode> absolute(String path) {
    Optional<TreeNode> node = Optional.of(root);
    for (String part : path.split("/", -1)) {
      if (!part.isEmpty()) {
        node = node.flatMap(n -> n.child(part));
      }
    }
    return node;
  }
}
