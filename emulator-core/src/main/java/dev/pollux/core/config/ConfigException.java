package dev.pollux.core.config;

/**
 * What a user asked for cannot be had: one line that says what is wrong and what would be right.
 */
public final class ConfigException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private boolean deviceNotFound;

  public ConfigException(String message) {
    super(message);
  }

  public ConfigException(String message, Throwable cause) {
    super(message, cause);
  }

  /** There is no device or back end of a name: monitors have an error class of its own for that. */
  public static ConfigException deviceNotFound(String message) {
    ConfigException e = new ConfigException(message);
    e.deviceNotFound = true;
    return e;
  }

  /** Whether it was made by {@link #deviceNotFound}. */
  public boolean isDeviceNotFound() {
    return deviceNotFound;
  }
}
