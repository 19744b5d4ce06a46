package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** A machine of RAM and a PCI bus, without vCPUs: its driver is the test. */
public final class PciFixture implements PciHost, AutoCloseable {
  public static final long RAM = 4 << 20;

  public final Machine machine;
  public final PciBus bus = PciBus.root("pci.0", this);
  public final DeviceManager devices;
  public final List<MsiMessage> messages = Collections.synchronizedList(new ArrayList<>());
  public final boolean[] wires = new boolean[4];

  public PciFixture() throws IOException {
    this(new Machine("test", new Machine.EndPolicy(false, false)));
  }

  /** On a machine that has no RAM yet. */
  public PciFixture(Machine machine) throws IOException {
    this.machine = machine;
    devices =
        Devices.manager(
            machine,
            new CharDevices(machine.loop()::post, () -> {}),
            new BlockGraph(new BlockListener() {}));
    RamBlock ram = new RamBlock("ram", RAM, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
    devices.addBus(bus);
  }

  /** Makes a device as a user does, and resets it. */
  public DeviceNode add(String text) {
    return locked(
        () -> {
          DeviceNode node = devices.add(DeviceOptions.parse("-device", text, "driver"), false);
          machine.resetDevices();
          return node;
        });
  }

  /** Does something as a vCPU's access is done, with the machine lock held. */
  public <T> T locked(Supplier<T> work) {
    machine.lock().lock();
    try {
      return work.get();
    } finally {
      machine.lock().unlock();
    }
  }

  /** Waits for something that another thread brings about. */
  public void await(BooleanSupplier condition, String what) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, () -> "waited in vain for " + what);
      LockSupport.parkNanos(10_000);
    }
  }

  public static PciFunction function(DeviceNode node) {
    return ((PciDevice) node.device()).pci();
  }

  @Override
  public AddressSpace memory() {
    return machine.memory();
  }

  @Override
  public AddressSpace io() {
    return machine.io();
  }

  @Override
  public void addRom(RamBlock rom) {
    machine.addRom(rom);
  }

  @Override
  public void send(MsiMessage message) {
    messages.add(message);
  }

  @Override
  public IrqLine wire(int slot, int pin) {
    int wire = slot + pin & 3;
    return level -> wires[wire] = level;
  }

  @Override
  public void close() {
    machine.close();
  }
}
