package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.qmp.hmp.HumanMonitor;
import dev.pollux.qmp.protocol.QmpException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Commands that change what the machine does. */
public sealed interface MachineCommands<R> extends QmpCommand<R> {
  @Api.Doc(
      "Stops the vCPUs. Where a migration or a checkpoint holds them just now, they do not go on"
          + " afterwards.")
  record Stop() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().stop();
      return null;
    }
  }

  @Api.Doc(
      "Starts the vCPUs; nothing where they run. With an incoming migration: starts them when that"
          + " is complete. Takes back a stop that has not come into effect.")
  record Cont() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().cont();
      return null;
    }
  }

  @Api.Doc("Ends the emulator.")
  record Quit() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.machine().requestShutdown(ShutdownCause.HOST_QMP_QUIT);
      return null;
    }
  }

  @Api.Name("system_reset")
  @Api.Doc("Resets the machine, as its reset button does.")
  record SystemReset() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.machine().requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET);
      return null;
    }
  }

  @Api.Name("system_powerdown")
  @Api.Doc("Presses the power button; what follows is the guest's business.")
  record SystemPowerdown() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.machine().requestPowerdown();
      return null;
    }
  }

  @Api.Name("system_wakeup")
  @Api.Doc("Wakes a guest that sleeps in RAM.")
  record SystemWakeup() implements MachineCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      if (!context.machine().wakeUp(WakeupReason.OTHER)) {
        throw new QmpException(NOT_ASLEEP);
      }
      return null;
    }
  }

  /** Why a guest cannot be woken. */
  String NOT_ASLEEP = "Unable to wake up: guest is not in suspended state";

  @Api.Doc("Writes guest-physical memory to a file, while the guest goes on.")
  record Pmemsave(
      @Api.Doc("first address") long val,
      @Api.Doc("bytes") long size,
      @Api.Doc("file of the host, replaced if it exists") String filename)
      implements MachineCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) throws QmpException {
      return MemorySave.start(context.machine(), val, size, filename);
    }
  }

  @Api.Doc("Runs a line of the human monitor and returns what it prints.")
  record HumanMonitorCommand(
      String commandLine,
      @Api.Doc("the vCPU to look at; the first by default") Optional<Long> cpuIndex)
      implements MachineCommands<CompletableFuture<String>> {
    @Override
    public CompletableFuture<String> run(QmpContext context) throws QmpException {
      long cpu = cpuIndex.orElse(0L);
      if (cpuIndex.isPresent() && (cpu < 0 || cpu >= context.machine().vcpus().size())) {
        throw new QmpException("Parameter 'cpu-index' expects a CPU number");
      }
      HumanMonitor monitor =
          new HumanMonitor(context.devices(), context.migration(), context.emulator().version());
      if (cpu > 0) {
        monitor.selectCpu((int) cpu);
      }
      return monitor.submit(commandLine).thenApply(text -> text.replace("\n", "\r\n"));
    }
  }
}
