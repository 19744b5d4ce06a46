package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CodeHeapTest {
  private static final long MIB = 1 << 20;

  /** The heaps that tools/heap-size chooses for machines of one vCPU and more, and others. */
  @ParameterizedTest
  @CsvSource({
    "1, 1024, 64, 96",
    "8, 3264, 64, 96",
    "90, 29504, 64, 96",
    "255, 31744, 24, 37",
    "1, 64, 12, 19",
    "4, 64, 3, 4"
  })
  void sharesHalfOfTheHeap(int vcpus, long heap, long decoded, long translated) {
    CodeHeap share = CodeHeap.of(vcpus, heap * MIB);
    assertEquals(decoded, share.decoded() / MIB);
    assertEquals(translated, share.translated() / MIB);
    assertTrue((share.decoded() + share.translated()) * vcpus <= heap * MIB / 2);
  }
}
