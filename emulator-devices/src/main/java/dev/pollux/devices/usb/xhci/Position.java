package dev.pollux.devices.usb.xhci;

/**
 * A place in a ring, and the cycle bit of what the driver has put there.
 *
 * @param address a multiple of 16
 */
record Position(long address, boolean cycle) {
  /** Links one after the other that a ring may have. */
  private static final int MOST_LINKS = 32;

  /**
   * A TRB of a ring.
   *
   * @param next the place behind it
   */
  record Found(Trb trb, Position next) {}

  /** From a pointer with the cycle bit lowest. */
  static Position of(long bits) {
    return new Position(bits & -16, (bits & 1) != 0);
  }

  /** A pointer with the cycle bit lowest. */
  long bits() {
    return address | (cycle ? 1 : 0);
  }

  /**
   * What is here, or behind the links that are; null if the driver has put nothing there yet.
   *
   * @throws HostError where a ring is not in RAM, or of links only
   */
  Found find(XhciMemory memory) throws HostError {
    Position at = this;
    for (int links = 0; links <= MOST_LINKS; links++) {
      Trb trb = memory.trb(at.address);
      if (trb.cycle() != at.cycle) {
        return null;
      }
      if (trb.type() != TrbType.LINK) {
        return new Found(trb, new Position(at.address + Trb.BYTES, at.cycle));
      }
      at = new Position(trb.pointer(), at.cycle != trb.toggles());
    }
    throw new HostError("a ring at 0x%x is a loop of links".formatted(address));
  }
}
