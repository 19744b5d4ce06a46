package dev.pollux.devices.boot;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.board.E820Entry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What goes where in guest memory before the first instruction. Everything placed lies in RAM and
 * overlaps nothing else; what does not is refused with an error for the user.
 */
final class LoadPlan {
  private static final Logger log = LoggerFactory.getLogger(LoadPlan.class);

  private static final int CHUNK = 1 << 20;
  private static final long MIB = 1 << 20;

  /**
   * @param data what is written at {@code start}; zeros follow up to {@code zeroTo}
   * @param end first address that is free again
   */
  private record Part(String what, long start, MemorySegment data, long zeroTo, long end) {}

  private final List<E820Entry> memoryMap;
  private final List<Part> parts = new ArrayList<>();

  /**
   * @param memoryMap in ascending order
   */
  LoadPlan(List<E820Entry> memoryMap) {
    this.memoryMap = List.copyOf(memoryMap);
  }

  List<E820Entry> memoryMap() {
    return memoryMap;
  }

  /** Puts data at an address. */
  void place(String what, long start, MemorySegment data) {
    place(what, start, data, data.byteSize(), data.byteSize());
  }

  void place(String what, long start, byte[] data) {
    place(what, start, MemorySegment.ofArray(data));
  }

  /**
   * Puts data at an address, followed by zeros up to {@code zeroed} bytes, and keeps {@code
   * reserved} bytes from others.
   *
   * @throws ConfigException if that is not free RAM
   */
  void place(String what, long start, MemorySegment data, long zeroed, long reserved) {
    if (reserved == 0) {
      return;
    }
    if (!isRam(start, reserved)) {
      throw new ConfigException(
          "%s: 0x%x to 0x%x is not all RAM; the machine has RAM at %s: give it more with -m, or take a kernel for this place"
              .formatted(what, start, start + reserved - 1, ramText()));
    }
    for (Part part : parts) {
      if (start < part.end() && part.start() < start + reserved) {
        throw new ConfigException(
            "%s: 0x%x to 0x%x overlaps %s at 0x%x to 0x%x"
                .formatted(
                    what, start, start + reserved - 1, part.what(), part.start(), part.end() - 1));
      }
    }
    parts.add(new Part(what, start, data, start + zeroed, start + reserved));
  }

  /** True where all of the range is RAM. */
  boolean isRam(long start, long size) {
    return memoryMap.stream()
        .anyMatch(
            e ->
                e.type() == E820Entry.Type.RAM
                    && start >= e.start()
                    && size >= 0
                    && size <= e.size()
                    && start - e.start() <= e.size() - size);
  }

  private String ramText() {
    StringBuilder text = new StringBuilder();
    for (E820Entry e : memoryMap) {
      if (e.type() == E820Entry.Type.RAM) {
        text.append(text.isEmpty() ? "" : ", ")
            .append("0x%x to 0x%x".formatted(e.start(), e.start() + e.size() - 1));
      }
    }
    return text.toString();
  }

  /**
   * The lowest free place of {@code size} bytes in {@code [from, to)}.
   *
   * @param align a power of two
   */
  long findLow(String what, long size, long align, long from, long to) {
    for (E820Entry e : memoryMap) {
      if (e.type() == E820Entry.Type.RAM) {
        long end = Math.min(to, e.start() + e.size());
        long at = alignUp(Math.max(from, e.start()), align);
        for (long next; (next = firstObstacleEnd(at, size)) != at; ) {
          at = alignUp(next, align);
        }
        if (at <= end - size) {
          return at;
        }
      }
    }
    throw noRoom(what, size);
  }

  /** The highest free place of {@code size} bytes in {@code [from, to)}. */
  long findHigh(String what, long size, long align, long from, long to) {
    for (E820Entry e : memoryMap.reversed()) {
      if (e.type() == E820Entry.Type.RAM) {
        long lowest = Math.max(from, e.start());
        long at = Math.min(to, e.start() + e.size()) - size & -align;
        for (long next; at >= lowest && (next = lastObstacleStart(at, size)) != at; ) {
          at = next - size & -align;
        }
        if (at >= lowest) {
          return at;
        }
      }
    }
    throw noRoom(what, size);
  }

  private long firstObstacleEnd(long at, long size) {
    for (Part part : parts) {
      if (at < part.end() && part.start() < at + size) {
        return part.end();
      }
    }
    return at;
  }

  private long lastObstacleStart(long at, long size) {
    for (Part part : parts) {
      if (at < part.end() && part.start() < at + size) {
        return part.start();
      }
    }
    return at;
  }

  private static long alignUp(long address, long align) {
    return address + align - 1 & -align;
  }

  private static ConfigException noRoom(String what, long size) {
    return new ConfigException(
        "%s: no room for its %d MiB beside the kernel; give the machine more memory with -m"
            .formatted(what, (size + MIB - 1) / MIB));
  }

  /** Writes everything into guest memory. Machine lock held, vCPUs parked. */
  void write(AddressSpace memory) {
    byte[] chunk = new byte[CHUNK];
    for (Part part : parts) {
      long size = part.data().byteSize();
      long missing = 0;
      for (long at = 0; at < size; at += CHUNK) {
        int n = (int) Math.min(CHUNK, size - at);
        missing += read(part.data().asSlice(at, n), chunk) ? 0 : n;
        memory.write(part.start() + at, chunk, 0, n);
      }
      if (missing > 0) {
        log.warn(
            "{}: {} bytes of its file cannot be read any more; the guest finds zeros there",
            part.what(),
            missing);
      }
      byte[] zeros = new byte[Math.clamp(part.zeroTo() - part.start() - size, 0, CHUNK)];
      for (long at = part.start() + size; at < part.zeroTo(); at += CHUNK) {
        memory.write(at, zeros, 0, (int) Math.min(CHUNK, part.zeroTo() - at));
      }
    }
  }

  /**
   * Copies a piece of a part, or zeros where its file has shrunk or its disk fails; the process
   * does not keep the pages of a file for that.
   */
  private static boolean read(MemorySegment piece, byte[] to) {
    int length = (int) piece.byteSize();
    try {
      MemorySegment.copy(piece, ValueLayout.JAVA_BYTE, 0, to, 0, length);
      return true;
    } catch (InternalError e) { // as the JVM tells of a mapping that cannot be read
      Arrays.fill(to, 0, length, (byte) 0);
      return false;
    } finally {
      if (piece.isMapped()) {
        piece.unload();
      }
    }
  }
}
