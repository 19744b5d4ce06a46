package dev.pollux.devices.irqchip;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceType;
import java.util.List;

/**
 * The pair of 8259A interrupt controllers of a PC (Intel 8259A data sheet): the slave's output is
 * input 2 of the master. The edge/level registers (ELCR) are those of the PIIX.
 *
 * <p>An edge stays latched when its line falls again before the acknowledge. Everything with the
 * machine lock held.
 */
public final class Pic8259 implements Device {
  /** Input of the master that the slave drives. */
  private static final int CASCADE = 2;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "isa-i8259");

  private static final StateDescriptor<Pic8259> STATE =
      StateDescriptor.of(Pic8259.class, "i8259", 1)
          .struct("master", Chip.STATE, p -> p.master)
          .struct("slave", Chip.STATE, p -> p.slave);

  private final Chip master;
  private final Chip slave;

  @HostOnly("both of the above")
  private final List<Chip> chips;

  /**
   * @param output INTR, the line to the local APICs' LINT0
   */
  public Pic8259(IrqLine output) {
    // ELCR: inputs 0, 1, 2 (and 8, 13 on the slave) are always edge-triggered.
    master = new Chip(true, 0xf8, output);
    slave = new Chip(false, 0xde, level -> master.setInput(CASCADE, level));
    chips = List.of(master, slave);
  }

  /** Command and data port of the master (0x20). */
  public Region masterPorts() {
    return new Region.DeviceRegion("i8259-master", 2, 1, master);
  }

  /** Command and data port of the slave (0xa0). */
  public Region slavePorts() {
    return new Region.DeviceRegion("i8259-slave", 2, 1, slave);
  }

  /** The two edge/level control registers (0x4d0). */
  public Region elcrPorts() {
    return new Region.DeviceRegion(
        "elcr",
        2,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return chips.get((int) offset & 1).elcr;
          }

          @Override
          public void write(long offset, int size, long value) {
            Chip chip = chips.get((int) offset & 1);
            chip.elcr = (int) value & chip.elcrMask;
          }
        });
  }

  /** Sets the level of interrupt input 0 to 15; input 2 is the cascade and not for others. */
  public void setInput(int irq, boolean level) {
    if (irq < 8) {
      master.setInput(irq, level);
    } else {
      slave.setInput(irq - 8, level);
    }
  }

  /** True while the request of an unmasked input 0 to 15 waits. */
  public boolean isRequested(int irq) {
    Chip chip = irq < 8 ? master : slave;
    return (chip.irr & ~chip.imr & 1 << (irq & 7)) != 0;
  }

  /**
   * The CPU's interrupt acknowledge cycles: returns the vector, that of a spurious input 7 where
   * nothing waits any more.
   */
  public int acknowledge() {
    int irq = master.highestRequest();
    if (irq < 0) {
      return master.vectorBase + 7;
    }
    int vector = master.vectorBase + irq;
    if (irq == CASCADE) {
      int slaveIrq = slave.highestRequest();
      vector = slave.vectorBase + (slaveIrq < 0 ? 7 : slaveIrq);
      if (slaveIrq >= 0) {
        slave.enterService(slaveIrq);
      }
    }
    master.enterService(irq);
    return vector;
  }

  @Override
  public String id() {
    return "i8259";
  }

  @Override
  public void reset() {
    chips.forEach(Chip::reset);
  }

  @Override
  public boolean isLoadedLast() {
    return true;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }

  /** For people: one line per chip in the format of the monitor's {@code info pic}. */
  public String describe() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 2; i++) {
      Chip c = chips.get(i);
      text.append(
          String.format(
              "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d elcr=%02x"
                  + " fnm=%d%n",
              i,
              c.irr,
              c.imr,
              c.isr,
              c.topPriority,
              c.vectorBase,
              c.readIsr ? 1 : 0,
              c.elcr,
              c.specialFullyNested ? 1 : 0));
    }
    return text.toString();
  }

  /** One 8259A. */
  static final class Chip implements BusDevice {
    static final StateDescriptor<Chip> STATE =
        StateDescriptor.of(Chip.class, "i8259-chip", 1)
            .u8("lines", c -> c.lines, (c, v) -> c.lines = v)
            .u8("irr", c -> c.irr, (c, v) -> c.irr = v)
            .u8("imr", c -> c.imr, (c, v) -> c.imr = v)
            .u8("isr", c -> c.isr, (c, v) -> c.isr = v)
            .u8("elcr", c -> c.elcr, (c, v) -> c.elcr = v & c.elcrMask)
            .u8("top-priority", 7, c -> c.topPriority, (c, v) -> c.topPriority = v)
            .u8("vector-base", 0xf8, c -> c.vectorBase, (c, v) -> c.vectorBase = v & 0xf8)
            .u8("next-icw", 4, c -> c.nextIcw, (c, v) -> c.nextIcw = v)
            .bool("read-isr", c -> c.readIsr, (c, v) -> c.readIsr = v)
            .bool("poll", c -> c.poll, (c, v) -> c.poll = v)
            .bool("special-mask", c -> c.specialMask, (c, v) -> c.specialMask = v)
            .bool("auto-eoi", c -> c.autoEoi, (c, v) -> c.autoEoi = v)
            .bool("rotate-on-auto-eoi", c -> c.rotateOnAutoEoi, (c, v) -> c.rotateOnAutoEoi = v)
            .bool(
                "special-fully-nested",
                c -> c.specialFullyNested,
                (c, v) -> c.specialFullyNested = v)
            .bool("icw4-follows", c -> c.icw4Follows, (c, v) -> c.icw4Follows = v)
            .bool("single", c -> c.single, (c, v) -> c.single = v);

    private final boolean isMaster;
    private final int elcrMask;
    private final IrqLine output;

    /** Present input levels. */
    private int lines;

    private int irr;
    private int imr;
    private int isr;

    /** Inputs that are level-triggered. */
    private int elcr;

    /** The input with the highest priority. */
    private int topPriority;

    private int vectorBase;

    /** Initialisation command word expected next at the data port (2 to 4), 0 in operation. */
    private int nextIcw;

    private boolean readIsr;
    private boolean poll;
    private boolean specialMask;
    private boolean autoEoi;
    private boolean rotateOnAutoEoi;
    private boolean specialFullyNested;
    private boolean icw4Follows;
    private boolean single;

    Chip(boolean isMaster, int elcrMask, IrqLine output) {
      this.isMaster = isMaster;
      this.elcrMask = elcrMask;
      this.output = output;
    }

    void reset() {
      elcr = 0;
      lines = 0;
      vectorBase = 0;
      rotateOnAutoEoi = false;
      poll = false;
      single = false;
      icw4Follows = false;
      startInitialisation();
      nextIcw = 0;
    }

    /** What ICW1 resets (data sheet, "Initialization Command Words 1 and 2"). */
    private void startInitialisation() {
      irr &= elcr & lines;
      imr = 0;
      isr = 0;
      topPriority = 0;
      readIsr = false;
      specialMask = false;
      specialFullyNested = false;
      autoEoi = false;
      nextIcw = 2;
      updateOutput();
    }

    void setInput(int irq, boolean level) {
      int bit = 1 << irq;
      boolean levelTriggered = (elcr & bit) != 0;
      if (level) {
        if (levelTriggered || (lines & bit) == 0) {
          irr |= bit;
        }
        lines |= bit;
      } else {
        if (levelTriggered) {
          irr &= ~bit;
        }
        lines &= ~bit;
      }
      updateOutput();
    }

    /** Distance of the highest-priority set bit from the top priority, 8 where none is set. */
    private int priorityOf(int bits) {
      int rotated = (bits | bits << 8) >>> topPriority & 0xff;
      return rotated == 0 ? 8 : Integer.numberOfTrailingZeros(rotated);
    }

    /** The input to be served now, or -1. */
    private int highestRequest() {
      int inService = isr;
      if (specialMask) {
        inService &= ~imr;
      }
      if (specialFullyNested && isMaster) {
        inService &= ~(1 << CASCADE);
      }
      int priority = priorityOf(irr & ~imr);
      return priority < priorityOf(inService) ? (priority + topPriority) & 7 : -1;
    }

    private void updateOutput() {
      output.set(highestRequest() >= 0);
    }

    private void enterService(int irq) {
      int bit = 1 << irq;
      if (!autoEoi) {
        isr |= bit;
      } else if (rotateOnAutoEoi) {
        topPriority = (irq + 1) & 7;
      }
      if ((elcr & bit) == 0) {
        irr &= ~bit;
      }
      // INT falls with the acknowledge, so that the next request is an edge at the master again.
      output.lower();
      updateOutput();
    }

    @Override
    public long read(long offset, int size) {
      if (poll) {
        poll = false;
        int irq = highestRequest();
        if (irq < 0) {
          return 0;
        }
        enterService(irq);
        return 0x80 | irq;
      }
      return offset == 0 ? (readIsr ? isr : irr) : imr;
    }

    @Override
    public void write(long offset, int size, long value) {
      int v = (int) value & 0xff;
      if (offset != 0) {
        writeData(v);
      } else if ((v & 0x10) != 0) {
        icw4Follows = (v & 1) != 0;
        single = (v & 2) != 0;
        startInitialisation();
      } else if ((v & 0x08) != 0) {
        operationCommand3(v);
      } else {
        operationCommand2(v);
      }
    }

    private void operationCommand3(int v) {
      poll = (v & 4) != 0;
      if ((v & 2) != 0) {
        readIsr = (v & 1) != 0;
      }
      if ((v & 0x40) != 0) {
        specialMask = (v & 0x20) != 0;
        updateOutput();
      }
    }

    private void operationCommand2(int v) {
      int irq = v & 7;
      switch (v >> 5) {
        case 0, 4 -> rotateOnAutoEoi = v >> 5 == 4;
        case 1, 5 -> {
          int priority = priorityOf(isr);
          if (priority < 8) {
            endOfInterrupt((priority + topPriority) & 7, v >> 5 == 5);
          }
        }
        case 3, 7 -> endOfInterrupt(irq, v >> 5 == 7);
        case 6 -> {
          topPriority = (irq + 1) & 7;
          updateOutput();
        }
        default -> {} // 2: no operation
      }
    }

    private void endOfInterrupt(int irq, boolean rotate) {
      isr &= ~(1 << irq);
      if (rotate) {
        topPriority = (irq + 1) & 7;
      }
      updateOutput();
    }

    private void writeData(int v) {
      switch (nextIcw) {
        case 2 -> {
          vectorBase = v & 0xf8;
          nextIcw = !single ? 3 : icw4Follows ? 4 : 0;
        }
        case 3 -> nextIcw = icw4Follows ? 4 : 0; // which input the slave has is wired
        case 4 -> {
          specialFullyNested = (v & 0x10) != 0;
          autoEoi = (v & 2) != 0;
          nextIcw = 0;
        }
        default -> {
          imr = v;
          updateOutput();
        }
      }
    }
  }
}
