package dev.pollux.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.machine.RunState;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Migrations over several connections of guests that write more than all buffers on the way hold.
 */
@Timeout(120)
class MultifdMigrationTest {
  private static final MigrationAddress ANY_PORT =
      new MigrationAddress.Inet("127.0.0.1", "0", Optional.empty(), Optional.empty());
  private static final int SMALL = 8 << 20;
  private static final Duration SHORT = Duration.ofSeconds(3);

  @TempDir Path folder;

  private static void assertMoved(TestVm source, TestVm target) {
    target.awaitStatus(MigrationStatus.COMPLETED);
    source.awaitStatus(MigrationStatus.COMPLETED);
    target.assertRunning();
    target.assertIntact();
    source.assertIntact();
    assertTrue(source.machine().runState().is(RunState.POSTMIGRATE));
  }

  /** Bytes per second and milliseconds as managers and test suites set them. */
  @ParameterizedTest
  @CsvSource({
    "32, 2, 0, 30000, true",
    "32, 2, 134217728, 30000, false",
    "32, 5, 0, 2000000, false",
    "101, 4, 1000000000, 30000, true",
    "101, 2, 0, 30000, false",
  })
  void guestThatRewritesMoreThanTheBuffersHold(
      int mebibytes, long channels, long bandwidth, long downtime, boolean returnPath) {
    MigrationCapability[] capabilities =
        returnPath
            ? new MigrationCapability[] {
              MigrationCapability.RETURN_PATH, MigrationCapability.MULTIFD
            }
            : new MigrationCapability[] {MigrationCapability.MULTIFD};
    Map<String, Long> parameters =
        Map.of("multifdChannels", channels, "maxBandwidth", bandwidth, "downtimeLimit", downtime);
    try (TestVm source = new TestVm(mebibytes << 20).run();
        TestVm target = new TestVm(mebibytes << 20)) {
      target.set(parameters);
      target.expect(ANY_PORT, true, capabilities);
      source.enable(capabilities);
      source.set(parameters);
      source.migrate(target.address());
      assertMoved(source, target);
      assertTrue(
          source.info().ram().orElseThrow().multifdBytes() > (long) (mebibytes - 1) << 20,
          "memory went past multifd");
    }
  }

  /** More than a listening socket keeps by itself; over tcp and, where connecting blocks, unix. */
  @ParameterizedTest
  @ValueSource(longs = {60, 128, 255})
  void manyChannels(long channels) {
    for (MigrationAddress at :
        new MigrationAddress[] {
          ANY_PORT, new MigrationAddress.Unix(folder.resolve("m").toString())
        }) {
      try (TestVm source = new TestVm(SMALL).run();
          TestVm target = new TestVm(SMALL)) {
        target.set(Map.of("multifdChannels", channels));
        target.expect(at, true, MigrationCapability.MULTIFD);
        source.enable(MigrationCapability.MULTIFD);
        source.set(Map.of("multifdChannels", channels));
        source.unthrottle();
        source.migrate(target.address());
        assertMoved(source, target);
      }
    }
  }

  /** Scripts set parameters after they have begun to listen: they act until the source connects. */
  @Test
  void channelsThatAreSetWhileListening() {
    try (TestVm source = new TestVm(SMALL).run();
        TestVm target = new TestVm(SMALL).expect(ANY_PORT, true, MigrationCapability.MULTIFD)) {
      source.enable(MigrationCapability.MULTIFD);
      source.set(Map.of("multifdChannels", 7L));
      target.set(Map.of("multifdChannels", 7L));
      source.unthrottle();
      source.migrate(target.address());
      assertMoved(source, target);
    }
  }

  /** A source with fewer connections than the destination waits for: both say what is wrong. */
  @Test
  void fewerChannelsThanExpectedEnd() {
    try (TestVm source = new TestVm(SMALL).run();
        TestVm target = new TestVm(SMALL, SMALL, SHORT)) {
      target.set(Map.of("multifdChannels", 5L));
      target.expect(ANY_PORT, false, MigrationCapability.MULTIFD);
      source.enable(MigrationCapability.MULTIFD, MigrationCapability.RETURN_PATH);
      source.unthrottle();
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.FAILED);
      String reason =
          "no more than 3 of 6 connections (multifd-channels and one) have come within 3 s";
      assertEquals(Optional.of(reason), target.info().errorDesc());
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(Optional.of("the destination has failed: " + reason), source.info().errorDesc());
      source.assertRunning();
    }
  }
}
