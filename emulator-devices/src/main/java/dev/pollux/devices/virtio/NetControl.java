package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Offloads;
import dev.pollux.backend.net.ReceiveFilter;
import dev.pollux.backend.net.ReceiveFilter.Choice;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * What a guest has chosen for its network card over the control queue (5.1.6.5): which frames it
 * wants, and which it takes unfinished. I/O thread's lock held, or the machine lock with the
 * guest's CPUs stopped.
 */
final class NetControl {
  /**
   * The declaration.
   *
   * @param mostPairs of queues that the card has
   */
  static StateDescriptor<NetControl> state(int mostPairs) {
    return StateDescriptor.of(NetControl.class, "virtio-net-control", 3)
        .bytes("address", 6, c -> c.address)
        .u16("modes", 0x3f, c -> c.modes, (c, v) -> c.modes = v)
        .u8("unicast", NetControl.TABLE, c -> c.unicast, (c, v) -> c.unicast = v)
        .u8("multicast", NetControl.TABLE, c -> c.multicast, (c, v) -> c.multicast = v)
        .bool("unicast-overflow", c -> c.unicastOverflow, (c, v) -> c.unicastOverflow = v)
        .bool("multicast-overflow", c -> c.multicastOverflow, (c, v) -> c.multicastOverflow = v)
        .bytes("table", 2 * 6 * NetControl.TABLE, c -> c.table)
        .u64Array("vlans", 64, c -> c.vlans)
        .u64("offloads", c -> c.guestOffloads, (c, v) -> c.guestOffloads = v)
        .since(2)
        .bool("announcing", c -> c.announcing, (c, v) -> c.announcing = v)
        .since(3)
        .u16("pairs", mostPairs, c -> c.pairs, (c, v) -> c.pairs = Math.max(1, v))
        .afterLoad(NetControl::loaded);
  }

  /** Addresses of each kind that are remembered; with more, all of the kind are received. */
  static final int TABLE = 64;

  private static final int RECEIVE_MODE = 0;
  private static final int ADDRESSES = 1;
  private static final int VLANS = 2;
  private static final int ANNOUNCEMENT = 3;
  private static final int QUEUES = 4;
  private static final int OFFLOADS = 5;

  private static final int PROMISCUOUS = 0;
  private static final int ALL_MULTICAST = 1;
  private static final int ALL_UNICAST = 2;
  private static final int NO_MULTICAST = 3;
  private static final int NO_UNICAST = 4;
  private static final int NO_BROADCAST = 5;

  private final byte[] address;
  private final byte[] table = new byte[2 * 6 * TABLE];
  private final long[] vlans = new long[64];
  private int modes = 1 << PROMISCUOUS;
  private int unicast;
  private int multicast;
  private boolean unicastOverflow;
  private boolean multicastOverflow;
  private long guestOffloads;

  /** Pairs of queues in use. */
  private int pairs = 1;

  @HostOnly("not told yet")
  private boolean filterChanged;

  @HostOnly("fixed by the back end")
  private final int mostPairs;

  @HostOnly("wiring")
  private final IntConsumer useQueues;

  /** The guest was asked to announce itself, and has not yet. */
  private volatile boolean announcing;

  @HostOnly("derived from the offloads")
  private volatile Offloads offloads = Offloads.NONE;

  /**
   * @param address the card's
   * @param mostPairs of queues
   * @param useQueues hears how many of them are in use
   */
  NetControl(byte[] address, int mostPairs, IntConsumer useQueues) {
    this.address = address;
    this.mostPairs = mostPairs;
    this.useQueues = useQueues;
    reset(address.clone());
  }

  void reset(byte[] own) {
    System.arraycopy(own, 0, address, 0, 6);
    modes = 1 << PROMISCUOUS;
    unicast = 0;
    multicast = 0;
    unicastOverflow = false;
    multicastOverflow = false;
    Arrays.fill(table, (byte) 0);
    Arrays.fill(vlans, -1);
    announcing = false;
    offloads(0);
    setPairs(1);
  }

  private void loaded() {
    deriveOffloads();
    useQueues.accept(pairs);
  }

  int pairs() {
    return pairs;
  }

