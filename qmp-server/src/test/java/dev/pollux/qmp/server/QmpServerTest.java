package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.schema.CompatPolicy;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QmpServerTest {
  @Test
  void negotiation() throws InterruptedException {
    try (TestMonitor monitor = new TestMonitor()) {
      assertEquals(
          "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10, \"minor\": 2, \"micro\": 0},"
              + " \"package\": \"pollux test\"}, \"capabilities\": [\"oob\"]}}",
          monitor.readLine());
      JsonNode early = monitor.execute("{'execute':'query-status'}").get("error");
      assertEquals("CommandNotFound", early.get("class").asText());
      assertEquals(
          "Expecting capabilities negotiation with 'qmp_capabilities'", early.get("desc").asText());
      assertEquals(
          "QMP input member 'exec-oob' is unexpected",
          monitor.error("{'exec-oob':'query-yank','id':3}"));
      assertEquals(
          "Parameter 'null' does not accept value 'x'",
          monitor.error("{'execute':'qmp_capabilities','arguments':{'enable':['x']}}"));
      monitor.machine.requestPowerdown();
      assertTrue(monitor.isSilent(), "no events before negotiation");
      assertEquals(
          "{}", monitor.execute("{'execute':'qmp_capabilities'}").get("return").toString());
      JsonNode again = monitor.execute("{'execute':'qmp_capabilities'}").get("error");
      assertEquals("CommandNotFound", again.get("class").asText());
      assertEquals(
          "Capabilities negotiation is already complete, command ignored",
          again.get("desc").asText());
      assertEquals(
          "QMP input member 'exec-oob' is unexpected", monitor.error("{'exec-oob':'query-yank'}"));
    }
  }

  @Test
  void everyQueryReturnsWhatTheSchemaSays() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.checker().checkClosed();
      List<String> queries = monitor.checker().queries();
      assertTrue(queries.size() >= 15, queries::toString);
      queries.stream().filter(query -> !query.equals("query-balloon")).forEach(monitor::query);
      assertEquals(
          "No balloon device has been activated", monitor.error("{'execute':'query-balloon'}"));
    }
  }

  @Test
  void eventsComeInTheOrderInWhichThingsHappen() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.type(
          "{'execute':'cont','id':1}{'execute':'stop','id':2}{'execute':'stop','id':3}{'execute':'cont','id':4}");
      List<String> seen = new ArrayList<>();
      for (int i = 0; i < 7; i++) {
        JsonNode message = monitor.read();
        seen.add(message.path("event").asText(message.path("id").asText()));
      }
      assertEquals(List.of("RESUME", "1", "STOP", "2", "3", "RESUME", "4"), seen);
    }
  }

  @Test
  void resetAndPowerdownTellWhoAsked() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.type("{'execute':'system_reset'}");
      assertTrue(monitor.read().has("return"));
      assertEquals(
          "{\"guest\":false,\"reason\":\"host-qmp-system-reset\"}",
          monitor.read().get("data").toString());
      monitor.type("{'execute':'system_powerdown'}");
      assertTrue(monitor.read().has("return"));
      JsonNode powerdown = monitor.read();
      assertEquals("POWERDOWN", powerdown.get("event").asText());
      assertFalse(powerdown.has("data"));
      monitor.machine.requestReset(ShutdownCause.SNAPSHOT_LOAD);
      monitor.machine.requestShutdown(ShutdownCause.GUEST_SHUTDOWN);
      JsonNode shutdown = monitor.read();
      assertEquals(
          "SHUTDOWN", shutdown.get("event").asText(), "the reset for a checkpoint is silent");
      assertEquals(
          "{\"guest\":true,\"reason\":\"guest-shutdown\"}", shutdown.get("data").toString());
      assertEquals("shutdown", monitor.query("query-status").get("status").asText());
      assertEquals(
          "Resetting the Virtual Machine is required", monitor.error("{'execute':'cont'}"));
    }
  }

  /** The replies and their order are those of QEMU 7.2 and 10. */
  @Test
  void aSleepingGuestIsWoken() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      String wake = "{'execute':'system_wakeup'}";
      assertEquals(
          "{\"wakeup-suspend-support\":true}", monitor.query("query-current-machine").toString());
      assertEquals("Unable to wake up: guest is not in suspended state", monitor.error(wake));
      assertTrue(monitor.execute("{'execute':'cont'}").has("return"));
      monitor.machine.requestSuspend();
      JsonNode suspend = monitor.read();
      assertEquals("SUSPEND", suspend.get("event").asText());
      assertFalse(suspend.has("data"));
      JsonNode status = monitor.query("query-status");
      assertEquals("{\"running\":false,\"status\":\"suspended\"}", status.toString());
      assertTrue(monitor.execute("{'execute':'cont'}").has("return"));
      assertEquals("suspended", monitor.query("query-status").get("status").asText());
      assertTrue(monitor.execute(wake).has("return"));
      assertEquals("WAKEUP", monitor.read().get("event").asText());
      assertEquals("running", monitor.query("query-status").get("status").asText());
      assertEquals(
          "Error: Unable to wake up: guest is not in suspended state\r\n",
          monitor
              .execute(
                  "{'execute':'human-monitor-command','arguments':{'command-line':'system_wakeup'}}")
              .get("return")
              .asText());
    }
  }

  @Test
  void outOfBandCommandsPassAStuckMachine() {
    CountDownLatch stuck = new CountDownLatch(1);
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      try {
        monitor.machine.loop().post(() -> await(stuck));
        monitor.type("{'execute':'query-status','id':1}{'exec-oob':'query-yank','id':2}");
        assertEquals(2, monitor.read().get("id").asInt());
        assertEquals(
            "Instance not found",
            monitor.error("{'exec-oob':'yank','arguments':{'instances':[{'type':'migration'}]}}"));
      } finally {
        stuck.countDown();
      }
      assertEquals(1, monitor.read().get("id").asInt());
    }
  }

  @Test
  void eightCommandsWaitAndTheRestIsNotRead() throws InterruptedException {
    CountDownLatch stuck = new CountDownLatch(1);
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      try {
        monitor.machine.loop().post(() -> await(stuck));
        for (int id = 0; id < 20; id++) {
          monitor.type("{'execute':'query-name','id':" + id + "}");
        }
        monitor.type("{'exec-oob':'query-yank','id':20}");
        assertTrue(monitor.isSilent(), "what comes after a full queue is not looked at");
      } finally {
        stuck.countDown();
      }
      List<Integer> ids = new ArrayList<>();
      for (int i = 0; i <= 20; i++) {
        ids.add(monitor.read().get("id").asInt());
      }
      ids.remove(Integer.valueOf(20)); // at its own time
      for (int id = 0; id < 20; id++) {
        assertEquals(id, ids.get(id));
      }
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void eachClientStartsAfresh() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.type("{'execute':"); // half a command, which the next client must not inherit
      monitor.backend.setConnected(false);
      monitor.backend.setConnected(true);
      assertTrue(monitor.read().has("QMP"));
      assertEquals(
          "Expecting capabilities negotiation with 'qmp_capabilities'",
          monitor.error("{'execute':'stop'}"));
      monitor.backend.event(CharEvent.BREAK);
      assertEquals(
          "{}", monitor.execute("{'execute':'qmp_capabilities'}").get("return").toString());
    }
  }

  @Test
  void aClientThatDoesNotReadStopsNothing() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.backend.setRoom(0);
      for (int i = 0; i < 100; i++) {
        monitor.type("{'execute':'query-status','id':" + i + "}");
      }
      monitor.backend.setRoom(Integer.MAX_VALUE);
      for (int i = 0; i < 100; i++) {
        assertEquals(i, monitor.read().get("id").asInt());
      }
    }
  }

  /** A request whose reply is six times as long: DEL is escaped. */
  private static String loud(int id, int length) {
    return "{'execute':'query-name','id':'" + id + "\u007f".repeat(length) + "'}";
  }

  @Test
  void aClientThatReadsLateGetsAllReplies() throws InterruptedException {
    int length = TestMonitor.MOST_OUTPUT / 6 / 8;
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.backend.setRoom(0);
      Thread typist =
          Thread.ofPlatform()
              .start(
                  () -> {
                    for (int i = 0; i < 12; i++) {
                      monitor.type(loud(i, length));
                    }
                  });
      Thread.sleep(300);
      monitor.backend.setRoom(Integer.MAX_VALUE);
      for (int i = 0; i < 12; i++) {
        String reply = monitor.readLine();
        assertTrue(reply.endsWith("\"}"), "reply " + i);
        assertTrue(reply.contains("\"id\": \"" + i + "\\u007F"), reply.substring(0, 60));
      }
      typist.join();
      assertTrue(monitor.query("query-status").has("running"));
    }
  }

  @Test
  void aClientHearsOnceThatMessagesWereLost() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.backend.setRoom(0);
      for (int i = 0; i < TestMonitor.MOST_OUTPUT / 60; i++) {
        monitor.server.emit(new Events.Stop());
      }
      monitor.backend.setRoom(Integer.MAX_VALUE);
      int events = 0;
      String line = monitor.readLine();
      for (; line.contains("STOP"); line = monitor.readLine()) {
        events++;
      }
      assertTrue(events > 1000, "events " + events);
      assertTrue(
          line.startsWith(
              "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Messages were lost: "),
          line);
      assertEquals("tested", monitor.query("query-name").get("name").asText());
    }
  }

  @Test
  void aReplyOutOfProportionIsLostAlone() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.type(loud(0, TestMonitor.MOST_OUTPUT / 6));
      assertTrue(monitor.readLine().contains("Messages were lost"));
      assertEquals("tested", monitor.query("query-name").get("name").asText());
    }
  }

  @Test
  void ringsHaveTheHeapInMind() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      String error = "";
      for (int i = 0; i < 200 && error.isEmpty(); i++) {
        error =
            monitor
                .execute(
                    "{'execute':'chardev-add','arguments':{'id':'r%d','backend':{'type':'ringbuf','data':{'size':1073741824}}}}"
                        .formatted(i))
                .at("/error/desc")
                .asText();
      }
      assertTrue(error.contains("left for rings; give a smaller size"), error);
      assertTrue(monitor.query("query-status").has("running"));
    }
  }

  /** Whatever a task or a command throws, the loop and the client's session outlive it. */
  @Test
  void errorsEndNeitherLoopNorSession() {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.machine.addListener(
          new MachineListener() {
            @Override
            public void resumed() {
              throw new OutOfMemoryError("thrown by a test");
            }
          });
      assertEquals(
          "Internal error: java.lang.OutOfMemoryError: thrown by a test",
          monitor.error("{'execute':'cont'}"));
      monitor
          .machine
          .loop()
          .post(
              () -> {
                throw new StackOverflowError("thrown by a test");
              });
      assertTrue(
          monitor
              .machine
              .loop()
              .call(
                  () -> {
                    throw new OutOfMemoryError("thrown by a test");
                  })
              .handle((_, failure) -> failure instanceof OutOfMemoryError)
              .orTimeout(10, TimeUnit.SECONDS)
              .join());
      assertEquals("running", monitor.query("query-status").get("status").asText());
    }
  }

  @Test
  void savingMemoryHoldsUpNobody(@TempDir Path folder) throws Exception {
    Path pipe = folder.resolve("pipe");
    assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0, "no mkfifo");
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      RamBlock ram = new RamBlock("ram", 8 << 20, false);
      byte[] expected = new byte[(int) ram.size() + 4096];
      new Random(5).nextBytes(expected);
      Arrays.fill(expected, (int) ram.size(), expected.length, (byte) -1);
      ram.write(0, expected, 0, (int) ram.size());
      monitor.machine.lock().lock();
      try {
        monitor.machine.addRamBlock(ram);
        monitor.machine.memory().map(0, new Region.RamRegion(ram, 0, ram.size()));
      } finally {
        monitor.machine.lock().unlock();
      }
      String save = "{'execute':'pmemsave','arguments':{'val':%d,'size':%d,'filename':'%s'}}";
      for (long[] place : new long[][] {{-1, 1}, {0, -1}, {4096, Long.MAX_VALUE}}) {
        long from = place[0];
        String wrong = save.formatted(from, place[1], pipe);
        assertEquals(
            "Parameter '%s' expects a place in guest memory, which ends at 0x100000000"
                .formatted(from < 0 ? "val" : "size"),
            monitor.error(wrong));
      }
      // Nobody reads the pipe yet; the client's own next command waits, the machine does not.
      monitor.type(save.formatted(0, expected.length, pipe));
      monitor.type("{'execute':'query-name','id':'behind'}");
      assertTrue(monitor.isSilent());
      assertEquals(1, monitor.machine.loop().call(() -> 1).get(10, TimeUnit.SECONDS));
      assertArrayEquals(expected, Files.readAllBytes(pipe));
      assertEquals("{}", monitor.read().path("return").toString());
      assertEquals("behind", monitor.read().path("id").asText());
      assertEquals(
          "Could not open '%s': No such file or directory".formatted(folder.resolve("no/file")),
          monitor.error(save.formatted(0, 1, folder.resolve("no/file"))));
    }
  }

  @Test
  void prettyRepliesAreIndented() {
    try (TestMonitor monitor = new TestMonitor(CompatPolicy.ACCEPT_ALL, true)) {
      assertTrue(monitor.readLine().startsWith("{\n    \"QMP\": {\n        \"version\": {"));
    }
  }

  @Test
  void policyRejectsAndHides() {
    CompatPolicy policy =
        new CompatPolicy(
            CompatPolicy.Input.REJECT,
            CompatPolicy.Output.HIDE,
            CompatPolicy.Input.ACCEPT,
            CompatPolicy.Output.ACCEPT);
    try (TestMonitor monitor = new TestMonitor(policy, false)) {
      monitor.read();
      monitor.execute("{'execute':'qmp_capabilities'}");
      JsonNode error = monitor.execute("{'execute':'query-colo-status'}").get("error");
      assertEquals("CommandNotFound", error.get("class").asText());
      assertEquals(
          "Deprecated command query-colo-status disabled by policy", error.get("desc").asText());
      assertEquals(
          "Deprecated value zero-blocks disabled by policy",
          monitor.error(
              "{'execute':'migrate-set-capabilities','arguments':{'capabilities':"
                  + "[{'capability':'zero-blocks','state':true}]}}"));
      assertEquals(
          "Deprecated parameter x-checkpoint-delay disabled by policy",
          monitor.error(
              "{'execute':'migrate-set-parameters','arguments':{'x-checkpoint-delay':5}}"));
      assertFalse(monitor.query("query-migrate-parameters").has("x-checkpoint-delay"));
    }
  }

  @Test
  void characterDevices(@TempDir Path folder) {
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      String add = "{'execute':'chardev-add','arguments':{'id':'%s','backend':%s}}";
      assertEquals(
          "Parameter 'backend.data' is missing",
          monitor.error(add.formatted("a", "{'type':'null'}")));
      for (String id : new String[] {"bad id", "", "7up", "a/b"}) {
        assertEquals(
            "Parameter 'id' expects an identifier: a letter, then letters, digits, '-', '.', '_'",
            monitor.error(add.formatted(id, "{'type':'null','data':{}}")));
      }
      assertEquals(
          "{}",
          monitor
              .execute(add.formatted("a", "{'type':'null','data':{}}"))
              .get("return")
              .toString());
      assertEquals(
          "Chardev with id 'a' already exists",
          monitor.error(add.formatted("a", "{'type':'null','data':{}}")));
      String socket =
          "{'type':'socket','data':{'addr':{'type':'unix','data':{'path':'%s'}},'wait':false}}"
              .formatted(folder.resolve("s"));
      assertTrue(monitor.execute(add.formatted("s", socket)).has("return"));
      assertEquals("[{\"type\":\"chardev\",\"id\":\"s\"}]", monitor.query("query-yank").toString());
      assertEquals(2, monitor.query("query-chardev").size());
      String remove = "{'execute':'chardev-remove','arguments':{'id':'a'}}";
      assertTrue(monitor.execute(remove).has("return"));
      assertEquals("Chardev 'a' not found", monitor.error(remove));
    }
  }

  @Test
  void manyClientsConnectAndDrop(@TempDir Path folder) throws IOException, QmpClient.CommandFailed {
    Path socket = folder.resolve("qmp");
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      monitor.charDevices.add(
          CharOptions.parse("socket,id=many,path=" + socket + ",server=on,wait=off"));
      monitor.server.add(monitor.charDevices.claim("many"), false);
      Random random = new Random(1);
      for (int i = 0; i < 100; i++) {
        try (SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
          client.connect(UnixDomainSocketAddress.of(socket));
          String text =
              "{'execute':'qmp_capabilities'}{'execute':'query-qmp-schema'}"
                  .repeat(random.nextInt(1, 9));
          byte[] bytes =
              text.substring(0, random.nextInt(text.length()))
                  .getBytes(java.nio.charset.StandardCharsets.US_ASCII);
          client.write(ByteBuffer.wrap(bytes));
        }
      }
      try (QmpClient client = QmpClient.connect(socket.toString(), _ -> {})) {
        assertEquals("prelaunch", client.execute("query-status").get("status").asText());
        assertEquals(
            "many",
            client
                .executeOutOfBand("query-yank", JsonNodeFactory.instance.objectNode())
                .at("/0/id")
                .asText());
      }
    }
  }
}
