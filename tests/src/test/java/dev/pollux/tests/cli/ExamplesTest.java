package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollux.cli.Main;
import dev.pollux.cli.script.ConsoleScript;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Examples of the documentation say what Pollux understands. */
class ExamplesTest {
  private static final Path EXAMPLES = Path.of("..", "docs", "examples");

  /** Notes its arguments, a line each, and says what the real one would. */
  private static final String STUB =
      """
      #!/bin/sh
      { for word; do printf '%s\\n' "$word"; done; echo; } >> "$0.said"
      case $1 in
        guest) printf 'kernel: /k\\ninitrd: /i\\n' ;;
        pair) [ "$2" = stop ] || echo '{"event": "resumed"}' ;;
      esac
      """;

  @TempDir private Path folder;

  private Path stub(String name) throws Exception {
    Path stub = Files.writeString(folder.resolve(name), STUB);
    assertTrue(stub.toFile().setExecutable(true));
    return stub;
  }

  private static void run(Map<String, String> environment, Path in, String... command)
      throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(command).directory(in.toFile()).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), said);
  }

  /** Commands that a stub was given. */
  private static List<List<String>> said(Path stub) throws Exception {
    List<List<String>> commands = new ArrayList<>();
    List<String> words = new ArrayList<>();
    for (String line : Files.readAllLines(stub.resolveSibling(stub.getFileName() + ".said"))) {
      if (line.isEmpty()) {
        commands.add(words);
        words = new ArrayList<>();
      } else {
        words.add(line);
      }
    }
    return commands;
  }

  @Test
  void workflowGivesCommandsThatAreUnderstood() throws Exception {
    JsonNode workflow = new YAMLMapper().readTree(EXAMPLES.resolve("ci.yml").toFile());
    Path pollux = stub("pollux");
    Path maven = stub("mvn");
    Path noted = folder.resolve("environment");
    Map<String, String> environment =
        Map.of(
            "GITHUB_ENV",
            noted.toString(),
            "PATH",
            folder + ":" + System.getenv("PATH"),
            "kernel",
            "/k",
            "initrd",
            "/i");
    for (JsonNode step : workflow.at("/jobs/guests/steps")) {
      if (step.has("run")) {
        run(environment, folder, "bash", "-e", "-c", step.path("run").asText());
      }
    }
    assertEquals(List.of("kernel=/k", "initrd=/i"), Files.readAllLines(noted));
    List<List<String>> commands = said(pollux);
    assertEquals(
        List.of("guest", "run", "pair", "pair"), commands.stream().map(List::getFirst).toList());
    for (List<String> command : commands) {
      assertEquals(
          command.getFirst(),
          Main.parse(command.toArray(String[]::new)).subcommand().commandSpec().name());
    }
    assertEquals(List.of(List.of("-B", "-ntp", "verify")), said(maven));
    var _ = ConsoleScript.read(folder.resolve("boot.expect"));
  }
}
