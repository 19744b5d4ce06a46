package dev.pollux.devices.e1000;

import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;

/**
 * The transceiver, an 88E1011 at address 1 (manual, 13.4.16; IEEE 802.3, 22.2.4): it has always
 * agreed with its partner on 1 Gb/s, as long as there is a cable. Machine lock held.
 */
final class Phy {
  static final StateDescriptor<Phy> STATE =
      StateDescriptor.of(Phy.class, "e1000-phy", 1)
          .u32Array("values", Phy.REGISTERS, p -> p.values)
          .u32("transaction", p -> p.transaction, (p, v) -> p.transaction = v);

  private static final int REGISTERS = 32;

  private static final int CONTROL = 0;
  private static final int STATUS = 1;
  private static final int ID1 = 2;
  private static final int ID2 = 3;
  private static final int ADVERTISED = 4;
  private static final int PARTNER = 5;
  private static final int EXPANSION = 6;
  private static final int CONTROL_1000 = 9;
  private static final int STATUS_1000 = 10;
  private static final int OWN_CONTROL = 16;
  private static final int OWN_STATUS = 17;
  private static final int OWN_EXTENDED = 20;

  private static final int CONTROL_RESET = 1 << 15;
  private static final int CONTROL_RESTART = 1 << 9;
  private static final int LINK = 1 << 2;
  private static final int AGREED = 1 << 5;
  private static final int OWN_LINK = 1 << 10;
  private static final int OWN_RESOLVED = 1 << 11;

  /** Registers that software writes. */
  private static final int WRITABLE =
      1 << CONTROL | 1 << ADVERTISED | 1 << CONTROL_1000 | 1 << OWN_CONTROL | 1 << OWN_EXTENDED;

  private static final int ADDRESS = 1;
  private static final int WRITE = 1;
  private static final int READ = 2;
  private static final int READY = 1 << 28;
  private static final int ERROR = 1 << 30;

  private final int[] values = new int[REGISTERS];

  /** The register of the card that leads here (MDIC). */
  private int transaction;

  void reset(boolean cable) {
    Arrays.fill(values, 0);
    transaction = 0;
    values[CONTROL] = 0x1140;
    values[ID1] = 0x0141;
    values[ID2] = 0x0c20;
    values[ADVERTISED] = 0x0de1;
    values[PARTNER] = 0x4de1;
    values[EXPANSION] = 0x000d;
    values[CONTROL_1000] = 0x0e00;
    values[STATUS_1000] = 0x3c00;
    values[OWN_CONTROL] = 0x0360;
    values[OWN_EXTENDED] = 0x0d60;
    setLink(cable);
  }

  /** A cable was plugged in or pulled. */
  void setLink(boolean cable) {
    values[STATUS] = 0x7949 | (cable ? LINK | AGREED : 0);
    values[OWN_STATUS] = 0xa000 | (cable ? OWN_LINK | OWN_RESOLVED : 0);
  }

  int transaction() {
    return transaction;
  }

  /**
   * Carries out what software asks for.
   *
   * @return whether it has restarted the negotiation, which ends at once
   */
  boolean transact(int value) {
    int number = value >>> 16 & REGISTERS - 1;
    int operation = value >>> 26 & 3;
    transaction = value & 0x3fff_ffff | READY;
    if ((value >>> 21 & 31) != ADDRESS || operation != READ && operation != WRITE) {
      transaction |= ERROR;
      return false;
    }
    if (operation == READ) {
      transaction = transaction & ~0xffff | values[number] & 0xffff;
      return false;
    }
    if ((WRITABLE & 1 << number) != 0) {
      values[number] = value & 0xffff;
    }
    if (number != CONTROL) {
      return false;
    }
    values[CONTROL] &= ~(CONTROL_RESET | CONTROL_RESTART);
    return (value & (CONTROL_RESET | CONTROL_RESTART)) != 0;
  }
}
