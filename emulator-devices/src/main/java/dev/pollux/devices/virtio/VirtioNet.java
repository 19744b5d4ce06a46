package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.NetCard;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.ReceiveFilter;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.devices.model.BootDevices;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A network card (5.1). It has a pair of queues for each queue of its back end, where drivers may
 * use several, and the control queue behind them.
 */
public final class VirtioNet extends VirtioDevice implements NetCard {
  private static final Kind KIND = new Kind(1, "virtio-net");
  private static final int QUEUE_SIZE = 256;
  private static final int CONTROL_SIZE = 64;

  /** The most of {@link Property} {@code vectors} limits what is useful. */
  private static final int MOST_PAIRS = 256;

  static final long CHECKSUM = 1;
  static final long GUEST_CHECKSUM = 1 << 1;
  static final long CONTROL_OFFLOADS = 1 << 2;
  private static final long MTU = 1 << 3;
  private static final long MAC = 1 << 5;
  static final long GUEST_TSO4 = 1 << 7;
  static final long GUEST_TSO6 = 1 << 8;
  static final long MERGEABLE = 1 << 15;
  static final long STATUS = 1 << 16;
  static final long CONTROL_QUEUE = 1 << 17;
  private static final long CONTROL_VLAN = 1 << 19;
  static final long GUEST_ANNOUNCE = 1 << 21;
  static final long MULTIQUEUE = 1 << 22;
  static final long CONTROL_MAC = 1 << 23;

  private static final int LINK_UP = 1;
  private static final int ANNOUNCE = 2;

  private static final Property<String> NETDEV =
      Property.text("netdev", "link<netdev>", "back end that it is connected to");
  private static final Property<String> ADDRESS =
      Property.text("mac", "hardware address; one of 52:54:00:12:34:.. by default");
  private static final Property<Long> RECEIVE_SIZE =
      Property.unsigned("rx_queue_size", 16, QUEUE_SIZE, 64, 1024, "entries of the receive queue");
  private static final Property<Long> SEND_SIZE =
      Property.unsigned("tx_queue_size", 16, QUEUE_SIZE, 64, 1024, "entries of the send queue");
  private static final Property<Long> HOST_MTU =
      Property.unsigned("host_mtu", 16, 0, 0, 65535, "MTU that the guest is told; 0 for none");

  private static final Property<Boolean> SEVERAL_QUEUES =
      Property.flag("mq", false, "lets the guest use all queues that the back end has");

  /** Features that can be switched off, by the names of their properties. */
  private static final Map<Property<Boolean>, Long> SWITCHES = new LinkedHashMap<>();

  private static void feature(String name, int bit, String description) {
    SWITCHES.put(Property.flag(name, true, description), 1L << bit);
  }

