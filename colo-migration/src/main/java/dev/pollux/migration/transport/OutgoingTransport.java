package dev.pollux.migration.transport;

import dev.pollux.core.host.Descriptor;
import dev.pollux.migration.MigrationAddress;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Connects to where a migration goes. */
public final class OutgoingTransport {
  private OutgoingTransport() {}

  /** Whether several connections can be made to an address. */
  public static boolean isMultiChannel(MigrationAddress to) {
    return to instanceof MigrationAddress.Inet || to instanceof MigrationAddress.Unix;
  }

  /**
   * Opens one connection and enters it into {@code connections}; those cut it also while it is
   * being made.
   */
  public static MigrationChannel connect(MigrationAddress to, Connections connections)
      throws IOException {
    MigrationChannel channel =
        switch (to) {
          case MigrationAddress.Inet inet ->
              connect(Addresses.resolve(inet, connections), connections);
          case MigrationAddress.Unix unix -> connect(Addresses.resolve(unix), connections);
          case MigrationAddress.Fd fd -> new DescriptorMigrationChannel(descriptor(fd));
          case MigrationAddress.Exec exec -> ProcessMigrationChannel.forWriting(exec.args());
          case MigrationAddress.File file ->
              FileMigrationChannel.forWriting(path(file), file.offset());
        };
    return connections.add(channel);
  }

  private static MigrationChannel connect(SocketAddress address, Connections connections)
      throws IOException {
    SocketChannel socket = SocketMigrationChannel.open(address instanceof UnixDomainSocketAddress);
    connections.await(socket);
    try {
      socket.connect(address);
      return new SocketMigrationChannel(socket);
    } catch (IOException e) {
      socket.close();
      throw new IOException(
          "Failed to connect to '%s': %s".formatted(Addresses.show(address), e.getMessage()), e);
    } finally {
      connections.settled(socket);
    }
  }

  static Descriptor descriptor(MigrationAddress.Fd fd) throws IOException {
    if (!fd.str().matches("[0-9]{1,9}")) {
      throw new IOException("File descriptor named '%s' has not been found".formatted(fd.str()));
    }
    return new Descriptor(Integer.parseInt(fd.str()));
  }

  static Path path(MigrationAddress.File file) throws IOException {
    try {
      if (file.offset() < 0) {
        throw new IOException("file offset " + Long.toUnsignedString(file.offset()));
      }
      return Path.of(file.filename());
    } catch (InvalidPathException e) {
      throw new IOException(e.getMessage(), e);
    }
  }
}
