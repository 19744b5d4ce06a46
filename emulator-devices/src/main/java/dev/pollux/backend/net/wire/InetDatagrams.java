package dev.pollux.backend.net.wire;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Optional;

/** UDP to one peer, or to a multicast group, where each member hears all others. */
final class InetDatagrams implements Datagrams {
  private final DatagramChannel channel;

  /**
   * In a group another socket than that which hears: what the group sends back of it is dropped.
   */
  private final DatagramChannel sender;

  private final Selector selector;
  private final InetSocketAddress peer;

  private InetDatagrams(DatagramChannel channel, DatagramChannel sender, InetSocketAddress peer)
      throws IOException {
    this.channel = channel;
    this.peer = peer;
    this.sender = sender;
    channel.configureBlocking(false);
    sender.configureBlocking(false);
    selector = Selector.open();
    channel.register(selector, SelectionKey.OP_READ);
  }

  /**
   * Between two addresses.
   *
   * @param local what is bound
   * @throws IOException if the host refuses
   */
  static InetDatagrams between(InetSocketAddress local, InetSocketAddress peer) throws IOException {
    DatagramChannel channel = DatagramChannel.open(family(local));
    try {
      channel.bind(local);
      return new InetDatagrams(channel, channel, peer);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * In a multicast group.
   *
   * @param local the interface's address; empty for the host's choice
   * @throws IOException if the host refuses
   */
  static InetDatagrams group(InetSocketAddress group, Optional<InetAddress> local)
      throws IOException {
    NetworkInterface on =
        local.isPresent() ? NetworkInterface.getByInetAddress(local.get()) : anyInterface();
    if (on == null) {
      throw new IOException("no interface has the address " + local.orElse(null));
    }
    DatagramChannel channel = DatagramChannel.open(StandardProtocolFamily.INET);
    try {
      channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      channel.bind(group);
      channel.join(group.getAddress(), on);
      return new InetDatagrams(channel, sender(on), group);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private static DatagramChannel sender(NetworkInterface on) throws IOException {
    DatagramChannel sender = DatagramChannel.open(StandardProtocolFamily.INET);
    try {
      sender.setOption(StandardSocketOptions.IP_MULTICAST_IF, on);
      sender.setOption(StandardSocketOptions.IP_MULTICAST_LOOP, true);
      return sender.bind(null);
    } catch (IOException e) {
      sender.close();
      throw e;
    }
  }

  private static NetworkInterface anyInterface() throws IOException {
    return NetworkInterface.networkInterfaces()
        .filter(InetDatagrams::isUsable)
        .findFirst()
        .orElseThrow(() -> new IOException("no interface can do multicast"));
  }

  private static boolean isUsable(NetworkInterface candidate) {
    try {
      return candidate.isUp() && candidate.supportsMulticast() && !candidate.isLoopback();
    } catch (IOException e) {
      return false;
    }
  }

  private static StandardProtocolFamily family(InetSocketAddress address) {
    return address.getAddress() instanceof Inet6Address
        ? StandardProtocolFamily.INET6
        : StandardProtocolFamily.INET;
  }

  @Override
  public String describe() {
    return "udp=" + peer.getAddress().getHostAddress() + ":" + peer.getPort();
  }

  @Override
  public boolean send(ByteBuffer from) throws IOException {
    return sender.send(from.duplicate(), peer) > 0;
  }

  @Override
  public void await(int milliseconds) throws IOException {
    try {
      int _ = selector.select(milliseconds);
      selector.selectedKeys().clear();
    } catch (ClosedSelectorException e) {
      throw new IOException("closed", e);
    }
  }

  @Override
  public boolean receive(ByteBuffer to) throws IOException {
    while (channel.receive(to) instanceof InetSocketAddress from) {
      if (!isOwn(from)) {
        return true;
      }
      to.clear();
    }
    return false;
  }

  private boolean isOwn(InetSocketAddress from) throws IOException {
    return peer.getAddress().isMulticastAddress()
        && sender.getLocalAddress() instanceof InetSocketAddress self
        && self.getPort() == from.getPort()
        && NetworkInterface.getByInetAddress(from.getAddress()) != null;
  }

  @Override
  public void close() throws IOException {
    selector.close();
    channel.close();
    sender.close();
  }
}
