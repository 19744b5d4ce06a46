package dev.pollux.devices.model;

/** The groups into which {@code -device help} sorts the types. */
public enum DeviceCategory {
  BRIDGE("Controller/Bridge/Hub"),
  USB("USB"),
  STORAGE("Storage"),
  NETWORK("Network"),
  INPUT("Input"),
  DISPLAY("Display"),
  SOUND("Sound"),
  MISC("Misc"),
  CPU("CPU"),
  WATCHDOG("Watchdog"),
  UNCATEGORIZED("Uncategorized");

  private final String title;

  DeviceCategory(String title) {
    this.title = title;
  }

  public String title() {
    return title;
  }
}
