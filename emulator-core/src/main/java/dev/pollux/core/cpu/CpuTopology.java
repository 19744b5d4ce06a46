package dev.pollux.core.cpu;

/**
 * How the vCPUs of a machine are grouped. APIC ids are built as the hardware does: each level takes
 * as many bits as its count needs.
 *
 * @param sockets packages, at least 1
 * @param cores cores of a package
 * @param threads threads of a core
 */
public record CpuTopology(int sockets, int cores, int threads) {
  public CpuTopology {
    if (sockets < 1 || cores < 1 || threads < 1 || (long) sockets * cores * threads > 255) {
      throw new IllegalArgumentException(
          "topology of "
              + sockets
              + " sockets, "
              + cores
              + " cores, "
              + threads
              + " threads: 1 to 255 in all");
    }
  }

  /** One package with one core. */
  public static CpuTopology single() {
    return new CpuTopology(1, 1, 1);
  }

  /** The number of vCPUs. */
  public int count() {
    return sockets * cores * threads;
  }

  /** Bits of the APIC id that tell the threads of a core apart. */
  int threadBits() {
    return bits(threads);
  }

  /** Bits of the APIC id below the package's number. */
  int packageShift() {
    return bits(cores) + bits(threads);
  }

  /** The initial APIC id of vCPU {@code index}. */
  public int apicId(int index) {
    int thread = index % threads;
    int core = index / threads % cores;
    int socket = index / threads / cores;
    return socket << packageShift() | core << threadBits() | thread;
  }

  private static int bits(int count) {
    return 32 - Integer.numberOfLeadingZeros(count - 1);
  }
}
