package dev.pollux.devices.model;

import java.util.Locale;

/** A switch that may be left to the machine. */
public enum OnOffAuto {
  ON,
  OFF,
  AUTO;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
