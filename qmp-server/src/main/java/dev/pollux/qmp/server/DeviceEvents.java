package dev.pollux.qmp.server;

import dev.pollux.devices.model.DeviceListener;
import dev.pollux.qmp.command.Events;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Tells clients what happens to devices.
 *
 * @param emit takes the events
 */
public record DeviceEvents(Consumer<Events> emit) implements DeviceListener {
  @Override
  public void removed(Optional<String> id, String path) {
    emit.accept(new Events.DeviceDeleted(id, path));
  }

  @Override
  public void unplugRefused(Optional<String> id, String path) {
    emit.accept(new Events.DeviceUnplugGuestError(id, path));
  }

  @Override
  public void portChanged(String id, boolean open) {
    emit.accept(new Events.VserportChange(id, open));
  }

  @Override
  public void balloonChanged(long actual) {
    emit.accept(new Events.BalloonChange(actual));
  }
}
