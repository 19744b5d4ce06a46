package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.devices.model.Balloon;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpException;

/** Commands on how much memory the guest has. */
public sealed interface BalloonCommands<R> extends QmpCommand<R> {
  @Api.Name("balloon")
  @Api.Doc("Asks the guest to do with less memory, or gives it more; BALLOON_CHANGE follows.")
  record SetBalloon(@Api.Doc("bytes that the guest should have") long value)
      implements BalloonCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      Balloon balloon = balloon(context);
      if (value <= 0) {
        throw new QmpException("Parameter 'target' expects a size");
      }
      balloon.setTarget(value);
      return null;
    }
  }

  /** How much memory a guest has. */
  record BalloonInfo(@Api.Doc("bytes that the guest has now") long actual) {}

  @Api.Doc("How much memory the guest has.")
  record QueryBalloon() implements BalloonCommands<BalloonInfo> {
    @Override
    public BalloonInfo run(QmpContext context) throws QmpException {
      return new BalloonInfo(balloon(context).actual());
    }
  }

  private static Balloon balloon(QmpContext context) throws QmpException {
    return context
        .devices()
        .services()
        .balloon()
        .orElseThrow(
            () ->
                new QmpException(
                    ErrorClass.DEVICE_NOT_ACTIVE, "No balloon device has been activated"));
  }
}
