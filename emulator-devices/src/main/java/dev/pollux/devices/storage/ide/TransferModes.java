package dev.pollux.devices.storage.ide;

import dev.pollux.core.state.StateDescriptor;

/** Which DMA mode software has chosen by SET FEATURES (ATA/ATAPI-6, 8.46); it changes no speed. */
final class TransferModes {
  static final StateDescriptor<TransferModes> STATE =
      StateDescriptor.of(TransferModes.class, "ide-modes", 1)
          .u8("multiword", m -> m.multiword, (m, v) -> m.multiword = v)
          .u8("ultra", m -> m.ultra, (m, v) -> m.ultra = v);

  private int multiword;
  private int ultra;

  TransferModes() {
    reset();
  }

  /** Ultra DMA mode 5. */
  void reset() {
    multiword = 0;
    ultra = 1 << 5;
  }

  /**
   * Chooses a mode.
   *
   * @param value the sector count register of the command
   * @return false if there is no such mode
   */
  boolean choose(int value) {
    int mode = value & 7;
    switch (value >> 3) {
      case 0, 1 -> {
        multiword = 0;
        ultra = 0;
      }
      case 4 -> {
        multiword = 1 << mode;
        ultra = 0;
      }
      case 8 -> {
        multiword = 0;
        ultra = 1 << mode;
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  /** The words that tell which modes there are and which is chosen. */
  void describe(IdentifyData data) {
    data.word(63, multiword << 8 | 0x07).word(88, ultra << 8 | 0x3f);
  }
}
