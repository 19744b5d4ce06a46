package dev.pollux.core.bus;

import dev.pollux.core.config.InternalErrors;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The guest-physical memory or the I/O ports of a machine. Mappings change with the machine lock
 * held; look-ups go to the current {@link FlatView} without a lock. A device is called with the
 * machine lock held, which is taken here.
 *
 * <p>Reads that nothing answers return all ones, writes are dropped.
 */
public final class AddressSpace {
  private static final Logger log = LoggerFactory.getLogger(AddressSpace.class);

  private final String name;
  private final ReentrantLock machineLock;
  private final List<FlatView.Mapping> mappings = new ArrayList<>();
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
  private volatile FlatView view = FlatView.of(List.of());

  public AddressSpace(String name, ReentrantLock machineLock) {
    this.name = name;
    this.machineLock = machineLock;
  }

  public FlatView view() {
    return view;
  }

  /**
   * Called after each change of the view, with the machine lock held: TLBs and code caches drop
   * what they know.
   */
  public void onChange(Runnable listener) {
    listeners.add(listener);
  }

  public FlatView.Mapping map(long start, Region region) {
    return map(start, region, 0);
  }

  /** Maps a region; a higher priority hides a lower one. Returns what {@link #unmap} takes. */
  public FlatView.Mapping map(long start, Region region, int priority) {
    return map(start, region.size(), region, 0, priority);
  }

  /**
   * Maps a part of a region.
   *
   * @param size bytes
   * @param offset where the part starts in the region
   */
  public FlatView.Mapping map(long start, long size, Region region, long offset, int priority) {
    FlatView.Mapping mapping = new FlatView.Mapping(start, size, region, offset, priority);
    mappings.add(mapping);
    rebuild();
    return mapping;
  }

  public void unmap(FlatView.Mapping mapping) {
    if (mappings.remove(mapping)) {
      rebuild();
    }
  }

  private void rebuild() {
    view = FlatView.of(mappings);
    listeners.forEach(Runnable::run);
  }

  /** Reads 1, 2, 4 or 8 bytes, zero-extended. */
  public long read(long address, int size) {
    FlatView.Range range = view.find(address);
    if (range == null) {
      return allOnes(size);
    }
    if (range.end() - address < size && !takesWhole(range, address, size)) {
      long low = read(address, size / 2);
      return low | read(address + size / 2, size / 2) << (size * 4);
    }
    return switch (range.region()) {
      case Region.RamRegion ram ->
          load(ram.block().hostAddress() + ram.offset() + range.offsetOf(address), size);
      case Region.DeviceRegion device -> readDevice(device, range.offsetOf(address), size);
      case Region.DoorbellRegion _ -> 0;
    };
  }

  /** Writes the low 1, 2, 4 or 8 bytes of {@code value}. */
  public void write(long address, int size, long value) {
    FlatView.Range range = view.find(address);
    if (range == null) {
      return;
    }
    if (range.end() - address < size && !takesWhole(range, address, size)) {
      write(address, size / 2, value);
      write(address + size / 2, size / 2, value >>> (size * 4));
      return;
    }
    long offset = range.offsetOf(address);
    switch (range.region()) {
      case Region.RamRegion ram -> {
        if (!ram.readOnly()) {
          ram.block().beforeWrite(ram.offset() + offset, size);
          store(ram.block().hostAddress() + ram.offset() + offset, size, value);
          VarHandle.fullFence();
          ram.block().beforeWrite(ram.offset() + offset, size); // who began to watch meanwhile
        } else {
          ram.commands().ifPresent(registers -> writeDevice(registers, offset, size, value));
        }
      }
      case Region.DeviceRegion device -> writeDevice(device, offset, size, value);
      case Region.DoorbellRegion bells -> bells.bell().ring(offset, size, value);
    }
  }

  /**
   * Registers over part of which something else is mapped, as port 0xcf9 is over a PCI host's,
   * still take an access whole that begins with them.
   */
  private static boolean takesWhole(FlatView.Range range, long address, int size) {
    return range.region() instanceof Region.DeviceRegion device
        && range.offsetOf(address) + size <= device.size();
  }

