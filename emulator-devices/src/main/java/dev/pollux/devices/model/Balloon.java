package dev.pollux.devices.model;

/** A device that takes memory from the guest and gives it back. Machine lock held. */
public interface Balloon {
  /** Bytes that the guest has now. */
  long actual();

  /**
   * Says how much memory the guest should have; it gets there in its own time.
   *
   * @param bytes above 0; all memory at most
   */
  void setTarget(long bytes);
}
