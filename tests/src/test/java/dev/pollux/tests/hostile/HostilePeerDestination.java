package dev.pollux.tests.hostile;

import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;

/** A destination that takes so much of a migration and then does what it likes. */
final class HostilePeerDestination implements AutoCloseable {
  /** What it does when it has read what it wanted to read. */
  enum Manner {
    SILENT,
    READS_ON,
    SLOW,
    CLOSES,
    RESETS,
    FLOODS,
    LIES,
    REFUSES,
    PRETENDS
  }

  /** Follows the end mark: who has read it may start the guest. */
  private static final byte[] DESCRIPTION =
      "{\"page_size\":4096,\"devices\":[".getBytes(StandardCharsets.US_ASCII);

  private static final int SHUT = 0x0001_0004;
  private static final int PONG = 0x0002_0004;
  private static final int MOST_CONNECTIONS = 10;

  private final Manner manner;
  private final long toRead;
  private final int accepted;
  private final Random random;
  private final ServerSocket listener;
  private final List<Socket> sockets = new CopyOnWriteArrayList<>();
  private volatile boolean hasEndMark;
  private volatile boolean hasRefused;
  private volatile boolean closed;

  /**
   * @param toRead bytes of the main connection
   * @param accepted connections that are accepted
   */
  HostilePeerDestination(Manner manner, long toRead, int accepted, long seed) throws IOException {
    this.manner = manner;
    this.toRead = toRead;
    this.accepted = Math.min(accepted, MOST_CONNECTIONS);
    this.random = new Random(seed);
    this.listener = new ServerSocket(0, MOST_CONNECTIONS, InetAddress.getLoopbackAddress());
    Thread.ofPlatform().name("hostile destination").daemon(true).start(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** Whether a guest could have been started here. */
  boolean hasEndMark() {
    return hasEndMark;
  }

  /** Whether it has said that it has failed. */
  boolean hasRefused() {
    return hasRefused;
  }

  private void accept() {
    try {
      for (int i = 0; i < accepted; i++) {
        Socket socket = listener.accept();
        sockets.add(socket);
        boolean main = i == 0;
        Thread.ofPlatform().daemon(true).start(() -> serve(socket, main));
      }
    } catch (IOException e) {
      // It was closed.
    }
  }

  private void serve(Socket socket, boolean main) {
    try {
      read(socket.getInputStream(), main ? toRead : Long.MAX_VALUE, manner == Manner.SLOW && main);
      act(socket, new DataOutputStream(socket.getOutputStream()));
    } catch (IOException e) {
      // The other side has had enough.
    }
  }

  private void read(InputStream in, long bytes, boolean slowly) throws IOException {
    byte[] buffer = new byte[slowly ? 2048 : 1 << 16];
    int matched = 0;
    for (long left = bytes; left > 0 && !closed; ) {
      int n = in.read(buffer, 0, (int) Math.min(left, buffer.length));
      if (n < 0) {
        return;
      }
      left -= n;
      for (int i = 0; i < n && !hasEndMark; i++) {
        matched =
            buffer[i] == DESCRIPTION[matched] ? matched + 1 : buffer[i] == DESCRIPTION[0] ? 1 : 0;
        if (matched == DESCRIPTION.length) {
          hasEndMark = true;
        }
      }
      if (hasEndMark && bytes < Long.MAX_VALUE) {
        return; // nothing else comes before it has answered
      }
      if (slowly) {
        pause();
      }
    }
  }

  private void pause() {
    try {
      Thread.sleep(5);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void act(Socket socket, DataOutputStream out) throws IOException {
    switch (manner) {
      case SILENT, SLOW -> {}
      case READS_ON -> read(socket.getInputStream(), Long.MAX_VALUE, false);
      case CLOSES -> socket.close();
      case RESETS -> {
        socket.setSoLinger(true, 0);
        socket.close();
      }
      case FLOODS -> {
        while (!closed) {
          out.writeInt(PONG);
          out.writeInt(random.nextInt());
        }
      }
      case LIES -> {
        out.writeShort(random.nextInt(4) == 0 ? random.nextInt() : 0x100);
        out.writeShort(random.nextBoolean() ? 0xffff : random.nextInt());
        out.write(new byte[random.nextInt(4096)]);
      }
      case REFUSES -> {
        hasRefused = true;
        byte[] reason = "no room\u0007 here".getBytes(StandardCharsets.UTF_8);
        out.writeShort(0x100);
        out.writeShort(reason.length);
        out.write(reason);
        out.writeInt(SHUT);
        out.writeInt(1);
      }
      case PRETENDS -> {
        out.writeInt(SHUT);
        out.writeInt(0);
      }
    }
    out.flush();
  }

  @Override
  public void close() throws IOException {
    closed = true;
    listener.close();
    for (Socket socket : sockets) {
      socket.close();
    }
  }
}
