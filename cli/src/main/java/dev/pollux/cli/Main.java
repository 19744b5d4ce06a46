package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.decode.OpcodeTables;
import dev.pollux.devices.timer.TimerRehearsal;
import java.io.IOException;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** Entry point of the {@code pollux} command. */
@Command(
    name = "pollux",
    synopsisSubcommandLabel = "COMMAND",
    description = "Runs x86-64 virtual machines that survive the death of their host.",
    optionListHeading = "%nOptions:%n",
    commandListHeading = "%nCommands:%n",
    footer = {"", "pollux COMMAND -help tells more about a command."})
public final class Main implements Callable<Integer> {
  /** Exit status after an error of the user, or when a command failed. */
  public static final int FAILURE = 1;

  /** All commands, in the order of the help text. */
  private static final List<Class<? extends Callable<Integer>>> COMMANDS =
      List.of(
          RunCommand.class,
          QmpShellCommand.class,
          PairCommand.class,
          DemoCommand.class,
          ImgCommand.class,
          NbdCommand.class,
          GuestCommand.class,
          TrainCommand.class,
          VersionCommand.class);

  @Spec private CommandSpec spec;

  @Mixin HelpOption help;

  @Option(
      names = {"-version", "--version"},
      description = "Show the version.")
  private boolean version;

  private Main() {}

  /**
   * Runs one command and ends the process with its exit status.
   *
   * @param args the command line
   */
  public static void main(String[] args) {
    LogProvider.use();
    int status = execute(args);
    if (args.length > 0 && args[0].equals(ImgCommand.NAME)) {
      // Nothing is left to be done, and what an orderly end costs is seen in so short a run.
      System.out.flush();
      System.err.flush();
      Runtime.getRuntime().halt(status);
    }
    System.exit(status);
  }

  /** Runs one command; its errors go to standard error, one line each. */
  static int execute(String... args) {
    if (args.length > 0 && args[0].equals(ImgCommand.NAME)) {
      return ImgCommand.run(List.of(args).subList(1, args.length));
    }
    if (args.length > 0 && args[0].equals(NbdCommand.NAME)) {
      return NbdCommand.run(List.of(args).subList(1, args.length));
    }
    if (args.length > 0 && args[0].equals(RunCommand.NAME)) {
      Optional<RunOptions> plain = RunWords.read(List.of(args).subList(1, args.length));
      if (plain.isPresent()) {
        return run(plain.get());
      }
    }
    CommandLine line = commandLine(args);
    return line.execute(lastOfEach(line, args));
  }

  private static int run(RunOptions options) {
    Thread.ofPlatform().daemon().name("opcode tables").start(Main::makeReady);
    try {
      return new RunCommand(options).call();
    } catch (IOException | RuntimeException e) {
      return fail(e);
    }
  }

  /** On another core while devices are made: what the vCPU needs. */
  private static void makeReady() {
    OpcodeTables.rows();
    TimerRehearsal.run();
  }

  /**
   * Understands a command line without doing what it says.
   *
   * @throws CommandLine.ParameterException if that is not possible
   */
  public static CommandLine.ParseResult parse(String... args) {
    CommandLine line = commandLine(args);
    return line.parseArgs(lastOfEach(line, args));
  }

  private static CommandLine commandLine(String... args) {
    CommandLine line = new CommandLine(new Main());
    commands(args).forEach(line::addSubcommand);
    return line.setPosixClusteredShortOptionsAllowed(false)
        .setAllowOptionsAsOptionParameters(true)
        .setOverwrittenOptionsAllowed(true)
        .setTrimQuotes(false)
        .setInterpolateVariables(false)
        .setExpandAtFiles(false)
        .setUsageHelpWidth(110)
        .setUsageHelpLongOptionsMaxWidth(40)
        .setParameterExceptionHandler((e, _) -> fail(describe(e)))
        .setExecutionExceptionHandler((e, _, _) -> fail(e));
  }

