package dev.pollux.devices.board;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * QEMU's firmware configuration device: items that firmware and guest read by key, through a data
 * port or by DMA (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"). Everything
 * with the machine lock held.
 *
 * <p>Contents come from the machine's configuration and are not part of the state.
 */
public final class FwCfg implements Device, BusDevice {
  public static final int PORT = 0x510;
  public static final int DMA_PORT = 0x514;

  public static final int SIGNATURE = 0x00;
  public static final int ID = 0x01;
  public static final int UUID = 0x02;
  public static final int RAM_SIZE = 0x03;
  public static final int NO_GRAPHIC = 0x04;
  public static final int CPU_COUNT = 0x05;
  public static final int KERNEL_ADDRESS = 0x07;
  public static final int KERNEL_SIZE = 0x08;
  public static final int INITRD_ADDRESS = 0x0a;
  public static final int INITRD_SIZE = 0x0b;
  public static final int BOOT_MENU = 0x0e;
  public static final int MAX_CPUS = 0x0f;
  public static final int KERNEL_ENTRY = 0x10;
  public static final int KERNEL_DATA = 0x11;
  public static final int INITRD_DATA = 0x12;
  public static final int COMMAND_LINE_ADDRESS = 0x13;
  public static final int COMMAND_LINE_SIZE = 0x14;
  public static final int COMMAND_LINE_DATA = 0x15;
  public static final int SETUP_ADDRESS = 0x16;
  public static final int SETUP_SIZE = 0x17;
  public static final int SETUP_DATA = 0x18;

  /** Of PCs: interrupt 0 arrives at input 2 of the I/O APIC. */
  public static final int IRQ0_OVERRIDE = 0x8002;

  private static final int FILE_DIRECTORY = 0x19;
  private static final int FIRST_FILE = 0x20;
  private static final int FILE_SLOTS = 0x20;
  private static final int FILE_NAME_BYTES = 56;

  /** Bits of a key beside the item's number. */
  private static final int KEY_MASK = 0xbfff;

  /** "QEMU CFG", read from the DMA register. */
  private static final long DMA_SIGNATURE = 0x51454d5520434647L;

  private static final int DMA_ERROR = 1;
  private static final int DMA_READ = 2;
  private static final int DMA_SKIP = 4;
  private static final int DMA_SELECT = 8;
  private static final int DMA_WRITE = 16;

  /** Bytes of zeros that one DMA read beyond an item's end may ask for. */
  private static final long MAX_ZEROS = 1 << 20;

  private static final byte[] EMPTY = new byte[0];

  public static final DeviceType<SystemBus> TYPE = DeviceType.part(SystemBus.KIND, "fw_cfg_io");

  private static final StateDescriptor<FwCfg> STATE =
      StateDescriptor.of(FwCfg.class, "fw_cfg", 1)
          .u16("key", f -> f.key, (f, v) -> f.key = v)
          .u32("offset", Integer.MAX_VALUE, f -> f.offset, (f, v) -> f.offset = v)
          .u64("dma-address", f -> f.dmaAddress, (f, v) -> f.dmaAddress = v);

  private final AddressSpace memory;

  @HostOnly("configuration")
  private final Map<Integer, byte[]> items = new HashMap<>();

  @HostOnly("configuration")
  private final Map<String, byte[]> files = new TreeMap<>();

  /** Those that the guest may write to, by their content. */
  @HostOnly("configuration; what is written is the state of the device that reads it")
  private final Set<byte[]> writable = Collections.newSetFromMap(new IdentityHashMap<>());

  private int key;
  private int offset;
  private long dmaAddress;

  /**
   * @param memory where DMA reads and writes
   */
  public FwCfg(AddressSpace memory) {
    this.memory = memory;
    items.put(SIGNATURE, "QEMU".getBytes(StandardCharsets.US_ASCII));
    putInt(ID, 3); // traditional interface and DMA
    writeDirectory();
  }

  /** Selector (0x510) and data (0x511). */
  public Region ports() {
    return new Region.DeviceRegion("fwcfg", 2, 2, this);
  }

  /** The DMA address register, big-endian; writing its low half starts the transfer. */
  public Region dmaPort() {
    return new Region.DeviceRegion(
        "fwcfg.dma",
        8,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            long fromHere = DMA_SIGNATURE << offset * 8 >>> (8 - size) * 8;
            return swap(fromHere, size);
          }

          @Override
          public void write(long offset, int size, long value) {
            writeDma((int) offset, size, value);
          }
        });
  }

  /** Sets an item. */
  public void put(int key, byte[] content) {
    items.put(key & KEY_MASK, content);
  }

  /** Sets an item of two little-endian bytes. */
  public void putShort(int key, int value) {
    put(key, ByteBuffer.allocate(2).order(ByteOrder.LITTLE_ENDIAN).putShort((short) value).array());
  }

  /** Sets an item of four little-endian bytes. */
  public void putInt(int key, int value) {
    put(key, ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
  }

  /** Sets an item of eight little-endian bytes. */
  public void putLong(int key, long value) {
    put(key, ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }

  /**
   * Adds or replaces a file, before the guest runs. Files get their keys in the order of their
   * names.
   *
   * @param name at most 55 bytes, for instance {@code etc/e820}
   * @throws IllegalArgumentException where the name is too long or all {@value #FILE_SLOTS} slots
   *     are taken
   */
  public void putFile(String name, byte[] content) {
    if (name.getBytes(StandardCharsets.UTF_8).length >= FILE_NAME_BYTES) {
      throw new IllegalArgumentException("fw_cfg file name longer than 55 bytes: " + name);
    }
    if (files.size() >= FILE_SLOTS && !files.containsKey(name)) {
      throw new IllegalArgumentException("no room for fw_cfg file " + name);
    }
    files.put(name, content);
    writeDirectory();
  }

  /**
   * As {@link #putFile}, for the guest to write to by DMA.
   *
   * @param content kept: what the guest writes is in it, and is saved by its owner
   */
  public void putWritableFile(String name, byte[] content) {
    writable.add(content);
    putFile(name, content);
  }

  private void writeDirectory() {
    ByteBuffer directory =
        ByteBuffer.allocate(4 + files.size() * (8 + FILE_NAME_BYTES)); // big-endian
    directory.putInt(files.size());
    int fileKey = FIRST_FILE;
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      directory.putInt(file.getValue().length).putShort((short) fileKey).putShort((short) 0);
      byte[] name = new byte[FILE_NAME_BYTES];
      byte[] utf8 = file.getKey().getBytes(StandardCharsets.UTF_8);
      System.arraycopy(utf8, 0, name, 0, utf8.length);
      directory.put(name);
      items.put(fileKey++, file.getValue());
    }
    items.put(FILE_DIRECTORY, directory.array());
  }

  @Override
  public String id() {
    return "fw_cfg";
  }

  @Override
  public void reset() {
    select(SIGNATURE);
    dmaAddress = 0;
  }

  private void select(int newKey) {
    key = newKey & 0xffff;
    offset = 0;
  }

  private byte[] item() {
    return items.getOrDefault(key & KEY_MASK, EMPTY);
  }

  @Override
  public long read(long at, int size) {
    long value = 0;
    byte[] item = item();
    for (int i = 0; i < size; i++) {
      value |= (offset < item.length ? item[offset++] & 0xffL : 0) << i * 8;
    }
    return value;
  }

  @Override
  public void write(long at, int size, long value) {
    if (at == 0 && size == 2) {
      select((int) value);
    }
    // Writing data through the port was given up by QEMU too.
  }

  private void writeDma(int at, int size, long value) {
    if (size != 4) {
      return;
    }
    long half = swap(value, 4);
    if (at == 0) {
      dmaAddress = half << 32;
    } else if (at == 4) {
      long address = dmaAddress | half;
      dmaAddress = 0;
      transfer(address);
    }
  }

  private static long swap(long value, int size) {
    return Long.reverseBytes(value) >>> (8 - size) * 8;
  }

  /** Carries out the command block at a guest-physical address. */
  private void transfer(long block) {
    byte[] bytes = new byte[16];
    if (!memory.read(block, bytes, 0, 16)) {
      memory.write(block, ByteBuffer.allocate(4).putInt(DMA_ERROR).array(), 0, 4);
      return;
    }
    ByteBuffer command = ByteBuffer.wrap(bytes);
    int control = command.getInt();
    long length = command.getInt() & 0xffff_ffffL;
    long address = command.getLong();
    if ((control & DMA_SELECT) != 0) {
      select(control >>> 16);
    }
    boolean ok = true;
    if ((control & DMA_READ) != 0) {
      ok = readByDma(address, length);
    } else if ((control & DMA_WRITE) != 0) {
      ok = writeByDma(address, length);
    } else if ((control & DMA_SKIP) != 0) {
      skip(length);
    }
    byte[] result = ByteBuffer.allocate(4).putInt(ok ? 0 : DMA_ERROR).array();
    memory.write(block, result, 0, 4);
  }

  private boolean readByDma(long address, long length) {
    byte[] item = item();
    int count = (int) Math.min(length, Math.max(item.length - offset, 0));
    boolean ok = memory.write(address, item, Math.min(offset, item.length), count);
    skip(count);
    long zeros = length - count;
    if (zeros > MAX_ZEROS) {
      return false;
    }
    return memory.write(address + count, new byte[(int) zeros], 0, (int) zeros) && ok;
  }

  /** Only what fits is taken; few items are writable. */
  private boolean writeByDma(long address, long length) {
    byte[] item = item();
    if (!writable.contains(item) || length > item.length - offset) {
      return false;
    }
    byte[] bytes = new byte[(int) length];
    if (!memory.read(address, bytes, 0, bytes.length)) {
      return false;
    }
    System.arraycopy(bytes, 0, item, offset, bytes.length);
    skip(length);
    return true;
  }

  private void skip(long count) {
    offset = (int) Math.min(offset + count, Math.max(item().length, offset));
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
