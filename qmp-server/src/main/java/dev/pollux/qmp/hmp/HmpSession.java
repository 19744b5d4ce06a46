package dev.pollux.qmp.hmp;

import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.migration.MigrationService;
import java.util.concurrent.CompletableFuture;

/** What commands work on, and what one monitor remembers from command to command. Event loop. */
final class HmpSession {
  private final Machine machine;
  private final DeviceManager devices;
  private final MigrationService migration;
  private final String version;
  private int cpu;

  /** Format and size, in bytes, of the last memory dump: the defaults of the next. */
  char format = 'x';

  int size = 4;

  HmpSession(DeviceManager devices, MigrationService migration, String version) {
    this.machine = devices.services().machine();
    this.devices = devices;
    this.migration = migration;
    this.version = version;
  }

  /** Work of the command under way that it does not wait for. */
  private CompletableFuture<Void> left = CompletableFuture.completedFuture(null);

  /** Leaves work that takes its time: the monitor's next command waits for it. */
  void leave(CompletableFuture<Void> work) {
    left = work;
  }

  /** What the command has left. */
  CompletableFuture<Void> takeLeft() {
    CompletableFuture<Void> work = left;
    left = CompletableFuture.completedFuture(null);
    return work;
  }

  Machine machine() {
    return machine;
  }

  CharDevices charDevices() {
    return devices.services().charDevices();
  }

  DeviceManager devices() {
    return devices;
  }

  MigrationService migration() {
    return migration;
  }

  String version() {
    return version;
  }

  /** The vCPU that commands look at. */
  Vcpu cpu() {
    if (machine.vcpus().isEmpty()) {
      throw new HmpException("No CPU available");
    }
    return machine.vcpus().get(cpu);
  }

  void selectCpu(long index) {
    if (index < 0 || index >= machine.vcpus().size()) {
      throw new HmpException("invalid CPU index");
    }
    cpu = (int) index;
  }
}
