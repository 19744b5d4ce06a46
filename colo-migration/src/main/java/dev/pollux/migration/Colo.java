package dev.pollux.migration;

/** What all interfaces of COLO say about their future. */
public final class Colo {
  public static final String DEPRECATED_SINCE = "11.0";
  public static final String DEPRECATED = "deprecated without replacement";
  public static final String NOTHING = "nothing";

  private Colo() {}
}
