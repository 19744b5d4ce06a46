package dev.pollux.migration.transport;

import dev.pollux.core.host.Descriptor;
import java.io.IOException;
import java.nio.ByteBuffer;

/** A file descriptor that whoever started the process left open: a socket, a pipe, a file. */
final class DescriptorMigrationChannel implements MigrationChannel {
  private final Descriptor descriptor;
  private final Traffic traffic = new Traffic();

  DescriptorMigrationChannel(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    int count = descriptor.read(to);
    traffic.hear();
    return count;
  }

  @Override
  public void write(ByteBuffer from) throws IOException {
    traffic.write(from, descriptor::write);
  }

  @Override
  public long quietNanos() {
    return isTwoWay() ? traffic.quietNanos() : 0;
  }

  @Override
  public long stalledNanos() {
    return isTwoWay() ? traffic.stalledNanos() : 0;
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
