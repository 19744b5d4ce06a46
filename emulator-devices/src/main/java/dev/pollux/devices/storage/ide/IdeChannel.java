package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.state.StateDescriptor;
import java.util.Optional;

/**
 * The registers of a cable with two drives (ATA/ATAPI-6, chapter 7), and its DMA controller.
 * Machine lock held.
 *
 * <pre>
 *   command block (8 ports)   0 data (1, 2 or 4 bytes)  1 error / features  2 sector count
 *                             3 to 5 address  6 device  7 status / command
 *   control block (1 port)    alternate status / device control
 * </pre>
 */
final class IdeChannel implements AtaLink {
  private static final int DATA = 0;
  private static final int DEVICE = 6;
  private static final int COMMAND = 7;

  private static final int NO_INTERRUPTS = 0x02;
  private static final int RESET = 0x04;
  private static final int OLD_VALUES = 0x80;

  static final StateDescriptor<IdeChannel> STATE =
      StateDescriptor.of(IdeChannel.class, "ide-channel", 1)
          .u8("control", c -> c.control, (c, v) -> c.control = v)
          .bool("second", c -> c.second, (c, v) -> c.second = v)
          .bool("interrupt", c -> c.interrupt, (c, v) -> c.interrupt = v)
          .struct("bus-master", BusMaster.STATE, c -> c.busMaster)
          .afterLoad(IdeChannel::updateIrq);

  private final IdeBus bus;
  private final BusMaster busMaster;
  private final IrqLine irq;
  private int control;

  /** The second drive of the cable is selected. */
  private boolean second;

  /** The selected drive asks for an interrupt. */
  private boolean interrupt;

  IdeChannel(String name, IrqLine irq, BusMaster busMaster) {
    this.bus = new IdeBus(name, 2, this);
    this.irq = irq;
    this.busMaster = busMaster;
    busMaster.onStart(
        () -> selected().ifPresent(IdeDrive::runDma),
        () -> selected().ifPresent(IdeDrive::giveUpDma));
  }

  IdeBus bus() {
    return bus;
  }

  BusMaster busMaster() {
    return busMaster;
  }

  private Optional<IdeDrive> selected() {
    return bus.drive(second ? 1 : 0);
  }

  private boolean isEmpty() {
    return bus.drive(0).isEmpty() && bus.drive(1).isEmpty();
  }

  void reset() {
    control = 0;
    second = false;
    interrupt = false;
    busMaster.reset();
    updateIrq();
  }

  private void updateIrq() {
    irq.set(interrupt && (control & NO_INTERRUPTS) == 0);
  }

  // ---- registers ----

  Region commandBlock() {
    return new Region.DeviceRegion(
        "ide",
        8,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readBlock((int) offset, size);
          }

          @Override
          public void write(long offset, int size, long value) {
            writeBlock((int) offset, size, value);
          }
        });
  }

  Region controlBlock() {
    return new Region.DeviceRegion(
        "ide",
        1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return status();
          }

          @Override
          public void write(long offset, int size, long value) {
            writeControl((int) value & 0xff);
          }
        });
  }

  private int status() {
    return selected().map(drive -> drive.readRegister(COMMAND, false)).orElse(0);
  }

  private long readBlock(int register, int size) {
    if (register == DATA) {
      return selected().map(drive -> drive.readData(size)).orElse(-1L);
    }
    if (size > 1) {
      return -1;
    }
    if (register == COMMAND) {
      interrupt = false;
      updateIrq();
      return status();
    }
    if (isEmpty()) {
      return 0;
    }
    boolean old = (control & OLD_VALUES) != 0;
    return selected().map(drive -> drive.readRegister(register, old)).orElse(0);
  }

  private void writeBlock(int register, int size, long value) {
    if (register == DATA) {
      selected().ifPresent(drive -> drive.writeData(size, value));
    } else if (size == 1) {
      int v = (int) value & 0xff;
      if (register == COMMAND) {
        interrupt = false;
        updateIrq();
        selected().ifPresent(drive -> drive.writeCommand(v));
        return;
      }
      control &= ~OLD_VALUES;
      if (register == DEVICE) {
        second = (v & 0x10) != 0;
      }
      for (int unit = 0; unit < bus.units(); unit++) {
        bus.drive(unit).ifPresent(drive -> drive.writeRegister(register, v));
      }
    }
  }

  private void writeControl(int value) {
    boolean resets = (value & RESET) != 0 && (control & RESET) == 0;
    control = value;
    if (resets) {
      for (int unit = 0; unit < bus.units(); unit++) {
        bus.drive(unit).ifPresent(IdeDrive::softReset);
      }
      second = false;
      interrupt = false;
    }
    updateIrq();
  }

  // ---- for drives ----

  @Override
  public void interrupt(IdeDrive drive) {
    if (selected().filter(drive::equals).isPresent()) {
      interrupt = true;
      busMaster.interrupt();
      updateIrq();
    }
  }

  @Override
  public void dataRequested(IdeDrive drive, boolean dma) {
    if (busMaster.isStarted()) {
      drive.runDma();
    }
  }

  @Override
  public int transfer(long host, int length, boolean toMemory) {
    return busMaster.transfer(host, length, toMemory);
  }

  @Override
  public void dmaEnded(IdeDrive drive) {
    busMaster.ended();
  }
}
