package dev.pollux.devices.storage.ide;

/** What a drive is connected to: a channel with registers, or a port of AHCI. Machine lock held. */
interface AtaLink {
  /** Nothing. */
  AtaLink NONE =
      new AtaLink() {
        @Override
        public void interrupt(IdeDrive drive) {}

        @Override
        public void dataRequested(IdeDrive drive, boolean dma) {}

        @Override
        public int transfer(long host, int length, boolean toMemory) {
          return 0;
        }

        @Override
        public void dmaEnded(IdeDrive drive) {}
      };

  /** Whether there is no data register: all commands transfer as those by DMA do. */
  default boolean movesAllData() {
    return false;
  }

  /** The drive asks for an interrupt (INTRQ). */
  void interrupt(IdeDrive drive);

  /** Commands that it lets drives have waiting at once; 0 if one after the other only. */
  default int queueDepth() {
    return 0;
  }

  /**
   * The drive has a command that transfers by DMA, or as one by DMA: {@link IdeDrive#runDma} begins
   * with it.
   *
   * @param dma whether the command itself says so
   */
  void dataRequested(IdeDrive drive, boolean dma);

  /**
   * Moves bytes between a drive's buffer and guest memory, on from where the last transfer ended.
   *
   * @param host address of the buffer
   * @return bytes that there was room for; fewer where the guest's list ends
   */
  int transfer(long host, int length, boolean toMemory);

  /** The command has ended. */
  void dmaEnded(IdeDrive drive);

  /** The command has ended before all its data have passed, as the guest's list was too short. */
  default void listEnded(IdeDrive drive) {
    dmaEnded(drive);
  }
}
