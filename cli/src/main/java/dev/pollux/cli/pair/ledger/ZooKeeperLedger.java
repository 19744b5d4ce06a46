package dev.pollux.cli.pair.ledger;

import dev.pollux.cli.pair.decide.Ledger;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.RetryPolicy;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;

/**
 * A record in ZooKeeper: a persistent node whose version is that of the record, less one. Nothing
 * stands on sessions: a replacement goes through the ensemble's quorum, and what is looked at is
 * what the leader has, because {@code sync} goes before it.
 */
public final class ZooKeeperLedger implements LedgerStore {
  private static final int SESSION_MILLIS = 10_000;
  private static final String ROOT = "/pollux";

  /** A question that went wrong is the asker's: he has to know when it was asked. */
  private static final RetryPolicy NEVER = (count, elapsed, sleeper) -> false;

  private final CuratorFramework client;
  private final String path;

  /**
   * Connects; also where no server answers yet.
   *
   * @param servers {@code HOST:PORT}, several with commas, as ZooKeeper's clients take them
   * @param pair names it; several pairs may use one ensemble
   * @param patience with a server that does not answer
   */
  public ZooKeeperLedger(String servers, String pair, Duration patience) {
    this.path = "%s/%s".formatted(ROOT, pair);
    int millis = Math.toIntExact(patience.toMillis());
    client =
        CuratorFrameworkFactory.builder()
            .connectString(servers)
            .sessionTimeoutMs(SESSION_MILLIS)
            .connectionTimeoutMs(millis)
            .retryPolicy(NEVER)
            .build();
    client.start();
  }

  @Override
  public Optional<Ledger> look() throws IOException {
    try {
      var _ = client.getZookeeperClient().blockUntilConnectedOrTimedOut();
      return look(client.getZookeeperClient().getZooKeeper());
    } catch (Exception e) {
      throw failed(e);
    }
  }

  /** Both questions in one session: what is read after another connection's sync may be old. */
  private Optional<Ledger> look(ZooKeeper session) throws Exception {
    CompletableFuture<Integer> synced = new CompletableFuture<>();
    session.sync(path, (code, where, context) -> synced.complete(code), null);
    Optional<Ledger> found;
    try {
      byte[] text = session.getData(path, false, null);
      found = Optional.of(LedgerFormat.read(path, text));
    } catch (KeeperException.NoNodeException e) {
      found = Optional.empty();
    }
    KeeperException.Code code =
        KeeperException.Code.get(synced.get(SESSION_MILLIS, TimeUnit.MILLISECONDS));
    if (code != KeeperException.Code.OK && code != KeeperException.Code.NONODE) {
      throw KeeperException.create(code, path);
    }
    return found;
  }

  @Override
  public boolean replace(Ledger next) throws IOException {
    byte[] text = LedgerFormat.write(next);
    try {
      if (next.version() == 1) {
        var _ = client.create().creatingParentsIfNeeded().forPath(path, text);
      } else {
        int before = Math.toIntExact(next.version() - 2);
        var _ = client.setData().withVersion(before).forPath(path, text);
      }
      return true;
    } catch (KeeperException.BadVersionException
        | KeeperException.NoNodeException
        | KeeperException.NodeExistsException e) {
      return false;
    } catch (Exception e) {
      throw failed(e);
    }
  }

  private static IOException failed(Exception e) {
    if (e instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
    return e instanceof IOException known
        ? known
        : new IOException("ZooKeeper: " + e.getMessage(), e);
  }

  @Override
  public void close() {
    client.close();
  }
}