  /** Takes up how many pairs of queues are used. */
  void setPairs(int count) {
    if (count != pairs) {
      pairs = count;
      useQueues.accept(count);
    }
  }

  byte[] address() {
    return address;
  }

  void writeAddress(int offset, byte[] bytes) {
    for (int i = 0; i < bytes.length && offset + i < 6; i++) {
      address[offset + i] = bytes[i];
    }
  }

  boolean isAnnouncing() {
    return announcing;
  }

  void setAnnouncing(boolean asked) {
    announcing = asked;
  }

  Offloads offloads() {
    return offloads;
  }

  /** Takes up what the guest takes unfinished, as feature bits. */
  void offloads(long features) {
    guestOffloads = features;
    deriveOffloads();
  }

  private void deriveOffloads() {
    boolean checksum = (guestOffloads & VirtioNet.GUEST_CHECKSUM) != 0;
    offloads =
        new Offloads(
            checksum,
            checksum && (guestOffloads & VirtioNet.GUEST_TSO4) != 0,
            checksum && (guestOffloads & VirtioNet.GUEST_TSO6) != 0);
  }

  // ---- commands ----

  /** Carries out a command; false where it makes no sense. */
  boolean execute(DescriptorChain chain, VirtioNet card) throws VirtioError {
    byte[] head = chain.read(2);
    boolean done = execute(head, chain, card);
    filterChanged |= done && head[0] <= VLANS;
    return done;
  }

  private boolean execute(byte[] head, DescriptorChain chain, VirtioNet card) {
    return switch (head[0]) {
      case RECEIVE_MODE -> mode(head[1], chain);
      case ADDRESSES -> head[1] == 0 ? table(chain) : head[1] == 1 && setAddress(chain);
      case VLANS -> vlan(head[1], chain);
      case ANNOUNCEMENT -> acknowledge(head[1]);
      case QUEUES -> head[1] == 0 && card.has(VirtioNet.MULTIQUEUE) && setPairs(chain);
      case OFFLOADS -> setOffloads(chain, card);
      default -> false;
    };
  }

  private boolean mode(int mode, DescriptorChain chain) {
    byte[] on = new byte[1];
    if (mode < 0 || mode > NO_BROADCAST || chain.read(on, 0, 1) < 1) {
      return false;
    }
    modes = on[0] != 0 ? modes | 1 << mode : modes & ~(1 << mode);
    return true;
  }

  /** The guest has announced itself (5.1.6.5.4). */
  private boolean acknowledge(int command) {
    boolean asked = announcing && command == 0;
    announcing &= !asked;
    return asked;
  }

  private boolean setAddress(DescriptorChain chain) {
    byte[] bytes = new byte[6];
    if (chain.read(bytes, 0, 6) < 6) {
      return false;
    }
    System.arraycopy(bytes, 0, address, 0, 6);
    return true;
  }

  /** Both tables: the number of entries, 32 bits, then as many addresses. */
  private boolean table(DescriptorChain chain) {
    long first = count(chain);
    if (first < 0) {
      return false;
    }
    unicastOverflow = first > TABLE;
    unicast = readTable(chain, first, 0);
    long second = count(chain);
    if (second < 0) {
      return false;
    }
    multicastOverflow = second > TABLE;
    multicast = readTable(chain, second, 6 * TABLE);
    return true;
  }

  private static long count(DescriptorChain chain) {
    byte[] bytes = new byte[4];
    if (chain.read(bytes, 0, 4) < 4) {
      return -1;
    }
    long count = Integer.toUnsignedLong(Integer.reverseBytes(ByteBuffer.wrap(bytes).getInt()));
    return count * 6 <= chain.readableLeft() ? count : -1;
  }

  private int readTable(DescriptorChain chain, long count, int at) {
    if (count > TABLE) {
      chain.skip(count * 6);
      return 0;
    }
    chain.read(table, at, (int) count * 6);
    return (int) count;
  }

  private boolean vlan(int command, DescriptorChain chain) {
    byte[] bytes = new byte[2];
    if (chain.read(bytes, 0, 2) < 2) {
      return false;
    }
    int number = bytes[0] & 0xff | (bytes[1] & 0xff) << 8;
    if (number >= 4096 || command < 0 || command > 1) {
      return false;
    }
    long bit = 1L << (number & 63);
    vlans[number >> 6] = command == 0 ? vlans[number >> 6] | bit : vlans[number >> 6] & ~bit;
    return true;
  }

