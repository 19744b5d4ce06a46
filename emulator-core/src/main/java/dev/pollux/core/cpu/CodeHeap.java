package dev.pollux.core.cpu;

/**
 * How much memory the records of one vCPU's guest code may take: the guest decides how many there
 * are. An engine whose records have grown to that drops all of them, and the guest goes on as at
 * its start. All vCPUs together have as much as half of the heap, as the other half is for
 * everything else.
 *
 * @param decoded bytes of heap for the interpreter's blocks
 * @param translated bytes for what is known of translations, outside the heap
 */
public record CodeHeap(long decoded, long translated) {
  private static final long MIB = 1 << 20;

  /** As many as room for code, 96 MiB, is likely to fill. */
  private static final CodeHeap MOST = new CodeHeap(64 * MIB, 96 * MIB);

  /**
   * A vCPU's share of this process's heap.
   *
   * @param vcpus of the machine
   */
  public static CodeHeap of(int vcpus) {
    return of(vcpus, Runtime.getRuntime().maxMemory());
  }

  static CodeHeap of(int vcpus, long heap) {
    long most = MOST.decoded + MOST.translated;
    long share = Math.min(most, heap / 2 / vcpus);
    return new CodeHeap(share * MOST.decoded / most, share * MOST.translated / most);
  }
}
