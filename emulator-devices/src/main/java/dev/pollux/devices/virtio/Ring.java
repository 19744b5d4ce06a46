package dev.pollux.devices.virtio;

/**
 * The layout of a queue in guest memory. Indices and wrap counters are in the {@link Virtqueue};
 * the I/O thread's lock is held.
 */
sealed interface Ring permits SplitRing, PackedRing {
  /** Whether the driver has made a chain available that was not popped. */
  boolean isAvailable() throws VirtioError;

  /** Takes the next chain, which is there. */
  DescriptorChain pop() throws VirtioError;

  /** Reads a chain again that was popped and not pushed. */
  DescriptorChain reopen(int position) throws VirtioError;

  /** Puts back the chain that was popped last. */
  void unpop(DescriptorChain chain);

  /** Gives several chains back; the driver sees all of them or none. */
  void push(DescriptorChain[] chains, int[] written, int count);

  /** Gives a chain back. */
  void push(DescriptorChain chain, int written);

  /** Tells the driver whether it need notify the device of new chains. */
  void wantNotifications(boolean wanted);

  /** Whether the driver wants an interrupt for what was pushed since the last question. */
  boolean wantsInterrupt();
}
