package dev.pollux.migration;

import static dev.pollux.migration.MigrationCapability.*;

import dev.pollux.core.config.ConfigException;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * Which capabilities are switched on, and the rules of what goes together. Changed with the machine
 * lock held; any thread may read.
 */
public final class MigrationCapabilities {
  /** What this program can do; switching on another one is refused. */
  private static final Set<MigrationCapability> BUILT =
      EnumSet.of(
          ZERO_BLOCKS,
          EVENTS,
          X_COLO,
          RETURN_PATH,
          PAUSE_BEFORE_SWITCHOVER,
          MULTIFD,
          LATE_BLOCK_ACTIVATE);

  private static final Set<MigrationCapability> NOT_WITH_SNAPSHOT =
      EnumSet.of(
          POSTCOPY_RAM,
          DIRTY_BITMAPS,
          POSTCOPY_BLOCKTIME,
          LATE_BLOCK_ACTIVATE,
          RETURN_PATH,
          MULTIFD,
          PAUSE_BEFORE_SWITCHOVER,
          AUTO_CONVERGE,
          RELEASE_RAM,
          RDMA_PIN_ALL,
          XBZRLE,
          X_COLO,
          VALIDATE_UUID,
          ZERO_COPY_SEND);

  private volatile Set<MigrationCapability> enabled = Set.of();

  /** Those switched on. */
  public Set<MigrationCapability> enabled() {
    return enabled;
  }

  public boolean has(MigrationCapability capability) {
    return enabled.contains(capability);
  }

  /**
   * Switches capabilities on and off: all of {@code changes}, or none where the new set breaks a
   * rule. Says on standard error what is deprecated of that which is switched on.
   *
   * @param status of the migration, outgoing or incoming
   * @param incomingStarted a migration is awaited or comes in just now
   * @throws ConfigException if a rule is broken, with its name
   */
  public void change(
      Map<MigrationCapability, Boolean> changes,
      MigrationParameters parameters,
      MigrationStatus status,
      boolean incomingStarted) {
    if (status.isUnderWay()) {
      throw new ConfigException("There's a migration process in progress");
    }
    EnumSet<MigrationCapability> wanted = EnumSet.noneOf(MigrationCapability.class);
    wanted.addAll(enabled);
    changes.forEach((capability, on) -> set(wanted, capability, on));
    check(wanted, changes, parameters, incomingStarted);
    enabled = Collections.unmodifiableSet(wanted);
  }

  private static void set(
      Set<MigrationCapability> set, MigrationCapability capability, boolean on) {
    if (on) {
      set.add(capability);
    } else {
      set.remove(capability);
    }
  }

  /** The rules, in the order in which they are reported. */
  private void check(
      Set<MigrationCapability> wanted,
      Map<MigrationCapability, Boolean> changes,
      MigrationParameters parameters,
      boolean incomingStarted) {
    warn(changes, ZERO_BLOCKS, "zero-blocks capability is deprecated");
    warn(changes, X_COLO, "COLO migration framework is deprecated");
    if (wanted.contains(POSTCOPY_RAM)) {
      refuse(wanted.contains(X_IGNORE_SHARED), "Postcopy is not compatible with ignore-shared");
    }
    if (wanted.contains(BACKGROUND_SNAPSHOT)) {
      for (MigrationCapability other : NOT_WITH_SNAPSHOT) {
        refuse(
            wanted.contains(other), "Background-snapshot is not compatible with " + other.label());
      }
    }
    if (wanted.contains(ZERO_COPY_SEND)) {
      refuse(
          !wanted.contains(MULTIFD)
              || wanted.contains(XBZRLE)
              || parameters.multifdCompression().orElseThrow()
                  != MigrationParameters.MultiFDCompression.NONE
              || !parameters.tlsCreds().orElseThrow().value().isEmpty(),
          "Zero copy only available for non-compressed non-TLS multifd migration");
    }
    if (wanted.contains(POSTCOPY_PREEMPT)) {
      refuse(!wanted.contains(POSTCOPY_RAM), "Postcopy preempt requires postcopy-ram");
      refuse(
          incomingStarted && !has(POSTCOPY_PREEMPT),
          "Postcopy preempt must be set before incoming starts");
    }
    refuse(
        wanted.contains(MULTIFD) && incomingStarted && !has(MULTIFD),
        "Multifd must be set before incoming starts");
    refuse(
        wanted.contains(SWITCHOVER_ACK) && !wanted.contains(RETURN_PATH),
        "Capability 'switchover-ack' requires capability 'return-path'");
    refuse(
        wanted.contains(DIRTY_LIMIT) && wanted.contains(AUTO_CONVERGE),
        "dirty-limit conflicts with auto-converge");
    refuse(
        wanted.contains(MULTIFD) && wanted.contains(XBZRLE),
        "Multifd is not compatible with xbzrle");
    if (wanted.contains(MAPPED_RAM)) {
      refuse(wanted.contains(XBZRLE), "Mapped-ram migration is incompatible with xbzrle");
      refuse(wanted.contains(POSTCOPY_RAM), "Mapped-ram migration is incompatible with postcopy");
    }
    for (MigrationCapability capability : wanted) {
      refuse(
          !BUILT.contains(capability),
          "Capability '%s' is not built into this program yet".formatted(capability.label()));
    }
  }

  private static void warn(
      Map<MigrationCapability, Boolean> changes, MigrationCapability capability, String what) {
    if (changes.getOrDefault(capability, false)) {
      System.err.println("warning: " + what);
    }
  }

  private static void refuse(boolean broken, String rule) {
    if (broken) {
      throw new ConfigException(rule);
    }
  }
}
