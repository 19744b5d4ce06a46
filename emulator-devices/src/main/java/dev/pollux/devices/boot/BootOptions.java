package dev.pollux.devices.boot;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What firmware is told about booting.
 *
 * @param order letters of drives: a and b for floppies, c for a disk, d for a disc, n to p for the
 *     network
 * @param once the order up to the first reset
 * @param menu whether people may choose
 * @param splashTime milliseconds that a menu or picture waits
 * @param rebootTimeout milliseconds until a reset where nothing can be booted; -1 for none
 * @param strict nothing but what has a place in the order is tried
 * @param serialConsole the text screen is shown on the first serial port, too
 * @param optionRoms by the names that firmware sees
 * @param smbios what the machine is said to be; empty for what firmware says by itself
 */
public record BootOptions(
    String order,
    String once,
    boolean menu,
    OptionalInt splashTime,
    int rebootTimeout,
    boolean strict,
    boolean serialConsole,
    Map<String, Rom> optionRoms,
    Optional<Smbios> smbios) {
  /**
   * An option ROM for firmware to run.
   *
   * @param bootIndex its place among what is booted from; -1 for none
   */
  public record Rom(byte[] content, long bootIndex) {}

  /** The first disk, then a floppy, then a disc. */
  public static final String USUAL_ORDER = "cad";

  public BootOptions {
    optionRoms = Map.copyOf(optionRoms);
  }
}