  /**
   * Copies guest memory out; what is not RAM reads as the bus does, registers byte by byte.
   *
   * @return whether something answered at all of the addresses
   */
  public boolean read(long address, byte[] to, int at, int length) {
    boolean answered = true;
    for (int done = 0; done < length; ) {
      FlatView now = view;
      FlatView.Range range = now.find(address + done);
      if (range == null) {
        int run = now.hole(address + done, length - done);
        Arrays.fill(to, at + done, at + done + run, (byte) -1);
        done += run;
        answered = false;
      } else if (range.region() instanceof Region.RamRegion ram) {
        int run = (int) Math.min(length - done, range.end() - (address + done));
        ram.block().read(ram.offset() + range.offsetOf(address + done), to, at + done, run);
        done += run;
      } else {
        to[at + done] = (byte) read(address + done, 1);
        done++;
      }
    }
    return answered;
  }

  /**
   * Copies into guest memory, as a device with DMA does.
   *
   * @return whether something answered at all of the addresses
   */
  public boolean write(long address, byte[] from, int at, int length) {
    boolean answered = true;
    for (int done = 0; done < length; ) {
      FlatView now = view;
      FlatView.Range range = now.find(address + done);
      if (range == null) {
        done += now.hole(address + done, length - done);
        answered = false;
      } else if (range.region() instanceof Region.RamRegion ram) {
        int run = (int) Math.min(length - done, range.end() - (address + done));
        if (!ram.readOnly()) {
          ram.block().write(ram.offset() + range.offsetOf(address + done), from, at + done, run);
        }
        done += run;
      } else {
        write(address + done, 1, from[at + done]);
        done++;
      }
    }
    return answered;
  }

  private long readDevice(Region.DeviceRegion region, long offset, int size) {
    machineLock.lock();
    try {
      return readRegisters(region, offset, size);
    } catch (RuntimeException | Error e) {
      failed(region, e);
      return allOnes(size);
    } finally {
      machineLock.unlock();
    }
  }

  /** A device with a bug costs this access, not the machine. */
  private static void failed(Region.DeviceRegion region, Throwable e) {
    InternalErrors.report(log, "in the registers of " + region.name() + "; the guest goes on", e);
  }

  private static long readRegisters(Region.DeviceRegion region, long offset, int size) {
    if (size < region.minAccess()) {
      long aligned = offset & -region.minAccess();
      long wide = region.device().read(aligned, region.minAccess());
      return (wide >>> ((offset - aligned) * 8)) & allOnes(size);
    }
    int step = Math.min(size, region.maxAccess());
    long value = 0;
    for (int i = 0; i < size; i += step) {
      value |= (region.device().read(offset + i, step) & allOnes(step)) << (i * 8);
    }
    return value;
  }

  private void writeDevice(Region.DeviceRegion region, long offset, int size, long value) {
    machineLock.lock();
    try {
      writeRegisters(region, offset, size, value);
    } catch (RuntimeException | Error e) {
      failed(region, e);
    } finally {
      machineLock.unlock();
    }
  }

  private static void writeRegisters(
      Region.DeviceRegion region, long offset, int size, long value) {
    if (size < region.minAccess()) {
      long aligned = offset & -region.minAccess();
      region
          .device()
          .write(aligned, region.minAccess(), (value & allOnes(size)) << ((offset - aligned) * 8));
      return;
    }
    int step = Math.min(size, region.maxAccess());
    for (int i = 0; i < size; i += step) {
      region.device().write(offset + i, step, (value >>> (i * 8)) & allOnes(step));
    }
  }

  private static long load(long host, int size) {
    return switch (size) {
      case 1 -> RawMemory.getByte(host) & 0xffL;
      case 2 -> RawMemory.getShort(host) & 0xffffL;
      case 4 -> RawMemory.getInt(host) & 0xffff_ffffL;
      default -> RawMemory.getLong(host);
    };
  }

  private static void store(long host, int size, long value) {
    switch (size) {
      case 1 -> RawMemory.putByte(host, (byte) value);
      case 2 -> RawMemory.putShort(host, (short) value);
      case 4 -> RawMemory.putInt(host, (int) value);
      default -> RawMemory.putLong(host, value);
    }
  }

  private static long allOnes(int size) {
    return -1L >>> (64 - size * 8);
  }

  @Override
  public String toString() {
    return name;
  }
}
