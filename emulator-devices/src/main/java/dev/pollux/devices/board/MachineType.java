package dev.pollux.devices.board;

import dev.pollux.devices.model.DeviceManager;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;

/**
 * A type of machine.
 *
 * @param name with the version of QEMU whose machine this is, where it has one
 * @param alias the short name; empty where there is none
 * @param stem of versioned names, for instance {@code pc-i440fx-}; empty where there are none
 * @param hasPci whether its virtio devices go on PCI
 * @param ideBuses IDE or SATA cables
 * @param drivesPerBus drives on each of them
 * @param factory makes one
 */
public record MachineType(
    String name,
    String alias,
    String stem,
    String description,
    boolean isDefault,
    boolean hasPci,
    int ideBuses,
    int drivesPerBus,
    Factory factory) {
  /** Makes a board. */
  @FunctionalInterface
  public interface Factory {
    /**
     * @throws IOException if the host does not give the memory
     */
    Board create(DeviceManager devices, BoardConfig config) throws IOException;
  }

  /** Versions of QEMU whose machines are taken for the present one. */
  private static final List<String> VERSIONS =
      List.of(
          "10.2", "10.1", "10.0", "9.2", "9.1", "9.0", "8.2", "8.1", "8.0", "7.2", "7.1", "7.0",
          "6.2", "6.1", "6.0", "5.2", "5.1", "5.0", "4.2", "4.1", "4.0", "3.1", "3.0", "2.12",
          "2.11", "2.10", "2.9", "2.8", "2.7", "2.6");

  /** Whether firmware for PCs boots it. */
  public boolean bootsFirmware() {
    return hasPci;
  }

  /** Drives that {@code -drive if=ide} can have. */
  public int ideDrives() {
    return ideBuses * drivesPerBus;
  }

  /** The names of older versions. */
  public List<String> olderNames() {
    return stem.isEmpty()
        ? List.of()
        : VERSIONS.stream().map(v -> stem + v).filter(n -> !n.equals(name)).toList();
  }

  /** All its names. */
  Stream<String> names() {
    return Stream.concat(Stream.of(name, alias).filter(n -> !n.isEmpty()), olderNames().stream());
  }
}
