package dev.pollux.cli.pair.ledger;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/** A single ZooKeeper server in this process: for trials, where there is no ensemble. */
public final class ZooKeeperProcess implements AutoCloseable {
  private static final int TICK_MILLIS = 1000;
  private static final int MOST_CLIENTS = 100;

  private final NIOServerCnxnFactory connections;

  /**
   * Starts it.
   *
   * @param address to listen on; port 0 for any
   * @param folder keeps what it knows
   */
  public ZooKeeperProcess(InetSocketAddress address, Path folder) throws IOException {
    connections = new NIOServerCnxnFactory();
    try {
      ZooKeeperServer server = new ZooKeeperServer(folder.toFile(), folder.toFile(), TICK_MILLIS);
      connections.configure(address, MOST_CLIENTS);
      connections.startup(server);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Where it listens. */
  public int port() {
    return connections.getLocalPort();
  }

  @Override
  public void close() {
    connections.shutdown();
  }
}
