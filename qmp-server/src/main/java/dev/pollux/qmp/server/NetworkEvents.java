package dev.pollux.qmp.server;

import dev.pollux.backend.chr.PeerAddress;
import dev.pollux.backend.net.NetworkListener;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.command.Events.StreamAddress;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * Tells clients of peers of networks that come and go.
 *
 * @param loop where events are emitted
 * @param emit takes the events
 */
public record NetworkEvents(Executor loop, Consumer<Events> emit) implements NetworkListener {
  @Override
  public void connected(String netdev, PeerAddress peer) {
    loop.execute(() -> emit.accept(new Events.NetdevStreamConnected(netdev, address(peer))));
  }

  @Override
  public void disconnected(String netdev) {
    loop.execute(() -> emit.accept(new Events.NetdevStreamDisconnected(netdev)));
  }

  @Override
  public void filterChanged(String card, String path) {
    loop.execute(
        () ->
            emit.accept(
                new Events.NicRxFilterChanged(
                    Optional.of(card).filter(name -> !name.isEmpty()), path)));
  }

  private static StreamAddress address(PeerAddress peer) {
    return switch (peer) {
      case PeerAddress.Inet(String host, int port, boolean six) ->
          new StreamAddress.Inet(host, Integer.toString(port), !six, six);
      case PeerAddress.Unix(String path) -> new StreamAddress.Unix(path);
      case PeerAddress.Descriptor(String number) -> new StreamAddress.Fd(number);
    };
  }
}
