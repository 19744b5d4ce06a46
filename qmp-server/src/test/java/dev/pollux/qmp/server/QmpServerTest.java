package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.schema.CompatPolicy;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
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
      queries.forEach(monitor::query);
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
