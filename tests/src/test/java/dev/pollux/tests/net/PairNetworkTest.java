package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A client of a guest on a pair notices nothing when the primary dies, again and again. */
class PairNetworkTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int GUEST_PORT = 7;
  private static final int MOST_BYTES = 5000;

  /** What the NAT accepts and the guest refuses: its server is not there yet. */
  private static final int TRIES = 600;

  @TempDir private Path folder;

  @Test
  void connectionOutlivesTwoPrimaries() throws Exception {
    Path rc = Files.writeString(folder.resolve("rc"), "#!/bin/sh\nnc -ll -p 7 -e /bin/cat &\n");
    Files.setPosixFilePermissions(rc, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path initrd =
        LinuxGuest.initrd(folder, Kernel.CLOUD, Map.of("/etc/rc", rc), "virtio_pci", "virtio_net");
    int port = FreePorts.take();
    List<String> words = new ArrayList<>(List.of("pair", "--json", "--delay", "100"));
    words.addAll(List.of("--kill", "primary@8", "--kill", "primary"));
    words.addAll(LinuxGuest.machine(Kernel.CLOUD, initrd));
    words.add("-nic");
    words.add("user,hostfwd=tcp:127.0.0.1:%d-:%d".formatted(port, GUEST_PORT));
    try (PolluxProcess pair = PolluxProcess.start(words.toArray(String[]::new))) {
      pair.expect("\"event\": \"protected\"", PATIENCE);
      try (Socket socket = connect(port)) {
        Random random = new Random(7);
        for (int failovers = 0; failovers < 2; ) {
          echo(socket, random);
          int seen = count(pair, "\"event\": \"resumed\"");
          if (seen > failovers) {
            failovers = seen;
          }
          assertTrue(pair.process().isAlive(), pair.output() + pair.errors());
        }
        pair.expect("\"event\": \"failover\"", PATIENCE);
        pair.expect("\"event\": \"protected\"", PATIENCE);
        for (int i = 0; i < 50; i++) {
          echo(socket, random);
        }
      }
      pair.process().destroy();
      pair.await(PATIENCE);
    }
  }

  private static int count(PolluxProcess pair, String text) {
    return pair.output().split(text, -1).length - 1;
  }

  /** A connection over which something has come back. */
  private static Socket connect(int port) throws Exception {
    byte[] hello = "hello".getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; ; i++) {
      Socket socket = new Socket();
      try {
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 5000);
        socket.setSoTimeout((int) PATIENCE.toMillis());
        socket.getOutputStream().write(hello);
        assertArrayEquals(hello, socket.getInputStream().readNBytes(hello.length));
        return socket;
      } catch (IOException | AssertionError e) {
        socket.close();
        if (i == TRIES) {
          throw e;
        }
        Thread.sleep(100);
      }
    }
  }

  private static void echo(Socket socket, Random random) throws IOException {
    byte[] said = new byte[1 + random.nextInt(MOST_BYTES)];
    random.nextBytes(said);
    socket.getOutputStream().write(said);
    byte[] heard = new byte[said.length];
    new DataInputStream(socket.getInputStream()).readFully(heard);
    assertArrayEquals(said, heard);
  }
}
