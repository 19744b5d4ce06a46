package dev.pollux.core.cpu;

/** Executes guest instructions of one vCPU. Called only on that vCPU's thread. */
public interface ExecutionEngine extends AutoCloseable {
  /**
   * Executes until {@link CpuLayout#EXIT_REQUEST} is set or the vCPU halts. Guest exceptions and
   * interrupts are delivered inside. On return all state is in the state block ({@link CpuState}).
   */
  void run();

  /** Executes one instruction, delivering what it raises. */
  void runOne();

  /** Drops TLB entries (all of them) before the next instruction; vCPU thread. */
  void flushTlb();

  /**
   * Drops everything derived from guest memory contents (decoded or translated code); vCPU thread
   * or vCPU parked.
   */
  void flushCode();

  @Override
  default void close() {}
}
