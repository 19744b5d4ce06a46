package dev.pollux.backend.net.user;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The host's name servers, as its resolver's file names them (resolv.conf(5)). */
final class NameServers {
  private static final int PORT = 53;
  private static final long FRESH = TimeUnit.SECONDS.toNanos(5);

  private final Path file;
  private Optional<InetSocketAddress> first = Optional.empty();
  private long readAt;
  private boolean known;

  NameServers(Path file) {
    this.file = file;
  }

  /** The first one; hosts change networks, so the file is read again after a while. */
  Optional<InetSocketAddress> first() {
    long now = System.nanoTime();
    if (!known || now - readAt > FRESH) {
      known = true;
      readAt = now;
      first = read();
    }
    return first;
  }

  private Optional<InetSocketAddress> read() {
    try {
      for (String line : Files.readAllLines(file)) {
        String[] words = line.strip().split("\\s+", -1);
        if (words.length >= 2 && words[0].equals("nameserver")) {
          // No name is looked up: these are addresses, perhaps with an interface (fe80::1%eth0).
          return Optional.of(new InetSocketAddress(InetAddress.getByName(words[1]), PORT));
        }
      }
    } catch (IOException e) {
      // No file, no name server: the guest hears that its questions reach nobody.
    }
    return Optional.empty();
  }
}
