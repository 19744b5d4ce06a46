package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollux.cli.Main;
import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.tests.harness.TrainedProgram;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The files for clusters, as far as they can be tried without one. */
@Timeout(180)
class ClusterFilesTest {
  private static final Path EXAMPLES = Path.of("..", "docs", "examples").toAbsolutePath();
  private static final int NOT_RUNNING = 7;
  private static final int UNIMPLEMENTED = 3;
  private static final int NOT_INSTALLED = 5;
  private static final int WRONG_ARGUMENTS = 2;

  @TempDir private Path folder;
  private final Map<String, String> environment = new HashMap<>();

  /** What a command has said on both outputs, and its status. */
  private record Said(int status, String text) {}

  private Said run(String... command) throws Exception {
    Path output = Files.createTempFile(folder, "said", ".txt");
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    assertTrue(process.waitFor(120, TimeUnit.SECONDS), List.of(command) + " still runs");
    return new Said(process.exitValue(), Files.readString(output));
  }

  private Said agent(String action) throws Exception {
    return run("sh", EXAMPLES.resolve("pollux-pair.ocf").toString(), action);
  }

  private void agent(String action, int status) throws Exception {
    Said said = agent(action);
    assertEquals(status, said.status(), action + ": " + said.text());
  }

  @Test
  void agentDescribesItself() throws Exception {
    Said said = agent("meta-data");
    assertEquals(0, said.status());
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
    Document document =
        factory
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(said.text().getBytes(StandardCharsets.UTF_8)));
    assertEquals("pair", document.getDocumentElement().getAttribute("name"));
    Set<String> actions = names(document.getElementsByTagName("action"));
    assertEquals(Set.of("start", "stop", "monitor", "validate-all", "meta-data"), actions);
    assertEquals(Set.of("config", "pollux"), names(document.getElementsByTagName("parameter")));
    environment.put("OCF_RESKEY_pollux", "/nowhere");
    agent("validate-all", NOT_INSTALLED);
    environment.put("OCF_RESKEY_pollux", "/bin/true");
    environment.put("OCF_RESKEY_config", folder.resolve("none.toml").toString());
    agent("validate-all", WRONG_ARGUMENTS);
    agent("promote", UNIMPLEMENTED);
  }

  private static Set<String> names(NodeList nodes) {
    Set<String> names = new TreeSet<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      names.add(((Element) nodes.item(i)).getAttribute("name"));
    }
    return names;
  }

  @Test
  void agentStartsAndStopsASide() throws Exception {
    Path side = folder.resolve("side");
    Path kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(16, 4));
    Path config =
        Files.writeString(
            folder.resolve("pair.toml"),
            """
            host = "127.77.0.1"
            peer = "127.77.0.2"
            lease = "file:%s"
            folder = "%s"
            console = "none"
            machine = ["-m", "32", "-kernel", "%s"]
            """
                .formatted(folder.resolve("lease"), side, kernel));
    Path pollux = folder.resolve("pollux");
    TrainedProgram.write(pollux);
    environment.put("OCF_RESKEY_pollux", pollux.toString());
    environment.put("OCF_RESKEY_config", config.toString());
    Path told = recordAttributes();
    agent("validate-all", 0);
    agent("monitor", NOT_RUNNING);
    agent("stop", 0); // what does not run has stopped
    agent("start", 0);
    try {
      agent("start", 0);
      agent("monitor", 0);
      assertTrue(Files.readAllLines(told).getLast().startsWith("-n pollux-pair -U "));
      long pid = Long.parseLong(Files.readString(side.resolve("agent.pid")).strip());
      agent("stop", 0);
      assertTrue(ProcessHandle.of(pid).isEmpty(), "the side still runs");
      assertEquals("-n pollux-pair -U gone", Files.readAllLines(told).getLast());
      agent("monitor", NOT_RUNNING);
    } finally {
      var _ = agent("stop");
    }
  }

  /** Has a file get what the agent tells Pacemaker of its node. */
  private Path recordAttributes() throws IOException {
    Path told = folder.resolve("told");
    Path programs = Files.createDirectory(folder.resolve("programs"));
    Path updater = programs.resolve("attrd_updater");
    Files.writeString(updater, "#!/bin/sh\nprintf '%%s\\n' \"$*\" >> %s\n".formatted(told));
    Files.setPosixFilePermissions(updater, PosixFilePermissions.fromString("rwxr-xr-x"));
    environment.put("PATH", programs + ":" + System.getenv("PATH"));
    return told;
  }

  @Test
  void unitIsWhatSystemdUnderstands() throws Exception {
    String unit = Files.readString(EXAMPLES.resolve("pollux-pair@.service"));
    Path copy =
        Files.writeString(
            folder.resolve("pollux-pair@.service"), unit.replace("/usr/bin/pollux", "/bin/true"));
    Said said;
    try {
      said = run("systemd-analyze", "verify", "--man=no", copy.toString());
    } catch (IOException e) {
      Assumptions.abort("no systemd-analyze (Debian: systemd)");
      return;
    }
    assertEquals(new Said(0, ""), said);
    String command =
        unit.lines().filter(line -> line.startsWith("ExecStart=")).findFirst().orElseThrow();
    var _ = Main.parse(command.substring("ExecStart=/usr/bin/pollux ".length()).split(" "));
  }

  @Test
  void manifestsFitTogether() throws Exception {
    Map<String, JsonNode> byKind = new HashMap<>();
    try (MappingIterator<JsonNode> documents =
        new YAMLMapper()
            .readerFor(JsonNode.class)
            .readValues(EXAMPLES.resolve("kubernetes.yaml").toFile())) {
      documents.forEachRemaining(document -> byKind.put(document.path("kind").asText(), document));
    }
    assertEquals(
        Set.of("Service", "ConfigMap", "StatefulSet", "PodDisruptionBudget"), byKind.keySet());
    JsonNode set = byKind.get("StatefulSet").path("spec");
    JsonNode labels = set.at("/template/metadata/labels");
    assertEquals(labels, set.at("/selector/matchLabels"));
    assertEquals(labels, byKind.get("Service").at("/spec/selector"));
    assertEquals(labels, byKind.get("PodDisruptionBudget").at("/spec/selector/matchLabels"));
    assertEquals(
        byKind.get("Service").at("/metadata/name").asText(), set.path("serviceName").asText());
    JsonNode container = set.at("/template/spec/containers/0");
    String ready = container.at("/readinessProbe/exec/command/2").asText();
    assertTrue(ready.contains("'\"doing\":\"running\"'"), ready);
    var _ =
        Main.parse(
            "pair", "status", "--folder", container.at("/livenessProbe/exec/command/4").asText());

    Path toml = folder.resolve("pair.toml");
    String script =
        byKind
            .get("ConfigMap")
            .at("/data/start")
            .asText()
            .replace("/tmp/pair.toml", toml.toString())
            .replace("/usr/bin/pollux", "true");
    for (String pod : List.of("pair-0", "pair-1")) {
      environment.put("HOSTNAME", pod);
      assertEquals(new Said(0, ""), run("sh", "-c", script));
      JsonNode side = new TomlMapper().readTree(toml.toFile());
      String peer = pod.equals("pair-0") ? "pair-1.pair" : "pair-0.pair";
      assertEquals(pod + ".pair", side.path("host").asText());
      assertEquals(peer, side.path("peer").asText());
      List<String> words = new ArrayList<>(List.of("pair"));
      side.properties().stream()
          .filter(key -> key.getValue().isTextual())
          .forEach(key -> words.addAll(List.of("--" + key.getKey(), key.getValue().asText())));
      side.path("machine").forEach(word -> words.add(word.asText()));
      var _ = Main.parse(words.toArray(String[]::new));
    }
  }
}
