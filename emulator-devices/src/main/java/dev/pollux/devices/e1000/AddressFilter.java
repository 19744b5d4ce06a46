package dev.pollux.devices.e1000;

import java.nio.ByteBuffer;

/** Which frames the card takes (manual, 3.2.1 and 13.4.22). I/O thread's lock held. */
final class AddressFilter {
  private static final int ALL_UNICAST = 1 << 3;
  private static final int ALL_MULTICAST = 1 << 4;
  private static final int BROADCAST = 1 << 15;
  private static final int VLANS = 1 << 18;

  /** By RCTL.MO: where in the last 16 bits of an address the 12 bits begin that are looked up. */
  private static final int[] HASH_SHIFT = {4, 3, 2, 0};

  private final Registers registers;

  AddressFilter(Registers registers) {
    this.registers = registers;
  }

  boolean wants(ByteBuffer frame) {
    int at = frame.position();
    int control = registers.get(Registers.RCTL);
    if ((control & VLANS) != 0 && isTagged(frame) && !wantsVlan(frame.getShort(at + 14) & 0xfff)) {
      return false;
    }
    if ((frame.get(at) & 1) == 0) {
      return (control & ALL_UNICAST) != 0 || isOwn(frame, at);
    }
    if (isBroadcast(frame)) {
      return (control & (BROADCAST | ALL_MULTICAST)) != 0;
    }
    return (control & ALL_MULTICAST) != 0
        || isOwn(frame, at)
        || isHashed(frame, at, control >> 12 & 3);
  }

  static boolean isBroadcast(ByteBuffer frame) {
    int at = frame.position();
    return frame.getInt(at) == -1 && frame.getShort(at + 4) == -1;
  }

  boolean isTagged(ByteBuffer frame) {
    return frame.remaining() >= 18
        && (frame.getShort(frame.position() + 12) & 0xffff) == registers.get(Registers.VET);
  }

  private boolean wantsVlan(int number) {
    return (registers.get(Registers.VFTA + (number >> 5) * 4) & 1 << (number & 31)) != 0;
  }

  private boolean isOwn(ByteBuffer frame, int at) {
    int low = Integer.reverseBytes(frame.getInt(at));
    int high = Short.reverseBytes(frame.getShort(at + 4)) & 0xffff | Registers.ADDRESS_VALID;
    for (int entry = Registers.RA; entry < Registers.RA_END; entry += 8) {
      if (registers.get(entry) == low && (registers.get(entry + 4) & 0x8000_ffff) == high) {
        return true;
      }
    }
    return false;
  }

  private boolean isHashed(ByteBuffer frame, int at, int offset) {
    int last = Short.reverseBytes(frame.getShort(at + 4)) & 0xffff;
    int hash = last >> HASH_SHIFT[offset] & 0xfff;
    return (registers.get(Registers.MTA + (hash >> 5) * 4) & 1 << (hash & 31)) != 0;
  }
}
