package dev.pollux.core.cpu;

/** An interrupt controller with one vector to give and a few registers. */
final class FakeController implements InterruptController {
  int vector = -1;
  private int priority;
  private long base = 0xfee0_0900L;
  private long deadline;

  @Override
  public int acknowledge() {
    int taken = vector;
    vector = -1;
    return taken;
  }

  @Override
  public int taskPriority() {
    return priority;
  }

  @Override
  public void setTaskPriority(int value) {
    priority = value;
  }

  @Override
  public long apicBase() {
    return base;
  }

  @Override
  public boolean setApicBase(long value) {
    base = value;
    return true;
  }

  @Override
  public boolean x2apicReadable(int index) {
    return index == 2;
  }

  @Override
  public long readX2apic(int index) {
    return 7;
  }

  @Override
  public boolean writeX2apic(int index, long value) {
    return index == 8;
  }

  @Override
  public long tscDeadline() {
    return deadline;
  }

  @Override
  public void setTscDeadline(long value) {
    deadline = value;
  }
}
