package dev.pollux.devices.model;

import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
import java.util.HashMap;
import java.util.Map;

/**
 * What devices and objects are made with: the machine and the registries of back ends. One per
 * machine.
 */
public final class MachineServices {
  private final Machine machine;
  private final CharDevices charDevices;
  private final ObjectManager objects;

  /** By stem, how many buses without a name of their own there have been. */
  private final Map<String, Integer> busNumbers = new HashMap<>();

  public MachineServices(Machine machine, CharDevices charDevices, ObjectManager objects) {
    this.machine = machine;
    this.charDevices = charDevices;
    this.objects = objects;
  }

  public Machine machine() {
    return machine;
  }

  public CharDevices charDevices() {
    return charDevices;
  }

  public ObjectManager objects() {
    return objects;
  }

  /** A new name {@code stem.n}. */
  String freeBusName(String stem) {
    return stem + "." + (busNumbers.merge(stem, 1, Integer::sum) - 1);
  }
}
