package dev.pollux.devices.storage.flash;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.PropertyValues;
import dev.pollux.devices.model.SystemBus;
import java.util.Arrays;
import java.util.Optional;

/**
 * Flash memory with Intel's command set (Intel StrataFlash Memory J3 data sheet, chapter 9; QEMU's
 * {@code cfi.pflash01} as PCs have it). It is read like ROM, until a write makes it say something
 * else. As with QEMU, whose flash firmware knows by that, programming a byte replaces it, where a
 * real one could only clear bits, and clearing the status clears its ready bit too, until the next
 * command that changes something. Nothing takes time. Machine lock held.
 *
 * <pre>
 *   ff      read the memory        10 or 40, data                    program
 *   70      read the status        20, d0                            erase a sector
 *   50      clear the status       60, anything                      lock bits, of which there are none
 *   90      read what it is        e8, bytes - 1, data ..., d0       program a buffer
 *   98      query
 * </pre>
 */
public final class CfiFlash implements Device, BusDevice {
  private static final Property<Boolean> SECURE =
      Property.flag("secure", false, "written in system management mode only; not possible");

  public static final DeviceType<SystemBus> TYPE =
      DeviceType.part(SystemBus.KIND, "cfi.pflash01")
          .category(DeviceCategory.STORAGE)
          .description("flash memory")
          .properties(SECURE);

  private static final int READ_ARRAY = 0xff;
  private static final int READ_STATUS = 0x70;
  private static final int READ_IDENTIFIER = 0x90;
  private static final int QUERY = 0x98;
  private static final int CLEAR_STATUS = 0x50;
  private static final int PROGRAM = 0x40;
  private static final int PROGRAM_TOO = 0x10;
  private static final int ERASE = 0x20;
  private static final int LOCK = 0x60;
  private static final int PROGRAM_BUFFER = 0xe8;
  private static final int CONFIRM = 0xd0;

  // Of the status.
  private static final int READY = 0x80;
  private static final int ERASE_FAILED = 0x20;
  private static final int PROGRAM_FAILED = 0x10;

  private static final int BUFFER_BITS = 8;
  private static final int BUFFER = 1 << BUFFER_BITS;

  /**
   * The declaration.
   *
   * @param size of the memory, in bytes
   */
  private static StateDescriptor<CfiFlash> state(int size) {
    return StateDescriptor.of(CfiFlash.class, "cfi.pflash01", 1)
        .u8("command", f -> f.command, (f, v) -> f.command = v)
        .u8("step", 3, f -> f.step, (f, v) -> f.step = v)
        .u8("status", f -> f.status, (f, v) -> f.status = v)
        .u32("left", BUFFER, f -> f.left, (f, v) -> f.left = v)
        .u32("start", size - BUFFER, f -> f.start, (f, v) -> f.start = v)
        .bytes("buffer", BUFFER, f -> f.buffer)
        .afterLoad(CfiFlash::loaded);
  }

  private final AddressSpace memory;
  private final long address;
  private final RamBlock contents;
  private final CfiTable table;
  private final Region registers;
  private final Region array;

  /** Empty where the memory cannot be written. */
  private final Optional<FlashStore> store;

  @HostOnly("follows the command")
  private FlatView.Mapping mapping;

  /** The command that decides what is read, and how many of its writes have come. */
  private int command = READ_ARRAY;

  private int step;
  private int status = READY;

  /** Bytes that the buffer still takes, and where its first one goes. */
  private int left;

  private int start;
  private final byte[] buffer = new byte[BUFFER];

  /**
   * Maps the memory.
   *
   * @param address of its first byte
   */
  public CfiFlash(Machine machine, long address, FlashChip chip) {
    memory = machine.memory();
    this.address = address;
    contents = chip.contents();
    long size = contents.size();
    table = new CfiTable(size, BUFFER_BITS);
    Region.DeviceRegion commands = new Region.DeviceRegion(contents.name(), size, 4, this);
    registers = commands;
    array = new Region.RamRegion(contents, 0, size, true, Optional.of(commands));
    store = contents.readOnly() ? Optional.empty() : Optional.of(new FlashStore(machine, chip));
    mapping = memory.map(address, array);
  }

  /**
   * Enters a flash memory as a part of a board.
   *
   * @param end behind its last byte
   * @throws ConfigException where it is to be safe from the guest's system
   */
  public static void addTo(DeviceManager devices, SystemBus bus, long end, FlashChip chip) {
    PropertyValues values = devices.values(TYPE);
    if (values.get(SECURE)) {
      throw new ConfigException(
          "-global cfi.pflash01.secure=on: secure boot needs system management mode, and machines"
              + " have none; leave it out, and give firmware without (OVMF_CODE_4M.fd)");
    }
    Machine machine = devices.services().machine();
    RamBlock contents = chip.contents();
    if (contents.readOnly()) {
      machine.addRom(contents);
    } else {
      machine.addRamBlock(contents);
    }
    devices.enter(TYPE, bus, values, new CfiFlash(machine, end - contents.size(), chip));
  }

