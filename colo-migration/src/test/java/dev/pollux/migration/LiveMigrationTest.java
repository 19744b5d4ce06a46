package dev.pollux.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.StrOrNull;
import dev.pollux.core.host.Libc;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Migrations between two machines of this process, whose guest writes all its memory. */
@Timeout(120)
class LiveMigrationTest {
  private static final int RAM = 8 << 20;
  private static final MigrationAddress ANY_PORT =
      new MigrationAddress.Inet("127.0.0.1", "0", Optional.empty(), Optional.empty());

  @TempDir Path folder;

  private static void assertMoved(TestVm source, TestVm target) {
    target.awaitStatus(MigrationStatus.COMPLETED);
    source.awaitStatus(MigrationStatus.COMPLETED);
    target.assertRunning();
    target.assertIntact();
    source.assertIntact();
    assertTrue(source.machine().runState().is(RunState.POSTMIGRATE));
  }

  @Test
  void runningGuestGoesOnAndEventsComeInOrder() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true)) {
      assertEquals(Optional.empty(), target.status());
      source.unthrottle();
      source.migrate(target.address());
      assertMoved(source, target);
      List<String> events = source.events();
      assertEquals(List.of("RESUME", "setup", "pass 1", "active", "pass 2"), events.subList(0, 5));
      int size = events.size();
      long passes = source.info().ram().orElseThrow().dirtySyncCount();
      assertEquals(
          List.of("pass " + (passes - 1), "STOP", "device", "pass " + passes, "completed"),
          events.subList(size - 5, size));
      assertEquals(
          List.of("setup", "active", "RESUME", "completed"), target.events().subList(0, 4));
      MigrationInfo.RamStats ram = source.info().ram().orElseThrow();
      assertEquals(RAM, ram.total());
      assertEquals(0, ram.remaining());
      assertTrue(ram.transferred() > ram.normalBytes());
      assertTrue(ram.normal() + ram.duplicate() >= RAM / 4096, ram.toString());
      assertEquals(ram.transferred(), ram.precopyBytes() + ram.downtimeBytes());
    }
  }

  @Test
  void thereAndBackAgain() {
    TestVm here = new TestVm(RAM).run();
    try {
      for (int trip = 0; trip < 6; trip++) {
        TestVm there = new TestVm(RAM).expect(ANY_PORT, true);
        try {
          here.unthrottle();
          here.migrate(there.address());
          there.awaitStatus(MigrationStatus.COMPLETED);
          there.assertRunning();
        } finally {
          here.close();
          here = there;
        }
      }
      here.assertIntact();
    } finally {
      here.close();
    }
  }

  @Test
  void multifdReturnPathAndPause() {
    MigrationCapability[] capabilities = {
      MigrationCapability.MULTIFD,
      MigrationCapability.RETURN_PATH,
      MigrationCapability.PAUSE_BEFORE_SWITCHOVER
    };
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true, capabilities)) {
      source.enable(capabilities);
      source.throttle(2_000_000);
      source.migrate(target.address());
      TestVm.await(
          () -> source.info().ram().map(r -> r.dirtySyncCount() > 2).orElse(false), "third pass");
      source.unthrottle();
      source.awaitStatus(MigrationStatus.PRE_SWITCHOVER);
      assertTrue(source.machine().runState().is(RunState.FINISH_MIGRATE));
      assertTrue(source.info().ram().isPresent());
      ConfigException wrong =
          assertThrows(
              ConfigException.class, () -> source.migration().continueFrom(MigrationStatus.DEVICE));
      assertEquals("Migration not in expected state: pre-switchover", wrong.getMessage());
      source.migration().continueFrom(MigrationStatus.PRE_SWITCHOVER);
      assertMoved(source, target);
      assertTrue(source.info().ram().orElseThrow().multifdBytes() > RAM);
    }
  }

  @Test
  void pausedGuestStaysPaused() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true)) {
      source.assertIntact(); // stops it
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.COMPLETED);
      assertTrue(target.machine().runState().is(RunState.PAUSED));
      assertFalse(target.events().contains("RESUME"));
      target.assertIntact();
    }
  }

  @Test
  void guestThatIsNotToStartStaysPaused() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true)) {
      target.migration().setAutostart(false);
      source.unthrottle();
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.COMPLETED);
      assertTrue(target.machine().runState().is(RunState.PAUSED));
      target.assertIntact();
    }
  }

  /** While the migration holds the guest: its end, whichever, leaves the guest paused. */
  @Test
  void stopInThePauseBeforeTheSwitchoverIsObeyed() {
    for (boolean takeBack : new boolean[] {false, true}) {
      try (TestVm source = new TestVm(RAM).run();
          TestVm first = new TestVm(RAM).expect(ANY_PORT, false);
          TestVm second = new TestVm(RAM).expect(ANY_PORT, true)) {
        source.enable(MigrationCapability.PAUSE_BEFORE_SWITCHOVER);
        source.unthrottle();
        source.migrate(first.address());
        source.awaitStatus(MigrationStatus.PRE_SWITCHOVER);
        assertEquals(
            "Migration is not finalized yet",
            assertThrows(ConfigException.class, () -> source.order(LiveMigration::cont))
                .getMessage());
        source.order(LiveMigration::stop);
        if (takeBack) {
          source.order(LiveMigration::cont);
        }
        source.order(LiveMigration::cancel);
        source.awaitStatus(MigrationStatus.CANCELLED);
        if (takeBack) {
          source.assertRunning();
        } else {
          assertTrue(source.machine().runState().is(RunState.PAUSED));
          source.order(LiveMigration::cont);
          source.assertRunning();
        }
        source.migrate(second.address());
        source.awaitStatus(MigrationStatus.PRE_SWITCHOVER);
        source.order(LiveMigration::stop);
        source.migration().continueFrom(MigrationStatus.PRE_SWITCHOVER);
        second.awaitStatus(MigrationStatus.COMPLETED);
        assertTrue(second.machine().runState().is(RunState.PAUSED));
        second.assertIntact();
      }
    }
  }

  @Test
  void unixSocket() {
    MigrationAddress at = new MigrationAddress.Unix(folder.resolve("m").toString());
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(at, true)) {
      source.unthrottle();
      source.migrate(at);
      assertMoved(source, target);
    }
  }

  @Test
  void fileWithOffset() {
    MigrationAddress file = new MigrationAddress.File(folder.resolve("f").toString(), 12_345);
    try (TestVm source = new TestVm(RAM).run()) {
      source.unthrottle();
      source.migrate(file);
      source.awaitStatus(MigrationStatus.COMPLETED);
      try (TestVm target = new TestVm(RAM).expect(file, true)) {
        assertMoved(source, target);
      }
    }
  }

  /** Descriptors that somebody else has opened; memory takes the place of files. */
  @Test
  void descriptors() throws Exception {
    byte[] stream;
    try (TestVm source = new TestVm(RAM, 1 << 20).run()) {
      int written = Libc.memfd("written", 1);
      try (FileChannel reader = FileChannel.open(Path.of("/proc/self/fd/" + written))) {
        source.unthrottle();
        source.migrate(MigrationUri.parse("fd:" + written));
        source.awaitStatus(MigrationStatus.COMPLETED);
        stream = Channels.newInputStream(reader).readAllBytes();
      }
    }
    int read = Libc.memfd("read", stream.length);
    Files.write(Path.of("/proc/self/fd/" + read), stream, StandardOpenOption.WRITE);
    try (TestVm target = new TestVm(RAM, 1 << 20).expect(MigrationUri.parse("fd:" + read), true)) {
      target.awaitStatus(MigrationStatus.COMPLETED);
      target.assertRunning();
      target.assertIntact();
    }
  }

  @Test
  void programs() {
    String file = folder.resolve("p").toString();
    try (TestVm source = new TestVm(RAM).run()) {
      source.unthrottle();
      source.migrate(MigrationUri.parse("exec:gzip -1 > " + file));
      source.awaitStatus(MigrationStatus.COMPLETED);
      try (TestVm target = new TestVm(RAM).expect(MigrationUri.parse("exec:zcat " + file), true)) {
        assertMoved(source, target);
      }
    }
  }

  @Test
  void programThatFailsFailsTheMigration() {
    try (TestVm source = new TestVm(RAM).run()) {
      source.unthrottle();
      source.migrate(MigrationUri.parse("exec:cat > /dev/null; exit 3"));
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(Optional.of("the program ended with status 3"), source.info().errorDesc());
      source.assertRunning();
    }
  }

  /** The shell, a child that it waits for, and one whose parent has ended before. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void programThatIsCutEndsWithAllThatItHasStarted(boolean incoming) throws Exception {
    Path pids = folder.resolve("pids");
    String command =
        "exec:echo $$ > %1$s; (sleep 987 & echo $! >> %1$s); sleep 987 & echo $! >> %1$s; wait"
            .formatted(pids);
    try (TestVm vm = new TestVm(RAM)) {
      if (incoming) {
        vm.expect(MigrationUri.parse(command), false);
      } else {
        vm.run();
        vm.unthrottle();
        vm.migrate(MigrationUri.parse(command));
      }
      TestVm.await(() -> Files.exists(pids) && lines(pids).size() == 3, "three processes");
      vm.order(incoming ? LiveMigration::yank : LiveMigration::cancel);
      vm.awaitStatus(incoming ? MigrationStatus.FAILED : MigrationStatus.CANCELLED);
      for (String pid : lines(pids)) {
        TestVm.await(() -> hasEnded(Long.parseLong(pid)), "end of process " + pid);
      }
    }
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Gone, or a zombie that nobody waits for. */
  private static boolean hasEnded(long pid) {
    try {
      return Files.readString(Path.of("/proc/" + pid + "/stat")).contains(") Z ");
    } catch (IOException e) {
      return true;
    }
  }

  /** To open it would wait for its other end, deaf to everything. */
  @Test
  void pipeIsNoFile() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    MigrationAddress at = new MigrationAddress.File(pipe.toString(), 0);
    String reason = "'%s' is a pipe; use exec: or fd:".formatted(pipe);
    try (TestVm vm = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM)) {
      vm.migrate(at);
      vm.awaitStatus(MigrationStatus.FAILED);
      assertEquals(Optional.of(reason), vm.info().errorDesc());
      vm.assertRunning();
      assertEquals(
          reason, assertThrows(ConfigException.class, () -> target.expect(at, false)).getMessage());
    }
  }

  /** Its manager may give the guest another life here. */
  @Test
  void resetAfterTheMigrationBeginsAnew() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm first = new TestVm(RAM).expect(ANY_PORT, true);
        TestVm second = new TestVm(RAM).expect(ANY_PORT, true)) {
      source.unthrottle();
      source.migrate(first.address());
      assertMoved(source, first);
      assertEquals(
          "Can't migrate the vm that was paused due to previous migration",
          assertThrows(ConfigException.class, () -> source.migrate(second.address())).getMessage());
      source.order(_ -> source.machine().reset(ShutdownCause.HOST_QMP_SYSTEM_RESET));
      assertTrue(source.machine().runState().is(RunState.PRELAUNCH));
      source.migrate(second.address());
      second.awaitStatus(MigrationStatus.COMPLETED);
      assertTrue(second.machine().runState().is(RunState.PRELAUNCH));
      source.awaitStatus(MigrationStatus.COMPLETED);
      source.order(_ -> source.machine().reset(ShutdownCause.HOST_QMP_SYSTEM_RESET));
      source.order(LiveMigration::cont);
      assertTrue(source.machine().runState().is(RunState.RUNNING));
    }
  }

  /** Scripts begin to listen first. */
  @Test
  void capabilitiesThatAreSetWhileListeningAct() {
    for (MigrationCapability late :
        List.of(MigrationCapability.X_COLO, MigrationCapability.RETURN_PATH)) {
      try (TestVm source = new TestVm(RAM).run();
          TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
        source.enable(late);
        target.enable(late);
        source.unthrottle();
        source.migrate(target.address());
        MigrationStatus end =
            late == MigrationCapability.X_COLO ? MigrationStatus.COLO : MigrationStatus.COMPLETED;
        target.awaitStatus(end);
        source.awaitStatus(end);
        target.assertRunning();
      }
    }
  }

  /** One that is switched off again, too. */
  @Test
  void multifdThatIsSwitchedOffWhileListeningIsOff() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true, MigrationCapability.MULTIFD)) {
      target.order(
          migration -> migration.setCapabilities(Map.of(MigrationCapability.MULTIFD, false)));
      source.unthrottle();
      source.migrate(target.address());
      assertMoved(source, target);
    }
  }

  /** Whatever is thrown: the migration ends, and says so. */
  @Test
  void errorsEndTheMigrationToo() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
      target.migration().addListener(outOfMemoryAt(MigrationStatus.ACTIVE));
      source.throttle(1_000_000);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.FAILED);
      assertEquals(
          Optional.of("internal error: java.lang.OutOfMemoryError: for a test"),
          target.info().errorDesc());
      source.awaitStatus(MigrationStatus.FAILED);
      source.migration().addListener(outOfMemoryAt(MigrationStatus.ACTIVE));
      source.migrate(new MigrationAddress.File(folder.resolve("f").toString(), 0));
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(
          Optional.of("internal error: java.lang.OutOfMemoryError: for a test"),
          source.info().errorDesc());
      source.assertRunning();
    }
  }

  private static MigrationListener outOfMemoryAt(MigrationStatus at) {
    return new MigrationListener() {
      @Override
      public void statusChanged(MigrationStatus status) {
        if (status == at) {
          throw new OutOfMemoryError("for a test");
        }
      }
    };
  }

  @Test
  void connectionThatIsRefusedFailsLater() {
    try (TestVm source = new TestVm(RAM).run()) {
      source.migrate(new MigrationAddress.Unix(folder.resolve("nobody").toString()));
      source.awaitStatus(MigrationStatus.FAILED);
      assertTrue(source.info().errorDesc().orElseThrow().startsWith("Failed to connect to "));
      source.assertRunning();
      assertEquals(List.of("RESUME", "setup", "failed"), source.events());
    }
  }

  /** While memory flows; in the pause; then a new migration works. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void cancelled(boolean inPause) {
    try (TestVm source = new TestVm(RAM).run();
        TestVm first = new TestVm(RAM).expect(ANY_PORT, false);
        TestVm second = new TestVm(RAM).expect(ANY_PORT, true)) {
      if (inPause) {
        source.enable(MigrationCapability.PAUSE_BEFORE_SWITCHOVER);
        source.unthrottle();
      } else {
        source.throttle(1_000_000);
      }
      source.migrate(first.address());
      source.awaitStatus(inPause ? MigrationStatus.PRE_SWITCHOVER : MigrationStatus.ACTIVE);
      assertTrue(source.migration().isYankable());
      source.migration().cancel();
      source.awaitStatus(MigrationStatus.CANCELLED);
      source.assertRunning();
      source.migration().cancel(); // nothing happens
      first.awaitStatus(MigrationStatus.FAILED);
      assertTrue(first.machine().runState().is(RunState.INMIGRATE));
      TestVm.await(() -> !first.migration().isYankable(), "end of the connections");
      List<String> events = source.events();
      assertTrue(events.indexOf("cancelling") < events.indexOf("cancelled"), events.toString());

      source.unthrottle();
      source.migrate(second.address());
      if (inPause) {
        source.awaitStatus(MigrationStatus.PRE_SWITCHOVER);
        source.migration().continueFrom(MigrationStatus.PRE_SWITCHOVER);
      }
      assertMoved(source, second);
    }
  }

  /** At any moment: the guest runs on one side, and only there. */
  @Test
  void cancelledAtRandomMoments() {
    Random random = new Random(6);
    for (int i = 0; i < 12; i++) {
      try (TestVm source = new TestVm(RAM).run();
          TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
        source.unthrottle();
        source.migrate(target.address());
        LockSupport.parkNanos(random.nextInt(30_000_000));
        boolean inTime = true;
        try {
          source.migration().cancel();
        } catch (ConfigException e) {
          inTime = false; // the destination may have started the guest
        }
        TestVm.await(() -> !source.status().orElseThrow().isUnderWay(), "end of the migration");
        boolean moved = source.status().equals(Optional.of(MigrationStatus.COMPLETED));
        assertTrue(moved || inTime);
        if (moved) {
          target.awaitStatus(MigrationStatus.COMPLETED);
        }
        (moved ? target : source).assertRunning();
        assertFalse((moved ? source : target).machine().runState().current().isRunning());
      }
    }
  }

  /** A destination that accepts and then says nothing does not hold anybody up. */
  @Test
  void cancelledWhileTheDestinationIsSilent() throws Exception {
    try (TestVm source = new TestVm(RAM).run();
        java.net.ServerSocket silent = new java.net.ServerSocket(0)) {
      source.enable(MigrationCapability.RETURN_PATH);
      source.unthrottle();
      source.migrate(MigrationUri.parse("tcp:127.0.0.1:" + silent.getLocalPort()));
      source.awaitStatus(MigrationStatus.ACTIVE);
      source.migration().cancel();
      source.awaitStatus(MigrationStatus.CANCELLED);
      source.assertRunning();
    }
  }

  @Test
  void yankFailsBothSides() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
      source.throttle(1_000_000);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.ACTIVE);
      target.migration().yank();
      target.awaitStatus(MigrationStatus.FAILED);
      source.awaitStatus(MigrationStatus.FAILED);
      source.assertRunning();
      source.assertIntact();
    }
  }

  @Test
  void onlyOneAtATimeAndNothingChangesMeanwhile() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true)) {
      source.throttle(1_000_000);
      source.migrate(target.address());
      source.awaitStatus(MigrationStatus.ACTIVE);
      String underWay = "There's a migration process in progress";
      assertEquals(
          underWay,
          assertThrows(ConfigException.class, () -> source.migrate(ANY_PORT)).getMessage());
      assertEquals(
          underWay,
          assertThrows(ConfigException.class, () -> source.enable(MigrationCapability.MULTIFD))
              .getMessage());
      source.unthrottle(); // parameters take effect at once
      assertMoved(source, target);
      assertEquals(
          "The incoming migration has already been started",
          assertThrows(ConfigException.class, () -> target.migration().incoming(ANY_PORT, true))
              .getMessage());
      assertEquals(
          "'-incoming' was not specified on the command line",
          assertThrows(ConfigException.class, () -> source.migration().incoming(ANY_PORT, true))
              .getMessage());
    }
  }

  @Test
  void otherMemorySizeIsRefused() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(2 * RAM).expect(ANY_PORT, false)) {
      source.enable(MigrationCapability.RETURN_PATH);
      source.throttle(2_000_000);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.FAILED);
      assertEquals(
          Optional.of("block of memory 'pc.ram' has 0x800000 bytes there, 0x1000000 here"),
          target.info().errorDesc());
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(
          Optional.of(
              "the destination has failed:"
                  + " block of memory 'pc.ram' has 0x800000 bytes there, 0x1000000 here"),
          source.info().errorDesc());
      source.assertRunning();
    }
  }

  /** What the destination said is told, not what became of the connection after it. */
  @Test
  void coloThatTheDestinationDoesNotWantFailsWithItsWord() {
    for (int i = 0; i < 5; i++) {
      try (TestVm source = new TestVm(RAM).run();
          TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
        source.enable(MigrationCapability.X_COLO);
        source.unthrottle();
        source.migrate(target.address());
        source.awaitStatus(MigrationStatus.FAILED);
        assertEquals(
            Optional.of(
                "the destination has failed:"
                    + " the source wants COLO; switch on the capability x-colo here"),
            source.info().errorDesc());
        source.assertRunning();
      }
    }
  }

  @Test
  void yankIsToldOfOnEitherSide() {
    Optional<String> cut = Optional.of("the connection was cut");
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, false);
        TestVm listening = new TestVm(RAM).expect(ANY_PORT, false)) {
      source.throttle(1_000_000);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.ACTIVE);
      source.migration().yank();
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(cut, source.info().errorDesc());
      source.assertRunning();
      target.awaitStatus(MigrationStatus.FAILED);
      assertTrue(target.info().errorDesc().orElseThrow().startsWith("the stream ends after "));
      listening.migration().yank();
      listening.awaitStatus(MigrationStatus.FAILED);
      assertEquals(cut, listening.info().errorDesc());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "file:/nonexistent/x | Failed to open '/nonexistent/x': No such file or directory",
        "exec:false          | the program ended with status 1",
        "exec:true           | the program ended before it had read everything",
        "fd:nobody           | File descriptor named 'nobody' has not been found",
      })
  void placesThatCannotBeWrittenToAreNamed(String uri, String reason) {
    try (TestVm source = new TestVm(RAM).run()) {
      source.unthrottle();
      source.migrate(MigrationUri.parse(uri));
      source.awaitStatus(MigrationStatus.FAILED);
      assertEquals(Optional.of(reason), source.info().errorDesc());
      source.assertRunning();
    }
  }

  @Test
  void addressesThatAreNoneAreRefusedAtOnce() {
    for (String uri : List.of("exec:", "exec: ", "tcp:host", "nowhere", "file:a,offset=b")) {
      assertThrows(ConfigException.class, () -> MigrationUri.parse(uri), uri);
    }
  }

  /** The rule is for a destination that listens, and ends with that. */
  @Test
  void multifdCanBeSwitchedOnAfterAnIncomingMigration() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, true);
        TestVm third = new TestVm(RAM).expect(ANY_PORT, true, MigrationCapability.MULTIFD)) {
      assertEquals(
          "Multifd must be set before incoming starts",
          assertThrows(ConfigException.class, () -> target.enable(MigrationCapability.MULTIFD))
              .getMessage());
      source.unthrottle();
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.COMPLETED);
      target.assertRunning();
      target.enable(MigrationCapability.MULTIFD);
      target.unthrottle();
      target.migrate(third.address());
      assertMoved(target, third);
    }
  }

  @Test
  void parametersAreCheckedTogether() {
    try (TestVm vm = new TestVm(RAM)) {
      vm.set(Map.of("maxCpuThrottle", 20L));
      String reason =
          "Parameter 'max-cpu-throttle' expects an integer in the range of cpu-throttle-initial to"
              + " 99";
      for (Map<String, Long> wrong :
          List.of(
              Map.of("cpuThrottleInitial", 50L),
              Map.of("maxCpuThrottle", 19L),
              Map.of("maxCpuThrottle", 100L))) {
        assertEquals(reason, assertThrows(ConfigException.class, () -> vm.set(wrong)).getMessage());
      }
      vm.set(Map.of("maxCpuThrottle", 60L, "cpuThrottleInitial", 50L));
    }
  }

  /** What has no effect here yet is refused by name; what managers set to no effect is not. */
  @Test
  void parametersThatAreNotBuiltAreRefused() {
    try (TestVm vm = new TestVm(RAM)) {
      Map<String, Object> refused =
          Map.of(
              "tlsCreds",
              new StrOrNull("tls0"),
              "tlsHostname",
              new StrOrNull("host"),
              "tlsAuthz",
              new StrOrNull("authz0"),
              "directIo",
              true,
              "cprExecCommand",
              List.of("/bin/true"),
              "blockBitmapMapping",
              List.of(new MigrationParameters.BitmapMigrationNodeAlias("node", "alias", List.of())),
              "mode",
              MigrationParameters.MigMode.CPR_REBOOT,
              "multifdCompression",
              MigrationParameters.MultiFDCompression.ZSTD);
      refused.forEach(
          (name, value) ->
              assertEquals(
                  "Parameter '%s': this value is not built into this program yet"
                      .formatted(MigrationParameters.label(name)),
                  assertThrows(ConfigException.class, () -> vm.set(Map.of(name, value)))
                      .getMessage()));
      assertEquals(MigrationParameters.DEFAULTS, vm.call(vm.migration()::parameters));
      vm.set(Map.of("tlsCreds", new StrOrNull(""), "tlsHostname", new StrOrNull("")));
      vm.set(Map.of("directIo", false, "cprExecCommand", List.of()));
      vm.set(Map.of("maxPostcopyBandwidth", 1L << 20, "multifdZstdLevel", 3L));
      vm.set(Map.of("announceRounds", 7L, "xbzrleCacheSize", 1L << 20));
    }
  }

  @Test
  void otherNumberOfChannelsIsRefused() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(RAM).expect(ANY_PORT, false, MigrationCapability.MULTIFD)) {
      source.enable(MigrationCapability.MULTIFD);
      source.set(Map.of("multifdChannels", 4L));
      source.throttle(2_000_000);
      source.migrate(target.address());
      target.awaitStatus(MigrationStatus.FAILED);
      source.awaitStatus(MigrationStatus.FAILED);
      source.assertRunning();
    }
  }

  @Test
  void failedLoadEndsTheProcessWhereThatIsAsked() {
    try (TestVm source = new TestVm(RAM).run();
        TestVm target = new TestVm(2 * RAM).expect(ANY_PORT, true)) {
      source.migrate(target.address());
      TestVm.await(() -> target.machine().exitStatus() == 1, "exit status");
    }
  }

  /** The emulator ends in the middle: no thread is left that uses its memory. */
  @Test
  void closedInTheMiddle() {
    try (TestVm target = new TestVm(RAM).expect(ANY_PORT, false)) {
      try (TestVm source = new TestVm(RAM).run()) {
        source.throttle(1_000_000);
        source.migrate(target.address());
        source.awaitStatus(MigrationStatus.ACTIVE);
      }
      target.awaitStatus(MigrationStatus.FAILED);
    }
  }

  /** Whatever comes, the destination says what it made of it, and answers. */
  @Test
  void damagedStreamsLeaveTheDestinationUsable() throws Exception {
    Path file = folder.resolve("stream");
    try (TestVm source = new TestVm(RAM, 1 << 20).run()) {
      source.unthrottle();
      source.migrate(new MigrationAddress.File(file.toString(), 0));
      source.awaitStatus(MigrationStatus.COMPLETED);
    }
    byte[] stream = Files.readAllBytes(file);
    int failed = 0;
    for (int seed = 0; seed < 24; seed++) {
      Random random = new Random(seed);
      byte[] damaged = stream.clone();
      int at = random.nextInt(seed % 2 == 0 ? 200 : damaged.length);
      damaged[at] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, seed % 3 == 0 ? Arrays.copyOf(damaged, at) : damaged);
      try (TestVm target =
          new TestVm(RAM).expect(new MigrationAddress.File(file.toString(), 0), false)) {
        TestVm.await(
            () ->
                target.status().equals(Optional.of(MigrationStatus.FAILED))
                    || target.status().equals(Optional.of(MigrationStatus.COMPLETED)),
            "end with seed " + seed);
        if (target.status().equals(Optional.of(MigrationStatus.FAILED))) {
          assertFalse(target.info().errorDesc().orElseThrow().isEmpty(), "seed " + seed);
          assertTrue(target.machine().runState().is(RunState.INMIGRATE));
          failed++;
        }
      }
    }
    assertTrue(failed >= 8, failed + " refused"); // those that were cut short
  }
}
