package dev.pollux.backend.net.wire;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.ConfigException;
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
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A frame in each datagram: {@code -netdev dgram} and two forms of {@code socket}. To one peer, or
 * to a multicast group, where each member hears all others. What the host has no room for is
 * dropped, as datagrams are.
 */
public final class DatagramNetwork extends NetBackend {
  private static final Logger log = LoggerFactory.getLogger(DatagramNetwork.class);
  private static final int WAIT_MS = 200;

  private final String type;
  private final DatagramChannel channel;

  /**
   * In a group another socket than that which hears: what the group sends back of it is dropped.
   */
  private final DatagramChannel sender;

  private final Selector selector;
  private final InetSocketAddress peer;

  private final Thread reader;
  private final Frame[] one = {new Frame()};
  private volatile boolean closed;
  private volatile boolean room;

  private DatagramNetwork(
      String id,
      String type,
      DatagramChannel channel,
      DatagramChannel sender,
      InetSocketAddress peer)
      throws IOException {
    super(id);
    this.type = type;
    this.channel = channel;
    this.peer = peer;
    this.sender = sender;
    channel.configureBlocking(false);
    sender.configureBlocking(false);
    selector = Selector.open();
    channel.register(selector, SelectionKey.OP_READ);
    reader = Thread.ofPlatform().name(id + " datagrams").daemon(true).unstarted(this::read);
  }

  /**
   * Between two addresses.
   *
   * @param local what is bound
   * @throws ConfigException if the host refuses
   */
  static DatagramNetwork between(
      String id, String type, InetSocketAddress local, InetSocketAddress peer) {
    return open(
        id,
        local,
        () -> {
          DatagramChannel channel = DatagramChannel.open(family(local));
          channel.bind(local);
          return new DatagramNetwork(id, type, channel, channel, peer);
        });
  }

  /**
   * In a multicast group.
   *
   * @param local the interface's address; empty for the host's choice
   * @throws ConfigException if the host refuses
   */
  static DatagramNetwork group(
      String id, String type, InetSocketAddress group, Optional<InetAddress> local) {
    return open(
        id,
        group,
        () -> {
          DatagramChannel channel = DatagramChannel.open(StandardProtocolFamily.INET);
          channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
          channel.bind(group);
          NetworkInterface on =
              local.isPresent() ? NetworkInterface.getByInetAddress(local.get()) : anyInterface();
          if (on == null) {
            throw new IOException("no interface has the address " + local.orElse(null));
          }
          channel.join(group.getAddress(), on);
          DatagramChannel sender = DatagramChannel.open(StandardProtocolFamily.INET);
          sender.setOption(StandardSocketOptions.IP_MULTICAST_IF, on);
          sender.setOption(StandardSocketOptions.IP_MULTICAST_LOOP, true);
          sender.bind(null);
          return new DatagramNetwork(id, type, channel, sender, group);
        });
  }

  private static NetworkInterface anyInterface() throws IOException {
    return NetworkInterface.networkInterfaces()
        .filter(DatagramNetwork::isUsable)
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

  @FunctionalInterface
  private interface Opening {
    DatagramNetwork open() throws IOException;
  }

  private static DatagramNetwork open(String id, InetSocketAddress address, Opening opening) {
    try {
      DatagramNetwork network = opening.open();
      network.reader.start();
      return network;
    } catch (IOException e) {
      throw new ConfigException(
          "netdev %s: cannot use %s: %s".formatted(id, address, e.getMessage()), e);
    }
  }

  @Override
  public String type() {
    return type;
  }

  @Override
  public String describe() {
    return "udp=" + peer.getAddress().getHostAddress() + ":" + peer.getPort();
  }

  @Override
  public Offloads offloads() {
    return Offloads.NONE;
  }

  @Override
  public int take(Frame[] frames, int count) {
    for (int i = 0; i < count; i++) {
      try {
        int _ = sender.send(frames[i].data().duplicate(), peer);
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.getMessage()); // nobody is there now
      }
    }
    return count;
  }

  private void read() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(Frame.MAX_LENGTH);
    while (!closed) {
      try {
        if (selector.select(WAIT_MS) > 0) {
          selector.selectedKeys().clear();
          receiveAll(buffer);
        }
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.getMessage()); // an answer of the network to what was sent
      } catch (ClosedSelectorException e) {
        return;
      }
    }
  }

  private void receiveAll(ByteBuffer buffer) throws IOException {
    while (!closed && channel.receive(buffer.clear()) instanceof InetSocketAddress from) {
      buffer.flip();
      if (!isOwn(from) && buffer.remaining() >= Frame.MIN_LENGTH) {
        one[0].set(buffer);
        deliver();
      }
    }
  }

  private boolean isOwn(InetSocketAddress from) throws IOException {
    return peer.getAddress().isMulticastAddress()
        && sender.getLocalAddress() instanceof InetSocketAddress self
        && self.getPort() == from.getPort()
        && NetworkInterface.getByInetAddress(from.getAddress()) != null;
  }

  /** What comes while the guest has no room waits in the socket, as far as that has some. */
  private void deliver() {
    room = false;
    while (!closed && link().fromBackend(one, 1) == 0) {
      if (!room) {
        LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(WAIT_MS));
      }
      room = false;
    }
  }

  @Override
  public void resume() {
    room = true;
    LockSupport.unpark(reader);
  }

  @Override
  public void close() {
    closed = true;
    link().attachBackend(null);
    try {
      selector.close();
      channel.close();
      sender.close();
      reader.join(TimeUnit.SECONDS.toMillis(2));
    } catch (IOException e) {
      log.debug("{}: {}", id(), e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
