package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.LongUnaryOperator;

/** Writes all reference counts of an image anew, behind its last cluster. */
final class Qcow2Rebuild {
  private Qcow2Rebuild() {}

  /**
   * @param end clusters in use before; blocks and table follow
   * @param uses how often each of them is used
   * @return clusters in use afterwards
   */
  static long write(Qcow2File image, long end, LongUnaryOperator uses, Qcow2Refcounts refcounts)
      throws IOException {
    int clusterBits = image.header().clusterBits();
    int clusterSize = 1 << clusterBits;
    RefcountBits bits = refcounts.bits();
    long perBlock = 1L << refcounts.blockBits();
    long blocks = 0;
    long tableClusters = 0;
    long total = end;
    while (true) { // the blocks count themselves and the table, too
      long neededBlocks = (total + perBlock - 1) / perBlock;
      long neededTable = (neededBlocks * 8 + clusterSize - 1) / clusterSize;
      if (neededBlocks == blocks && neededTable == tableClusters) {
        break;
      }
      blocks = neededBlocks;
      tableClusters = neededTable;
      total = end + blocks + tableClusters;
    }
    BlockNode file = image.file();
    refcounts.forgetPlaces();
    long[] table = new long[(int) (tableClusters << clusterBits - 3)];
    byte[] block = new byte[clusterSize];
    for (int i = 0; i < blocks; i++) {
      Arrays.fill(block, (byte) 0);
      for (long c = i * perBlock; c < Math.min(total, (i + 1) * perBlock); c++) {
        long count = c >= end ? 1 : Math.min(bits.most(), uses.applyAsLong(c));
        bits.set(block, (int) (c - i * perBlock), count);
      }
      table[i] = end + i << clusterBits;
      Bytes.write(file, table[i], block, 0, clusterSize);
    }
    byte[] all = Bytes.ofLongs(table, 0, table.length);
    long tableOffset = end + blocks << clusterBits;
    Bytes.write(file, tableOffset, all, 0, all.length);
    file.flush();
    image.writeHeader(image.header().withRefcountTable(tableOffset, (int) tableClusters));
    file.flush();
    refcounts.replaceTable(table);
    return total;
  }
}
