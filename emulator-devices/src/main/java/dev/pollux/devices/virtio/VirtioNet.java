package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.NetCard;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.Offloads;
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
 * A network card (5.1). Both directions work under the I/O thread's lock: sending on its thread;
 * receiving on whichever thread brings frames, if it gets the lock at once, and otherwise when the
 * I/O thread asks for them.
 */
public final class VirtioNet extends VirtioDevice implements NetCard {
  private static final Kind KIND = new Kind(1, "virtio-net");
  private static final int QUEUE_SIZE = 256;
  private static final int CONTROL_SIZE = 64;
  private static final int RECEIVE = 0;
  private static final int SEND = 1;

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
                VirtioType.IO_THREAD));
    all.addAll(SWITCHES.keySet());
    return all;
  }

  private final NetLink link;
  private final long features;
  private final int mtu;
  private final NetReceiver receiver;
  private final NetSender sender;

  @HostOnly("declares its state itself, see deviceState")
  private final NetControl control;

  private final IoThread.Kick wantsFrames;

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
    super(KIND, setup, receiveSize, sendSize, CONTROL_SIZE);
    this.link = network.link();
    this.features = features | MAC | (mtu == 0 ? 0 : MTU);
    this.mtu = mtu;
    this.ownAddress = address;
    control = new NetControl(address.clone());
    receiver = new NetReceiver(this, queues().get(RECEIVE), control);
    sender = new NetSender(this, queues().get(SEND), link);
    wantsFrames = io().kick(this::askForFrames);
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
    if ((features & CONTROL_QUEUE) == 0) {
      features &=
          ~(1L << 18 | 1L << 19 | 1L << 20 | GUEST_ANNOUNCE | CONTROL_MAC | CONTROL_OFFLOADS);
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
    network.connect(card, card::describe);
    return card;
  }

  /** A card for tests, with all features. */
  static VirtioNet of(VirtioSetup setup, NetworkClaim network) {
    long features = SWITCHES.values().stream().reduce(0L, (a, b) -> a | b);
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

  private String describe() {
    return "model=virtio-net-pci,macaddr=" + MacAddress.text(control.address());
  }

  @Override
  protected long deviceFeatures() {
    return features;
  }

  @Override
  protected byte[] config() {
    byte[] bytes = new byte[12];
    System.arraycopy(control.address(), 0, bytes, 0, 6);
    boolean up = !has(STATUS) || link.isUp();
    bytes[6] = (byte) ((up ? LINK_UP : 0) | (control.isAnnouncing() ? ANNOUNCE : 0));
    bytes[8] = 1; // one pair of queues
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

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    switch (queue.index()) {
      case RECEIVE -> {
        queue.wantNotifications(false);
        askForFrames();
      }
      case SEND -> sender.send();
      default ->
          each(
              queue,
              chain -> {
                boolean done = control.execute(chain, this);
                chain.writeAt(0, new byte[] {(byte) (done ? 0 : 1)}, 0, 1);
                queue.push(chain, 1);
                queue.signal();
              });
    }
  }

  /** Without the lock: frames come on other threads, too, and those need it. */
  private void askForFrames() {
    io().withoutLock(() -> link.ready(this));
  }

  // ---- the cable's side ----

  @Override
  public int take(Frame[] frames, int count) {
    // Does not wait for the lock: its holder may be sending, and wait for this thread.
    if (!io().borrow()) {
      wantsFrames.raise();
      return 0;
    }
    try {
      if (io().isPaused()) {
        return 0;
      }
      return isRunning() ? receiver.take(frames, count) : count;
    } finally {
      io().giveBack();
    }
  }

  @Override
  public void settle() {
    io().settle();
  }

  @Override
  public void resume() {
    queues().get(SEND).kick();
  }

  @Override
  public Offloads offloads() {
    return control.offloads();
  }

  @Override
  protected void started() {
    control.offloads(guestFeatures());
    control.filterVlans(has(CONTROL_VLAN));
  }

  @Override
  public void linkChanged(boolean up) {
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
    return Optional.of(new BoundState<>(NetControl.STATE, control));
  }
}
