package dev.pollux.migration.transport;

import dev.pollux.migration.MigrationAddress;
import java.io.Closeable;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.util.List;

/** Where a migration is awaited. */
public sealed interface IncomingTransport extends Closeable {
  /** Connections that may wait to be accepted: all that a migration can have. */
  int BACKLOG = 256;

  /** The next connection, entered into the migration's connections. Blocks. */
  MigrationChannel accept() throws IOException;

  /** Whether several connections can come. */
  boolean isMultiChannel();

  /** Where it listens; empty where that is no socket. */
  List<MigrationAddress.SocketAddress> addresses();

  /** Stops to listen; connections that were accepted stay. */
  @Override
  void close() throws IOException;

  /** Begins to listen, or opens what is to be read. */
  static IncomingTransport listen(MigrationAddress at, Connections connections) throws IOException {
    return switch (at) {
      case MigrationAddress.Inet inet -> listen(Addresses.resolve(inet, connections), connections);
      case MigrationAddress.Unix unix -> listen(Addresses.resolve(unix), connections);
      case MigrationAddress.Fd fd ->
          single(new DescriptorMigrationChannel(OutgoingTransport.descriptor(fd)), connections);
      case MigrationAddress.Exec exec ->
          single(ProcessMigrationChannel.forReading(exec.args()), connections);
      case MigrationAddress.File file ->
          single(
              FileMigrationChannel.forReading(OutgoingTransport.path(file), file.offset()),
              connections);
    };
  }

  private static IncomingTransport single(MigrationChannel channel, Connections connections) {
    return new Single(connections.add(channel));
  }

  private static IncomingTransport listen(SocketAddress address, Connections connections)
      throws IOException {
    boolean unix = address instanceof UnixDomainSocketAddress;
    ServerSocketChannel server =
        unix
            ? ServerSocketChannel.open(StandardProtocolFamily.UNIX)
            : ServerSocketChannel.open().setOption(StandardSocketOptions.SO_REUSEADDR, true);
    try {
      if (address instanceof UnixDomainSocketAddress path) {
        Files.deleteIfExists(path.getPath());
      }
      server.bind(address, BACKLOG);
      connections.await(server);
      return new Server(server, connections);
    } catch (IOException e) {
      server.close();
      throw new IOException(
          "Failed to listen at '%s': %s".formatted(Addresses.show(address), e.getMessage()), e);
    }
  }

  /** One connection that is there already. */
  record Single(MigrationChannel channel) implements IncomingTransport {
    @Override
    public MigrationChannel accept() {
      return channel;
    }

    @Override
    public boolean isMultiChannel() {
      return false;
    }

    @Override
    public List<MigrationAddress.SocketAddress> addresses() {
      return List.of();
    }

    @Override
    public void close() {}
  }

  /** A socket that listens. */
  record Server(ServerSocketChannel socket, Connections connections) implements IncomingTransport {
    @Override
    public MigrationChannel accept() throws IOException {
      return connections.add(new SocketMigrationChannel(socket.accept()));
    }

    @Override
    public boolean isMultiChannel() {
      return true;
    }

    @Override
    public List<MigrationAddress.SocketAddress> addresses() {
      try {
        return List.of(Addresses.describe(socket.getLocalAddress()));
      } catch (IOException e) {
        return List.of(); // it has been closed
      }
    }

    @Override
    public void close() throws IOException {
      connections.settled(socket);
      SocketAddress address = socket.getLocalAddress();
      socket.close();
      if (address instanceof UnixDomainSocketAddress path) {
        Files.deleteIfExists(path.getPath());
      }
    }
  }
}