  Region registers() {
    return registers;
  }

  @Override
  public String id() {
    return contents.name();
  }

  @Override
  public void reset() {
    step = 0;
    status = READY;
    left = 0;
    start = 0;
    Arrays.fill(buffer, (byte) 0);
    show(READ_ARRAY);
  }

  private void loaded() {
    show(command);
    store.ifPresent(FlashStore::contentsReplaced);
  }

  /** From now on reads give what a command asks for. */
  private void show(int what) {
    command = what;
    Region wanted = what == READ_ARRAY ? array : registers;
    if (!mapping.region().equals(wanted)) {
      FlatView.Mapping old = mapping;
      mapping = memory.map(address, wanted);
      memory.unmap(old);
    }
  }

  @Override
  public long read(long offset, int size) {
    return switch (command) {
      case READ_ARRAY -> memory(offset, size);
      case READ_IDENTIFIER -> 0; // neither maker nor device, no locks
      case QUERY -> table.get((int) (offset & 0xff));
      default -> size > 2 ? status | status << 16 : status;
    };
  }

  private long memory(long offset, int size) {
    byte[] bytes = new byte[size];
    contents.read(offset, bytes, 0, size);
    long value = 0;
    for (int i = size - 1; i >= 0; i--) {
      value = value << 8 | bytes[i] & 0xff;
    }
    return value;
  }

  @Override
  public void write(long offset, int size, long value) {
    int code = (int) value & 0xff;
    switch (step) {
      case 0 -> begin((int) offset, code);
      case 1 -> second((int) offset, size, value, code);
      case 2 -> fillBuffer((int) offset, size, value);
      default -> {
        step = 0;
        if (code == CONFIRM) {
          programBuffer();
        } else {
          show(READ_ARRAY);
        }
      }
    }
  }

  private void begin(int offset, int code) {
    switch (code) {
      case PROGRAM, PROGRAM_TOO, ERASE, LOCK -> await(code);
      case PROGRAM_BUFFER -> {
        await(code);
        start = offset & -BUFFER;
        status |= READY;
      }
      case READ_STATUS, READ_IDENTIFIER, QUERY -> show(code);
      case CLEAR_STATUS -> {
        status = 0;
        show(READ_ARRAY);
      }
      default -> show(READ_ARRAY);
    }
  }

  private void await(int code) {
    step = 1;
    show(code);
  }

  private void second(int offset, int size, long value, int code) {
    step = 0;
    switch (command) {
      case PROGRAM, PROGRAM_TOO -> {
        byte[] data = new byte[size];
        for (int i = 0; i < size; i++) {
          data[i] = (byte) (value >>> i * 8);
        }
        change(offset, data, size, PROGRAM_FAILED);
      }
      case ERASE -> {
        if (code == CONFIRM) {
          byte[] erased = new byte[FlashChip.SECTOR];
          Arrays.fill(erased, (byte) -1);
          change(offset & -FlashChip.SECTOR, erased, erased.length, ERASE_FAILED);
        } else {
          show(READ_ARRAY);
        }
      }
      case PROGRAM_BUFFER -> {
        contents.read(start, buffer, 0, BUFFER);
        left = Math.min((int) (value & 0xffff) + 1, BUFFER);
        step = 2;
      }
      default -> status |= READY; // LOCK
    }
  }

  private void change(int offset, byte[] data, int length, int failure) {
    status |= READY;
    if (store.isEmpty()) {
      status |= failure;
      return;
    }
    int count = (int) Math.min(length, contents.size() - offset);
    contents.write(offset, data, 0, count);
    store.get().changed(offset, count);
  }

  private void fillBuffer(int offset, int size, long value) {
    for (int i = 0; i < size; i++) {
      int at = offset + i - start;
      if (at >= 0 && at < BUFFER) {
        buffer[at] = (byte) (value >>> i * 8);
      } else {
        status |= PROGRAM_FAILED; // outside of the buffer that the command has opened
      }
    }
    left -= Math.min(size, left);
    if (left == 0) {
      step = 3;
    }
  }

  private void programBuffer() {
    if ((status & PROGRAM_FAILED) == 0) {
      change(start, buffer, BUFFER, PROGRAM_FAILED);
    }
    show(READ_STATUS);
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(state((int) contents.size()), this);
  }

  @Override
  public void close() {
    store.ifPresent(FlashStore::close);
  }
}
