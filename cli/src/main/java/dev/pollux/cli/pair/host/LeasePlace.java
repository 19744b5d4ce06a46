package dev.pollux.cli.pair.host;

import dev.pollux.cli.pair.ledger.FileLedger;
import dev.pollux.cli.pair.ledger.LedgerStore;
import dev.pollux.cli.pair.ledger.ZooKeeperLedger;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** Where the record is, as the user says it. */
public sealed interface LeasePlace {
  /** {@code zookeeper:HOST:PORT,...}. */
  record ZooKeeper(String servers) implements LeasePlace {}

  /** {@code file:PATH}, on storage that both hosts share. */
  record SharedFile(Path path) implements LeasePlace {}

  /** Reads the argument of {@code --lease}. */
  static LeasePlace parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? text : text.substring(0, colon);
    String where = colon < 0 ? "" : text.substring(colon + 1);
    if (!where.isEmpty() && kind.equals("zookeeper")) {
      return new ZooKeeper(where);
    }
    if (!where.isEmpty() && kind.equals("file")) {
      return new SharedFile(Path.of(where).toAbsolutePath());
    }
    throw new ConfigException(
        "--lease %s: give zookeeper:HOST:PORT[,HOST:PORT...], or file:PATH on storage that both"
                .formatted(text)
            + " hosts share");
  }

  /**
   * Opens it.
   *
   * @param pair the record's name
   */
  default LedgerStore open(String pair, Duration patience) throws IOException {
    return switch (this) {
      case ZooKeeper(String servers) -> new ZooKeeperLedger(servers, pair, patience);
      case SharedFile(Path path) -> new FileLedger(path, patience);
    };
  }
}
