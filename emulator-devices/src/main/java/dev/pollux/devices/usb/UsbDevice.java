package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import java.util.Set;

/** Something with a USB plug. Machine lock held. */
public sealed interface UsbDevice extends Device permits UsbHid, UsbStorage {
  /** What it calls itself. */
  String productName();

  /** How firmware calls its kind in the path of what it boots from. */
  String firmwareName();

  /** The speeds that it can have. */
  Set<UsbSpeed> speeds();

  /** It is plugged in. */
  void plugged(UsbPort port);

  /** Where it is plugged in. */
  UsbPort port();

  /** The address that its host gave it; 0 for none. */
  int address();

  /** The bus has reset it: its state is as after plugging in. */
  void busReset();

  /**
   * A control transfer.
   *
   * @param data of the request's length at most
   */
  UsbAnswer control(SetupPacket setup, UsbData data);

  /**
   * A transfer at another endpoint.
   *
   * @param endpoint its number, with bit 7 towards the host
   */
  UsbAnswer transfer(int endpoint, UsbData data);

  /** The last part of its name in saved state. */
  String sectionName();

  @Override
  default String id() {
    return port().path() + "/" + sectionName();
  }
}
