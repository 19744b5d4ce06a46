package dev.pollux.core.cpu;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Samples where the guest executes. A thread asks each vCPU once per millisecond for its RIP; the
 * vCPU answers where it would take an interrupt: generated code at a backward or indirect jump, so
 * that a sample belongs to the loop or function, not to one instruction. Costs the guest less than
 * one per cent.
 */
public final class GuestProfiler implements AutoCloseable {
  private static final long INTERVAL_NANOS = 1_000_000;
  private static final int MOST_LINES = 40;
  private static final long PAGE = 0xfff;

  private static final class Cpu {
    private final Vcpu vcpu;
    private final AtomicBoolean asked = new AtomicBoolean();

    private Cpu(Vcpu vcpu) {
      this.vcpu = vcpu;
    }
  }

  private final List<Cpu> cpus;
  private final SymbolTable symbols;
  private final Thread thread = new Thread(this::sample, "guest-profiler");
  private final Map<Long, Long> samples = new HashMap<>();
  private final long start = System.nanoTime();
  private volatile boolean closed;
  private long idle;

  /**
   * Starts sampling.
   *
   * @param symbols names of the guest's addresses, or null
   */
  public GuestProfiler(List<Vcpu> vcpus, SymbolTable symbols) {
    this.cpus = vcpus.stream().map(Cpu::new).toList();
    this.symbols = symbols;
    thread.setDaemon(true);
    thread.start();
  }

  private void sample() {
    while (!closed) {
      for (Cpu cpu : cpus) {
        if (cpu.vcpu.cpuState().u32(CpuLayout.HALTED) != 0) {
          countIdle();
        } else if (cpu.asked.compareAndSet(false, true)) {
          cpu.vcpu.defer(() -> note(cpu));
        }
      }
      LockSupport.parkNanos(INTERVAL_NANOS);
    }
  }

  private synchronized void countIdle() {
    idle++;
  }

  /** On the vCPU's thread; on this object's if the vCPU is stopped, which is no sample. */
  private void note(Cpu cpu) {
    if (Thread.currentThread() != thread) {
      synchronized (this) {
        samples.merge(cpu.vcpu.cpuState().rip(), 1L, Long::sum);
      }
    }
    cpu.asked.set(false);
  }

  /** Stops sampling. */
  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(thread);
  }

  /** Functions, then addresses, most often first. Any thread. */
  public synchronized String report() {
    long all = samples.values().stream().mapToLong(Long::longValue).sum();
    long kernel =
        samples.entrySet().stream()
            .filter(e -> e.getKey() < 0)
            .mapToLong(Map.Entry::getValue)
            .sum();
    StringBuilder out = new StringBuilder();
    out.append(
        "%d samples in %.1f s; the CPUs were idle in %d more%n"
            .formatted(all, (System.nanoTime() - start) / 1e9, idle));
    out.append(
        "upper half of the address space (kernels) %.1f %%, lower half (programs) %.1f %%%n"
            .formatted(percent(kernel, all), percent(all - kernel, all)));
    Map<String, Long> functions = new HashMap<>();
    samples.forEach((rip, count) -> functions.merge(function(rip), count, Long::sum));
    out.append(symbols == null ? "\npages:\n" : "\nfunctions, and pages without symbols:\n");
    functions.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .limit(MOST_LINES)
        .forEach(e -> line(out, e.getValue(), all, e.getKey()));
    out.append("\naddresses:\n");
    samples.entrySet().stream()
        .sorted(
            Map.Entry.<Long, Long>comparingByValue(Comparator.reverseOrder())
                .thenComparing(Map.Entry.comparingByKey()))
        .limit(MOST_LINES)
        .forEach(e -> line(out, e.getValue(), all, address(e.getKey())));
    return out.toString();
  }

  private static double percent(long part, long all) {
    return all == 0 ? 0 : 100.0 * part / all;
  }

  private static void line(StringBuilder out, long count, long all, String what) {
    out.append("%6.2f %%  %8d  %s%n".formatted(percent(count, all), count, what));
  }

  private String function(long rip) {
    String name = symbols == null ? null : symbols.name(rip);
    return name != null ? name : "page %016x".formatted(rip & ~PAGE);
  }

  private String address(long rip) {
    String name = symbols == null ? null : symbols.describe(rip);
    return "%016x%s".formatted(rip, name == null ? "" : "  " + name);
  }
}
