package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import dev.pollux.migration.colo.compare.Conversation.Verdict;
import java.nio.ByteBuffer;
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

  private final ComparisonSettings settings;
  private final Output output;
  private final Packet packet = new Packet();

  /** The one that was used longest ago is the first. */
  private final LinkedHashMap<ConnectionKey, Conversation> conversations =
      new LinkedHashMap<>(64, 0.75f, true);

  private long count;
  private long bytes;
  private long dropped;

  public PacketComparator(ComparisonSettings settings, Output output) {
    this.settings = settings;
    this.output = output;
  }

  /**
   * The primary's guest has sent a frame.
   *
   * @param now nanoseconds
   */
  public void primary(Frame frame, long now) {
    if (!isCompared(frame)) {
      output.release(frame);
      return;
    }
    Conversation conversation = conversation(frame.data());
    if (hasRoom(conversation.primary.size(), frame)) {
      conversation.addPrimary(hold(frame, now));
    }
    compare(conversation);
  }

  /**
   * The secondary's guest has sent a frame.
   *
   * @param now nanoseconds
   */
  public void secondary(Frame frame, long now) {
    if (!isCompared(frame)) {
      return;
    }
    Conversation conversation = conversation(frame.data());
    if (hasRoom(conversation.secondary.size(), frame)) {
      conversation.addSecondary(hold(frame, now));
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
    Conversation fresh = begin();
    conversations.put(key, fresh);
    return fresh;
  }

  private Conversation begin() {
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

  private boolean hasRoom(int queued, Frame frame) {
    if (queued < settings.longestQueue() && bytes + frame.length() <= settings.mostBytes()) {
      return true;
    }
    dropped++;
    if (queued < settings.longestQueue()) {
      output.wantCheckpoint(); // other conversations need not wait for this one's timeout
    }
    return false;
  }

  private Held hold(Frame frame, long now) {
    Held held = new Held(frame, packet, count++, now);
    bytes += held.bytes();
    return held;
  }

  private void forget(Held held) {
    bytes -= held.bytes();
  }

  private void release(Held held) {
    forget(held);
    output.release(held.frame);
  }

  private void compare(Conversation conversation) {
    if (conversation.compare(this::release, this::forget) == Verdict.DIFFERENT) {
      output.wantCheckpoint();
    }
  }

  /**
   * Calls for a checkpoint where a packet has waited for too long: to be called now and then.
   *
   * @param now nanoseconds
   */
  public void expire(long now) {
    long limit = settings.timeout().toNanos();
    if (conversations.values().stream().anyMatch(c -> now - c.oldest(now) > limit)) {
      output.wantCheckpoint();
    }
  }

  /**
   * The secondary has become the same as the primary, or there is none to wait for any more: all
   * that was held of the primary's leaves in the order in which it came.
   */
  public void checkpoint() {
    List<Held> all = new ArrayList<>();
    for (Conversation conversation : conversations.values()) {
      all.addAll(conversation.primary);
      conversation.secondary.forEach(this::forget);
      conversation.primary.clear();
      conversation.secondary.clear();
      conversation.checkpoint();
    }
    all.sort(Comparator.comparingLong(held -> held.number));
    all.forEach(this::release);
  }

  /** Packets that are held, of both sides. */
  public long held() {
    return conversations.values().stream()
        .mapToLong(c -> c.primary.size() + c.secondary.size())
        .sum();
  }

  /** Packets that were dropped at a bound. */
  public long dropped() {
    return dropped;
  }
}
