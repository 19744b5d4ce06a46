package dev.pollux.cli;

import dev.pollux.backend.chr.CharOptions;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.devices.board.Machines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code pollux run}: runs one virtual machine until it ends. */
@Command(
    name = RunCommand.NAME,
    synopsisHeading = "",
    customSynopsis = "Usage: pollux run [OPTION]... [IMAGE]",
    description = "Runs a virtual machine. The options are QEMU's.",
    sortOptions = false,
    separator = " ")
final class RunCommand implements Callable<Integer> {
  static final String NAME = "run";

  /** How long a signal waits for the machine to end before it ends the process anyway. */
  private static final long PATIENCE_SECONDS = 5;

  /** Kinds of system calls that a filter would refuse. */
  private static final List<String> SANDBOX_PROPERTIES =
      List.of("obsolete", "elevateprivileges", "spawn", "resourcecontrol");

  @Mixin HelpOption help;

  @Mixin RunOptions options;

  /** For picocli, which fills in the options. */
  RunCommand() {}

  RunCommand(RunOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() throws IOException {
    Optional<List<String>> list = listAsked();
    if (list.isPresent()) {
      list.get().forEach(System.out::println);
      return 0;
    }
    RunConfig config = RunConfig.of(options);
    formMessages(config.name());
    checkSandbox();
    options.running.endWithParentIfAsked();
    CountDownLatch ended = new CountDownLatch(1);
    try (TraceLog traceLog = TraceLog.open(options.logs.items, options.logs.file);
        MachineAssembler assembler = new MachineAssembler(config, traceLog);
        Profile _ = Profile.start(options.logs, assembler.machine())) {
      Machine machine = assembler.machine();
      Runtime.getRuntime().addShutdownHook(new Thread(() -> endBySignal(machine, ended), "signal"));
      run(machine);
      Optional<String> failure = assembler.scriptFailure();
      failure.ifPresent(why -> System.err.println("pollux: " + why));
      return failure.isPresent() && machine.exitStatus() == 0 ? Main.FAILURE : machine.exitStatus();
    } finally {
      ended.countDown();
    }
  }

  private void formMessages(String machine) {
    DeviceOptions msg = DeviceOptions.parse("-msg", options.logs.msg, "");
    boolean timestamp = msg.bool("timestamp", false);
    boolean name = msg.bool("guest-name", false);
    msg.rejectUnknown();
    if (timestamp || name) {
      LogSetup.begin(timestamp, name ? machine : "");
    }
  }

  private void checkSandbox() {
    DeviceOptions sandbox = DeviceOptions.parse("-sandbox", options.running.sandbox, "enable");
    boolean asked = sandbox.bool("enable", false);
    for (String property : SANDBOX_PROPERTIES) {
      sandbox.string(property);
    }
    sandbox.rejectUnknown();
    if (asked) {
      System.err.println(
          "pollux: -sandbox on: system calls are not filtered; run Pollux as a user with few"
              + " rights");
    }
  }

  /** Runs the machine to its end on the calling thread. */
  private void run(Machine machine) throws IOException {
    Path pidfile = options.running.pidfile;
    if (pidfile != null) {
      Files.writeString(pidfile, ProcessHandle.current().pid() + "\n");
    }
    try {
      if (!options.running.stopped && options.running.incoming == null) {
        machine.loop().post(machine::start);
      }
      machine.loop().run();
    } finally {
      if (pidfile != null) {
        Files.deleteIfExists(pidfile);
      }
    }
  }

  /**
   * Part of the JVM's shutdown, which SIGINT, SIGTERM, SIGHUP and {@code System.exit} begin. When
   * the machine still runs it was a signal: the machine ends as it would by itself, and so does the
   * process.
   */
  private static void endBySignal(Machine machine, CountDownLatch ended) {
    if (ended.getCount() == 0) {
      return;
    }
    machine.requestShutdown(ShutdownCause.HOST_SIGNAL);
    try {
      if (ended.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        Runtime.getRuntime().halt(machine.exitStatus());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The list that an option with the argument {@code help} asks for. */
  private Optional<List<String>> listAsked() {
    if (asksForHelp(options.machine.machine)) {
      return Optional.of(Machines.help());
    }
    if (asksForHelp(options.machine.accel)) {
      return Optional.of(Accelerator.help());
    }
    if (options.machine.cpu != null && isHelp(options.machine.cpu)) {
      return Optional.of(CpuModel.help());
    }
    if (options.logs.items != null && isHelp(options.logs.items)) {
      return Optional.of(TraceLog.help());
    }
    if (asksForHelp(options.consoles.chardev)) {
      return Optional.of(CharOptions.kinds());
    }
    return NetworkConfig.helpAsked(options.networks)
        .or(() -> DeviceRequests.helpAsked(options.devices));
  }

  private static boolean asksForHelp(List<String> arguments) {
    return arguments.stream().anyMatch(RunCommand::isHelp);
  }

  private static boolean isHelp(String argument) {
    return argument.equals("help") || argument.equals("?");
  }
}
