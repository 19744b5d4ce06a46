package dev.pollux.devices.virtio;

/**
 * A driver did what the specification forbids, in a way that leaves no meaning to its queue: the
 * device needs a reset (2.1.1). Without a stack trace, as guests can cause any number.
 */
public final class VirtioError extends Exception {
  private static final long serialVersionUID = 1;

  public VirtioError(String message) {
    super(message, null, false, false);
  }
}
