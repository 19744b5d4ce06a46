package dev.pollux.backend.chr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Messages that are written at once, to peers that are slower than what is written. */
@Timeout(60)
class SocketOutputTest {
  private static final int MESSAGES = 3000;
  private static final int LONGEST = 60_000;

  @TempDir private Path folder;
  private final TestFrontEnd front = new TestFrontEnd();
  private final CharDevices devices = new CharDevices(front.loop, () -> {});

  @AfterEach
  void close() {
    devices.close();
    front.close();
  }

  private SocketBackend listen(String target) {
    String options = "socket,id=s,server=on,wait=off," + target;
    return (SocketBackend) devices.add(CharOptions.parse(options));
  }

  @Test
  void tcpKeepsTheOrder() throws Exception {
    SocketBackend server = listen("host=127.0.0.1,port=0");
    exchange(server, new InetSocketAddress(InetAddress.getLoopbackAddress(), server.localPort()));
  }

  @Test
  void unixKeepsTheOrder() throws Exception {
    Path path = folder.resolve("s");
    exchange(listen("path=" + path), UnixDomainSocketAddress.of(path));
  }

  /** Some in buffers, some in arrays; far more than sockets and queues hold. */
  private void exchange(SocketBackend server, SocketAddress address) throws Exception {
    server.attach(front, front.loop);
    try (SocketChannel peer = SocketChannel.open(address)) {
      front.awaitEvents(CharEvent.OPENED);
      CompletableFuture<Long> received = CompletableFuture.supplyAsync(() -> receive(peer));
      Random random = new Random(1);
      long sent = 0;
      for (int i = 0; i < MESSAGES; i++) {
        byte[] array = message(i, 4 + random.nextInt(random.nextInt(LONGEST) + 1));
        ByteBuffer message = ByteBuffer.wrap(array);
        sent += array.length;
        boolean plain = random.nextInt(4) == 0;
        while (!(plain ? server.writeWhole(array) : server.writeWhole(message))) {
          Semaphore room = new Semaphore(0);
          server.whenWritable(room::release);
          room.acquire();
        }
        assertTrue(plain || !message.hasRemaining());
      }
      server.flush(10_000);
      server.disconnect();
      assertEquals(sent, received.get());
    }
    front.awaitEvents(CharEvent.OPENED, CharEvent.CLOSED);
    assertTrue(server.writeWhole(message(0, 8)), "nobody is there: it is dropped");
  }

  /** A length, and bytes that tell its place. */
  private static byte[] message(int number, int length) {
    byte[] message = new byte[length];
    Arrays.fill(message, (byte) number);
    ByteBuffer.wrap(message).putInt(length);
    return message;
  }

  private static long receive(SocketChannel peer) {
    try {
      ByteBuffer bytes = ByteBuffer.allocate(LONGEST + 4);
      long count = 0;
      for (int number = 0; fill(peer, bytes.clear().limit(4)); number++) {
        int length = bytes.getInt(0);
        bytes.clear().limit(length - 4);
        assertTrue(fill(peer, bytes), "the end inside a message");
        assertEquals(
            ByteBuffer.wrap(message(number, length)).position(4),
            bytes.flip(),
            "message " + number);
        count += length;
      }
      return count;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static boolean fill(SocketChannel peer, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      if (peer.read(bytes) < 0) {
        return false;
      }
    }
    return true;
  }
}
