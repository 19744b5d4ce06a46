package dev.pollux.devices.board;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.acpi.AcpiTables;
import dev.pollux.devices.acpi.LinkedTables;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.SystemBus;
import dev.pollux.devices.model.TreeNode;
import dev.pollux.devices.pci.ShadowRam;
import dev.pollux.devices.storage.flash.CfiFlash;
import dev.pollux.devices.storage.flash.FlashChip;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What all machine types have: memory, vCPUs, the firmware configuration device, an ISA bus for
 * devices at fixed ports. Made before the machine runs, with its lock held; {@link
 * Machine#resetDevices} then gives the power-on state.
 *
 * <pre>
 *   0          640K    768K     1M          low end     fec00000 fed00000 fee00000  4G
 *   | RAM       | VGA  | ROM/RAM | RAM ...   | -- hole -- | I/O APIC | HPET | APIC | RAM ...
 * </pre>
 *
 * Firmware is a ROM that ends at 4 GiB; its last 128 KiB are seen below 1 MiB too, where {@link
 * ShadowRam} lets them. Without, the last 64 KiB of RAM below 4 GiB are for ACPI tables, which the
 * kernel loader has written, with {@link #writeFirmware}, at each reset.
 */
public abstract class Board {
  static final long FOUR_GIB = 1L << 32;

  /** Extended BIOS data area, as much as firmware takes from the top of the first 640 KiB. */
  private static final long EBDA = 0x9_fc00;

  static final long VGA_START = 0xa_0000;
  private static final long VGA_END = 0xc_0000;

  /** The segment in which guests look for firmware tables. */
  private static final long BIOS_START = 0xf_0000;

  private static final long BIOS_END = 0x10_0000;

  /** That segment is seen here too: processors begin 16 bytes below 4 GiB. */
  private static final long RESET_SEGMENT = FOUR_GIB - (BIOS_END - BIOS_START);

  private static final long RESET_VECTOR = 0xf_fff0;

  /**
   * MOV AL, 0xFE; OUT 0x64, AL; HLT; JMP to the HLT: the keyboard controller resets the machine.
   * The same instructions in 16-, 32- and 64-bit code.
   */
  private static final byte[] RESET_CODE = {
    (byte) 0xb0, (byte) 0xfe, (byte) 0xe6, 0x64, (byte) 0xf4, (byte) 0xeb, (byte) 0xfd
  };

  private static final long ACPI_AREA = 64 << 10;
  private static final int FACS_WAKING_VECTOR = 12;

  private final DeviceManager devices;
  private final BoardConfig config;
  private final Split split;
  private final RamBlock ram;
  private final SystemBus systemBus;
  private final FwCfg fwCfg;
  private final Optional<ShadowRam> shadowRam;

  /**
   * How RAM is laid around the devices below 4 GiB.
   *
   * @param from machines with this much RAM or more have some above 4 GiB
   * @param low what is then below
   */
  record Split(long from, long low) {
    long lowEnd(long ramSize) {
      return ramSize >= from ? low : ramSize;
    }
  }

  Board(DeviceManager devices, BoardConfig config, Split split) throws IOException {
    this.devices = devices;
    this.config = config;
    this.split = split;
    Machine machine = devices.services().machine();
    systemBus = devices.addBus(new SystemBus());
    ram =
        config.memory().isPresent()
            ? config.memory().get()
            : new RamBlock("pc.ram", config.ramSize(), false);
    machine.addRamBlock(ram);
    for (int i = 0; i < config.cpus(); i++) {
      machine.add(new Vcpu(machine, i, config.cpuModel(), new CpuState(), config.engine()));
      TreeNode node = new TreeNode(config.cpuModel().name() + "-x86_64-cpu");
      node.expose(LiveProperty.constant("realized", "bool", () -> true));
      devices.tree().unattached().addNumbered("device", node);
    }
    mapRam(machine.memory());
    config.firmware().ifPresent(this::addFirmware);
    shadowRam = config.firmware().map(given -> new ShadowRam(machine.memory(), ram, given.top()));
    fwCfg = new FwCfg(machine.memory());
    machine.io().map(FwCfg.PORT, fwCfg.ports());
    machine.io().map(FwCfg.DMA_PORT, fwCfg.dmaPort());
    devices.enter(FwCfg.TYPE, systemBus, fwCfg);
    fillFwCfg();
  }

  private void mapRam(AddressSpace memory) {
    long low = lowRamEnd();
    memory.map(0, new Region.RamRegion(ram, 0, VGA_START));
    memory.map(VGA_END, new Region.RamRegion(ram, VGA_END, low - VGA_END));
    if (config.firmware().isEmpty()) {
      memory.map(RESET_SEGMENT, new Region.RamRegion(ram, BIOS_START, BIOS_END - BIOS_START));
    }
    if (highRamSize() > 0) {
      memory.map(FOUR_GIB, new Region.RamRegion(ram, low, highRamSize()));
    }
  }

  private void addFirmware(Firmware given) {
    Machine machine = machine();
    switch (given) {
      case Firmware.Rom(RamBlock rom) -> {
        machine.addRom(rom);
        machine.memory().map(FOUR_GIB - rom.size(), new Region.RamRegion(rom, 0, rom.size()));
      }
      case Firmware.Flash(List<FlashChip> chips) -> {
        long end = FOUR_GIB;
        for (FlashChip chip : chips) {
          CfiFlash.addTo(devices, systemBus, end, chip);
          end -= chip.contents().size();
        }
      }
    }
  }

  private void fillFwCfg() {
    fwCfg.putLong(FwCfg.RAM_SIZE, config.ramSize());
    fwCfg.putShort(FwCfg.CPU_COUNT, config.cpus());
    fwCfg.putShort(FwCfg.MAX_CPUS, config.cpus());
    List<E820Entry> map = ramMap();
    ByteBuffer e820 = ByteBuffer.allocate(map.size() * 20).order(ByteOrder.LITTLE_ENDIAN);
    for (E820Entry entry : map) {
      e820.putLong(entry.start()).putLong(entry.size()).putInt(entry.type().code());
    }
    fwCfg.putFile("etc/e820", e820.array());
  }

  public final Machine machine() {
    return devices.services().machine();
  }

  /** All devices by name. */
  public final DeviceManager devices() {
    return devices;
  }

  public final BoardConfig config() {
    return config;
  }

  public final RamBlock ram() {
    return ram;
  }

  final SystemBus systemBus() {
    return systemBus;
  }

  public final FwCfg fwCfg() {
    return fwCfg;
  }

  /** What hides firmware below 1 MiB; empty where there is none. */
  final Optional<ShadowRam> shadowRam() {
    return shadowRam;
  }

  /** Where devices at fixed ports go. */
  public abstract IsaBus isaBus();

  /**
   * Connects a serial port where PCs have it.
   *
   * @param number 0 for COM1, at most 3
   */
  public abstract void addSerialPort(int number, CharBackend backend);

  /** First address above the RAM below 4 GiB. */
  public final long lowRamEnd() {
    return split.lowEnd(config.ramSize());
  }

  /** Where the hole for devices below 4 GiB begins: as few high bits as tell it from RAM. */
  public final long deviceHole() {
    return lowRamEnd() <= 0x8000_0000L
        ? 0x8000_0000L
        : lowRamEnd() <= 0xc000_0000L ? 0xc000_0000L : 0xe000_0000L;
  }

  /** Bytes of RAM from 4 GiB on. */
  public final long highRamSize() {
    return config.ramSize() - lowRamEnd();
  }

  /** RAM as it is wired; what firmware keeps for itself is not taken off. */
  private List<E820Entry> ramMap() {
    List<E820Entry> map = new ArrayList<>();
    map.add(new E820Entry(0, lowRamEnd(), E820Entry.Type.RAM));
    if (highRamSize() > 0) {
      map.add(new E820Entry(FOUR_GIB, highRamSize(), E820Entry.Type.RAM));
    }
    return map;
  }

  /** The memory map for a guest that is booted without firmware, in ascending order. */
  public List<E820Entry> memoryMap() {
    List<E820Entry> map = new ArrayList<>();
    map.add(new E820Entry(0, EBDA, E820Entry.Type.RAM));
    map.add(new E820Entry(EBDA, VGA_START - EBDA, E820Entry.Type.RESERVED));
    map.add(new E820Entry(BIOS_START, BIOS_END - BIOS_START, E820Entry.Type.RESERVED));
    map.add(new E820Entry(BIOS_END, usableLowRamEnd() - BIOS_END, E820Entry.Type.RAM));
    map.add(new E820Entry(facsAddress(), RamBlock.PAGE_SIZE, E820Entry.Type.NVS));
    map.add(new E820Entry(tablesAddress(), ACPI_AREA - RamBlock.PAGE_SIZE, E820Entry.Type.ACPI));
    if (highRamSize() > 0) {
      map.add(new E820Entry(FOUR_GIB, highRamSize(), E820Entry.Type.RAM));
    }
    return map;
  }

  /** First address above the RAM below 4 GiB that a loader may fill. */
  public final long usableLowRamEnd() {
    return lowRamEnd() - ACPI_AREA;
  }

  final long facsAddress() {
    return usableLowRamEnd();
  }

  final long tablesAddress() {
    return facsAddress() + RamBlock.PAGE_SIZE;
  }

  /** Where {@link #writeFirmware} puts the root pointer of ACPI. */
  public final long rsdpAddress() {
    return BIOS_START;
  }

  /**
   * Where a guest that slept in RAM wants to go on in real mode, as it says in the FACS (ACPI
   * specification 6.5, 5.2.10); 0 where it does not say.
   */
  public final long wakingVector() {
    return machine().memory().read(facsAddress() + FACS_WAKING_VECTOR, 4);
  }

  /** One per vCPU, in the order of their numbers. */
  final List<Integer> apicIds() {
    return machine().vcpus().stream()
        .map(vcpu -> vcpu.model().topology().apicId(vcpu.index()))
        .toList();
  }

  /**
   * Does what firmware does before it boots a kernel, apart from tables in memory. vCPUs parked,
   * machine lock held.
   */
  public void prepareBoot() {}

  /**
   * Writes what a guest finds of firmware that is not there: ACPI tables, and at the reset vector,
   * to which guests jump to reboot, a reset. vCPUs parked, machine lock held.
   */
  public final void writeFirmware() {
    AcpiTables.write(
        acpi(),
        new AcpiTables.Placement(facsAddress(), tablesAddress(), rsdpAddress()),
        machine().memory());
    machine().memory().write(RESET_VECTOR, RESET_CODE, 0, RESET_CODE.length);
  }

  /** The ACPI tables for firmware to place. */
  public final LinkedTables linkedTables() {
    return AcpiTables.link(acpi());
  }

  /** States of sleep that guests are told of. */
  public SleepStates sleepStates() {
    return SleepStates.ALL;
  }

  /** What ACPI tables tell of the board and of the devices on it now. */
  abstract AcpiTables.Config acpi();

  /** Shows RAM where firmware has been below 1 MiB. */
  public void showRam() {}

  /**
   * Leaves in CMOS memory what firmware looks for there.
   *
   * @param index of the byte
   */
  public abstract void setCmos(int index, int value);
}
