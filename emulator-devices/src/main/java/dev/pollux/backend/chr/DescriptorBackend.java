package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Descriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A connected socket, or anything else, that whoever started the process left open. */
public final class DescriptorBackend extends StreamBackend {
  private static final Logger log = LoggerFactory.getLogger(DescriptorBackend.class);

  private final int number;
  private final Descriptor descriptor;
  private final ByteBuffer out = ByteBuffer.allocateDirect(OutputQueue.CAPACITY);
  private volatile boolean closed;

  /**
   * @param user what it belongs to, for messages
   * @param number of the descriptor
   * @throws ConfigException if no such descriptor is open
   */
  public DescriptorBackend(String user, String id, int number) {
    super(id);
    this.number = number;
    try {
      descriptor = new Descriptor(number);
    } catch (IOException e) {
      throw new ConfigException("%s %s: %s".formatted(user, id, e.getMessage()), e);
    }
    output.connect(this::writeAll);
    input.open();
    Thread _ = start("input", this::read);
  }

  private void writeAll(byte[] bytes, int offset, int length) throws IOException {
    out.clear().put(bytes, offset, length).flip();
    while (out.hasRemaining()) {
      descriptor.write(out);
    }
  }

  private void read() {
    ByteBuffer direct = ByteBuffer.allocateDirect(InputQueue.CAPACITY);
    byte[] bytes = new byte[InputQueue.CAPACITY];
    try {
      int count;
      while ((count = descriptor.read(direct.clear())) >= 0) {
        direct.get(0, bytes, 0, count);
        input.put(bytes, 0, count);
      }
    } catch (IOException e) {
      if (!closed) {
        log.debug("{}: {}", id(), e.getMessage());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      input.close();
      output.disconnect();
    }
  }

  @Override
  public String describe() {
    return "fd:" + number;
  }

  @Override
  public PeerAddress peer() {
    return new PeerAddress.Descriptor(Integer.toString(number));
  }

  @Override
  public void close() {
    closed = true;
    output.flush(500);
    output.close();
    descriptor.shutdown();
    descriptor.close();
  }
}
