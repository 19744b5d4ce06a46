package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.IoVector;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * The guest memory that a command's data goes to or comes from (4.3): the rest of a page, then one
 * more page or a list of pages, the last entry of which leads to the next list if there are more.
 */
final class PrpList {
  private static final int ENTRY = 8;
  private static final int ALIGNED = 3;

  private final GuestMemory memory;
  private final boolean toMemory;
  private final int page;
  private final List<GuestMemory.Piece> pieces = new ArrayList<>();
  private int status;

  private PrpList(GuestMemory memory, boolean toMemory, int page) {
    this.memory = memory;
    this.toMemory = toMemory;
    this.page = page;
  }

  /**
   * Finds the memory of a command.
   *
   * @param length bytes, above 0; the caller knows a bound
   * @param page bytes, a power of two
   * @param toMemory whether it is to be written
   */
  static PrpList of(
      GuestMemory memory, NvmeCommand command, long length, int page, boolean toMemory) {
    PrpList list = new PrpList(memory, toMemory, page);
    list.gather(command.prp1(), command.prp2(), length);
    return list;
  }

  /** {@link NvmeStatus#SUCCESS}, or what is wrong with it. */
  int status() {
    return status;
  }

  IoVector vector() {
    return new IoVector(
        pieces.stream().mapToLong(GuestMemory.Piece::host).toArray(),
        pieces.stream().mapToLong(GuestMemory.Piece::length).toArray(),
        pieces.size());
  }

  /** Tells that the memory is about to be written, or has been. */
  void touch() {
    if (toMemory) {
      pieces.forEach(GuestMemory.Piece::touch);
    }
  }

  /** Fills the memory; as many bytes as it was made for. */
  void write(byte[] bytes) {
    touch();
    int at = 0;
    for (GuestMemory.Piece piece : pieces) {
      RawMemory.copyIn(bytes, at, piece.host(), (int) piece.length());
      at += (int) piece.length();
    }
    touch();
  }

  void read(byte[] bytes) {
    int at = 0;
    for (GuestMemory.Piece piece : pieces) {
      RawMemory.copyOut(piece.host(), bytes, at, (int) piece.length());
      at += (int) piece.length();
    }
  }

  private void gather(long first, long second, long length) {
    if ((first & ALIGNED) != 0) {
      status = NvmeStatus.INVALID_PRP_OFFSET;
      return;
    }
    long here = Math.min(length, page - offset(first));
    long left = length - here;
    add(first, here);
    if (left > 0 && left <= page) {
      addPage(second, left);
    } else if (left > 0) {
      addList(second, left);
    }
  }

  private long offset(long address) {
    return address & page - 1;
  }

  private void addList(long start, long length) {
    long at = start;
    long left = length;
    if (at % ENTRY != 0) {
      status = NvmeStatus.INVALID_PRP_OFFSET;
    }
    while (left > 0 && status == NvmeStatus.SUCCESS) {
      GuestMemory.Piece entry = memory.whole(at, ENTRY, false);
      if (entry == null) {
        status = NvmeStatus.DATA_TRANSFER;
        return;
      }
      long value = RawMemory.getLong(entry.host());
      if (offset(at) == page - ENTRY && left > page) {
        // Only the first list may begin within a page: each further one leads on by a page's worth.
        at = value;
        status = offset(value) == 0 ? status : NvmeStatus.INVALID_PRP_OFFSET;
      } else {
        long part = Math.min(left, page);
        addPage(value, part);
        left -= part;
        at += ENTRY;
      }
    }
  }

  private void addPage(long address, long length) {
    if (offset(address) == 0) {
      add(address, length);
    } else {
      status = NvmeStatus.INVALID_PRP_OFFSET;
    }
  }

  private void add(long address, long length) {
    for (long done = 0; done < length; ) {
      GuestMemory.Piece piece =
          address < 0 ? null : memory.find(address + done, length - done, toMemory);
      if (piece == null) {
        status = NvmeStatus.DATA_TRANSFER;
        return;
      }
      append(piece);
      done += piece.length();
    }
  }

  /** Pages that lie one behind the other are one piece. */
  private void append(GuestMemory.Piece piece) {
    GuestMemory.Piece last = pieces.isEmpty() ? null : pieces.getLast();
    if (last != null
        && last.block() == piece.block()
        && last.offset() + last.length() == piece.offset()) {
      pieces.removeLast();
      pieces.add(
          new GuestMemory.Piece(last.block(), last.offset(), last.length() + piece.length()));
    } else {
      pieces.add(piece);
    }
  }
}
