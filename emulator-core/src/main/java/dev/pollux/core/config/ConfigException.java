package dev.pollux.core.config;

/**
 * What a user asked for cannot be had: one line that says what is wrong and what would be right.
 */
public final class ConfigException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public ConfigException(String message) {
    super(message);
  }

  public ConfigException(String message, Throwable cause) {
    super(message, cause);
  }
}
