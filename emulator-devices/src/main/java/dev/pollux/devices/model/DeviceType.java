package dev.pollux.devices.model;

import dev.pollux.core.machine.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The declaration of a type of device, from which everything that names it comes. Constant; any
 * thread.
 *
 * @param name the type's name, for instance {@code virtio-blk-pci}
 * @param aliases other names that users may write
 * @param bus where such devices go
 * @param parents abstract types above it, the nearest first, beside those of the bus
 * @param properties its own, without those of the bus
 * @param inner types of devices inside, whose properties it has too
 * @param factory makes one
 * @param userCreatable whether users may add it, or only boards
 * @param hotpluggable whether it may come and go while the machine runs, where the bus allows it
 */
public record DeviceType<B extends Bus>(
    String name,
    List<String> aliases,
    BusKind<B> bus,
    DeviceCategory category,
    String description,
    List<String> parents,
    List<Property<?>> properties,
    List<String> inner,
    Factory<B> factory,
    boolean userCreatable,
    boolean hotpluggable) {

  /** Makes a device. */
  @FunctionalInterface
  public interface Factory<B extends Bus> {
    /**
     * Makes the device and wires it: registers that stay where they are, interrupt wires, back
     * ends. Machine lock held.
     *
     * @throws dev.pollux.core.config.ConfigException with one line for the user; what was claimed
     *     through the context is given back
     */
    Device create(B bus, DeviceContext context);
  }

  public DeviceType {
    aliases = List.copyOf(aliases);
    parents = List.copyOf(parents);
    inner = List.copyOf(inner);
    properties = List.copyOf(properties);
  }

  /** A type that users may add, hot-pluggable where its bus is, without properties so far. */
  public static <B extends Bus> DeviceType<B> on(BusKind<B> bus, String name, Factory<B> factory) {
    return new DeviceType<>(
        name,
        List.of(),
        bus,
        DeviceCategory.MISC,
        "",
        List.of(),
        List.of(),
        List.of(),
        factory,
        true,
        true);
  }

  /** A part of boards, which make it themselves and {@link DeviceManager#enter} it. */
  public static <B extends Bus> DeviceType<B> part(BusKind<B> bus, String name) {
    return new DeviceType<>(
        name,
        List.of(),
        bus,
        DeviceCategory.MISC,
        "",
        List.of(),
        List.of(),
        List.of(),
        (_, _) -> {
          throw new IllegalStateException(name + " is made by its board");
        },
        false,
        false);
  }

  public DeviceType<B> alias(String... names) {
    return new DeviceType<>(
        name,
        List.of(names),
        bus,
        category,
        description,
        parents,
        properties,
        inner,
        factory,
        userCreatable,
        hotpluggable);
  }

  public DeviceType<B> category(DeviceCategory value) {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        value,
        description,
        parents,
        properties,
        inner,
        factory,
        userCreatable,
        hotpluggable);
  }

  /** A sentence without a full stop. */
  public DeviceType<B> description(String text) {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        category,
        text,
        parents,
        properties,
        inner,
        factory,
        userCreatable,
        hotpluggable);
  }

  public DeviceType<B> parents(String... names) {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        category,
        description,
        List.of(names),
        properties,
        inner,
        factory,
        userCreatable,
        hotpluggable);
  }

  public DeviceType<B> properties(Property<?>... own) {
    return properties(List.of(own));
  }

  public DeviceType<B> properties(List<Property<?>> own) {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        category,
        description,
        parents,
        own,
        inner,
        factory,
        userCreatable,
        hotpluggable);
  }

  /** Says whose properties it has beside its own: defaults set for those hold for it. */
  public DeviceType<B> inner(String... names) {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        category,
        description,
        parents,
        properties,
        List.of(names),
        factory,
        userCreatable,
        hotpluggable);
  }

  /** A device that stays once it is there. */
  public DeviceType<B> coldPlugOnly() {
    return new DeviceType<>(
        name,
        aliases,
        bus,
        category,
        description,
        parents,
        properties,
        inner,
        factory,
        userCreatable,
        false);
  }

  /** Whether a user may call it so. */
  public boolean isCalled(String text) {
    return name.equals(text) || aliases.contains(text);
  }

  /** Its own properties and those of its bus. */
  public List<Property<?>> allProperties() {
    return Stream.concat(properties.stream(), bus.properties().stream()).toList();
  }

  /** The type and all above it, the nearest first, for instance up to {@code device}. */
  public List<String> lineage() {
    List<String> lineage = new ArrayList<>();
    lineage.add(name);
    lineage.addAll(parents);
    lineage.add(bus.deviceType());
    lineage.add("device");
    return lineage;
  }
}
