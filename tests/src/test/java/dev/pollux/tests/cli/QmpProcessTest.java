package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.LongPredicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The monitor of a process through its sockets, and {@code pollux qmp} as scripts use it. */
@Timeout(120)
class QmpProcessTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  @TempDir private static Path folder;
  private static Path socket;
  private static Path other;
  private static PolluxProcess vm;

  /** One machine for all tests. */
  @BeforeAll
  static void start() throws IOException, InterruptedException {
    socket = folder.resolve("qmp");
    other = folder.resolve("other");
    Path kernel = new TinyKernel().halt().write(folder.resolve("kernel"));
    vm =
        PolluxProcess.start(
            Stream.of(
                    "run -m 8 -S -display none -monitor none -serial none -name tested",
                    "-kernel " + kernel,
                    "-qmp unix:%s,server=on,wait=off".formatted(socket),
                    "-qmp unix:%s,server=on,wait=off".formatted(other),
                    "-compat unstable-input=reject,unstable-output=hide",
                    "-global migration.x-events=on -global migration.return-path=on",
                    "-global migration.max-bandwidth=3M")
                .flatMap(words -> Stream.of(words.split(" ")))
                .toArray(String[]::new));
    Monitors.connect(socket, _ -> {}).close();
    Monitors.connect(other, _ -> {}).close();
  }

  @AfterAll
  static void end() throws IOException {
    try (QmpClient client = connect(socket)) {
      JsonNode _ = client.execute("quit");
      assertEquals(0, vm.await(PATIENCE), vm.errors());
    } catch (CommandFailed e) {
      fail(e);
    } finally {
      vm.close();
    }
  }

  private static void pause() {
    try {
      Thread.sleep(10);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static QmpClient connect(Path socket) throws IOException {
    return QmpClient.connect(socket.toString(), _ -> {});
  }

  @Test
  void modelsOfProcessorsAreExpanded() throws IOException, CommandFailed {
    ObjectNode arguments = JSON.createObjectNode().put("type", "full");
    arguments.putObject("model").put("name", "qemu64").putObject("props").put("sse4.2", true);
    try (QmpClient client = connect(socket)) {
      JsonNode model = client.execute("query-cpu-model-expansion", arguments).path("model");
      assertEquals("qemu64", model.path("name").asText());
      assertTrue(model.path("props").path("lm").asBoolean());
      assertTrue(model.path("props").path("sse4.2").asBoolean());
      assertFalse(model.path("props").path("avx2").asBoolean());
      arguments.put("type", "static");
      JsonNode base = client.execute("query-cpu-model-expansion", arguments).path("model");
      assertEquals("base", base.path("name").asText());
      assertEquals(model.path("props"), base.path("props"));
      arguments.putObject("model").put("name", "qemu46");
      CommandFailed unknown =
          assertThrows(
              CommandFailed.class, () -> client.execute("query-cpu-model-expansion", arguments));
      assertTrue(unknown.getMessage().contains("qemu64"), unknown.getMessage());
    }
  }

  // ---- options of the machine

  @Test
  void globalOptionsSetUpMigrations() throws IOException, CommandFailed {
    try (QmpClient client = connect(socket)) {
      List<String> on = new ArrayList<>();
      client
          .execute("query-migrate-capabilities")
          .forEach(
              c -> {
                if (c.path("state").asBoolean()) {
                  on.add(c.path("capability").asText());
                }
              });
      assertEquals(List.of("events", "return-path"), on);
      JsonNode parameters = client.execute("query-migrate-parameters");
      assertEquals(3 << 20, parameters.path("max-bandwidth").asInt());
    }
  }

  @Test
  void compatRefusesAndHidesWhatIsUnstable() throws IOException, CommandFailed {
    try (QmpClient client = connect(socket)) {
      assertFalse(client.execute("query-migrate-parameters").has("x-checkpoint-delay"));
      ObjectNode arguments = JSON.createObjectNode().put("x-checkpoint-delay", 1);
      CommandFailed refused =
          assertThrows(
              CommandFailed.class, () -> client.execute("migrate-set-parameters", arguments));
      assertTrue(refused.getMessage().contains("x-checkpoint-delay"), refused.getMessage());
      assertEquals(
          "CommandNotFound",
          assertThrows(CommandFailed.class, () -> client.execute("x-colo-lost-heartbeat"))
              .errorClass());
    }
  }

  // ---- connections

  private static long descriptors() {
    try (Stream<Path> open = Files.list(Path.of("/proc/" + vm.process().pid() + "/fd"))) {
      return open.count();
    } catch (IOException e) {
      return fail(e);
    }
  }

  private static long threads() {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/" + vm.process().pid() + "/task"))) {
      return tasks.count();
    } catch (IOException e) {
      return fail(e);
    }
  }

  private static void await(
      String what, java.util.function.LongSupplier value, LongPredicate fits) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!fits.test(value.getAsLong())) {
      if (System.nanoTime() > end) {
        fail(what + ": " + value.getAsLong());
      }
      pause();
    }
  }

  private static void write(byte[] bytes) throws IOException {
    try (SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      client.connect(UnixDomainSocketAddress.of(other));
      ByteBuffer left = ByteBuffer.wrap(bytes);
      while (left.hasRemaining()) {
        client.write(left);
      }
    }
  }

  @Test
  void clientsThatDropLeaveNothingBehind() throws IOException, CommandFailed {
    connect(other).close();
    long files = descriptors();
    long threads = threads();
    Random random = new Random(1);
    byte[] text =
        "{'execute':'qmp_capabilities'}{'execute':'query-qmp-schema'}"
            .repeat(8)
            .getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < 100; i++) {
      write(java.util.Arrays.copyOf(text, random.nextInt(text.length)));
    }
    // A thread of the JVM's own may come meanwhile.
    await("descriptors after " + files, QmpProcessTest::descriptors, n -> n <= files);
    await("threads after " + threads, QmpProcessTest::threads, n -> n <= threads + 4);
    assertAnswers();
  }

  private static void assertAnswers() throws IOException, CommandFailed {
    try (QmpClient client = connect(other)) {
      assertEquals("tested", client.execute("query-name").path("name").asText());
    }
  }

  /**
   * Bytes of all kinds, requests that are damaged among them; a control character ends the mess.
   */
  @Test
  void anyBytesAreOutlived() throws IOException, CommandFailed {
    String request = "{'execute':'qmp_capabilities','arguments':{'enable':['oob']},'id':[1,{}]}\n";
    long end = System.nanoTime() + Duration.ofMillis(1500).toNanos();
    for (long seed = 0; System.nanoTime() < end; seed++) {
      Random random = new Random(seed);
      byte[] bytes = request.repeat(1 + random.nextInt(20)).getBytes(StandardCharsets.US_ASCII);
      for (int i = random.nextInt(40); i > 0; i--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      if (seed % 4 == 0) {
        random.nextBytes(bytes);
      }
      write(bytes);
    }
    assertAnswers();
  }

  // ---- pollux qmp

  private record Result(int status, String output, String errors) {}

  private static Result qmp(String input, String... arguments) throws IOException {
    List<String> words = new ArrayList<>(List.of("qmp"));
    words.addAll(List.of(arguments));
    try (PolluxProcess shell = PolluxProcess.start(words.toArray(String[]::new))) {
      if (!input.isEmpty()) {
        shell.type(input);
      }
      shell.process().getOutputStream().close();
      return new Result(shell.await(PATIENCE), shell.output(), shell.errors());
    }
  }

  @Test
  void oneCommandTellsByItsStatus() throws IOException {
    Result good = qmp("", socket.toString(), "query-name");
    assertEquals(0, good.status(), good.errors());
    assertEquals("tested", JSON.readTree(good.output()).path("name").asText());
    assertEquals("", good.errors());

    Result failed = qmp("", socket.toString(), "migrate", "uri=nowhere");
    assertEquals(
        new Result(
            1, "", "pollux: GenericError: Parameter 'uri' expects a valid migration protocol\n"),
        failed);

    assertEquals(
        new Result(1, "", "pollux: \"{\" is no JSON object, see its character 2\n"),
        qmp("", socket.toString(), "query-name", "{"));

    String nowhere = folder.resolve("nowhere").toString();
    assertEquals(
        new Result(1, "", "pollux: %s: No such file or directory\n".formatted(nowhere)),
        qmp("", nowhere, "query-name"));
  }

  @Test
  void linesFromAPipeRunUntilOneFails() throws IOException {
    Result good = qmp("# names\nquery-name\n\nquery-status\n", socket.toString());
    assertEquals(0, good.status(), good.errors());
    assertTrue(good.output().contains("tested") && good.output().contains("prelaunch"));
    Result failed = qmp("query-name\nbogus\nquery-status\n", socket.toString());
    assertEquals(1, failed.status());
    assertTrue(failed.output().contains("tested"), failed.output());
    assertFalse(failed.output().contains("prelaunch"), failed.output());
    assertTrue(failed.errors().startsWith("pollux: CommandNotFound: "), failed.errors());
  }
}
