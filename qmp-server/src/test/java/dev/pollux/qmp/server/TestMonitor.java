package dev.pollux.qmp.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Devices;
import dev.pollux.migration.LiveMigration;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Emulator;
import dev.pollux.qmp.schema.CompatPolicy;
import dev.pollux.qmp.schema.SchemaChecker;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.UUID;

/**
 * A machine without vCPUs, its event loop on a thread, and a QMP monitor to type at. Each message
 * that is read is checked against the schema.
 */
final class TestMonitor implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long PATIENCE_MILLIS = 10_000;

  /** Bytes that the monitor keeps for a client that does not read. */
  static final int MOST_OUTPUT = 1 << 20;

  final Machine machine = new Machine("tested", new Machine.EndPolicy(false, true));
  final CharDevices charDevices = new CharDevices(machine.loop()::post, () -> {});
  private final BlockGraph blocks;
  final CommandRegistry commands;
  final QmpServer server;
  final MemoryBackend backend = new MemoryBackend("mon0");
  private final Thread loop;
  private final SchemaChecker checker;
  private final ArrayDeque<String> lines = new ArrayDeque<>();
  private String partial = "";

  TestMonitor() {
    this(CompatPolicy.ACCEPT_ALL, false);
  }

  TestMonitor(CompatPolicy policy, boolean pretty) {
    blocks =
        new BlockGraph(
            new BlockEvents(event -> Objects.requireNonNull(server()).emit(event)),
            machine.loop()::post);
    commands =
        new CommandRegistry(
            new Emulator(
                machine,
                Devices.manager(machine, charDevices, blocks),
                new LiveMigration(machine, "pc", new UUID(0, 0)),
                new UUID(0, 0),
                "test"),
            policy);
    checker = new SchemaChecker(commands.introspection());
    server = new QmpServer(commands, MOST_OUTPUT);
    machine.addListener(new MachineEvents(server::emit));
    server.add(backend, pretty);
    loop = Thread.ofPlatform().name("loop").daemon(true).start(machine.loop()::run);
  }

  private QmpServer server() {
    return server;
  }

  /** The disks. */
  BlockGraph blocks() {
    return blocks;
  }

  /** A monitor whose client has negotiated. */
  static TestMonitor negotiated() {
    TestMonitor monitor = new TestMonitor();
    monitor.read();
    monitor.type("{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}");
    monitor.read();
    return monitor;
  }

  /** Types a line, whole. */
  void type(String text) {
    typeBytes((text + "\n").getBytes(StandardCharsets.UTF_8));
  }

  void typeBytes(byte[] bytes) {
    int done = 0;
    long deadline = System.currentTimeMillis() + PATIENCE_MILLIS;
    while (done < bytes.length) {
      int n = backend.type(java.util.Arrays.copyOfRange(bytes, done, bytes.length));
      done += n;
      if (n == 0) {
        pause(deadline);
      }
    }
  }

  /** The next message. */
  JsonNode read() {
    try {
      JsonNode message = JSON.readTree(readLine());
      if (!message.has("QMP")) {
        checker.checkMessage(message);
      }
      return message;
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  /** The next line, CR LF left out. */
  String readLine() {
    long deadline = System.currentTimeMillis() + PATIENCE_MILLIS;
    while (lines.isEmpty()) {
      if (!poll()) {
        pause(deadline);
      }
    }
    return lines.poll();
  }

  /** True when nothing has been written that was not read, for a moment. */
  boolean isSilent() throws InterruptedException {
    Thread.sleep(50);
    poll();
    return lines.isEmpty();
  }

  private boolean poll() {
    partial += backend.takeOutput();
    int start = 0;
    int end;
    while ((end = partial.indexOf("\r\n", start)) >= 0) {
      lines.add(partial.substring(start, end));
      start = end + 2;
    }
    partial = partial.substring(start);
    return !lines.isEmpty();
  }

  private static void pause(long deadline) {
    if (System.currentTimeMillis() > deadline) {
      throw new AssertionError("nothing happens");
    }
    try {
      Thread.sleep(1);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** The reply to a command; its value is checked against the command's type. */
  JsonNode execute(String request) {
    type(request);
    JsonNode reply = read();
    while (reply.has("event")) {
      reply = read();
    }
    return reply;
  }

  /** The value that a command returns. */
  JsonNode query(String command) {
    JsonNode reply = execute("{'execute':'" + command + "'}");
    checker.checkReturn(command, reply.get("return"));
    return reply.get("return");
  }

  /** The sentence with which a command fails. */
  String error(String request) {
    return execute(request).at("/error/desc").asText("no error");
  }

  SchemaChecker checker() {
    return checker;
  }

  @Override
  public void close() {
    server.close();
    machine.loop().stop();
    try {
      loop.join(PATIENCE_MILLIS);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    machine.close();
    charDevices.close();
  }
}
