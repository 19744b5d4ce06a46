package dev.pollux.devices.virtio;

import java.util.List;

/** The declarations of all virtio devices. */
public final class VirtioDevices {
  public static final List<VirtioType> TYPES =
      List.of(VirtioBlk.TYPE, VirtioRng.TYPE, VirtioNet.TYPE);

  private VirtioDevices() {}
}
