package dev.pollux.core.cpu;

import dev.pollux.core.host.Backoff;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Brings the vCPUs of a machine to instruction boundaries.
 *
 * <p>Each vCPU counts its visits to guest code: odd while it may be between the check of an access
 * (a TLB look-up, a look at a page's watchers) and the access itself, even everywhere else. Before
 * each visit it looks, after having made the count odd, at what is asked of it. So who first asks
 * ({@link Vcpu#requestTlbFlush}, {@link Vcpu#defer}) and then calls {@link #await} knows afterwards
 * that no access of before is under way, and that none comes before the vCPU has done what was
 * asked. Halted and parked vCPUs are not woken for it.
 *
 * <p>Never called with the machine lock held: a vCPU in guest code may be waiting for it.
 */
public final class Rendezvous {
  private final List<Vcpu> vcpus = new CopyOnWriteArrayList<>();
  private final ReentrantLock exclusive = new ReentrantLock();
  private volatile boolean closed;

  /** Enters a vCPU; before it runs. */
  public void add(Vcpu vcpu) {
    vcpus.add(vcpu);
  }

  /**
   * Returns when each vCPU but the calling one has been at an instruction boundary since the call.
   * Any thread; on a vCPU's thread outside of guest code.
   */
  public void await() {
    Vcpu self = Vcpu.current();
    for (Vcpu vcpu : vcpus) {
      if (vcpu != self) {
        int visit = vcpu.visits();
        if ((visit & 1) != 0) {
          vcpu.cpuState().setExitRequest(true);
          Backoff backoff = new Backoff();
          while (vcpu.visits() == visit) {
            backoff.pause();
          }
        }
      }
    }
  }

  /**
   * Runs {@code work} while no other vCPU is in guest code. For what must be atomic and cannot be
   * made so by one instruction of the host. On a vCPU's thread outside of guest code.
   */
  void exclusively(Runnable work) {
    exclusive.lock();
    try {
      closed = true;
      await();
      work.run();
    } finally {
      closed = false;
      exclusive.unlock();
    }
  }

  /** True while guest code is closed to the other vCPUs. */
  boolean closed() {
    return closed && !exclusive.isHeldByCurrentThread();
  }

  /** Waits for the end of another vCPU's exclusive work. */
  @SuppressWarnings("LockNotBeforeTry") // it is taken only to wait for who has it
  void awaitOpen() {
    exclusive.lock();
    exclusive.unlock();
  }

  /** True where no other vCPU has a thread that could be in guest code now or later. */
  boolean alone() {
    return vcpus.size() <= 1;
  }
}
