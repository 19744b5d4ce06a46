package dev.pollux.devices.virtio;

/** Carries a device that no guest sees. */
public final class NoTransport implements VirtioTransport {
  @Override
  public void notifyQueue(int queue) {}

  @Override
  public void notifyConfig() {}

  @Override
  public String path() {
    return "test";
  }
}
