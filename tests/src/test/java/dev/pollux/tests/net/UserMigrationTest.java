package dev.pollux.tests.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest on the user network moves to another process: its connections, which cannot move, end at
 * once when it uses them, and new ones work, in both directions.
 */
@Timeout(360)
class UserMigrationTest {
  @TempDir private Path folder;

  @Test
  void guestConnectsAgain() throws Exception {
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    int[] ports = {FreePorts.take(), FreePorts.take()};
    try (ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        LinuxGuest here = start(initrd, 0, ports[0])) {
      here.awaitShell();
      here.run("mkdir /www; echo page > /www/index.html; httpd -p 80 -h /www");
      here.run(
          ("(((while sleep 0.5; do echo line; done) | nc 10.0.2.2 %d; echo $? > /tmp/ended) >"
                  + " /dev/null 2>&1 &)")
              .formatted(server.getLocalPort()));
      Socket old = server.accept();
      assertEquals("line", line(old));
      assertTrue(page(ports[0]).endsWith("page\n"));
      try (LinuxGuest there = start(initrd, 1, ports[1], "-incoming", "defer")) {
        migrate();
        String ended =
            there.run(
                "for i in $(seq 150); do [ -e /tmp/ended ] && break; sleep 0.2; done;"
                    + " [ -e /tmp/ended ] && echo ended; netstat -tn | grep -c ESTABLISHED");
        assertEquals("ended\n0", ended, "the old connection");
        here.process().close();
        awaitEnd(old);
        there.run("(echo again | nc 10.0.2.2 %d &)".formatted(server.getLocalPort()));
        try (Socket fresh = server.accept()) {
          assertEquals("again", line(fresh));
        }
        assertTrue(page(ports[1]).endsWith("page\n"));
        String ping = there.run("ping -c 2 -i 0.2 -W 5 10.0.2.2");
        assertTrue(ping.contains(" 0% packet loss"), ping);
      }
    }
  }

  /** In order or by a reset; fails where nothing is heard of the other side. */
  private static void awaitEnd(Socket socket) throws IOException {
    socket.setSoTimeout(20_000);
    try {
      while (socket.getInputStream().read() >= 0) {
        // What was sent before.
      }
    } catch (SocketException e) {
      // Reset.
    }
  }

  private static String line(Socket socket) throws IOException {
    socket.setSoTimeout(30_000);
    StringBuilder line = new StringBuilder();
    for (int each; (each = socket.getInputStream().read()) >= 0 && each != '\n'; ) {
      line.append((char) each);
    }
    return line.toString();
  }

  private static String page(int port) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(30_000);
      socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(ISO_8859_1));
      return new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  private LinuxGuest start(Path initrd, int number, int port, String... more) {
    String[] options = {
      "-m",
      "256",
      "-nic",
      "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:%d-:80".formatted(port),
      "-qmp",
      socket(number) + ",server=on,wait=off"
    };
    String[] all = Arrays.copyOf(options, options.length + more.length);
    System.arraycopy(more, 0, all, options.length, more.length);
    return LinuxGuest.start(Kernel.CLOUD, initrd, all);
  }

  private String socket(int number) {
    return "unix:" + folder.resolve("qmp" + number);
  }

  private void migrate() throws Exception {
    GuestMove.migrate(socket(0), socket(1), folder.resolve("stream"));
  }
}
