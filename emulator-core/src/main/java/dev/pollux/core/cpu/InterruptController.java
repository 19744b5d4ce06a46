package dev.pollux.core.cpu;

/**
 * What a vCPU sees of its local APIC (and of the 8259 pair behind it). All methods are called on
 * the vCPU's thread; the implementation takes the machine lock where it needs it. The controller
 * tells the vCPU of pending work with {@link Vcpu#raise} and {@link Vcpu#clear}.
 */
public interface InterruptController {
  /**
   * Takes the highest pending interrupt and returns its vector, or -1 if there is none any more.
   */
  int acknowledge();

  /** CR8: the task priority class, 0 to 15. */
  int taskPriority();

  void setTaskPriority(int priority);

  /** IA32_APIC_BASE. */
  long apicBase();

  /** Returns false where the value is not allowed (#GP). */
  boolean setApicBase(long value);

  /**
   * x2APIC register, MSR 0x800 + {@code index}; false from {@link #writeX2apic} or -1 from {@link
   * #x2apicReadable} is #GP.
   */
  boolean x2apicReadable(int index);

  long readX2apic(int index);

  boolean writeX2apic(int index, long value);

  /** IA32_TSC_DEADLINE in guest TSC ticks. */
  long tscDeadline();

  void setTscDeadline(long value);
}
