package dev.pollux.devices.model;

import java.util.List;

/** Where the parts of a board sit that are on no bus of their own. */
public final class SystemBus extends Bus {
  public static final BusKind<SystemBus> KIND =
      new BusKind<>("System", SystemBus.class, "sys-bus-device", List.of());

  public SystemBus() {
    super(KIND, "main-system-bus");
  }
}
