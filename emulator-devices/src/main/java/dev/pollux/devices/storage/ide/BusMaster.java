package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.function.BooleanSupplier;

/**
 * The DMA controller of a channel (Programming Interface for Bus Master IDE Controller 1.0): moves
 * data by a list of memory regions in guest memory. Machine lock held.
 *
 * <pre>
 *   0  command: 0 start, 3 to memory     4  address of the list
 *   2  status: 0 active, 1 error, 2 interrupt, 5 and 6 left to software
 * </pre>
 */
final class BusMaster {
  static final int PORTS = 8;

  private static final int START = 1;
  private static final int TO_MEMORY = 8;

  private static final int ACTIVE = 1;
  private static final int ERROR = 2;
  private static final int INTERRUPT = 4;
  private static final int CAPABLE = 0x60;

  /** Of the second double word of an entry: it is the last one. */
  private static final int LAST = 1 << 31;

  static final StateDescriptor<BusMaster> STATE =
      StateDescriptor.of(BusMaster.class, "ide-bus-master", 1)
          .u8("command", m -> m.command, (m, v) -> m.command = v & (START | TO_MEMORY))
          .u8("status", m -> m.status, (m, v) -> m.status = v & (CAPABLE | 7))
          .u32("list", m -> m.list, (m, v) -> m.list = v & ~3)
          .u32("entry", m -> m.entry, (m, v) -> m.entry = v & ~3)
          .u32("address", m -> m.address, (m, v) -> m.address = v)
          .u32("remaining", 0x1_0000, m -> m.remaining, (m, v) -> m.remaining = v)
          .bool("last", m -> m.last, (m, v) -> m.last = v);

  private final GuestMemory memory;
  private final BooleanSupplier mayMaster;
  private int command;
  private int status;
  private int list;

  /** The entry that comes next, and what is left of the present one. */
  private int entry;

  private int address;
  private int remaining;
  private boolean last;

  @HostOnly("wiring")
  private Runnable started = () -> {};

  @HostOnly("wiring")
  private Runnable stopped = () -> {};

  /**
   * @param mayMaster whether the PCI function may access memory
   */
  BusMaster(GuestMemory memory, BooleanSupplier mayMaster) {
    this.memory = memory;
    this.mayMaster = mayMaster;
  }

  void onStart(Runnable start, Runnable stop) {
    started = start;
    stopped = stop;
  }

  void reset() {
    command = 0;
    status = 0;
    list = 0;
    entry = 0;
    address = 0;
    remaining = 0;
    last = false;
  }

  Region ports() {
    return new Region.DeviceRegion(
        "piix-bmdma",
        PORTS,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            long all = command | (long) status << 16 | (list & 0xffff_ffffL) << 32;
            return all >>> offset * 8;
          }

          @Override
          public void write(long offset, int size, long value) {
            for (int i = 0; i < size; i++) {
              writeByte((int) offset + i, (int) (value >>> i * 8) & 0xff);
            }
          }
        });
  }

  private void writeByte(int offset, int value) {
    switch (offset) {
      case 0 -> writeCommand(value);
      case 2 -> status = value & CAPABLE | status & ACTIVE | status & ~value & (ERROR | INTERRUPT);
      case 4, 5, 6, 7 -> {
        int shift = (offset - 4) * 8;
        list = (list & ~(0xff << shift) | value << shift) & ~3;
      }
      default -> {}
    }
  }

  private void writeCommand(int value) {
    boolean start = (value & START) != 0;
    boolean was = (command & START) != 0;
    command = value & (START | TO_MEMORY);
    if (start && !was) {
      entry = list;
      remaining = 0;
      last = false;
      status |= ACTIVE;
      started.run();
    } else if (!start && was) {
      if ((status & ACTIVE) != 0) {
        stopped.run();
      }
      status &= ~ACTIVE;
    }
  }

  boolean isStarted() {
    return (command & START) != 0 && (status & ACTIVE) != 0;
  }

  /** The drive asks for an interrupt. */
  void interrupt() {
    status |= INTERRUPT;
  }

  /** The drive's command has ended; a list with room left stays active. */
  void ended() {
    if (remaining == 0 && last) {
      status &= ~ACTIVE;
    }
  }

  /** As {@link AtaLink#transfer}. */
  int transfer(long host, int length, boolean toMemory) {
    if (!mayMaster.getAsBoolean() || toMemory != ((command & TO_MEMORY) != 0)) {
      status = status & ~ACTIVE | ERROR;
      return 0;
    }
    int done = 0;
    while (done < length) {
      if (remaining == 0 && !nextEntry()) {
        status &= ~ACTIVE;
        break;
      }
      int part = Math.min(remaining, length - done);
      memory.move(address & 0xffff_ffffL, host + done, part, toMemory);
      address += part;
      remaining -= part;
      done += part;
    }
    return done;
  }

  /** Reads an entry of the list; false behind the last one, or where the list cannot be read. */
  private boolean nextEntry() {
    GuestMemory.Piece piece = last ? null : memory.whole(entry & 0xffff_ffffL, 8, false);
    if (piece == null) {
      status |= last ? 0 : ERROR;
      return false;
    }
    address = RawMemory.getInt(piece.host()) & ~1;
    int flags = RawMemory.getInt(piece.host() + 4);
    remaining = flags & 0xfffe;
    if (remaining == 0) {
      remaining = 0x1_0000;
    }
    last = (flags & LAST) != 0;
    entry += 8;
    return true;
  }
}
