package dev.pollux.cli.pair.ledger;

import dev.pollux.cli.pair.decide.Ledger;
import java.io.IOException;
import java.util.Optional;

/**
 * Keeps one record for both sides of a pair. What has been written is what both see from then on,
 * whatever happens to either host.
 */
public interface LedgerStore extends AutoCloseable {
  /**
   * The newest record.
   *
   * @return empty where there has never been one
   * @throws IOException if that cannot be known just now, or it is no record, with a sentence
   */
  Optional<Ledger> look() throws IOException;

  /**
   * Replaces the record, if the version before is the newest.
   *
   * @param next with a version of 1 to make the first record
   * @return false if another has come first
   * @throws IOException if it is not known whether that has happened, or will happen yet
   */
  boolean replace(Ledger next) throws IOException;

  @Override
  void close();
}
