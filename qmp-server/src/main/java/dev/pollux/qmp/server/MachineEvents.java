package dev.pollux.qmp.server;

import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.qmp.command.Events;
import java.util.function.Consumer;

/** Tells clients what happens to the machine. */
public final class MachineEvents implements MachineListener {
  private final Consumer<Events> sink;

  /**
   * @param sink {@link QmpServer#emit}
   */
  public MachineEvents(Consumer<Events> sink) {
    this.sink = sink;
  }

  @Override
  public void stopped() {
    sink.accept(new Events.Stop());
  }

  @Override
  public void resumed() {
    sink.accept(new Events.Resume());
  }

  @Override
  public void reset(ShutdownCause cause) {
    sink.accept(new Events.Reset(cause.byGuest(), cause));
  }

  @Override
  public void shutdown(ShutdownCause cause) {
    sink.accept(new Events.Shutdown(cause.byGuest(), cause));
  }

  @Override
  public void poweredDown() {
    sink.accept(new Events.Powerdown());
  }

  @Override
  public void panicked(boolean ends) {
    sink.accept(
        new Events.GuestPanicked(
            ends ? Events.GuestPanicAction.POWEROFF : Events.GuestPanicAction.PAUSE));
  }

  @Override
  public void crashLoaded() {
    sink.accept(new Events.GuestCrashloaded(Events.GuestPanicAction.RUN));
  }

  @Override
  public void suspended() {
    sink.accept(new Events.Suspend());
  }

  @Override
  public void suspendedToDisk() {
    sink.accept(new Events.SuspendDisk());
  }

  @Override
  public void wokenUp(WakeupReason reason) {
    sink.accept(new Events.Wakeup());
  }
}
