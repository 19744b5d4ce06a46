package dev.pollux.devices.irqchip;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.irq.MsiMessage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What connects local APICs, I/O APICs and message-signalled interrupts: finds the destinations of
 * a message, and gives each vCPU its own registers at the one address that all of them use.
 * Everything with the machine lock held.
 */
public final class ApicBus {
  /**
   * Where local APICs answer after reset, and the start of the megabyte that takes interrupt
   * messages.
   */
  public static final long ADDRESS = 0xfee00000L;

  private static final int MESSAGE_WINDOW = 1 << 20;

  private final AddressSpace memory;
  private final Pic8259 pic;
  private final List<LocalApic> apics = new ArrayList<>();
  private final List<IoApic> ioApics = new ArrayList<>();

  /** Pages of local APICs that were moved from {@link #ADDRESS}. */
  private final Map<Long, FlatView.Mapping> movedPages = new HashMap<>();

  /**
   * Maps the window at {@link #ADDRESS}.
   *
   * @param pic acknowledged for messages of mode ExtINT
   */
  public ApicBus(AddressSpace memory, Pic8259 pic) {
    this.memory = memory;
    this.pic = pic;
    memory.map(
        ADDRESS, new Region.DeviceRegion("apic", MESSAGE_WINDOW, 4, 4, new Window(ADDRESS)), 1);
  }

  void attach(LocalApic apic) {
    apics.add(apic);
  }

  void attach(IoApic ioApic) {
    ioApics.add(ioApic);
  }

  Pic8259 pic() {
    return pic;
  }

  /** True if some local APIC has a request for this vector that its CPU has not accepted. */
  boolean isRequested(int vector) {
    for (LocalApic apic : apics) {
      if (apic.isRequested(vector)) {
        return true;
      }
    }
    return false;
  }

  /** The PIC's INTR output, wired to LINT0 of every local APIC. */
  public void setLint0(boolean level) {
    for (LocalApic apic : apics) {
      apic.setLint0(level);
    }
  }

  /** The NMI button or watchdog, wired to LINT1 of every local APIC. */
  public void pulseLint1() {
    for (LocalApic apic : apics) {
      apic.pulseLint1();
    }
  }

  /**
   * A write to the message window by a device (Intel SDM vol. 3, 12.11); other addresses are for
   * the caller.
   */
  public void send(MsiMessage message) {
    int address = (int) message.address();
    int data = message.data();
    deliver(
        address >>> 12 & 0xff,
        false,
        (address & 4) != 0,
        DeliveryMode.of(data >> 8),
        data & 0xff,
        (data & 0x8000) != 0);
  }

  /**
   * Delivers an interrupt message.
   *
   * @param destination 8 bits, or 32 where {@code wide}
   * @param wide sent by an APIC in x2APIC mode
   * @param level trigger mode; the end of interrupt is then sent to the I/O APICs
   * @return false where nobody took it
   */
  boolean deliver(
      int destination,
      boolean wide,
      boolean logical,
      DeliveryMode mode,
      int vector,
      boolean level) {
    boolean accepted = false;
    LocalApic lowest = null;
    for (LocalApic apic : apics) {
      if (apic.isAddressedBy(destination, wide, logical)) {
        if (mode != DeliveryMode.LOWEST_PRIORITY) {
          apic.accept(mode, vector, level);
          accepted = true;
        } else if (apic.takesInterrupts()
            && (lowest == null || apic.arbitrationPriority() < lowest.arbitrationPriority())) {
          lowest = apic;
        }
      }
    }
    if (lowest != null) {
      lowest.accept(DeliveryMode.FIXED, vector, level);
      accepted = true;
    }
    return accepted;
  }

  /** An IPI with the shorthand "all", with or without its sender. */
  void broadcast(
      LocalApic sender, boolean includingSender, DeliveryMode mode, int vector, boolean level) {
    for (LocalApic apic : apics) {
      if (includingSender || apic != sender) {
        apic.accept(mode, vector, level);
      }
    }
  }

  void endOfInterrupt(int vector) {
    for (IoApic ioApic : ioApics) {
      ioApic.endOfInterrupt(vector);
    }
  }

  /** A local APIC was moved, switched on or off: maps exactly the pages in use. */
  void placePages() {
    Set<Long> wanted = new HashSet<>();
    for (LocalApic apic : apics) {
      if (apic.hasMmio() && apic.mmioAddress() != ADDRESS) {
        wanted.add(apic.mmioAddress());
      }
    }
    movedPages
        .entrySet()
        .removeIf(
            page -> {
              boolean stale = !wanted.remove(page.getKey());
              if (stale) {
                memory.unmap(page.getValue());
              }
              return stale;
            });
    for (long page : wanted) {
      Region region = new Region.DeviceRegion("apic-moved", 0x1000, 4, 4, new Window(page));
      movedPages.put(page, memory.map(page, region, 2));
    }
  }

  /**
   * Registers of the accessing vCPU's APIC where it is at this address; elsewhere writes are
   * interrupt messages.
   */
  private final class Window implements BusDevice {
    private final long base;

    Window(long base) {
      this.base = base;
    }

    /** The APIC of the running vCPU if its page is here, or null. */
    private LocalApic local(long offset) {
      return offset < 0x1000
              && Vcpu.current() != null
              && Vcpu.current().interruptController() instanceof LocalApic apic
              && apic.mmioAddress() == base
          ? apic
          : null;
    }

    @Override
    public long read(long offset, int size) {
      LocalApic apic = local(offset);
      return apic == null || !apic.hasMmio() ? 0xffff_ffffL : apic.readMmio((int) offset);
    }

    @Override
    public void write(long offset, int size, long value) {
      LocalApic apic = local(offset);
      if (apic != null) {
        // Switched off or in x2APIC mode, the page is nobody's (Intel SDM vol. 3, 12.12.2).
        if (apic.hasMmio()) {
          apic.writeMmio((int) offset, (int) value);
        }
      } else if (base == ADDRESS) {
        send(new MsiMessage(base + offset, (int) value));
      }
    }
  }
}
