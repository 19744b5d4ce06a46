package dev.pollux.migration;

import dev.pollux.core.config.ConfigException;
import java.util.Map;

/**
 * Migrations of one machine and COLO, as monitors drive them. All methods but those that say
 * otherwise are called on the machine's event loop with the machine lock held, and return at once;
 * what fails by a user's mistake throws {@link ConfigException} with the sentence the user reads.
 */
public interface MigrationService {
  /** The capabilities in force. */
  MigrationCapabilities capabilities();

  /** Switches capabilities on and off, all or none. */
  void setCapabilities(Map<MigrationCapability, Boolean> changes);

  /** The parameters in force. */
  MigrationParameters parameters();

  /** Changes parameters, all or none. */
  void setParameters(MigrationParameters changes);

  /** How far the present or last migration is. */
  MigrationInfo info();

  /**
   * Starts to migrate to a destination. A connection that fails is told of by the status.
   *
   * @param resume goes on with a postcopy migration that was interrupted
   */
  void migrate(MigrationAddress to, boolean resume);

  /**
   * Waits for a migration, where {@code -incoming defer} was given.
   *
   * @param exitOnError a failure ends the process with status 1
   */
  void incoming(MigrationAddress from, boolean exitOnError);

  /** Gives up the migration under way, if there is one. */
  void cancel();

  /** Goes on from the state in which the migration waits. */
  void continueFrom(MigrationStatus state);

  /**
   * Pauses the guest. Where a migration or a checkpoint holds it just now it does not go on
   * afterwards; where a migration is awaited it does not start.
   */
  void stop();

  /**
   * Lets the guest run, or takes back what {@link #stop} has said about later. Where it cannot run
   * just now, for instance because it is held for a checkpoint, that is told.
   */
  void cont();

  /** What COLO does. */
  ColoStatus coloStatus();

  /** What COLO has done so far. */
  ColoStatistics coloStatistics();

  /** Starts the failover on this side. */
  void lostHeartbeat();

  /** Asks for a checkpoint. */
  void checkpoint();

  /** Whether connections of a migration are open. Any thread, without any lock. */
  boolean isYankable();

  /** Cuts all connections of the migration at once. Any thread, without any lock. */
  void yank();
}
