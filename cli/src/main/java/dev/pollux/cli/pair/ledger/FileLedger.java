package dev.pollux.cli.pair.ledger;

import dev.pollux.cli.pair.DurableFile;
import dev.pollux.cli.pair.decide.Ledger;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;

/**
 * A record in a file that both hosts have mounted. A lock of the file system's ({@code fcntl},
 * which NFS 4 and cluster file systems take to all hosts) is held for the moment of each look and
 * replacement, on a file beside it, because the record itself is replaced by renaming.
 */
public final class FileLedger implements LedgerStore {
  /** Of one process only one thread may have a lock. */
  private static final Object LOCK = new Object();

  private static final long TRY_MILLIS = 5;

  private final Path file;
  private final FileChannel lock;
  private final Duration patience;

  /**
   * @param file is made with the first record
   * @param patience with another host that has the lock
   */
  public FileLedger(Path file, Duration patience) throws IOException {
    this.file = file;
    this.patience = patience;
    lock =
        FileChannel.open(
            file.resolveSibling(file.getFileName() + ".lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE);
  }

  @Override
  public Optional<Ledger> look() throws IOException {
    synchronized (LOCK) {
      try (var _ = hold()) {
        return read();
      }
    }
  }

  private FileLock hold() throws IOException {
    long end = System.nanoTime() + patience.toNanos();
    for (FileLock held = lock.tryLock(); ; held = lock.tryLock()) {
      if (held != null) {
        return held;
      }
      if (System.nanoTime() - end > 0) {
        throw new IOException(
            "%s.lock: another process has held it for %d ms".formatted(file, patience.toMillis()));
      }
      MachineProcess.pause(TRY_MILLIS);
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
      try (var _ = hold()) {
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
