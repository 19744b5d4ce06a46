package dev.pollux.migration;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a destination maps for a migration is unmapped when that fails, not when the VM ends. */
@Timeout(120)
class FailedMigrationMemoryTest {
  /** Zeros for the most part: the host gives memory for little of it. */
  private static final int RAM = 512 << 20;

  private static final int USED = 1 << 20;
  private static final int ROUNDS = 3;

  /** Of the stream, in the middle of the memory: a page of zeros takes nine bytes there. */
  private static final int PASSED = 400_000;

  private static final MigrationAddress ANY_PORT =
      new MigrationAddress.Inet("127.0.0.1", "0", Optional.empty(), Optional.empty());

  /** Bytes of this process's address space that are mapped. */
  private static long mapped() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmSize:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
        .findFirst()
        .orElseThrow();
  }

  /** The secondary's copy of all memory, of the first migration of a pair that is cut. */
  @Test
  void cacheOfPairThatNeverWas() throws IOException {
    long kept = 0;
    try (TestVm source = new TestVm(RAM, USED).run()) {
      source.enable(MigrationCapability.RETURN_PATH, MigrationCapability.X_COLO);
      for (int round = 0; round < ROUNDS; round++) {
        try (TestVm target = new TestVm(RAM, USED);
            ServerSocket relay = new ServerSocket(0)) {
          target.expect(
              ANY_PORT, false, MigrationCapability.RETURN_PATH, MigrationCapability.X_COLO);
          long before = mapped();
          Thread cut = Thread.ofPlatform().daemon(true).start(() -> relay(relay, target));
          source.migrate(MigrationUri.parse("tcp:127.0.0.1:" + relay.getLocalPort()));
          target.awaitStatus(MigrationStatus.FAILED);
          source.awaitStatus(MigrationStatus.FAILED);
          cut.join();
          kept += mapped() - before;
          source.assertRunning();
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
      }
    }
    assertTrue(kept < RAM, kept + " bytes are still mapped");
  }

  /** Passes on what the source says, up to a point, and all that the target answers. */
  private static void relay(ServerSocket from, TestVm target) {
    int port = Integer.parseInt(((MigrationAddress.Inet) target.address()).port());
    try (Socket source = from.accept();
        Socket to = new Socket(InetAddress.getLoopbackAddress(), port)) {
      Thread.ofPlatform().daemon(true).start(() -> answer(to, source));
      for (int left = PASSED; left > 0; ) {
        byte[] some = source.getInputStream().readNBytes(Math.min(left, 4096));
        to.getOutputStream().write(some);
        left -= some.length;
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void answer(Socket target, Socket source) {
    try {
      long _ = target.getInputStream().transferTo(source.getOutputStream());
    } catch (IOException e) {
      // It was cut.
    }
  }
}
