package dev.pollux.devices.board;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.timer.RtcBase;
import java.util.Optional;
import java.util.function.Function;

/**
 * What a {@link Board} is built from.
 *
 * @param ramSize bytes, a multiple of 4,096 and at least a megabyte
 * @param cpus number of vCPUs, 1 to 255, with APIC ids below 255
 * @param engine makes the execution engine of each vCPU
 * @param pit whether there is an interval timer 8254
 * @param memory the RAM, of that size, where it has been made already
 * @param firmware empty where a kernel is booted without
 */
public record BoardConfig(
    long ramSize,
    int cpus,
    CpuModel cpuModel,
    Function<Vcpu, ExecutionEngine> engine,
    RtcBase rtc,
    boolean pit,
    Optional<RamBlock> memory,
    Optional<Firmware> firmware) {
  /** A board with all that boards have but firmware, and memory of its own. */
  public BoardConfig(
      long ramSize,
      int cpus,
      CpuModel cpuModel,
      Function<Vcpu, ExecutionEngine> engine,
      RtcBase rtc) {
    this(ramSize, cpus, cpuModel, engine, rtc, true, Optional.empty(), Optional.empty());
  }

  public BoardConfig {
    if (ramSize < 1 << 20 || (ramSize & 0xfff) != 0) {
      throw new IllegalArgumentException("RAM size " + ramSize);
    }
    if (cpus < 1 || cpus > 255 || cpuModel.topology().apicId(cpus - 1) >= 255) {
      throw new IllegalArgumentException(cpus + " vCPUs: more than APIC ids below 255");
    }
  }
}
