package dev.pollux.tests.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Serial ports and monitors on sockets and files. */
@Timeout(240)
class SerialPortTest {
  private static final Duration PATIENCE = Duration.ofSeconds(90);

  /** Prints ">" and then every byte that arrives with bit 6 turned over. */
  private static final TinyKernel ECHO =
      new TinyKernel().print(0x3f8, ">").code("66bafd03 ec a801 74f7 66baf803 ec 3440 ee ebed");

  @TempDir private Path dir;

  private String echo() {
    return ECHO.write(dir.resolve("echo")).toString();
  }

  private static SocketChannel connect(Path path) throws Exception {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        return SocketChannel.open(UnixDomainSocketAddress.of(path));
      } catch (IOException e) {
        if (System.nanoTime() > deadline) {
          throw e;
        }
        Thread.sleep(50);
      }
    }
  }

  private static void type(SocketChannel to, String text) throws IOException {
    to.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)));
  }

  private static String readUntil(SocketChannel from, String end) throws IOException {
    StringBuilder text = new StringBuilder();
    ByteBuffer one = ByteBuffer.allocate(1);
    while (text.indexOf(end) < 0) {
      if (from.read(one.clear()) < 0) {
        throw new IOException("closed after \"" + text + "\"");
      }
      text.append((char) (one.get(0) & 0xff));
    }
    return text.toString();
  }

  @Test
  void serialPortAndMonitorOnSockets() throws Exception {
    Path serial = dir.resolve("serial");
    Path monitor = dir.resolve("monitor");
    try (PolluxProcess vm =
            PolluxProcess.start(
                "run",
                "-m",
                "16",
                "-display",
                "none",
                "-kernel",
                echo(),
                "-serial",
                "unix:" + serial + ",server=on,wait=on",
                "-monitor",
                "unix:" + monitor + ",server,nowait");
        SocketChannel first = connect(serial)) {
      assertEquals(">", readUntil(first, ">")); // it has waited for us
      type(first, "\u0001\u0002\u0003");
      assertEquals("ABC", readUntil(first, "C"));
      assertTrue(!Files.getPosixFilePermissions(serial).contains(PosixFilePermission.OTHERS_WRITE));

      try (SocketChannel hmp = connect(monitor)) {
        readUntil(hmp, "(qemu) ");
        type(hmp, "stop\ninfo status\n");
        readUntil(hmp, "VM status: paused\r\n");
        type(first, "\u0004");
        type(hmp, "cont\ninfo status\n");
        readUntil(hmp, "VM status: running\r\n");
        assertEquals("D", readUntil(first, "D"));
        first.shutdownOutput();
        first.shutdownInput();
        try (SocketChannel second = connect(serial)) {
          type(second, "\u0005");
          assertEquals("E", readUntil(second, "E"));
        }
        type(hmp, "info registers\n");
        assertTrue(
            readUntil(hmp, "XMM07")
                .contains("CS =0010 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]"));
        type(hmp, "quit\n");
        assertEquals(0, vm.await(PATIENCE));
      }
    }
  }

  @Test
  void serialPortInAFile() throws Exception {
    Path file = dir.resolve("serial");
    Path kernel =
        new TinyKernel()
            .print(0x3f8, "to the file")
            .out(0xf4, 0x10)
            .spin()
            .write(dir.resolve("print"));
    try (PolluxProcess vm =
        PolluxProcess.start(
            "run",
            "-m",
            "16",
            "-display",
            "none",
            "-monitor",
            "none",
            "-kernel",
            kernel.toString(),
            "-chardev",
            "file,id=f,path=" + file,
            "-serial",
            "chardev:f",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=1")) {
      assertEquals(33, vm.await(PATIENCE), vm::errors);
    }
    assertEquals("to the file", Files.readString(file));
  }
}