  static {
    feature("csum", 0, "takes frames without checksum from the guest");
    feature("guest_csum", 1, "may give the guest frames without checksum");
    feature("ctrl_guest_offloads", 2, "lets the guest switch offloads while it runs");
    feature("guest_tso4", 7, "may give the guest long TCP segments over IPv4");
    feature("guest_tso6", 8, "may give the guest long TCP segments over IPv6");
    feature("guest_ecn", 9, "the same with congestion marks");
    feature("host_tso4", 11, "takes long TCP segments over IPv4 from the guest");
    feature("host_tso6", 12, "takes long TCP segments over IPv6 from the guest");
    feature("host_ecn", 13, "the same with congestion marks");
    feature("mrg_rxbuf", 15, "may spread a frame over several buffers of the guest");
    feature("status", 16, "shows whether the cable is plugged in");
    feature("ctrl_vq", 17, "has a control queue");
    feature("ctrl_rx", 18, "lets the guest choose what it receives");
    feature("ctrl_vlan", 19, "lets the guest choose VLANs");
    feature("ctrl_rx_extra", 20, "the same with more choices");
    feature("guest_announce", 21, "asks the guest to say where it is, after a migration");
    feature("ctrl_mac_addr", 23, "lets the guest set its hardware address");
  }

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-net",
          DeviceCategory.NETWORK,
          "",
          0x020000,
          0x1000,
          -1,
          properties(),
          VirtioNet::create);

  private static List<Property<?>> properties() {
    List<Property<?>> all =
        new ArrayList<>(
            List.of(
                NETDEV,
                ADDRESS,
                RECEIVE_SIZE,
                SEND_SIZE,
                HOST_MTU,
                BootDevices.INDEX,
                SEVERAL_QUEUES,
                VirtioType.IO_THREAD));
    all.addAll(SWITCHES.keySet());
    return all;
  }

  private final NetworkClaim network;
  private final long features;
  private final int mtu;
  private final Drops drops = new Drops();

  @HostOnly("wiring")
  private final List<NetQueuePair> pairs = new ArrayList<>();

  @HostOnly("declares its state itself, see deviceState")
  private final NetControl control;

  @HostOnly("what a reset brings back")
  private final byte[] ownAddress;

  private VirtioNet(
      VirtioSetup setup,
      NetworkClaim network,
      byte[] address,
      long features,
      int mtu,
      int receiveSize,
      int sendSize) {
    super(KIND, setup, queueSizes(count(network, features), receiveSize, sendSize));
    this.network = network;
    this.features = features | MAC | (mtu == 0 ? 0 : MTU);
    this.mtu = mtu;
    this.ownAddress = address;
    int count = count(network, features);
    control = new NetControl(address.clone(), count, network::useQueues);
    for (int i = 0; i < count; i++) {
      NetLink link = network.links().get(i);
      pairs.add(
          new NetQueuePair(this, control, link, i, queues().get(2 * i), queues().get(2 * i + 1)));
    }
  }

  /** Pairs of queues: those of the back end, if the driver may use several. */
  private static int count(NetworkClaim network, long features) {
    return (features & MULTIQUEUE) != 0 ? Math.min(MOST_PAIRS, network.links().size()) : 1;
  }

  private static int[] queueSizes(int pairs, int receiveSize, int sendSize) {
    int[] sizes = new int[2 * pairs + 1];
    for (int i = 0; i < pairs; i++) {
      sizes[2 * i] = receiveSize;
      sizes[2 * i + 1] = sendSize;
    }
    sizes[2 * pairs] = CONTROL_SIZE;
    return sizes;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    byte[] address =
        MacAddress.parse(context.get(ADDRESS))
            .orElseThrow(
                () ->
                    context.error(
                        "mac=%s is no address; they look like 52:54:00:12:34:56"
                            .formatted(context.get(ADDRESS))));
    long features = 0;
    for (Map.Entry<Property<Boolean>, Long> each : SWITCHES.entrySet()) {
      features |= context.get(each.getKey()) ? each.getValue() : 0;
    }
    features |= context.get(SEVERAL_QUEUES) ? MULTIQUEUE : 0;
    if ((features & CONTROL_QUEUE) == 0) {
      features &=
          ~(1L << 18
              | 1L << 19
              | 1L << 20
              | GUEST_ANNOUNCE
              | MULTIQUEUE
              | CONTROL_MAC
              | CONTROL_OFFLOADS);
    }
    BootDevices.add(context, BootDevices.NETWORK_CARD);
    NetworkClaim network = context.network(NETDEV, address);
    VirtioNet card =
        new VirtioNet(
            setup,
            network,
            network.address(),
            features,
            context.get(HOST_MTU).intValue(),
            powerOfTwo(context, RECEIVE_SIZE),
            powerOfTwo(context, SEND_SIZE));
    network.connect(card, card.pairs, "virtio-net-pci");
    return card;
  }

  /** A card for tests, with all features. */
  static VirtioNet of(VirtioSetup setup, NetworkClaim network) {
    long features = SWITCHES.values().stream().reduce(MULTIQUEUE, (a, b) -> a | b);
    return new VirtioNet(setup, network, network.address(), features, 0, QUEUE_SIZE, QUEUE_SIZE);
  }

  /** What the guest has chosen, for tests. */
  NetControl control() {
    return control;
  }

  private static int powerOfTwo(DeviceContext context, Property<Long> property) {
    int size = context.get(property).intValue();
    if (Integer.bitCount(size) != 1) {
      throw context.error("%s=%d is no power of two".formatted(property.name(), size));
    }
    return size;
  }

  @Override
  protected long deviceFeatures() {
    return features;
  }

  @Override
  protected byte[] config() {
    byte[] bytes = new byte[12];
    System.arraycopy(control.address(), 0, bytes, 0, 6);
    boolean up = !has(STATUS) || network.link().isUp();
    bytes[6] = (byte) ((up ? LINK_UP : 0) | (control.isAnnouncing() ? ANNOUNCE : 0));
    bytes[8] = (byte) pairs.size();
    bytes[9] = (byte) (pairs.size() >> 8);
    bytes[10] = (byte) mtu;
    bytes[11] = (byte) (mtu >> 8);
    return bytes;
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    // Only drivers of before VERSION_1 write the address here (5.1.4.2).
    if (!has(VirtioFeature.VERSION_1)) {
      control.writeAddress(offset, bytes);
    }
  }

  /** Bytes of the header in front of each frame (5.1.6.1). */
  int headerLength() {
    return has(VirtioFeature.VERSION_1) || has(MERGEABLE) ? 12 : 10;
  }

  /** Behind the last pair that the driver knows of (5.1.2). */
  private boolean isControl(Virtqueue queue) {
    return queue.index() == (has(MULTIQUEUE) ? 2 * pairs.size() : 2);
  }

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    if (isControl(queue)) {
      each(queue, chain -> control(queue, chain));
    } else if (queue.index() < 2 * pairs.size()) {
      NetQueuePair pair = pairs.get(queue.index() / 2);
      if (queue.index() % 2 == 0) {
        pair.receive(queue);
      } else {
        pair.send();
      }
    }
  }

  @Override
  public Optional<ReceiveFilter> receiveFilter() {
    io().lock().lock();
    try {
      return Optional.of(control.describe(has(CONTROL_VLAN)));
    } finally {
      io().lock().unlock();
    }
  }

  private void control(Virtqueue queue, DescriptorChain chain) throws VirtioError {
    boolean done = control.execute(chain, this);
    if (control.takeFilterChanged()) {
      io().withMachineLock(network::filterChanged);
    }
    chain.writeAt(0, new byte[] {(byte) (done ? 0 : 1)}, 0, 1);
    queue.push(chain, 1);
    queue.signal();
  }

  /** Whether the driver takes frames. */
  boolean receives() {
    return isRunning();
  }

  IoThread ioThread() {
    return io();
  }

  @Override
  public Drops drops() {
    return drops;
  }

  @Override
  protected void started() {
    control.offloads(guestFeatures());
    control.filterVlans(has(CONTROL_VLAN));
  }

  void linkChanged() {
    configChanged();
  }

  @Override
  public byte[] currentAddress() {
    return control.address().clone();
  }

  /**
   * The guest answers a change of its configuration, and says over the control queue that it has.
   */
  @Override
  public void announce() {
    if (has(GUEST_ANNOUNCE) && has(STATUS) && isRunning()) {
      control.setAnnouncing(true);
      configChanged();
    }
  }

  @Override
  protected void resetDevice() {
    control.reset(ownAddress);
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(NetControl.state(pairs.size()), control));
  }
}
