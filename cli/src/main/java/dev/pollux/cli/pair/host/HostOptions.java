package dev.pollux.cli.pair.host;

import dev.pollux.cli.pair.PairOptions;
import dev.pollux.cli.pair.decide.Timing;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * How one side of a pair on two hosts is run.
 *
 * @param pair its name, the same on both sides
 * @param here where this agent listens; that is this side's name, too
 * @param peer where the other one does
 * @param lease where the record is
 * @param leaseTime so long a record that was not replaced protects its holder
 * @param fence command that switches the other host off; its exit status 0 says that it is off
 * @param secret file that only those can read who may speak for a side
 * @param machine the machine, and how it is kept
 */
public record HostOptions(
    String pair,
    Endpoint here,
    Endpoint peer,
    LeasePlace lease,
    Duration leaseTime,
    Optional<String> fence,
    Optional<Path> secret,
    PairOptions machine) {
  private static final long GRACE_NANOS = Duration.ofSeconds(5).toNanos();
  private static final int RENEWALS = 5;

  /** The name of the other side. */
  String peerSide() {
    return peer.toString();
  }

  Timing timing() {
    long lease = leaseTime.toNanos();
    return new Timing(lease, lease / RENEWALS, lease / RENEWALS, GRACE_NANOS);
  }

  /** With questions to the record. */
  Duration patience() {
    return leaseTime.dividedBy(2);
  }
}
