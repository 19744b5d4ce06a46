package dev.pollux.migration.transport;

import dev.pollux.core.host.Descriptor;
import java.io.IOException;
import java.nio.ByteBuffer;

/** A file descriptor that whoever started the process left open: a socket, a pipe, a file. */
final class DescriptorMigrationChannel implements MigrationChannel {
  private final Descriptor descriptor;

  DescriptorMigrationChannel(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    return descriptor.read(to);
  }

  @Override
  public void write(ByteBuffer from) throws IOException {
    while (from.hasRemaining()) {
      descriptor.write(from);
    }
  }

  @Override
  public boolean isTwoWay() {
    return descriptor.isSocket();
  }

  @Override
  public void shutdown() {
    descriptor.shutdown();
  }

  @Override
  public void close() {
    descriptor.close();
  }
}
