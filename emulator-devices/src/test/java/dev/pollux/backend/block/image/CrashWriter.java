package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.Random;

/**
 * Writes to an image until it is killed, and says each time how much has been flushed. What it
 * writes follows from a seed alone.
 */
final class CrashWriter {
  static final int BLOCK = 4096;
  static final int BLOCKS = 1024;
  private static final int MOST_OPERATIONS = 2_000_000;

  /**
   * One operation.
   *
   * @param block the first block
   * @param blocks how many
   * @param zero it makes them zero
   * @param flush and then all is flushed
   */
  record Operation(int block, int blocks, boolean zero, boolean flush) {
    static Operation next(Random random) {
      int blocks = 1 + random.nextInt(random.nextInt(8) == 0 ? 40 : 3);
      int block = random.nextInt(BLOCKS - blocks);
      return new Operation(block, blocks, random.nextInt(6) == 0, random.nextInt(20) == 0);
    }
  }

  private CrashWriter() {}

  /**
   * @param arguments the image, the seed
   */
  public static void main(String[] arguments) throws IOException {
    NodeOptions options = NodeOptions.of("n").withUnmap(true);
    FileNode file = FileNode.open(options, arguments[0], Locking.ON);
    Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.DEFAULTS);
    Random random = new Random(Long.parseLong(arguments[1]));
    try (HostBuffer buffer = new HostBuffer(64 * BLOCK)) {
      for (int i = 1; i < MOST_OPERATIONS; i++) {
        Operation operation = Operation.next(random);
        long offset = (long) operation.block * BLOCK;
        long bytes = (long) operation.blocks * BLOCK;
        if (operation.zero) {
          image.writeZeroes(offset, bytes, BlockNode.MAY_UNMAP);
        } else {
          fill(buffer.address(), operation, i);
          image.write(offset, IoVector.of(buffer.address(), bytes), 0);
        }
        if (operation.flush) {
          image.flush();
          System.out.println(i);
          System.out.flush();
        }
      }
    }
  }

  private static void fill(long address, Operation operation, int number) {
    for (int i = 0; i < operation.blocks * BLOCK; i += 8) {
      RawMemory.putLong(address + i, (long) number << 32 | operation.block * BLOCK + i);
    }
  }
}
