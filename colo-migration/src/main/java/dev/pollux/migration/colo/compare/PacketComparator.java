package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import dev.pollux.migration.colo.compare.Conversation.Verdict;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Holds what the primary's guest sends until the secondary's guest has said the same, or has become
 * the same. One thread.
 *
 * <p>What is no IP, and what the settings leave out, cannot be compared: the primary's goes at
 * once, the secondary's is dropped. At every bound packets are dropped, as networks may; nothing
 * that has not been found alike goes without a checkpoint.
 *
 * <p>Checkpoints have numbers. What the primary says after one was {@linkplain #taken taken} waits
 * until the secondary has that state and {@linkplain #mark says so} in the stream of its packets:
 * what it has said before belongs to an older state, and is compared with nothing newer.
 */
public final class PacketComparator {
  /** Where packets go, and who makes checkpoints. */
  public interface Output {
    /**
     * The frame may leave.
     *
     * @param frame read during the call only; its bytes may lie on the heap
     */
    void release(Frame frame);

    /** The guests are not alike any more: a checkpoint is wanted. Called again and again. */
    void wantCheckpoint();
  }

  private static final int MOST_CONVERSATIONS = 16384;

  /** Below this part of packets that went because they were alike, none is waited for. */
  private static final double SELDOM = 0.3;

  /** Of the last checkpoint, among all, in the judgement of how often packets are alike. */
  private static final double WEIGHT = 0.2;

  /** Packets of all conversations that wait for a mark. */
  private static final int MOST_LATER = 16384;

  private ComparisonSettings settings;
  private final Output output;

  /** One of the primary's packets that waits for longer calls for a checkpoint. */
  private Duration patience;

  private final Packet packet = new Packet();

  /** The one that was used longest ago is the first. */
  private final LinkedHashMap<ConnectionKey, Conversation> conversations =
      new LinkedHashMap<>(64, 0.75f, true);

  /** What the primary has said since the last checkpoint was taken, until the mark comes. */
  private final ArrayDeque<Held> later = new ArrayDeque<>();

  /** All packets that are held, in the order in which they came, and some that are no more. */
  private final ArrayDeque<Held> primaries = new ArrayDeque<>();

  private final ArrayDeque<Held> secondaries = new ArrayDeque<>();

  /** There is no secondary: all goes at once. */
  private boolean alone;

  /** The number of the last checkpoint that was taken, and of the secondary's last mark. */
  private long taken;

  private long marked;

  /** The first packet that was not there when it was taken. */
  private long boundary;

  /** The secondary has the state that was taken last. */
  private boolean isReceived = true;

  private long count;
  private long bytes;
  private long alike;
  private long byCheckpoint;
  private long differences;

  /** Of the packets that went since the last checkpoint; and what part that has been lately. */
  private long recentlyAlike;

  private long recentlyByCheckpoint;
  private double agreement = 1;
  private long dropped;

  private final Conversation.Exits exits =
      new Conversation.Exits() {
        @Override
        public void release(Held packet) {
          alike++;
          recentlyAlike++;
          PacketComparator.this.release(packet);
        }

        @Override
        public void forget(Held packet) {
          PacketComparator.this.forget(packet);
        }

        @Override
        public void repeat(Held packet) {
          output.release(packet.frame);
        }
      };

  public PacketComparator(ComparisonSettings settings, Output output) {
    this.settings = settings;
    this.output = output;
    patience = settings.patience();
  }

  /** From now on packets are compared as these say. */
  public void change(ComparisonSettings to) {
    settings = to;
  }

  ComparisonSettings settings() {
    return settings;
  }

  /**
   * Waiting costs no more than a checkpoint does: so long as output is held for one, so long a
   * packet may wait before one is called for, within the bounds of the settings.
   */
  public void setCost(Duration ofCheckpoint) {
    patience = ofCheckpoint;
    if (patience.compareTo(settings.patience()) < 0) {
      patience = settings.patience();
    }
    if (patience.compareTo(settings.longestPatience()) > 0) {
      patience = settings.longestPatience();
    }
  }

  // ---- the pair ----

  /** There is no secondary, or none any more: what is held goes, and all that comes. */
  public void goAlone() {
    alone = true;
    boundary = count;
    releaseUpToBoundary();
  }

  /** A pair begins with the same state on both sides, which has number 0. */
  public void begin() {
    goAlone();
    alone = false;
    taken = 0;
    marked = -1;
    isReceived = true;
  }

  /** The state of the primary was taken: what its guest sends from now on comes after it. */
  public void taken(long number) {
    taken = number;
    boundary = count;
    isReceived = false;
  }

  /**
   * The secondary has all of the state that was taken last: what the primary's guest had sent
   * before goes, in the order in which it came.
   */
  public void received(long number) {
    if (number == taken && !isReceived) {
      isReceived = true;
      releaseUpToBoundary();
    }
  }

  /**
   * A mark in the stream of the secondary's packets: what follows is of the state of this number.
   */
  public void mark(long number) {
    if (alone || number != taken) {
      return;
    }
    received(number);
    marked = number;
    while (!later.isEmpty()) {
      Held next = later.remove();
      boolean _ = packet.parse(next.frame.data()); // it was whole when it came
      Conversation conversation = conversation(next.frame.data());
      conversation.addPrimary(next);
      compare(conversation);
    }
  }

  /**
   * Both sides are the same now, as with {@link #taken} and {@link #received} and {@link #mark} in
   * one.
   */
  public void checkpoint() {
    taken(taken + 1);
    mark(taken);
  }

  private boolean isAwaitingMark() {
    return marked != taken;
  }

  private void releaseUpToBoundary() {
    List<Held> all = new ArrayList<>();
    for (Conversation conversation : conversations.values()) {
      all.addAll(conversation.primary);
      conversation.secondary.forEach(this::forget);
      conversation.primary.clear();
      conversation.secondary.clear();
      conversation.checkpoint(exits);
    }
    while (!later.isEmpty() && later.element().number < boundary) {
      all.add(later.remove());
    }
    all.sort(Comparator.comparingLong(held -> held.number));
    byCheckpoint += all.size();
    recentlyByCheckpoint += all.size();
    judge();
    all.forEach(this::release);
  }

  // ---- packets ----

  /**
   * The primary's guest has sent a frame.
   *
   * @param now nanoseconds
   */
  public void primary(Frame frame, long now) {
    if (alone || !isCompared(frame)) {
      output.release(frame);
      return;
    }
    if (isAwaitingMark()) {
      if (hasRoom(later.size(), MOST_LATER, frame)) {
        later.add(hold(frame, now, primaries));
      }
      return;
    }
    Conversation conversation = conversation(frame.data());
    if (hasRoom(conversation.primary.size(), settings.longestQueue(), frame)) {
      conversation.addPrimary(hold(frame, now, primaries));
    }
    compare(conversation);
  }

  /**
   * The secondary's guest has sent a frame.
   *
   * @param now nanoseconds
   */
  public void secondary(Frame frame, long now) {
    if (alone || isAwaitingMark() && isReceived || !isCompared(frame)) {
      return; // it is of a state that is no more
    }
    Conversation conversation = conversation(frame.data());
    if (hasRoom(conversation.secondary.size(), settings.longestQueue(), frame)) {
      conversation.addSecondary(hold(frame, now, secondaries));
    }
    compare(conversation);
  }

  /** Parses the frame; whether its like is to be awaited. */
  private boolean isCompared(Frame frame) {
    ByteBuffer data = frame.data();
    if (!packet.parse(data)) {
      return false;
    }
    boolean tagged = packet.ip() != data.position() + Packet.ETHERNET;
    return switch (packet.type()) {
      case Packet.TYPE_IPV4 -> !tagged || settings.vlan();
      case Packet.TYPE_IPV6 -> settings.ipv6() && (!tagged || settings.vlan());
      default -> false;
    };
  }

  private Conversation conversation(ByteBuffer data) {
    ConnectionKey key = ConnectionKey.of(data, packet);
    Conversation known = conversations.get(key);
    if (known != null) {
      return known;
    }
    if (conversations.size() >= MOST_CONVERSATIONS) {
      forgetEldest();
    }
    Conversation fresh = fresh();
    conversations.put(key, fresh);
    return fresh;
  }

  private Conversation fresh() {
    if (packet.isFragment()) {
      return new DatagramConversation(Held::sameBody);
    }
    return switch (packet.protocol()) {
      case Packet.TCP -> new TcpConversation();
      case Packet.UDP, Packet.ICMP, Packet.ICMPV6 -> new DatagramConversation(Held::sameBody);
      default -> new DatagramConversation(Held::sameFrame);
    };
  }

  /** Makes room for another conversation. What the eldest still holds is lost, as on a network. */
  private void forgetEldest() {
    Map.Entry<ConnectionKey, Conversation> eldest = conversations.firstEntry();
    Conversation conversation = eldest.getValue();
    if (!conversation.isEmpty()) {
      dropped += conversation.primary.size();
      conversation.primary.forEach(this::forget);
      conversation.secondary.forEach(this::forget);
      output.wantCheckpoint();
    }
    conversations.remove(eldest.getKey());
  }

  private boolean hasRoom(int queued, int most, Frame frame) {
    if (queued < most && bytes + frame.length() <= settings.mostBytes()) {
      return true;
    }
    dropped++;
    if (queued < most) {
      output.wantCheckpoint(); // other conversations need not wait for this one's timeout
    }
    return false;
  }

  private Held hold(Frame frame, long now, ArrayDeque<Held> order) {
    Held held = new Held(frame, packet, count++, now);
    bytes += held.bytes();
    boolean _ = isOlder(order, now, Duration.ZERO); // forgets those that are gone
    order.add(held);
    return held;
  }

  private void forget(Held held) {
    held.isGone = true;
    bytes -= held.bytes();
  }

  private void release(Held held) {
    forget(held);
    output.release(held.frame);
  }

  private void compare(Conversation conversation) {
    if (conversation.compare(exits) == Verdict.DIFFERENT) {
      differences++;
      output.wantCheckpoint();
    }
  }

  /**
   * Calls for a checkpoint where a packet has waited for too long: to be called now and then.
   *
   * @param now nanoseconds
   */
  public void expire(long now) {
    Duration longest = isSeldomAlike() ? Duration.ZERO : patience;
    boolean isUnderWay = !isReceived && !primaries.isEmpty() && primaries.peek().number < boundary;
    boolean old = isOlder(primaries, now, longest) && !isUnderWay;
    if (old || isOlder(secondaries, now, settings.timeout())) {
      output.wantCheckpoint();
    }
  }

  /** Whether the first that is still held came longer ago. */
  private static boolean isOlder(ArrayDeque<Held> order, long now, Duration time) {
    while (!order.isEmpty() && order.peek().isGone) {
      order.remove();
    }
    return !order.isEmpty() && now - order.peek().arrived > time.toNanos();
  }

  /** Whether most of what went lately went with checkpoints: then there is nothing to wait for. */
  private boolean isSeldomAlike() {
    return agreement < SELDOM;
  }

  /** Judges how often both sides say the same, by what went since the last checkpoint. */
  private void judge() {
    long all = recentlyAlike + recentlyByCheckpoint;
    if (all > 0) {
      agreement += (recentlyAlike / (double) all - agreement) * WEIGHT;
    }
    recentlyAlike = 0;
    recentlyByCheckpoint = 0;
  }

  /** Packets that are held, of both sides. */
  public long held() {
    return later.size()
        + conversations.values().stream()
            .mapToLong(c -> c.primary.size() + c.secondary.size())
            .sum();
  }

  /** Packets that were dropped at a bound. */
  public long dropped() {
    return dropped;
  }

  /**
   * What has been done so far, in packets of the primary's.
   *
   * @param alike that went because the secondary had said the same
   * @param byCheckpoint that went with a checkpoint, or because there was no secondary any more
   * @param held that are held now, of both sides
   * @param differences comparisons that called for a checkpoint
   * @param dropped at a bound, of both sides
   */
  public record Statistics(
      long alike, long byCheckpoint, long held, long differences, long dropped) {}

  public Statistics statistics() {
    return new Statistics(alike, byCheckpoint, held(), differences, dropped);
  }
}
