package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.baremetal.ReceiveFilterProgram;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.Monitors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code query-rx-filter} and {@code NIC_RX_FILTER_CHANGED} with a guest that says which frames it
 * wants: {@link ReceiveFilterProgram}. QEMU, where it is installed, says the same.
 */
@Timeout(120)
class ReceiveFilterTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String QEMU = "qemu-system-x86_64";
  private static final Duration PATIENCE = Duration.ofSeconds(40);

  private static final String FILTER =
      """
      [{'broadcast-allowed':false,'main-mac':'52:54:00:aa:bb:02','multicast':'%s',\
      'multicast-overflow':false,'multicast-table':['01:00:5e:00:00:01','33:33:00:00:00:01'],\
      'name':'net0','promiscuous':false,'unicast':'normal','unicast-overflow':false,\
      'unicast-table':['52:54:00:aa:bb:03','52:54:00:aa:bb:01'],'vlan':'normal','vlan-table':[%s]}]\
      """;

  private static final String CHANGED =
      "NIC_RX_FILTER_CHANGED {'name':'net0','path':'/machine/peripheral/net0/virtio-backend'}";

  /** One event until somebody asks, and one after that. */
  private static final List<String> EXPECTED =
      List.of(
          FILTER.formatted("all", "7"),
          FILTER.formatted("all", "7"),
          "0=0 1=0 2=0 3=0 4=0 5=0 6=0 7=0 \nfirst\n8=0 9=0 10=0 11=1 \ndone\n",
          FILTER.formatted("none", "4095,7"),
          "invalid net client name: nobody",
          "net client(n0) isn't a NIC",
          "net client(net1) doesn't support rx-filter querying",
          List.of(CHANGED, CHANGED).toString());

  @TempDir private Path folder;

  @Test
  void tellsWhatTheGuestWants() throws Exception {
    List<String> command = JavaCommand.pollux();
    command.add("run");
    String said = conversation(command);
    assertEquals(String.join("\n", EXPECTED), said);
  }

  @Test
  void qemuTellsTheSame() throws Exception {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(entry -> Files.isExecutable(Path.of(entry, QEMU))),
        QEMU + " is not installed");
    String said = conversation(new ArrayList<>(List.of(QEMU, "-accel", "tcg")));
    // It has that one the wrong way round.
    assertEquals(String.join("\n", EXPECTED), said.replace("allowed':true", "allowed':false"));
  }

  /** All that the guest and the monitor say. */
  private String conversation(List<String> command) throws Exception {
    Path place = Files.createTempDirectory(folder, "machine");
    Path socket = place.resolve("qmp");
    Path console = place.resolve("console");
    Path kernel = Files.write(place.resolve("guest"), ReceiveFilterProgram.image());
    // It waits until somebody hears what it changes.
    command.addAll(List.of("-m", "32", "-machine", "pc", "-nodefaults", "-display", "none", "-S"));
    command.addAll(List.of("-kernel", kernel.toString(), "-debugcon", "file:" + console));
    command.addAll(List.of("-qmp", "unix:" + socket + ",server=on,wait=off"));
    command.addAll(List.of("-netdev", "user,id=n0,restrict=on", "-netdev", "user,id=n1"));
    command.addAll(
        List.of(
            "-device",
            "virtio-net-pci,id=net0,netdev=n0,addr=%d,mac=52:54:00:aa:bb:00"
                .formatted(ReceiveFilterProgram.SLOT)));
    command.addAll(List.of("-device", "e1000,id=net1,netdev=n1,addr=6"));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(place.resolve("messages").toFile())
            .start();
    try {
      await(process, () -> Files.exists(console));
      return String.join("\n", talk(process, socket, console));
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  private static List<String> talk(Process process, Path socket, Path console) throws Exception {
    List<String> said = new ArrayList<>();
    List<String> events = new CopyOnWriteArrayList<>();
    try (QmpClient monitor = Monitors.connect(socket, e -> note(e, events))) {
      monitor.execute("cont");
      await(process, () -> text(console).contains("first"));
      said.add(ask(monitor, "{'name':'net0'}"));
      said.add(ask(monitor, "{}"));
      monitor.execute("set_link", json("{'name':'net0','up':false}"));
      await(process, () -> text(console).contains("done"));
      await(process, () -> events.size() == 2);
      said.add(text(console));
      said.add(ask(monitor, "{}"));
      for (String name : List.of("nobody", "n0", "net1")) {
        said.add(ask(monitor, "{'name':'%s'}".formatted(name)));
      }
      said.add(events.toString());
    }
    return said;
  }

  private static void note(JsonNode event, List<String> events) {
    if (event.path("event").asText().equals("NIC_RX_FILTER_CHANGED")) {
      events.add(event.path("event").asText() + " " + sorted(event.path("data")));
    }
  }

  /** What is returned, or why nothing. */
  private static String ask(QmpClient monitor, String arguments) throws IOException {
    try {
      return sorted(monitor.execute("query-rx-filter", json(arguments)));
    } catch (CommandFailed e) {
      return e.getMessage();
    }
  }

  private static ObjectNode json(String text) throws IOException {
    return (ObjectNode) JSON.readTree(text.replace('\'', '"'));
  }

  /** As text, members by their names. */
  private static String sorted(JsonNode node) {
    try {
      Object plain = JSON.treeToValue(node, Object.class);
      return JSON.writer()
          .with(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
          .writeValueAsString(plain)
          .replace('"', '\'');
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return "";
    }
  }

  private static void await(Process process, BooleanSupplier condition)
      throws InterruptedException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, "nothing has happened within " + PATIENCE);
      assertTrue(process.isAlive(), () -> "it has ended with " + process.exitValue());
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }
}
