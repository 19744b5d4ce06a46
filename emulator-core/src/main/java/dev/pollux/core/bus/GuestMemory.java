package dev.pollux.core.bus;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;

/**
 * Guest RAM as devices reach it that work outside the machine lock. Finds where in the host's
 * memory a guest-physical address is; what is not RAM is not found. Any thread.
 *
 * <p>Whoever writes tells {@link RamBlock#beforeWrite} before, and again after: who began to watch
 * a page meanwhile has to hear of it too.
 */
public final class GuestMemory {
  /**
   * A stretch of RAM.
   *
   * @param block which holds it
   * @param offset in the block
   * @param length bytes
   */
  public record Piece(RamBlock block, long offset, long length) {
    /** Host address of the first byte. */
    public long host() {
      return block.hostAddress() + offset;
    }

    /** Tells that the bytes are about to be written, or have just been. */
    public void touch() {
      block.beforeWrite(offset, length);
    }
  }

  /** The range that was found last, and the view in which it holds. */
  private record Last(FlatView view, FlatView.Range range) {}

  private final AddressSpace space;
  private volatile Last last;

  public GuestMemory(AddressSpace space) {
    this.space = space;
  }

  /** Changes whenever addresses lead elsewhere. */
  FlatView view() {
    return space.view();
  }

  /**
   * The RAM from an address on.
   *
   * @param length how much is wanted, above 0
   * @param write whether it is to be written
   * @return at most that much, or null if there is no RAM, or only ROM where it is to be written
   */
  public Piece find(long address, long length, boolean write) {
    FlatView view = space.view();
    Last known = last;
    FlatView.Range range;
    if (known != null
        && known.view == view
        && address >= known.range.start()
        && address < known.range.end()) {
      range = known.range;
    } else {
      range = view.find(address);
      if (range == null || !(range.region() instanceof Region.RamRegion)) {
        return null;
      }
      last = new Last(view, range);
    }
    Region.RamRegion ram = (Region.RamRegion) range.region();
    if (write && ram.readOnly()) {
      return null;
    }
    return new Piece(
        ram.block(),
        ram.offset() + range.offsetOf(address),
        Math.min(length, range.end() - address));
  }

  /** A stretch that is wholly in one piece of RAM, or null. */
  public Piece whole(long address, long length, boolean write) {
    if (address < 0 || length <= 0) {
      return null;
    }
    Piece piece = find(address, length, write);
    return piece != null && piece.length() == length ? piece : null;
  }

  /**
   * Copies between host memory and the guest's RAM; what is no RAM takes nothing and reads as all
   * ones.
   *
   * @param guest physical address
   * @param host address
   * @param length bytes, above 0
   */
  public void move(long guest, long host, int length, boolean toMemory) {
    for (int done = 0; done < length; ) {
      Piece piece = find(guest + done, length - done, toMemory);
      if (piece == null) {
        // As far as the next page there is none either.
        int part = (int) Math.min(length - done, 4096 - (guest + done & 4095));
        if (!toMemory) {
          RawMemory.fill(host + done, part, (byte) -1);
        }
        done += part;
        continue;
      }
      int part = (int) piece.length();
      if (toMemory) {
        piece.touch();
        RawMemory.copy(host + done, piece.host(), part);
        piece.touch();
      } else {
        RawMemory.copy(piece.host(), host + done, part);
      }
      done += part;
    }
  }
}
