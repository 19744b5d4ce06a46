package dev.pollux.tests.hostile;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;

/** What a primary takes for its secondary: it listens, takes a migration, and then means harm. */
public final class HostileSecondary extends HostileLink {
  private static final int SHUT = 1;

  /** What it does not read is soon felt. */
  private static final int RECEIVE_BUFFER = 64 << 10;

  private final ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());

  public HostileSecondary() throws IOException {
    server.setReceiveBufferSize(RECEIVE_BUFFER);
  }

  /** Where the primary is to connect. */
  public int port() {
    return server.getLocalPort();
  }

  /** Waits for the primary. */
  public void accept() throws IOException {
    use(server.accept());
  }

  /** Waits for the primary, takes the whole migration, and says that it is content; what came. */
  public byte[] takeMigration() throws IOException {
    accept();
    return content();
  }

  /** Takes the whole migration and says that it is content; what came. */
  public byte[] content() throws IOException {
    byte[] stream = readUpTo("]}"); // of the description
    send(ByteBuffer.allocate(8).putShort((short) SHUT).putShort((short) 4).putInt(0).array());
    return stream;
  }

  /** Waits for the beginning of a checkpoint and agrees to it; nothing but that comes. */
  public void agree() throws IOException {
    expect(REQUEST);
    send(REPLY);
  }

  /** Waits for the beginning of a checkpoint; pages, which are not looked into, may flow ahead. */
  public void awaitRequest() throws IOException {
    readUpTo(REQUEST);
  }

  /** Reads the rest of a checkpoint without pages; the device states. */
  public byte[] takeStates() throws IOException {
    expect(VMSTATE_SEND);
    byte[] _ = read(HostilePrimary.noPages().length - 4);
    expect(VMSTATE_SIZE);
    byte[] states = read((int) ByteBuffer.wrap(read(8)).getLong());
    expect(DIGEST);
    byte[] _ = read(8);
    return states;
  }

  private void expect(int wanted) throws IOException {
    int message = receive();
    if (message != wanted) {
      throw new IOException("message " + message + " in place of " + wanted);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    super.close();
  }
}