  /**
   * The words without what a later one overrides: as in QEMU, of an option that is given again the
   * last one counts. To picocli, a second one begins the whole group of options anew.
   */
  private static String[] lastOfEach(CommandLine line, String... args) {
    CommandLine command = args.length == 0 ? null : line.getSubcommands().get(args[0]);
    if (command == null) {
      return args;
    }
    IdentityHashMap<OptionSpec, List<String>> single = new IdentityHashMap<>();
    List<List<String>> parts = new ArrayList<>();
    for (int at = 0, end; at < args.length; at = end) {
      OptionSpec option = at == 0 ? null : command.getCommandSpec().findOption(args[at]);
      end = Math.min(args.length, at + 1 + (option == null ? 0 : option.arity().min()));
      List<String> part = new ArrayList<>(List.of(args).subList(at, end));
      parts.add(part);
      if (option != null && !option.isMultiValue()) {
        List<String> earlier = single.put(option, part);
        if (earlier != null) {
          earlier.clear();
        }
      }
    }
    return parts.stream().flatMap(List::stream).toArray(String[]::new);
  }

  /** The command that is named, or all: to learn the options of each would delay every start. */
  private static List<Class<? extends Callable<Integer>>> commands(String... args) {
    List<Class<? extends Callable<Integer>>> named =
        COMMANDS.stream()
            .filter(command -> args.length > 0 && args[0].equals(nameOf(command)))
            .toList();
    return named.isEmpty() ? COMMANDS : named;
  }

  private static String nameOf(Class<?> command) {
    return command.getAnnotation(Command.class).name();
  }

  @Override
  public Integer call() {
    if (version) {
      return printVersion();
    }
    spec.commandLine().usage(System.out);
    return 0;
  }

  /** The version of this build. */
  static String version() {
    String version = Main.class.getPackage().getImplementationVersion();
    return version == null ? "(development)" : version;
  }

  private static int printVersion() {
    System.out.println("pollux " + version());
    return 0;
  }

  private static int fail(Exception error) {
    return switch (error) {
      case ConfigException e -> fail(e.getMessage());
      case IOException e -> fail(Errors.describe(e));
      default -> {
        System.err.println("pollux: internal error, please report it with the lines below");
        error.printStackTrace();
        yield FAILURE;
      }
    };
  }

  private static int fail(String message) {
    System.err.println("pollux: " + message.replace('\n', ' ').strip());
    return FAILURE;
  }

  /** Says what is wrong with a command line, and what would be right. */
  private static String describe(ParameterException error) {
    CommandSpec command = error.getCommandLine().getCommandSpec();
    List<String> options =
        command.options().stream().flatMap(option -> Stream.of(option.names())).distinct().toList();
    return switch (error) {
      case UnmatchedArgumentException e when !e.getUnmatched().isEmpty() -> {
        String word = e.getUnmatched().getFirst();
        if (word.startsWith("-")) {
          yield Suggestions.nearest(word, options)
              .map(name -> "unknown option %s; did you mean %s?".formatted(word, name))
              .orElse(
                  "unknown option %s; %s -help lists the options"
                      .formatted(word, command.qualifiedName()));
        }
        yield command.subcommands().isEmpty()
            ? "unexpected argument \"%s\"; options begin with a dash".formatted(word)
            : "unknown command \"%s\"; %s"
                .formatted(word, Suggestions.hint(word, command.subcommands().keySet()));
      }
      case MissingParameterException e when !e.getMissing().isEmpty() ->
          e.getMissing().stream()
              .map(
                  argument ->
                      argument.isOption()
                          ? "option %s needs an argument: %s"
                              .formatted(
                                  ((CommandLine.Model.OptionSpec) argument).longestName(),
                                  argument.paramLabel())
                          : "an argument is missing: " + argument.paramLabel())
              .collect(Collectors.joining(", "));
      default -> error.getMessage();
    };
  }

  @Command(name = "version", description = "Show the version.")
  static final class VersionCommand implements Callable<Integer> {
    @Override
    public Integer call() {
      return printVersion();
    }
  }
}
