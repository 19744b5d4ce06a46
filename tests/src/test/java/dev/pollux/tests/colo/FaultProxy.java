package dev.pollux.tests.colo;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.IntConsumer;

/**
 * Stands between the two sides of a pair and does to their connections what a {@link Fault} says,
 * once it is armed. The first connection is the main one; those of multifd share its fate.
 */
final class FaultProxy implements AutoCloseable {
  /** What happens. */
  enum Kind {
    /** Nothing comes through any more, and both sides see that. */
    CUT,
    /** A byte comes through changed. */
    CORRUPT,
    /** Nothing comes through until {@link #release}, and nobody says so. */
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
  private final boolean carriesMessages;
  private final CompletableFuture<Void> happened = new CompletableFuture<>();

  /** Hears the numbers of the messages to the primary before those go on. */
  private volatile IntConsumer listener = _ -> {};

  // Guarded by this.
  private final List<Socket> sockets = new ArrayList<>();
  private Fault fault;
  private boolean counting;
  private long left;
  private boolean stalled;
  private boolean cut;

  /** Connects who comes with the port of the secondary that takes the migration. */
  FaultProxy(int target) throws IOException {
    this(target, true);
  }

  /**
   * @param messages the main connection is a pair's, whose messages can be waited for
   */
  FaultProxy(int target, boolean messages) throws IOException {
    this.target = target;
    this.carriesMessages = messages;
    server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
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

  /** Sets who hears the numbers of the messages to the primary before those go on. */
  void onMessage(IntConsumer hears) {
    listener = hears;
  }

  /** Completes when the fault has happened. */
  CompletableFuture<Void> happened() {
    return happened;
  }

  private void accept() {
    try {
      for (boolean main = true; ; main = false) {
        Socket primary = server.accept();
        Socket secondary = new Socket(InetAddress.getLoopbackAddress(), target);
        primary.setTcpNoDelay(true);
        secondary.setTcpNoDelay(true);
        synchronized (this) {
          sockets.add(primary);
          sockets.add(secondary);
        }
        boolean messages = main && carriesMessages;
        Thread.ofPlatform().daemon(true).start(() -> pump(primary, secondary, true, false));
        Thread.ofPlatform().daemon(true).start(() -> pump(secondary, primary, false, messages));
      }
    } catch (IOException e) {
      // Closed, or the secondary has gone.
    }
  }

  /**
   * @param messages what comes are messages, which are looked at one by one
   */
  private void pump(Socket from, Socket to, boolean toSecondary, boolean messages) {
    byte[] bytes = new byte[64 << 10];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      while (true) {
        int n = messages ? in.readNBytes(bytes, 0, 4) : in.read(bytes);
        if (n <= 0) {
          break;
        }
        int pass = inspect(bytes, n, toSecondary, messages);
        if (messages && pass == n) {
          listener.accept(code(bytes));
        }
        out.write(bytes, 0, pass);
        if (pass < n) {
          if (!awaitRelease()) {
            break;
          }
          if (messages) {
            listener.accept(code(bytes));
          }
          out.write(bytes, pass, n - pass);
        }
      }
    } catch (IOException e) {
      // One of the two has gone.
    }
    cut();
  }

  /** Waits while nothing comes through; whether the rest does now. */
  private synchronized boolean awaitRelease() {
    boolean held = stalled;
    try {
      while (stalled && !cut) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
    return held && !cut;
  }

  /** Whether nothing comes through just now. */
  synchronized boolean isStalled() {
    return stalled;
  }

  /** What was held comes through, and all that follows. */
  synchronized void release() {
    stalled = false;
    notifyAll();
  }

  /** Looks at bytes on their way; how many of them come through. */
  private synchronized int inspect(byte[] bytes, int n, boolean toSecondary, boolean messages) {
    if (stalled) {
      return 0;
    }
    if (fault == null) {
      return n;
    }
    if (!counting && messages && fault.at().code() == code(bytes)) {
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

  /** Ends all connections. */
  synchronized void cut() {
    cut = true;
    notifyAll();
    for (Socket socket : sockets) {
      try {
        socket.close();
      } catch (IOException e) {
        // Gone already.
      }
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    cut();
  }
}
