package dev.pollux.cli;

import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.cpu.CpuTopology;
import java.util.List;

/**
 * {@code -smp}: what is left out follows from the rest by QEMU's rules (machine types since 6.2): a
 * missing number of cores before a missing number of sockets, threads last.
 */
final class SmpOption {
  private static final int MOST = 255;

  private SmpOption() {}

  /** The vCPUs that the option asks for; one without it. */
  static CpuTopology parse(List<String> texts) {
    DeviceOptions smp = DeviceOptions.parse("-smp", texts, "cpus");
    long cpus = smp.number("cpus", 0, 1, MOST);
    long most = smp.number("maxcpus", cpus, 1, MOST);
    long sockets = smp.number("sockets", 0, 1, MOST);
    long cores = smp.number("cores", 0, 1, MOST);
    long threads = smp.number("threads", 0, 1, MOST);
    for (String level : List.of("drawers", "books", "dies", "clusters", "modules")) {
      smp.number(level, 1, 1, 1);
    }
    smp.rejectUnknown();
    if (most == 0) {
      sockets = Math.max(sockets, 1);
      cores = Math.max(cores, 1);
      threads = Math.max(threads, 1);
    } else if (cores == 0) {
      sockets = Math.max(sockets, 1);
      threads = Math.max(threads, 1);
      cores = most / (sockets * threads);
    } else if (sockets == 0) {
      threads = Math.max(threads, 1);
      sockets = most / (cores * threads);
    } else if (threads == 0) {
      threads = most / (sockets * cores);
    }
    if (sockets == 0 || cores == 0 || threads == 0) {
      throw smp.error(
          "%d CPUs are too few for that; give %d or more, or fewer sockets, cores and threads"
              .formatted(most, Math.max(sockets, 1) * Math.max(cores, 1) * Math.max(threads, 1)));
    }
    long total = sockets * cores * threads;
    most = most == 0 ? total : most;
    cpus = cpus == 0 ? most : cpus;
    if (total != most) {
      throw smp.error(
          "%d sockets of %d cores of %d threads make %d CPUs, not %d; give numbers that multiply to %d"
              .formatted(sockets, cores, threads, total, most, most));
    }
    if (total > MOST) {
      throw smp.error("%d CPUs are more than the %d of a machine".formatted(total, MOST));
    }
    if (cpus > most) {
      throw smp.error("maxcpus=%d is less than the %d CPUs present".formatted(most, cpus));
    }
    if (cpus < most) {
      throw smp.error(
          "CPUs cannot be added while the machine runs; leave maxcpus out or give maxcpus=%d"
              .formatted(cpus));
    }
    CpuTopology topology = new CpuTopology((int) sockets, (int) cores, (int) threads);
    if (topology.apicId(topology.count() - 1) >= MOST) {
      throw smp.error(
          "%d sockets of %d cores of %d threads need APIC ids above 254; give powers of two or fewer"
              .formatted(sockets, cores, threads));
    }
    return topology;
  }
}
