package dev.pollux.devices.model;

import java.util.Optional;

/** Hears what happens to devices. Machine lock held. */
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

  /**
   * The guest has opened or closed a port of virtio-serial.
   *
   * @param id the port's
   */
  default void portChanged(String id, boolean open) {}

  /**
   * The guest has more or less memory than before.
   *
   * @param actual bytes that it has
   */
  default void balloonChanged(long actual) {}
}
