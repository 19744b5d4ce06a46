package dev.pollux.migration.colo;

import java.util.Locale;

/** What calls for checkpoints. */
public enum CheckpointCause {
  /** {@code x-checkpoint-delay} has passed. */
  TIMER,
  /** {@code x-checkpoint-delay} was set. */
  PARAMETER,
  /** A command asked for it. */
  COMMAND,
  /** The guests' packets differ, or one side's is missing. */
  NETWORK;

  /** The name shown in statistics. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
