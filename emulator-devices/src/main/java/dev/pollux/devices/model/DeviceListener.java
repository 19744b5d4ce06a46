package dev.pollux.devices.model;

import java.util.Optional;

/** Hears of devices that go. Machine lock held. */
public interface DeviceListener {
  /**
   * A device is gone.
   *
   * @param id as the user called it
   * @param path where it was in the object tree
   */
  void removed(Optional<String> id, String path);

  /** The guest would not let go of a device. */
  void unplugRefused(Optional<String> id, String path);
}
