package dev.pollux.tests.colo;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;
import java.util.concurrent.CompletableFuture;

/**
 * Stands between the two sides of a pair and does to their connection what a {@link Fault} says,
 * once it is armed.
 */
final class FaultProxy implements AutoCloseable {
  /** What happens. */
  enum Kind {
    /** Nothing comes through any more, and both sides see that. */
    CUT,
    /** A byte comes through changed. */
    CORRUPT,
    /** Nothing comes through any more, and nobody says so. */
    STALL
  }

  /** A message to the primary at which it happens; REPLY, RECEIVED and LOADED by their numbers. */
  record AtMessage(int code, boolean before) {}

  /**
   * @param toSecondary which direction is counted, and changed
   * @param after bytes that still come through
   * @param at the message that begins the count; null to begin at once
   */
  record Fault(Kind kind, boolean toSecondary, long after, AtMessage at) {
    static Fault of(Random random, boolean stalls) {
      Kind kind = stalls ? Kind.STALL : random.nextInt(3) == 0 ? Kind.CORRUPT : Kind.CUT;
      boolean toSecondary = random.nextInt(4) != 0;
      AtMessage at =
          random.nextBoolean()
              ? new AtMessage(new int[] {2, 5, 6}[random.nextInt(3)], random.nextBoolean())
              : null;
      // Up to a whole checkpoint to the secondary, a few messages to the primary.
      long after = toSecondary ? (long) Math.exp(random.nextDouble() * 14) : random.nextInt(24);
      return new Fault(kind, toSecondary, after, at);
    }
  }

  private final ServerSocket server;
  private final int target;
  private final CompletableFuture<Void> happened = new CompletableFuture<>();
  private Socket primary;
  private Socket secondary;

  // Guarded by this.
  private Fault fault;
  private boolean counting;
  private long left;
  private boolean stalled;

  /** Connects who comes with the port of the secondary. */
  FaultProxy(int target) throws IOException {
    this.target = target;
    server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread.ofPlatform().daemon(true).start(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  /** From now on the fault is awaited. */
  synchronized void arm(Fault next) {
    fault = next;
    counting = next.at() == null;
    left = next.after();
  }

  /** Completes when the fault has happened. */
  CompletableFuture<Void> happened() {
    return happened;
  }

  private void accept() {
    try {
      Socket p = server.accept();
      Socket s = new Socket(InetAddress.getLoopbackAddress(), target);
      p.setTcpNoDelay(true);
      s.setTcpNoDelay(true);
      synchronized (this) {
        primary = p;
        secondary = s;
      }
      Thread.ofPlatform().daemon(true).start(() -> pump(p, s, true));
      Thread.ofPlatform().daemon(true).start(() -> pump(s, p, false));
    } catch (IOException e) {
      // Closed before anybody came.
    }
  }

  private void pump(Socket from, Socket to, boolean toSecondary) {
    byte[] bytes = new byte[64 << 10];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      // Messages to the primary are read one by one.
      int most = toSecondary ? bytes.length : 4;
      while (true) {
        int n = toSecondary ? in.read(bytes, 0, most) : in.readNBytes(bytes, 0, most);
        if (n <= 0) {
          break;
        }
        int pass = inspect(bytes, n, toSecondary);
        out.write(bytes, 0, pass);
        if (pass < n) {
          if (isStalled()) {
            return;
          }
          break;
        }
      }
    } catch (IOException e) {
      // One of the two has gone.
    }
    cut();
  }

  private synchronized boolean isStalled() {
    return stalled;
  }

  /** Looks at bytes on their way; how many of them come through. */
  private synchronized int inspect(byte[] bytes, int n, boolean toSecondary) {
    if (stalled) {
      return 0;
    }
    if (fault == null) {
      return n;
    }
    if (!counting && !toSecondary && fault.at().code() == code(bytes)) {
      counting = true;
      if (!fault.toSecondary()) {
        left = fault.at().before() ? 0 : 4 + left;
      } else if (fault.at().before() && fault.kind() != Kind.CORRUPT) {
        return happen(0, n);
      }
    }
    if (!counting || toSecondary != fault.toSecondary()) {
      return n;
    }
    if (left >= n) {
      left -= n;
      return n;
    }
    int at = (int) left;
    if (fault.kind() == Kind.CORRUPT) {
      bytes[at] ^= (byte) (1 << (at & 7));
      fault = null;
      happened.complete(null);
      return n;
    }
    return happen(at, n);
  }

  private int happen(int pass, int n) {
    stalled = fault.kind() == Kind.STALL;
    fault = null;
    happened.complete(null);
    return Math.min(pass, n - 1);
  }

  private static int code(byte[] message) {
    return message[0] << 24
        | (message[1] & 0xff) << 16
        | (message[2] & 0xff) << 8
        | message[3] & 0xff;
  }

  /** Ends both connections. */
  synchronized void cut() {
    for (Socket socket : new Socket[] {primary, secondary}) {
      if (socket != null) {
        try {
          socket.close();
        } catch (IOException e) {
          // Gone already.
        }
      }
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut();
  }
}
