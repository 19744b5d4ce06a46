package dev.pollux.backend.block.nbd;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.util.Collection;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An NBD server: takes connections and gives each a session. Any thread. */
public final class NbdServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(NbdServer.class);

  private static final int RETRY_MILLIS = 100;

  /** The exports of a server. Any thread. */
  public interface Directory {
    Optional<NbdExport> find(String name);

    Collection<NbdExport> all();

    /** A client has come, or has gone. */
    default void clients(int number) {}
  }

  private final NbdAddress address;
  private final ServerSocketChannel socket;
  private final Directory directory;
  private final Semaphore places;
  private final Set<NbdSession> sessions = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  private NbdServer(
      NbdAddress address, ServerSocketChannel socket, Directory directory, int mostConnections) {
    this.address = address;
    this.socket = socket;
    this.directory = directory;
    this.places = new Semaphore(mostConnections == 0 ? Integer.MAX_VALUE : mostConnections);
  }

  /**
   * Begins to listen.
   *
   * @param mostConnections at a time; later ones wait until one ends. 0 for any number
   */
  public static NbdServer start(NbdAddress address, Directory directory, int mostConnections)
      throws IOException {
    NbdServer server = new NbdServer(address, address.listen(), directory, mostConnections);
    Thread.ofPlatform().name("NBD server").daemon(true).start(server::accept);
    return server;
  }

  /** The TCP port; 0 of a socket in the file system. */
  public int port() throws IOException {
    return socket.getLocalAddress() instanceof InetSocketAddress inet ? inet.getPort() : 0;
  }

  private void accept() {
    while (!closed) {
      try {
        places.acquire();
        SocketChannel client = socket.accept();
        if (client.getRemoteAddress() instanceof InetSocketAddress) {
          client.setOption(StandardSocketOptions.TCP_NODELAY, true);
          client.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        }
        NbdSession session = new NbdSession(new NbdChannel(client), directory, this::ended);
        sessions.add(session);
        directory.clients(sessions.size());
        session.start();
        if (closed) {
          session.close();
        }
      } catch (InterruptedException e) {
        return;
      } catch (IOException e) {
        places.release();
        if (!closed) {
          log.warn("NBD server {} cannot take a connection: {}", address, e.getMessage());
          pause(); // the host may be short of descriptors
        }
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(RETRY_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void ended(NbdSession session) {
    if (sessions.remove(session)) {
      places.release();
      directory.clients(sessions.size());
    }
  }

  /** Stops to listen and cuts off all clients. */
  @Override
  public void close() {
    closed = true;
    try {
      socket.close();
      if (address.file().isPresent()) {
        Files.deleteIfExists(address.file().get());
      }
    } catch (IOException e) {
      log.debug("closing NBD server {}", address, e);
    }
    sessions.forEach(NbdSession::close);
  }
}
