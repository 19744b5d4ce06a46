package dev.pollux.devices.storage;

import dev.pollux.backend.block.BlockDevice;
import dev.pollux.devices.model.DeviceNode;

/** A drive as the block layer sees it: by the names of its device. */
public class AttachedDrive implements BlockDevice {
  private final DeviceNode node;

  public AttachedDrive(DeviceNode node) {
    this.node = node;
  }

  @Override
  public String id() {
    return node.id().orElse("");
  }

  @Override
  public String qomPath() {
    return node.path();
  }
}
