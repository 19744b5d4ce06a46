package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Something in the object tree: its type, properties and children by name. Everything with the
 * machine lock held.
 */
public class TreeNode {
  private final String type;
  private final Map<String, TreeNode> children = new LinkedHashMap<>();
  private final Map<String, LiveProperty> properties = new LinkedHashMap<>();
  private TreeNode parent;
  private String name = "";

  /**
   * @param type the type's name, for instance {@code container}
   */
  public TreeNode(String type) {
    this.type = type;
    expose(LiveProperty.constant("type", "string", () -> type));
  }

  public final String type() {
    return type;
  }

  /** The last part of the path; empty at the root. */
  public final String name() {
    return name;
  }

  /** The absolute path, for instance {@code /machine/peripheral/disk0}. */
  public final String path() {
    if (parent == null) {
      return "/";
    }
    return (parent.parent == null ? "" : parent.path()) + "/" + name;
  }

  /**
   * Adds a child.
   *
   * @throws ConfigException if the name is taken
   */
  public final <N extends TreeNode> N add(String childName, N child) {
    if (children.containsKey(childName)) {
      throw new ConfigException(
          "attempt to add duplicate property '%s' to object (type '%s')"
              .formatted(childName, type));
    }
    children.put(childName, child);
    TreeNode added = child;
    added.parent = this;
    added.name = childName;
    return child;
  }

  /** Adds a child under the first free name {@code stem[n]}. */
  public final <N extends TreeNode> N addNumbered(String stem, N child) {
    int number = 0;
    while (children.containsKey(stem + "[" + number + "]")) {
      number++;
    }
    return add(stem + "[" + number + "]", child);
  }

  /** Takes the node out of its parent. */
  public final void remove() {
    if (parent != null) {
      parent.children.remove(name);
      parent = null;
    }
  }

  public final Optional<TreeNode> child(String childName) {
    return Optional.ofNullable(children.get(childName));
  }

  public final Collection<TreeNode> children() {
    return Collections.unmodifiableCollection(children.values());
  }

  /** Adds a property, or replaces one of the same name. */
  public final void expose(LiveProperty property) {
    properties.put(property.name(), property);
  }

  /** Its properties without its children. */
  public final Collection<LiveProperty> properties() {
    return Collections.unmodifiableCollection(properties.values());
  }

  /** A property that must be there. */
  public final LiveProperty property(String property) {
    LiveProperty found = properties.get(property);
    if (found == null) {
      throw new ConfigException("Property '%s.%s' not found".formatted(type, property));
    }
    return found;
  }

  /** The node and everything below it. */
  final List<TreeNode> all() {
    List<TreeNode> all = new ArrayList<>();
    all.add(this);
    children.values().forEach(child -> all.addAll(child.all()));
    return all;
  }
}
