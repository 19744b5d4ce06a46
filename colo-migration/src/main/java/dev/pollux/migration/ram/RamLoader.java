package dev.pollux.migration.ram;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reads the records of the section {@code ram} and hands the pages to a {@link PageSink}. */
public final class RamLoader {
  /** Waits until all that was sent through other connections has arrived. */
  @FunctionalInterface
  public interface Barrier {
    void await() throws IOException;
  }

  private final Map<String, RamBlock> blocks = new HashMap<>();
  private final Barrier barrier;
  private volatile PageSink sink;
  private boolean blocksChecked;

  /** The block of the last record. */
  private RamBlock named;

  /**
   * @param barrier waits for the connections of multifd
   */
  public RamLoader(List<RamBlock> blocks, PageSink sink, Barrier barrier) {
    blocks.forEach(block -> this.blocks.put(block.name(), block));
    this.sink = sink;
    this.barrier = barrier;
  }

  /** Where pages go from now on. */
  public void setSink(PageSink sink) {
    this.sink = sink;
  }

  /** Where pages go. Any thread. */
  public PageSink sink() {
    return sink;
  }

  /** The block of a name that came with a page; any thread. */
  public RamBlock block(String name) throws StreamException {
    RamBlock block = blocks.get(name);
    if (block == null) {
      throw new StreamException("unknown block of memory '%s'".formatted(name));
    }
    return block;
  }

  /** Checks the offset of a page that came. */
  public static void checkOffset(RamBlock block, long offset) throws StreamException {
    if (offset < 0 || offset >= block.size() || (offset & RamBlock.PAGE_SIZE - 1) != 0) {
      throw new StreamException(
          "offset 0x%x is not in block '%s' of 0x%x bytes"
              .formatted(offset, block.name(), block.size()));
    }
  }

  /** Reads records up to the mark of their end. */
  public void load(StreamReader in) throws IOException {
    while (true) {
      long value = in.u64();
      long offset = value & ~RamFormat.FLAGS;
      int flags = (int) (value & RamFormat.FLAGS);
      if (flags == RamFormat.EOS) {
        checkPlain(offset);
        return;
      }
      if (!blocksChecked && flags != RamFormat.MEM_SIZE) {
        throw new StreamException("memory comes before the list of its blocks");
      }
      switch (flags) {
        case RamFormat.MEM_SIZE -> checkBlocks(in, offset);
        case RamFormat.MULTIFD_FLUSH -> {
          checkPlain(offset);
          barrier.await();
        }
        case RamFormat.ZERO, RamFormat.ZERO | RamFormat.CONTINUE -> {
          RamBlock block = block(in, flags, offset);
          int fill = in.u8();
          if (fill != 0) {
            throw new StreamException("a page filled with %d".formatted(fill));
          }
          sink.zeroPage(block, offset);
        }
        case RamFormat.PAGE, RamFormat.PAGE | RamFormat.CONTINUE -> {
          RamBlock block = block(in, flags, offset);
          sink.page(block, offset, in.page());
        }
        default -> throw new StreamException("memory record with flags 0x%x".formatted(flags));
      }
    }
  }

  private static void checkPlain(long offset) throws StreamException {
    if (offset != 0) {
      throw new StreamException("a mark in the memory records with offset 0x%x".formatted(offset));
    }
  }

  private RamBlock block(StreamReader in, int flags, long offset) throws IOException {
    if ((flags & RamFormat.CONTINUE) == 0) {
      named = block(in.name());
    } else if (named == null) {
      throw new StreamException("a memory record without a block");
    }
    checkOffset(named, offset);
    return named;
  }

  /** The other side's blocks are ours, in name and size. */
  private void checkBlocks(StreamReader in, long total) throws IOException {
    if (blocksChecked) {
      throw new StreamException("a second list of the blocks of memory");
    }
    Map<String, RamBlock> missing = new HashMap<>(blocks);
    long left = total;
    while (left > 0) {
      String name = in.name();
      long size = in.u64();
      RamBlock block = missing.remove(name);
      if (block == null) {
        throw new StreamException(
            blocks.containsKey(name)
                ? "block of memory '%s' is listed twice".formatted(name)
                : "unknown block of memory '%s'".formatted(name));
      }
      if (block.size() != size) {
        throw new StreamException(
            "block of memory '%s' has 0x%x bytes there, 0x%x here"
                .formatted(name, size, block.size()));
      }
      left -= size;
    }
    if (left != 0 || !missing.isEmpty()) {
      throw new StreamException(
          missing.isEmpty()
              ? "the blocks of memory do not add up"
              : "block of memory '%s' is missing".formatted(missing.keySet().iterator().next()));
    }
    blocksChecked = true;
  }
}
