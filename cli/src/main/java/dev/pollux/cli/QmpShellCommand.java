package dev.pollux.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.qmp.client.SchemaView;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.BufferedReader;
import java.io.Console;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jline.reader.Candidate;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.ParsedLine;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code pollux qmp}: talks to a running machine's QMP monitor. */
@Command(
    name = "qmp",
    synopsisHeading = "",
    customSynopsis = "Usage: pollux qmp [-oob] SOCKET [COMMAND [KEY=VALUE]...]",
    description = {
      "Runs one QMP command and prints its reply (exit status 1 if it fails), or reads commands"
          + " from the terminal.",
      "",
      "SOCKET is a socket file or HOST:PORT. A value is read as the command wants it: KEY=text,"
          + " KEY=5, KEY=on, KEY.MEMBER=x, or a whole JSON object."
    },
    optionListHeading = "%nOptions:%n")
final class QmpShellCommand implements Callable<Integer> {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneId.systemDefault());

  @Mixin HelpOption help;

  @Option(
      names = "-oob",
      description = "Run the command out of band, even if the machine is stuck.")
  private boolean outOfBand;

  @Parameters(index = "0", paramLabel = "SOCKET")
  private String socket;

  @Parameters(index = "1..*", paramLabel = "COMMAND", arity = "0..*")
  private List<String> command = new ArrayList<>();

  @Override
  public Integer call() throws IOException {
    if (!command.isEmpty()) {
      try (QmpClient client = connect(_ -> {})) {
        return run(client, schema(client), command, System.out::println) ? 0 : Main.FAILURE;
      }
    }
    return Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent()
        ? interact()
        : readScript();
  }

  private QmpClient connect(Consumer<JsonNode> onEvent) throws IOException {
    try {
      return QmpClient.connect(socket, onEvent);
    } catch (IOException e) {
      throw new IOException(socket + ": " + Errors.describe(e), e);
    }
  }

  private static SchemaView schema(QmpClient client) throws IOException {
    try {
      return new SchemaView(client.execute("query-qmp-schema"));
    } catch (CommandFailed e) {
      throw new IOException("the monitor does not describe itself: " + e.getMessage(), e);
    }
  }

  /** Runs one command; false where it failed. */
  private boolean run(QmpClient client, SchemaView schema, List<String> words, Consumer<String> out)
      throws IOException {
    try {
      JsonNode reply;
      String name = words.getFirst();
      ObjectNode arguments;
      try {
        arguments =
            schema.parse(
                name.startsWith("{") ? "" : name,
                words.subList(name.startsWith("{") ? 0 : 1, words.size()));
      } catch (IllegalArgumentException e) {
        throw new ConfigException(e.getMessage(), e);
      }
      if (name.startsWith("{")) {
        reply = client.executeRaw(arguments);
      } else if (outOfBand) {
        reply = client.executeOutOfBand(name, arguments);
      } else {
        reply = client.execute(name, arguments);
      }
      out.accept(
          reply.isTextual() ? reply.textValue().stripTrailing() : JsonWriter.write(reply, true));
      return true;
    } catch (CommandFailed e) {
      System.err.println("pollux: " + e.errorClass() + ": " + e.getMessage());
    } catch (ConfigException e) {
      System.err.println("pollux: " + e.getMessage());
    }
    return false;
  }

  /** Commands from standard input, one a line; ends with the first that fails. */
  private int readScript() throws IOException {
    try (QmpClient client = connect(_ -> {});
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      SchemaView schema = schema(client);
      String line;
      while ((line = lines.readLine()) != null) {
        if (!line.isBlank()
            && !line.startsWith("#")
            && !run(client, schema, words(line), System.out::println)) {
          return Main.FAILURE;
        }
      }
    }
    return 0;
  }

  private static List<String> words(String line) {
    // A JSON object may hold blanks and quotes of its own.
    int brace = line.indexOf('{');
    List<String> words = new ArrayList<>();
    String plain = brace < 0 ? line : line.substring(0, brace);
    if (brace > 0 && line.charAt(brace - 1) != ' ') {
      plain = line;
      brace = -1;
    }
    if (!plain.isBlank()) {
      DefaultParser parser = new DefaultParser();
      parser.setEscapeChars(null);
      words.addAll(parser.parse(plain.strip(), 0).words());
    }
    if (brace >= 0) {
      words.add(line.substring(brace).strip());
    }
    return words;
  }

  private int interact() throws IOException {
    try (Terminal terminal = TerminalBuilder.builder().system(true).build()) {
      LineReader[] reader = new LineReader[1];
      try (QmpClient client = connect(event -> show(reader[0], event))) {
        SchemaView schema = schema(client);
        reader[0] =
            LineReaderBuilder.builder()
                .terminal(terminal)
                .parser(new DefaultParser())
                .completer((_, line, candidates) -> complete(schema, line, candidates))
                .variable(
                    LineReader.HISTORY_FILE,
                    Path.of(System.getProperty("user.home"), ".pollux-qmp-history"))
                .build();
        terminal.writer().println("Connected to " + socket + "; Tab completes, Ctrl-D leaves.");
        CompletableFuture<Void> farewell =
            client
                .ended()
                .thenRun(() -> reader[0].printAbove("The emulator has closed the connection."));
        readLines(client, schema, reader[0]);
        farewell.cancel(false);
      }
    }
    return 0;
  }

  private void readLines(QmpClient client, SchemaView schema, LineReader reader)
      throws IOException {
    while (!client.ended().isDone()) {
      try {
        String line = reader.readLine("qmp> ");
        if (!line.isBlank()) {
          run(client, schema, words(line), reader.getTerminal().writer()::println);
        }
      } catch (UserInterruptException e) {
        // Ctrl-C drops the line.
      } catch (EndOfFileException e) {
        return;
      }
    }
  }

  private static void show(LineReader reader, JsonNode event) {
    if (reader != null) {
      Instant time =
          Instant.ofEpochSecond(
              event.at("/timestamp/seconds").asLong(),
              event.at("/timestamp/microseconds").asLong() * 1000);
      JsonNode data = event.path("data");
      reader.printAbove(
          TIME.format(time)
              + " "
              + event.path("event").asText()
              + (data.isMissingNode() ? "" : " " + JsonWriter.write(data, false)));
    }
  }

  private static void complete(SchemaView schema, ParsedLine line, List<Candidate> candidates) {
    if (line.wordIndex() == 0) {
      schema.commands().forEach(name -> candidates.add(new Candidate(name)));
      return;
    }
    String name = line.words().getFirst();
    int equals = line.word().indexOf('=');
    if (equals > 0) {
      String path = line.word().substring(0, equals);
      schema.values(name, path).forEach(value -> candidates.add(new Candidate(path + "=" + value)));
    } else {
      for (String path : schema.arguments(name)) {
        candidates.add(new Candidate(path + "=", path, null, null, null, null, false));
      }
    }
  }
}
