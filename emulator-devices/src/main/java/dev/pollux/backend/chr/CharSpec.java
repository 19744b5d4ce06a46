package dev.pollux.backend.chr;

/**
 * What kind of back end a user asked for, with its properties: what {@code -chardev} and {@code
 * chardev-add} have in common.
 */
public sealed interface CharSpec {
  /**
   * @param kind {@code null}, or {@code vc}, a text console that no display shows
   */
  record Null(String kind) implements CharSpec {}

  /**
   * @param signal Ctrl-C ends the emulator and is not passed on
   */
  record Stdio(boolean signal) implements CharSpec {}

  /**
   * @param inputPath read once as input; empty for none
   */
  record File(String path, boolean append, String inputPath) implements CharSpec {}

  /**
   * @param path a symbolic link to make to the device file; empty for none
   */
  record Pty(String path) implements CharSpec {}

  record Pipe(String path) implements CharSpec {}

  /**
   * @param size bytes, a power of two
   */
  record RingBuf(int size) implements CharSpec {}

  /**
   * @param server listens instead of connecting
   * @param waitForClient a server holds up the start of the machine until a client has come
   * @param reconnectMillis a client tries again this long after it has lost its server; 0 never
   * @param noDelay sends small TCP segments at once
   */
  record Socket(
      SocketTarget target,
      boolean server,
      boolean waitForClient,
      long reconnectMillis,
      boolean noDelay)
      implements CharSpec {}

  /** Where a socket listens or connects. */
  sealed interface SocketTarget {
    /** A socket file. */
    record Unix(String path) implements SocketTarget {}

    /**
     * @param host name or address; empty for all addresses of a server
     * @param port 0 to 65535, 0 lets the host choose for a server
     * @param to a server tries the ports up to this one; 0 for only {@code port}
     * @param ipv4 IPv4 addresses may be used
     * @param ipv6 IPv6 addresses may be used
     */
    record Inet(String host, int port, int to, boolean ipv4, boolean ipv6)
        implements SocketTarget {}
  }
}
