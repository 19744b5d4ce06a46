package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A web server with one file. Each connection gets a part of it from where it asks for, then
 * something goes wrong; when all things have gone wrong, the next connection gets the rest.
 */
final class UnreliableServer implements AutoCloseable {
  /** What goes wrong. */
  enum Fault {
    /** The connection is reset. */
    RESET,
    /** Nothing comes for a while, then more. */
    STALL,
    /** It ends early, in order. */
    END,
    /** Nothing comes any more, and nothing is read: the client has to give up. */
    SILENCE,
    /** The server says that it has ended, and then never closes its side. */
    HALF_OPEN
  }

  private static final Pattern RANGE = Pattern.compile("(?i)range: bytes=(\\d+)-.*");
  private static final int PART = 300_000;

  private final byte[] file;
  private final ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
  private final List<Socket> kept = new ArrayList<>();
  private final AtomicInteger faults = new AtomicInteger();

  UnreliableServer(byte[] file) throws IOException {
    this.file = file;
    var _ = Thread.ofVirtual().start(this::serve);
  }

  int port() {
    return server.getLocalPort();
  }

  /** How many things have gone wrong. */
  int faults() {
    return faults.get();
  }

  private void serve() {
    try {
      while (true) {
        Socket client = server.accept();
        int number = faults.get();
        Fault fault = number < Fault.values().length ? Fault.values()[number] : null;
        try {
          answer(client, fault);
        } catch (IOException e) {
          // The client has given up, as it should.
        }
        if (fault != null) {
          faults.incrementAndGet();
        }
      }
    } catch (IOException e) {
      // Closed.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void answer(Socket client, Fault fault) throws IOException, InterruptedException {
    kept.add(client);
    int from = request(client);
    OutputStream out = client.getOutputStream();
    String status = from > 0 ? "206 Partial Content" : "200 OK";
    out.write(
        "HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
            .formatted(status, file.length - from, from, file.length - 1, file.length)
            .getBytes(ISO_8859_1));
    int to = fault == null ? file.length : Math.min(file.length, from + PART);
    out.write(file, from, to - from);
    switch (fault) {
      case RESET -> {
        TimeUnit.MILLISECONDS.sleep(200); // what was sent is to arrive first
        client.setSoLinger(true, 0);
        client.close();
      }
      case STALL -> {
        TimeUnit.MILLISECONDS.sleep(1200);
        out.write(file, to, Math.min(PART, file.length - to));
        client.close();
      }
      case HALF_OPEN -> client.shutdownOutput();
      case SILENCE -> {
        // The next connection is answered meanwhile.
      }
      case END -> client.close();
      case null -> client.close();
    }
  }

  /** Reads a request; where the part that it wants begins. */
  private static int request(Socket client) throws IOException {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(client.getInputStream(), ISO_8859_1));
    int from = 0;
    for (String line; (line = lines.readLine()) != null && !line.isEmpty(); ) {
      Matcher range = RANGE.matcher(line);
      from = range.matches() ? Integer.parseInt(range.group(1)) : from;
    }
    return from;
  }

  @Override
  public void close() throws IOException {
    server.close();
    for (Socket client : kept) {
      client.close();
    }
  }
}
