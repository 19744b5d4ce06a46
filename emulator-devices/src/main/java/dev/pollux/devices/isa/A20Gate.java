package dev.pollux.devices.isa;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;

/**
 * Address line 20 of all vCPUs. The keyboard controller and port 0x92 both switch it; the last one
 * wins.
 */
public final class A20Gate {
  private final Machine machine;

  public A20Gate(Machine machine) {
    this.machine = machine;
  }

  /** True while addresses are whole, false while bit 20 is forced to 0. */
  public boolean enabled() {
    return machine.vcpus().isEmpty()
        || machine.vcpus().getFirst().cpuState().u32(CpuLayout.A20) != 0;
  }

  /** Takes effect at each vCPU's next block boundary. */
  public void set(boolean enabled) {
    if (enabled != enabled()) {
      for (Vcpu vcpu : machine.vcpus()) {
        vcpu.cpuState().setU32(CpuLayout.A20, enabled ? 1 : 0);
        vcpu.requestTlbFlush();
      }
    }
  }
}
