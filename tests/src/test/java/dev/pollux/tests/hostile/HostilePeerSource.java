package dev.pollux.tests.hostile;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A source whose stream is a recorded one up to some place, and then something else. */
final class HostilePeerSource implements AutoCloseable {
  /** What comes at that place. */
  enum Manner {
    SILENT,
    SLOW,
    CLOSES,
    RESETS,
    FLIPS,
    LIES,
    ASKS,
    REPEATS,
    NONSENSE,
    CROWD
  }

  private static final byte[] OPEN_RETURN_PATH = {8, 0, 1, 0, 0};
  private static final byte[] PING = {8, 0, 2, 0, 4, 0, 0, 0, 1};
  private static final int MULTIFD_MAGIC = 0x1122_3344;
  private static final int MOST_SENT = 64 << 20;
  private static final int[] LENGTHS = {-1, Integer.MAX_VALUE, Integer.MIN_VALUE, 0xffff, 1 << 24};

  private final byte[] stream;
  private final InetSocketAddress to;
  private final Random random;
  private final List<Socket> sockets = new ArrayList<>();
  private volatile boolean closed;

  HostilePeerSource(byte[] stream, InetSocketAddress to, long seed) {
    this.stream = stream;
    this.to = to;
    this.random = new Random(seed);
  }

  /**
   * Sends; returns when everything is said or the other side has had enough.
   *
   * @param header bytes of the stream before the first section
   */
  void send(Manner manner, int header, boolean multifd) {
    try {
      Socket socket = connect();
      OutputStream out = socket.getOutputStream();
      int at = place(header);
      out.write(stream, 0, Math.min(at, header));
      if (at > header) {
        if (multifd) {
          introduce();
        }
        out.write(OPEN_RETURN_PATH);
        out.write(stream, header, at - header);
      }
      act(manner, socket, out, at);
    } catch (IOException e) {
      // The other side has had enough.
    }
  }

  /** Half of all places are in the first parts, which hold most of what can be wrong. */
  private int place(int header) {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextInt(header + 1);
      case 1 -> header;
      case 2 -> header + random.nextInt(200);
      default -> header + random.nextInt(stream.length - header);
    };
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket();
    sockets.add(socket);
    socket.connect(to);
    return socket;
  }

  /** Connections of multifd, the last of which may be none. */
  private void introduce() throws IOException {
    for (int id = 0; id < 2; id++) {
      ByteBuffer hello = ByteBuffer.allocate(64);
      hello.putInt(random.nextInt(8) == 0 ? random.nextInt() : MULTIFD_MAGIC).putInt(1);
      hello.putLong(HostilePeerMachine.IDENTITY.getMostSignificantBits());
      hello.putLong(HostilePeerMachine.IDENTITY.getLeastSignificantBits());
      hello.put((byte) (random.nextInt(8) == 0 ? random.nextInt(256) : id));
      OutputStream out = connect().getOutputStream();
      out.write(hello.array());
      if (random.nextBoolean()) {
        byte[] packet = new byte[random.nextInt(4000)];
        random.nextBytes(packet);
        ByteBuffer.wrap(hello.array()).putInt(MULTIFD_MAGIC);
        out.write(hello.array(), 0, 8);
        out.write(packet);
      }
    }
  }

  private void act(Manner manner, Socket socket, OutputStream out, int at) throws IOException {
    switch (manner) {
      case SILENT -> {}
      case SLOW -> {
        for (int i = at; i < stream.length && !closed; i++) {
          out.write(stream[i]);
          pause();
        }
      }
      case CLOSES -> socket.close();
      case RESETS -> {
        socket.setSoLinger(true, 0);
        socket.close();
      }
      case FLIPS -> {
        byte[] rest = rest(at);
        for (int i = random.nextInt(8); i >= 0 && rest.length > 0; i--) {
          rest[random.nextInt(Math.min(rest.length, 2000))] ^= (byte) (1 << random.nextInt(8));
        }
        out.write(rest);
      }
      case LIES -> {
        byte[] rest = rest(at);
        if (rest.length > 4) {
          ByteBuffer.wrap(rest)
              .putInt(
                  random.nextInt(Math.min(rest.length - 3, 400)),
                  LENGTHS[random.nextInt(LENGTHS.length)]);
        }
        out.write(rest);
      }
      case ASKS -> repeat(out, PING);
      case REPEATS -> repeat(out, rest(Math.max(0, at - 4096 - random.nextInt(64))));
      case NONSENSE -> {
        byte[] nonsense = new byte[1 << 16];
        random.nextBytes(nonsense);
        repeat(out, nonsense);
      }
      case CROWD -> {
        for (int i = 0; i < 20; i++) {
          connect().getOutputStream().write(stream, 0, random.nextInt(64));
        }
      }
    }
  }

  private byte[] rest(int at) {
    return Arrays.copyOfRange(stream, at, stream.length);
  }

  private void repeat(OutputStream out, byte[] what) throws IOException {
    int times = Math.max(1, (1 << 16) / Math.max(1, what.length));
    byte[] many = new byte[what.length * times];
    for (int i = 0; i < times; i++) {
      System.arraycopy(what, 0, many, i * what.length, what.length);
    }
    for (long sent = 0; sent < MOST_SENT && !closed && many.length > 0; sent += many.length) {
      out.write(many);
    }
  }

  private static void pause() {
    try {
      Thread.sleep(20);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() throws IOException {
    closed = true;
    for (Socket socket : List.copyOf(sockets)) {
      socket.close();
    }
  }
}
