package dev.pollux.core.host;

import java.nio.file.Path;

/** Where the current user keeps what can be made or fetched again. */
public final class UserCache {
  private UserCache() {}

  /** {@code $XDG_CACHE_HOME/pollux/name}, by default below {@code ~/.cache}. */
  public static Path folder(String name) {
    String xdg = System.getenv("XDG_CACHE_HOME");
    String home = System.getenv().getOrDefault("HOME", System.getProperty("user.home"));
    Path base = xdg != null && xdg.startsWith("/") ? Path.of(xdg) : Path.of(home, ".cache");
    return base.resolve("pollux").resolve(name);
  }
}
