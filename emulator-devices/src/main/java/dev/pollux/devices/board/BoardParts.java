package dev.pollux.devices.board;

import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.irqchip.LocalApic;
import dev.pollux.devices.irqchip.Pic8259;
import dev.pollux.devices.isa.DmaController;
import dev.pollux.devices.isa.FloatErrorLatch;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.Port92;
import dev.pollux.devices.isa.ResetControl;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.pci.ConfigPorts;
import dev.pollux.devices.pci.I440Fx;
import dev.pollux.devices.pci.Ich9Lpc;
import dev.pollux.devices.pci.Mch;
import dev.pollux.devices.pci.Piix3;
import dev.pollux.devices.pci.Piix4Pm;
import dev.pollux.devices.pci.SlotHotplug;
import dev.pollux.devices.storage.flash.CfiFlash;
import dev.pollux.devices.storage.ide.PiixIde;
import dev.pollux.devices.timer.CmosRtc;
import dev.pollux.devices.timer.Hpet;
import dev.pollux.devices.timer.Pit8254;
import dev.pollux.devices.virtio.transport.VirtioMmio;
import java.util.List;

/** The types of the parts that boards make themselves. */
final class BoardParts {
  static final List<DeviceType<?>> TYPES =
      List.of(
          FwCfg.TYPE,
          RamFramebuffer.TYPE,
          LocalApic.TYPE,
          IoApic.TYPE,
          Hpet.TYPE,
          Pic8259.TYPE,
          Pit8254.TYPE,
          CmosRtc.TYPE,
          DmaController.TYPE,
          I8042.TYPE,
          Port92.TYPE,
          ResetControl.TYPE,
          FloatErrorLatch.TYPE,
          AcpiPm.TYPE,
          ConfigPorts.I440FX,
          ConfigPorts.Q35,
          I440Fx.TYPE,
          Ich9Lpc.TYPE,
          Mch.TYPE,
          Piix3.TYPE,
          PiixIde.TYPE,
          CfiFlash.TYPE,
          Piix4Pm.TYPE,
          SlotHotplug.TYPE,
          VirtioMmio.TYPE);

  private BoardParts() {}
}
