package dev.pollux.devices.pci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import java.util.Arrays;

/**
 * QEMU's {@code edu}, a device for learning to write drivers (QEMU documentation, "EDU device"): it
 * complements, computes factorials, interrupts, and copies between its buffer and memory.
 */
public final class Edu implements PciDevice, BusDevice {
  private static final Property<Long> DMA_MASK =
      Property.unsigned(
          "dma_mask", 64, (1L << 28) - 1, 0, Long.MAX_VALUE, "address bits that it can copy to");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "edu", Edu::create)
          .description("device for learning to write drivers")
          .properties(DMA_MASK);

  private static final int IDENTIFICATION = 0x00;
  private static final int LIVENESS = 0x04;
  private static final int FACTORIAL = 0x08;
  private static final int STATUS = 0x20;
  private static final int IRQ_STATUS = 0x24;
  private static final int IRQ_RAISE = 0x60;
  private static final int IRQ_ACKNOWLEDGE = 0x64;
  private static final int DMA_SOURCE = 0x80;
  private static final int DMA_TARGET = 0x88;
  private static final int DMA_COUNT = 0x90;
  private static final int DMA_COMMAND = 0x98;

  private static final int ID = 0x0100_00ed;
  private static final int STATUS_IRQ = 0x80;
  private static final int FACTORIAL_IRQ = 1;
  private static final int DMA_IRQ = 0x100;
  private static final int RUN = 1;
  private static final int FROM_DEVICE = 2;
  private static final int INTERRUPT = 4;

  private static final long BUFFER_START = 0x4_0000;
  private static final int BUFFER_BYTES = 4096;
  private static final long DMA_NANOS = 100_000_000;

  private final StateDescriptor<Edu> declaration;
  private final PciFunction pci =
      new PciFunction("edu", new PciIdentity(0x1234, 0x11e8, 0xff00, 0x10));
  private final Msi msi;
  private final Machine machine;
  private final long dmaMask;
  private final GuestTimer dma;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private int liveness;
  private int factorial;
  private int status;
  private int irqStatus;
  private long dmaSource;
  private long dmaTarget;
  private long dmaCount;
  private int dmaCommand;

  /**
   * @param dmaMask address bits that it can copy to
   */
  Edu(Machine machine, long dmaMask) {
    this.machine = machine;
    this.dmaMask = dmaMask;
    dma = machine.clocks().timer(ClockType.VIRTUAL, "edu dma", this::copy);
    pci.setInterruptPin(1);
    msi = pci.addMsi(0);
    pci.addBar(0, PciBar.Kind.MEMORY, registers());
    declaration =
        StateDescriptor.of(Edu.class, "edu", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .u32("liveness", d -> d.liveness, (d, v) -> d.liveness = v)
            .u32("factorial", d -> d.factorial, (d, v) -> d.factorial = v)
            .u8("status", d -> d.status, (d, v) -> d.status = v & STATUS_IRQ)
            .u32("irq-status", d -> d.irqStatus, (d, v) -> d.irqStatus = v)
            .u64("dma-source", d -> d.dmaSource, (d, v) -> d.dmaSource = v)
            .u64("dma-target", d -> d.dmaTarget, (d, v) -> d.dmaTarget = v)
            .u64("dma-count", d -> d.dmaCount, (d, v) -> d.dmaCount = v)
            .u8("dma-command", 7, d -> d.dmaCommand, (d, v) -> d.dmaCommand = v)
            .bytes("buffer", BUFFER_BYTES, d -> d.buffer)
            .timer("dma", d -> d.dma);
  }

  private static Device create(PciBus bus, DeviceContext context) {
    return new Edu(context.machine(), context.get(DMA_MASK));
  }

  Region registers() {
    return new Region.DeviceRegion("edu-mmio", 1 << 20, 4, 8, this);
  }

  @Override
  public long read(long offset, int size) {
    if (offset < 0x80 && size != 4) {
      return -1;
    }
    return switch ((int) offset) {
      case IDENTIFICATION -> ID;
      case LIVENESS -> liveness;
      case FACTORIAL -> factorial;
      case STATUS -> status;
      case IRQ_STATUS -> irqStatus;
      case DMA_SOURCE -> dmaSource;
      case DMA_TARGET -> dmaTarget;
      case DMA_COUNT -> dmaCount;
      case DMA_COMMAND -> dmaCommand;
      default -> -1;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    if (offset < 0x80 && size != 4) {
      return;
    }
    boolean copying = (dmaCommand & RUN) != 0;
    switch ((int) offset) {
      case LIVENESS -> liveness = ~(int) value;
      case FACTORIAL -> compute((int) value);
      case STATUS -> status = (int) value & STATUS_IRQ;
      case IRQ_RAISE -> raise((int) value);
      case IRQ_ACKNOWLEDGE -> {
        irqStatus &= ~(int) value;
        if (irqStatus == 0 && !msi.isEnabled()) {
          pci.setInterrupt(false);
        }
      }
      case DMA_SOURCE -> dmaSource = copying ? dmaSource : value;
      case DMA_TARGET -> dmaTarget = copying ? dmaTarget : value;
      case DMA_COUNT -> dmaCount = copying ? dmaCount : value;
      case DMA_COMMAND -> {
        if (!copying && (value & RUN) != 0) {
          dmaCommand = (int) value & (RUN | FROM_DEVICE | INTERRUPT);
          dma.set(machine.clocks().virtualNow() + DMA_NANOS);
        }
      }
      default -> {}
    }
  }

  private void compute(int n) {
    int product = 1;
    // From 34 on the product of 32 bits is 0.
    for (int i = Math.clamp(n & 0xffff_ffffL, 0, 34); i > 1; i--) {
      product *= i;
    }
    factorial = product;
    if ((status & STATUS_IRQ) != 0) {
      raise(FACTORIAL_IRQ);
    }
  }

  private void raise(int bits) {
    irqStatus |= bits;
    if (irqStatus != 0) {
      if (msi.isEnabled()) {
        msi.notify(0);
      } else {
        pci.setInterrupt(true);
      }
    }
  }

  private void copy() {
    if ((dmaCommand & RUN) == 0) {
      return;
    }
    boolean out = (dmaCommand & FROM_DEVICE) != 0;
    long inside = (out ? dmaSource : dmaTarget) - BUFFER_START;
    if (inside >= 0
        && dmaCount >= 0
        && dmaCount <= BUFFER_BYTES
        && inside <= BUFFER_BYTES - dmaCount) {
      int count = (int) dmaCount;
      if (out) {
        machine.memory().write(dmaTarget & dmaMask, buffer, (int) inside, count);
      } else {
        machine.memory().read(dmaSource & dmaMask, buffer, (int) inside, count);
      }
    } // QEMU ends the process where a driver names other addresses
    dmaCommand &= ~RUN;
    if ((dmaCommand & INTERRUPT) != 0) {
      raise(DMA_IRQ);
    }
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "edu";
  }

  @Override
  public void reset() {
    pci.reset();
    dma.cancel();
    Arrays.fill(buffer, (byte) 0);
    liveness = 0;
    factorial = 0;
    status = 0;
    irqStatus = 0;
    dmaSource = 0;
    dmaTarget = 0;
    dmaCount = 0;
    dmaCommand = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
