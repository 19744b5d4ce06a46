package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockDevice;
import dev.pollux.devices.model.DeviceNode;

/** A drive as the block layer sees it. Requests that failed are tried again by the drive itself. */
class AttachedDrive implements BlockDevice {
  private final DeviceNode node;

  AttachedDrive(DeviceNode node) {
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
