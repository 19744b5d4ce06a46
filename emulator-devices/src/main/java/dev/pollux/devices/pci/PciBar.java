package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import java.util.ArrayList;
import java.util.List;

/**
 * A base address register: where a function's registers or memory are (PCI 3.0, 6.2.5). Mapped
 * below everything else, so that a BAR over RAM hides nothing. Machine lock held.
 */
public final class PciBar {
  /** What is behind a BAR. */
  public enum Kind {
    IO(1),
    MEMORY(0),
    PREFETCHABLE(8),
    MEMORY64(4),
    PREFETCHABLE64(12),
    /** The expansion ROM (PCI 3.0, 6.2.5.2), index {@link #ROM_INDEX}. */
    ROM(0);

    private final int bits;

    Kind(int bits) {
      this.bits = bits;
    }

    /** The read-only low bits of the register. */
    int bits() {
      return bits;
    }

    public boolean isIo() {
      return this == IO;
    }

    public boolean is64() {
      return this == MEMORY64 || this == PREFETCHABLE64;
    }

    public boolean isPrefetchable() {
      return this == PREFETCHABLE || this == PREFETCHABLE64;
    }
  }

  /**
   * A part of what is behind a BAR.
   *
   * @param offset from its start
   */
  public record Piece(long offset, Region region) {}

  /** The priority of mappings: below RAM and everything at fixed addresses. */
  private static final int PRIORITY = -1;

  /** Physical addresses have fewer bits. */
  private static final long HIGHEST = 1L << 52;

  /** The index of an expansion ROM. */
  static final int ROM_INDEX = 6;

  private static final int ROM_REGISTER = 0x30;
  private static final int ROM_ENABLE = 1;

  static final long UNMAPPED = -1;

  private final int index;
  private final Kind kind;
  private final long size;
  private final List<Piece> pieces;
  private final List<FlatView.Mapping> mappings = new ArrayList<>();
  private Window mapped = Window.EMPTY;
  private long address = UNMAPPED;

  /**
   * A range of addresses.
   *
   * @param end first address behind it
   */
  record Window(long start, long end) {
    static final Window EMPTY = new Window(0, 0);

    long size() {
      return end - start;
    }

    Window clip(Window other) {
      long first = Math.max(start, other.start);
      long last = Math.min(end, other.end);
      return first < last ? new Window(first, last) : EMPTY;
    }
  }

  PciBar(int index, Kind kind, long size, List<Piece> pieces) {
    if (Long.bitCount(size) != 1 || size < (kind.isIo() ? 4 : 16)) {
      throw new IllegalArgumentException("BAR of " + size + " bytes");
    }
    this.index = index;
    this.kind = kind;
    this.size = size;
    this.pieces = List.copyOf(pieces);
  }

  /** 0 to 5; one of 64 bits takes the next one too. */
  public int index() {
    return index;
  }

  public Kind kind() {
    return kind;
  }

  /** Bytes, a power of two. */
  public long size() {
    return size;
  }

  /** Where it is mapped, or -1. */
  public long address() {
    return address;
  }

  int register() {
    return kind == Kind.ROM ? ROM_REGISTER : PciConfig.BAR0 + index * 4;
  }

  void declare(PciConfig config) {
    config.init(register(), 4, kind.bits());
    config.allow(register(), 4, -size & (kind.isIo() ? 0xffff_fffcL : 0xffff_fff0L));
    if (kind == Kind.ROM) {
      config.allow(register(), 4, ROM_ENABLE);
    }
    if (kind.is64()) {
      config.allow(register() + 4, 4, -size >>> 32);
    }
  }

  /** The address in the register, or -1 where it is not decoded. */
  private long wanted(PciConfig config) {
    int enable = kind.isIo() ? PciConfig.COMMAND_IO : PciConfig.COMMAND_MEMORY;
    if ((config.get(PciConfig.COMMAND, 2) & enable) == 0) {
      return UNMAPPED;
    }
    if (kind == Kind.ROM && (config.get(register(), 4) & ROM_ENABLE) == 0) {
      return UNMAPPED;
    }
    long at = config.get(register(), 4) & 0xffff_ffffL & -size;
    if (kind.is64()) {
      at |= (long) config.get(register() + 4, 4) << 32;
    }
    long most = kind.isIo() ? 0xffff : kind.is64() ? HIGHEST : 0xffff_ffffL;
    boolean decoded = at > 0 && at < most && at + size - 1 < most;
    return decoded ? at : UNMAPPED;
  }

  /**
   * Maps what the registers say.
   *
   * @param bus the function's
   */
  void update(PciConfig config, AddressSpace space, PciBus bus) {
    long now = wanted(config);
    Window visible =
        now == UNMAPPED ? Window.EMPTY : bus.visible(new Window(now, now + size), kind.isIo());
    if (now == address && visible.equals(mapped)) {
      return;
    }
    unmap(space);
    address = now;
    mapped = visible;
    for (Piece piece : pieces) {
      long start = now + piece.offset();
      Window part = new Window(start, start + piece.region().size()).clip(visible);
      if (part.end() > part.start()) {
        mappings.add(
            space.map(
                part.start(),
                part.end() - part.start(),
                piece.region(),
                part.start() - start,
                PRIORITY));
      }
    }
  }

  void unmap(AddressSpace space) {
    mappings.forEach(space::unmap);
    mappings.clear();
    mapped = Window.EMPTY;
    address = UNMAPPED;
  }
}
