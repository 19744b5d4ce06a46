package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PairConsoleTest {
  private static final int PRINTED = 8 << 20;

  @TempDir private Path folder;

  /** More than all buffers between the guest and one who looks at its console and does not read. */
  @Test
  void whoDoesNotReadDoesNotHoldTheGuestUp() throws Exception {
    UnixDomainSocketAddress place = UnixDomainSocketAddress.of(folder.resolve("guest"));
    Path path = folder.resolve("console");
    try (PairConsole console =
            new PairConsole(new PairOptions.Console.Socket(path), _ -> {}, List.of());
        ServerSocketChannel machine = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      machine.bind(place);
      try (SocketChannel side = SocketChannel.open(place);
          SocketChannel guest = machine.accept();
          SocketChannel reader = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
        final Thread listener = console.listenTo(side);
        console.follow(side);
        reader.write(ByteBuffer.wrap(new byte[] {'k'}));
        ByteBuffer typed = ByteBuffer.allocate(1);
        guest.read(typed); // so the reader is served
        assertEquals('k', typed.get(0));
        ByteBuffer text = ByteBuffer.allocate(PRINTED);
        while (text.hasRemaining()) {
          guest.write(text);
        }
        guest.shutdownOutput();
        listener.join();
      }
    }
  }
}
