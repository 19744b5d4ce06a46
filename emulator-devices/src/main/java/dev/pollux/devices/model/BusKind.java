package dev.pollux.devices.model;

import java.util.List;

/**
 * A kind of bus.
 *
 * @param name as {@code info qtree} and {@code -device help} call it, for instance {@code PCI}
 * @param type the class of its buses
 * @param deviceType the abstract type of everything on it, for instance {@code pci-device}
 * @param properties what every device on such a bus has
 */
public record BusKind<B extends Bus>(
    String name, Class<B> type, String deviceType, List<Property<?>> properties) {
  public BusKind {
    properties = List.copyOf(properties);
  }
}
