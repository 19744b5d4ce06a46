package dev.pollux.tests.harness;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;

/**
 * Ports for servers that tests start. They are not among those that hosts give to clients: one of
 * these is taken by whoever connects next, before the server is there.
 */
public final class FreePorts {
  private static final int FIRST = 10_240;
  private static final int BEHIND = 32_768;
  private static final int MOST_TRIES = 1000;

  private static final Random RANDOM = new Random();
  private static final Set<Integer> GIVEN = new HashSet<>();

  private FreePorts() {}

  /** A port that nobody listens at, and that no other caller has got. */
  public static synchronized int take() throws IOException {
    for (int i = 0; i < MOST_TRIES; i++) {
      int port = RANDOM.nextInt(FIRST, BEHIND);
      if (isFree(port) && GIVEN.add(port)) {
        return port;
      }
    }
    throw new IOException("no free port between %d and %d".formatted(FIRST, BEHIND));
  }

  private static boolean isFree(int port) {
    try (ServerSocket free = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return free.isBound();
    } catch (IOException e) {
      return false; // somebody else's
    }
  }
}
