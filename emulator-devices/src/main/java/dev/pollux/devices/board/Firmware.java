package dev.pollux.devices.board;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.storage.flash.FlashChip;
import java.util.List;

/** What a board begins with: it ends at 4 GiB, and its last 128 KiB are seen below 1 MiB too. */
public sealed interface Firmware {
  /** The memory that ends at 4 GiB, at least 128 KiB. */
  RamBlock top();

  /**
   * ROM.
   *
   * @param top at most 16 MiB
   */
  record Rom(RamBlock top) implements Firmware {}

  /**
   * Flash memory.
   *
   * @param chips each ends where the one before begins; 8 MiB together at most
   */
  record Flash(List<FlashChip> chips) implements Firmware {
    public Flash {
      chips = List.copyOf(chips);
    }

    @Override
    public RamBlock top() {
      return chips.getFirst().contents();
    }
  }
}
