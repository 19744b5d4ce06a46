package dev.pollux.cli.pair.ledger;

import dev.pollux.cli.pair.DurableFile;
import dev.pollux.cli.pair.decide.Ledger;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * A record in a file that both hosts have mounted. A lock of the file system's ({@code fcntl},
 * which NFS 4 and cluster file systems take to all hosts) is held for the moment of each look and
 * replacement, on a file beside it, because the record itself is replaced by renaming.
 */
public final class FileLedger implements LedgerStore {
  /** Of one process only one thread may have a lock. */
  private static final Object LOCK = new Object();

  private final Path file;
  private final FileChannel lock;

  /**
   * @param file is made with the first record
   */
  public FileLedger(Path file) throws IOException {
    this.file = file;
    lock =
        FileChannel.open(
            file.resolveSibling(file.getFileName() + ".lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE);
  }

  @Override
  public Optional<Ledger> look() throws IOException {
    synchronized (LOCK) {
      try (var _ = lock.lock()) {
        return read();
      }
    }
  }

  private Optional<Ledger> read() throws IOException {
    try {
      return Optional.of(LedgerFormat.read(file.toString(), Files.readAllBytes(file)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  @Override
  public boolean replace(Ledger next) throws IOException {
    synchronized (LOCK) {
      try (var _ = lock.lock()) {
        if (read().map(Ledger::version).orElse(0L) != next.version() - 1) {
          return false;
        }
        DurableFile.replace(file, LedgerFormat.write(next));
        return true;
      }
    }
  }

  @Override
  public void close() {
    try {
      lock.close();
    } catch (IOException e) {
      // Its lock is gone in any case.
    }
  }
}