  private boolean setPairs(DescriptorChain chain) {
    byte[] bytes = new byte[2];
    if (chain.read(bytes, 0, 2) < 2) {
      return false;
    }
    int count = bytes[0] & 0xff | (bytes[1] & 0xff) << 8;
    if (count < 1 || count > mostPairs) {
      return false;
    }
    setPairs(count);
    return true;
  }

  private boolean setOffloads(DescriptorChain chain, VirtioNet card) {
    byte[] bytes = new byte[8];
    if (chain.read(bytes, 0, 8) < 8) {
      return false;
    }
    long wanted = Long.reverseBytes(ByteBuffer.wrap(bytes).getLong());
    if ((wanted & ~card.guestFeatures()) != 0) {
      return false;
    }
    offloads(wanted);
    return true;
  }

  /** The driver uses VLANs only where it has agreed on their filter: then it begins with none. */
  void filterVlans(boolean on) {
    Arrays.fill(vlans, on ? 0 : -1);
  }

  // ---- the filter ----

  /** Whether a command has changed the filter since the last call. */
  boolean takeFilterChanged() {
    boolean changed = filterChanged;
    filterChanged = false;
    return changed;
  }

  /** What the guest wants to receive. */
  ReceiveFilter describe(boolean filtersVlans) {
    List<Integer> numbers = BitSet.valueOf(vlans).stream().boxed().toList();
    Choice vlan = numbers.isEmpty() ? Choice.NONE : Choice.NORMAL;
    return new ReceiveFilter(
        isOn(PROMISCUOUS),
        choice(NO_UNICAST, ALL_UNICAST),
        choice(NO_MULTICAST, ALL_MULTICAST),
        filtersVlans ? vlan : Choice.ALL,
        !isOn(NO_BROADCAST),
        unicastOverflow,
        multicastOverflow,
        address.clone(),
        entries(0, unicast),
        entries(6 * TABLE, multicast),
        numbers);
  }

  private boolean isOn(int mode) {
    return (modes & 1 << mode) != 0;
  }

  private Choice choice(int none, int all) {
    return isOn(none) ? Choice.NONE : isOn(all) ? Choice.ALL : Choice.NORMAL;
  }

  private List<byte[]> entries(int from, int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> Arrays.copyOfRange(table, from + 6 * i, from + 6 * i + 6))
        .toList();
  }

  /** Whether the guest wants a frame that goes to this address. */
  boolean wants(ByteBuffer frame) {
    int at = frame.position();
    if (isOn(PROMISCUOUS)) {
      return true;
    }
    if (frame.getShort(at + 12) == (short) 0x8100 && frame.remaining() >= 18) {
      int number = frame.getShort(at + 14) & 0xfff;
      if ((vlans[number >> 6] & 1L << (number & 63)) == 0) {
        return false;
      }
    }
    boolean group = (frame.get(at) & 1) != 0;
    if (group && isBroadcast(frame, at)) {
      return !isOn(NO_BROADCAST);
    }
    if (group) {
      return !isOn(NO_MULTICAST)
          && (isOn(ALL_MULTICAST) || multicastOverflow || inTable(frame, at, 6 * TABLE, multicast));
    }
    return !isOn(NO_UNICAST)
        && (isOn(ALL_UNICAST)
            || unicastOverflow
            || matches(frame, at, address, 0)
            || inTable(frame, at, 0, unicast));
  }

  private static boolean isBroadcast(ByteBuffer frame, int at) {
    return frame.getInt(at) == -1 && frame.getShort(at + 4) == -1;
  }

  private boolean inTable(ByteBuffer frame, int at, int from, int count) {
    for (int i = 0; i < count; i++) {
      if (matches(frame, at, table, from + 6 * i)) {
        return true;
      }
    }
    return false;
  }

  private static boolean matches(ByteBuffer frame, int at, byte[] addresses, int from) {
    for (int i = 0; i < 6; i++) {
      if (frame.get(at + i) != addresses[from + i]) {
        return false;
      }
    }
    return true;
  }
}
