package dev.pollux.devices.boot;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.devices.board.Board;
import java.util.OptionalLong;

/**
 * Boots a kernel on a board without firmware: puts it, what belongs to it and the ACPI tables into
 * RAM and the first vCPU at its entry, after power-on and after each reset. The files stay open,
 * and are read at each of them.
 */
public final class KernelLoader implements MachineListener {
  private final Board board;
  private final LoadPlan plan;
  private final KernelEntry entry;

  private KernelLoader(Board board, LoadPlan plan, KernelEntry entry) {
    this.board = board;
    this.plan = plan;
    this.entry = entry;
  }

  /**
   * Reads a kernel and arranges for the board to boot it at each reset. The board's vCPUs stand;
   * the first boot is {@link #boot}, once the machine has been reset.
   *
   * @throws dev.pollux.core.config.ConfigException with one line for the user
   */
  public static KernelLoader install(Board board, KernelFiles files) {
    LoadPlan plan = new LoadPlan(board.memoryMap());
    KernelLoader loader = new KernelLoader(board, plan, plan(files, plan, board.rsdpAddress()));
    board.machine().addListener(loader);
    return loader;
  }

  /** The formats in the order in which QEMU tries them. */
  static KernelEntry plan(KernelFiles files, LoadPlan plan, long rsdp) {
    FileImage kernel = FileImage.read("-kernel", files.kernel().toString());
    if (LinuxLoader.recognizes(kernel)) {
      return LinuxLoader.load(kernel, files, plan, rsdp);
    }
    OptionalLong multiboot = MultibootLoader.header(kernel);
    if (multiboot.isPresent()) {
      return MultibootLoader.load(kernel, files, plan, multiboot.getAsLong());
    }
    if (ElfImage.recognizes(kernel)) {
      ElfImage elf = ElfImage.parse(kernel);
      OptionalLong entry = PvhLoader.entry(elf);
      if (entry.isPresent()) {
        return PvhLoader.load(kernel, elf, entry.getAsLong(), files, plan, rsdp);
      }
      throw kernel.error(
          "is an ELF file without PVH entry or multiboot header; give a bzImage, or a vmlinux built"
              + " with CONFIG_PVH");
    }
    throw kernel.error(
        "is no kernel; give a Linux bzImage, a vmlinux with PVH entry, or a multiboot kernel");
  }

  @Override
  public void reset(ShutdownCause cause) {
    boot();
  }

  /**
   * Fills guest memory and enters the kernel. All parts have just been reset; machine lock held,
   * vCPUs parked.
   */
  public void boot() {
    Machine machine = board.machine();
    board.prepareBoot();
    plan.write(machine.memory());
    board.writeFirmware();
    machine.vcpus().forEach(this::setMemoryTypes);
    entry.apply(machine.vcpus().getFirst());
  }

  /** Continues a guest that slept in RAM, or boots one that does not say where to go on. */
  @Override
  public void wokenUp(WakeupReason reason) {
    long vector = board.wakingVector();
    if (vector == 0) {
      boot();
      return;
    }
    Machine machine = board.machine();
    board.prepareBoot();
    machine.vcpus().forEach(this::setMemoryTypes);
    KernelEntry.enterRealMode(machine.vcpus().getFirst(), vector);
  }

  /**
   * Memory types as firmware leaves them: RAM is write-back, the hole below 4 GiB and the VGA
   * window are uncached (Intel SDM vol. 3, 12.11).
   */
  private void setMemoryTypes(Vcpu vcpu) {
    CpuState s = vcpu.cpuState();
    long writeBack = 0x0606_0606_0606_0606L;
    s.setU64(CpuLayout.MTRR_FIXED, writeBack); // 0 to 512K
    s.setU64(CpuLayout.MTRR_FIXED + 8, writeBack); // 512K to 640K
    s.setU64(CpuLayout.MTRR_FIXED + 16, 0); // VGA
    for (int i = 3; i < 11; i++) {
      s.setU64(
          CpuLayout.MTRR_FIXED + i * 8,
          0x0505_0505_0505_0505L); // write-protected: BIOS and adapter ROMs
    }
    long hole = board.deviceHole();
    long addressBits = (1L << vcpu.model().physicalAddressBits()) - 1;
    s.setU64(CpuLayout.MTRR_VARIABLE, hole); // type 0: uncached
    s.setU64(CpuLayout.MTRR_VARIABLE + 8, addressBits & -((1L << 32) - hole) | 0x800);
    s.setU64(CpuLayout.MTRR_DEF_TYPE, 0xc06);
    s.setU64(CpuLayout.CR0, 0x10); // caches on
  }
}
