package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;
import java.util.List;

/**
 * The declaration of a type of {@code -object}. Constant; any thread.
 *
 * @param name for instance {@code iothread}
 * @param parent the abstract type above it, for instance {@code rng-backend}; {@code object} where
 *     there is none of interest
 * @param description a sentence without a full stop
 * @param factory makes one
 * @param late it needs back ends: where the command line asks for it, it is made after those
 */
public record ObjectType(
    String name,
    String parent,
    String description,
    List<Property<?>> properties,
    Factory factory,
    boolean late) {
  /** Makes an object. */
  @FunctionalInterface
  public interface Factory {
    /**
     * Makes what devices get. Machine lock held.
     *
     * @param node its properties, and where it can expose more
     * @param options as the user wrote them, for errors
     * @throws dev.pollux.core.config.ConfigException with one line for the user
     */
    Object create(UserObject node, MachineServices services, DeviceOptions options);
  }

  public ObjectType {
    properties = List.copyOf(properties);
  }

  /** A type that needs no back ends. */
  public ObjectType(
      String name,
      String parent,
      String description,
      List<Property<?>> properties,
      Factory factory) {
    this(name, parent, description, properties, factory, false);
  }
}
