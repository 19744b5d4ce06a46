package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;

/** Random operations on a node, and on an array that shows what must come of them. */
final class FlatModel {
  private final BlockNode node;
  private final byte[] model;
  private final Random random;

  /** What discarded ranges hold does not matter; nodes that read as zeros there are compared. */
  private final boolean discardsAreZeros;

  FlatModel(BlockNode node, byte[] model, Random random, boolean discardsAreZeros) {
    this.node = node;
    this.model = model;
    this.random = random;
    this.discardsAreZeros = discardsAreZeros;
  }

  byte[] model() {
    return model;
  }

  void run(int operations) throws IOException {
    for (int i = 0; i < operations; i++) {
      step();
    }
  }

  private void step() throws IOException {
    int length = 1 + random.nextInt(random.nextInt(4) == 0 ? 200_000 : 5000);
    int offset = random.nextInt(model.length);
    if (random.nextBoolean()) { // as devices do
      offset &= -512;
      length = length + 511 & -512;
    }
    length = Math.min(length, model.length - offset);
    int kind = random.nextInt(20);
    if (kind < 9) {
      write(offset, length);
    } else if (kind < 15) {
      read(offset, length);
    } else if (kind < 17) {
      node.writeZeroes(offset, length, random.nextBoolean() ? BlockNode.MAY_UNMAP : 0);
      Arrays.fill(model, offset, offset + length, (byte) 0);
    } else if (kind < 19) {
      discard(offset, length);
    } else {
      node.flush();
    }
  }

  private void write(int offset, int length) throws IOException {
    byte[] data = new byte[length];
    random.nextBytes(data);
    try (HostBuffer buffer = new HostBuffer(length)) {
      RawMemory.copyIn(data, 0, buffer.address(), length);
      int cut = random.nextInt(length);
      node.write(
          offset,
          IoVector.concat(
              IoVector.of(buffer.address(), cut),
              IoVector.of(buffer.address() + cut, length - cut)),
          0);
    }
    System.arraycopy(data, 0, model, offset, length);
  }

  private void read(int offset, int length) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      node.read(offset, buffer.vector());
      assertArrayEquals(
          Arrays.copyOfRange(model, offset, offset + length),
          buffer.toBytes(0, length),
          "read of " + length + " at " + offset);
    }
  }

  private void discard(int offset, int length) throws IOException {
    node.discard(offset, length);
    try (HostBuffer buffer = new HostBuffer(length)) {
      node.read(offset, buffer.vector());
      byte[] now = buffer.toBytes(0, length);
      for (int i = 0; i < length; i++) {
        if (now[i] != model[offset + i]) {
          assertEquals(0, now[i], "discarded and neither kept nor zero: " + (offset + i));
          assertEquals(true, discardsAreZeros);
        }
      }
      System.arraycopy(now, 0, model, offset, length);
    }
  }

  void compareAll() throws IOException {
    assertEquals(model.length, node.length());
    read(0, model.length);
  }
}
