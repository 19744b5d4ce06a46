package dev.pollux.devices.virtio;

import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.storage.scsi.ScsiDisk;
import dev.pollux.devices.virtio.fs.VirtioFs;
import dev.pollux.devices.virtio.gpu.VirtioGpu;
import dev.pollux.devices.virtio.scsi.VirtioScsi;
import dev.pollux.devices.virtio.serial.SerialPort;
import dev.pollux.devices.virtio.serial.VirtioSerial;
import java.util.List;

/** The declarations of all virtio devices. */
public final class VirtioDevices {
  public static final List<VirtioType> TYPES =
      List.of(
          VirtioBalloon.TYPE,
          VirtioBlk.TYPE,
          VirtioFs.TYPE,
          VirtioGpu.TYPE,
          VirtioNet.TYPE,
          VirtioRng.TYPE,
          VirtioScsi.TYPE,
          VirtioSerial.TYPE);

  /** What is plugged into some of them. */
  public static final List<DeviceType<?>> INNER =
      List.of(
          SerialPort.CONSOLE, SerialPort.CHANNEL, ScsiDisk.HD, ScsiDisk.CD, ScsiDisk.PASS_THROUGH);

  private VirtioDevices() {}
}
