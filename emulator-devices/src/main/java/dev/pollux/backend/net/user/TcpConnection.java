package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;

/**
 * One TCP connection of a guest: TCP towards the guest (RFC 9293, timers of RFC 6298), a stream of
 * the host on the other side. Whatever the guest has been acknowledged is in the stream or waits in
 * {@link #toHost}; whatever was read from the stream waits in {@link #toGuest} until the guest has
 * acknowledged it. Guarded by the network's lock.
 *
 * <p>The link to the guest does not congest: it pushes back. So there is no congestion control but
 * a slower start after a loss.
 */
final class TcpConnection {
  /** Where the connection is. Which sides have ended is said by flags. */
  enum State {
    /** The guest has sent SYN; the host is still connecting. */
    CONNECTING,
    /** SYN and ACK have gone to the guest. */
    SYN_RECEIVED,
    /** SYN has gone to the guest, which somebody outside wants to reach. */
    SYN_SENT,
    ESTABLISHED,
    /** Both sides have ended; a repeated FIN is still answered. */
    TIME_WAIT,
    CLOSED
  }

  static final int SEND_BUFFER = 2 << 20;
  static final int RECEIVE_BUFFER = 1 << 20;
  private static final int OUR_SCALE = 5;
  private static final int DEFAULT_MSS = 536;
  private static final int MIN_MSS = 88;
  private static final int MTU = 1500;
  private static final int MAX_BURST = 61440;
  private static final int READ_AT_ONCE = 256 << 10;
  private static final int UNLIMITED = 1 << 30;

  private static final long MIN_RTO = TimeUnit.MILLISECONDS.toNanos(200);

  /**
   * Short, as the link does not congest: what is lost was too much for a queue of the guest, for
   * instance that of connections it has not accepted.
   */
  private static final long MAX_RTO = TimeUnit.SECONDS.toNanos(1);

  private static final long SYN_RTO = TimeUnit.MILLISECONDS.toNanos(200);

  /** Four minutes. */
  private static final int MAX_RETRIES = 240;

  /** Guests repeat a lost end at least three times in this time. */
  private static final long TIME_WAIT = TimeUnit.SECONDS.toNanos(2);

  private static final long KEEP_IDLE = TimeUnit.HOURS.toNanos(2);
  private static final long KEEP_INTERVAL = TimeUnit.SECONDS.toNanos(75);
  private static final int KEEP_PROBES = 9;

  /** RFC 1122, 4.2.3.2 allows 500 ms; the answer of a host nearby takes less than this. */
  static final long ACK_DELAY = TimeUnit.MILLISECONDS.toNanos(2);

  static final long NEVER = Long.MAX_VALUE;

  private final TcpRelay relay;
  private final TcpKey key;
  private final int mss;
  private final ByteRing toGuest;
  private final ByteRing toHost;
  private final Reassembly outOfOrder = new Reassembly();
  private HostStream stream;
  private State state;

  /** The guest's window scale; ours is used only where it has one. */
  private int peerScale;

  private int ourScale;
  private int segmentSize;
  private boolean selective;

  // What goes to the guest: RFC 9293's SND variables.
  private int sendStart;
  private int sendNext;
  private int sendMax;
  private int sendWindow;
  private int congestion = UNLIMITED;
  private int duplicates;
  private boolean recovering;
  private int recoverUntil;
  private boolean hostEnded;
  private boolean finSent;

  /** The guest's end was known when ours was sent: what acknowledges ours is the last segment. */
  private boolean guestEndedFirst;

  private boolean finAcknowledged;

  // What comes from the guest: RCV variables.
  private int receiveNext;
  private int advertisedEnd;
  private boolean guestEnded;
  private int guestFin;
  private boolean guestFinKnown;
  private boolean outputShut;
  private boolean owesAck;

  /** What is owed may wait a little for data to go with. */
  private boolean ackMayWait;

  /** The last number that the guest was told it need not send again. */
  private int acknowledgedUpTo;

  // Timers: absolute, NEVER when off.
  private long retransmitAt = NEVER;
  private long endAt = NEVER;
  private long keepAt = NEVER;
  private long ackAt = NEVER;
  private int retries;
  private int probes;
  private long rto = TimeUnit.SECONDS.toNanos(1);
  private long smoothed = -1;
  private long variation;
  private boolean timing;
  private int timedSequence;
  private long timedAt;

  TcpConnection(TcpRelay relay, TcpKey key, int initialSequence) {
    this.relay = relay;
    this.key = key;
    this.mss = MTU - (IpOutput.headers(key.guest()) - Packet.ETHERNET) - TcpSegment.HEADER;
    this.segmentSize = mss;
    this.toGuest = new ByteRing(relay.budget(), SEND_BUFFER);
    this.toHost = new ByteRing(relay.budget(), RECEIVE_BUFFER);
    this.sendStart = initialSequence;
    this.sendNext = initialSequence;
    this.sendMax = initialSequence;
  }

  TcpKey key() {
    return key;
  }

  State state() {
    return state;
  }

  /** The guest calls: its SYN has come. The host's stream is being connected. */
  void calledBy(TcpSegment syn, HostStream host) {
    state = State.CONNECTING;
    stream = host;
    acceptSyn(syn);
  }

  /** Somebody outside calls the guest. */
  void call(HostStream host, long now) {
    state = State.SYN_SENT;
    stream = host;
    stream.watch(false, false);
    rto = SYN_RTO;
    sendSyn(TcpSegment.SYN, now);
  }

  private void acceptSyn(TcpSegment syn) {
    receiveNext = syn.sequence + 1;
    advertisedEnd = receiveNext;
    int offered = syn.maxSegment == 0 ? DEFAULT_MSS : syn.maxSegment;
    segmentSize = Math.max(MIN_MSS, Math.min(mss, offered));
    selective = syn.selective;
    peerScale = Math.max(syn.scale, 0);
    ourScale = syn.scale < 0 ? 0 : OUR_SCALE;
    sendWindow = syn.window; // a SYN's window is never scaled
  }

  /** The host has connected; or not. */
  void connected(boolean success, long now) {
    if (state != State.CONNECTING) {
      return;
    }
    if (!success) {
      reset();
      return;
    }
    state = State.SYN_RECEIVED;
    rto = SYN_RTO;
    stream.watch(false, false);
    sendSyn(TcpSegment.SYN | TcpSegment.ACK, now);
  }

  private void sendSyn(int flags, long now) {
    sendNext = sendStart + 1;
    sendMax = sendNext;
    if ((flags & TcpSegment.ACK) != 0) {
      advertisedEnd = receiveNext + window(0);
    }
    boolean offers = flags == TcpSegment.SYN || selective;
    relay.sendSyn(key, flags, sendStart, receiveNext, window(0), mss, synScale(flags), offers);
    retransmitAt = now + rto;
  }

  private int synScale(int flags) {
    return flags == TcpSegment.SYN ? OUR_SCALE : ourScale == 0 ? -1 : ourScale;
  }

  /** The guest has sent a segment. */
  void receive(TcpSegment segment, long now) {
    keepAt = now + KEEP_IDLE;
    probes = 0;
    switch (state) {
      case CONNECTING -> {
        if (segment.has(TcpSegment.RST)) {
          close(true);
        }
      }
      case SYN_SENT -> receiveInSynSent(segment, now);
      case SYN_RECEIVED, ESTABLISHED, TIME_WAIT -> receiveSynchronized(segment, now);
      case CLOSED -> {
        // Cannot be found any more.
      }
    }
  }

  private void receiveInSynSent(TcpSegment segment, long now) {
    if (segment.has(TcpSegment.ACK) && segment.acknowledged != sendNext) {
      relay.sendReset(key, segment.acknowledged, 0, false);
      return;
    }
    if (segment.has(TcpSegment.RST)) {
      if (segment.has(TcpSegment.ACK)) {
        close(true);
      }
      return;
    }
    if (!segment.has(TcpSegment.SYN) || !segment.has(TcpSegment.ACK)) {
      return;
    }
    acceptSyn(segment);
    sendStart = segment.acknowledged;
    establish(now);
    owesAck = true;
    fill(now); // who calls may have said something already
    afterProgress(now);
  }

  private void establish(long now) {
    state = State.ESTABLISHED;
    retries = 0;
    restartTimer();
    keepAt = now + KEEP_IDLE;
    stream.watch(true, false);
  }

  private void receiveSynchronized(TcpSegment segment, long now) {
    if (segment.has(TcpSegment.RST)) {
      // RFC 5961, 3.2: only the exact number ends it; what is near is asked to repeat.
      if (segment.sequence == receiveNext) {
        close(true);
      } else if (inWindow(segment.sequence)) {
        acknowledgeAtOnce();
      }
      return;
    }
    if (segment.has(TcpSegment.SYN)) {
      repeatedSyn(segment, now);
      return;
    }
    if (!segment.has(TcpSegment.ACK)) {
      return;
    }
    if (!acceptable(segment)) {
      acknowledgeAtOnce();
      // An old segment can still carry a new acknowledgement only if it is a keep-alive: no more.
      return;
    }
    if (state == State.SYN_RECEIVED) {
      if (segment.acknowledged != sendNext) {
        relay.sendReset(key, segment.acknowledged, 0, false);
        return;
      }
      sendStart = segment.acknowledged;
      establish(now);
    }
    if (acknowledge(segment, now)) {
      takeData(segment);
      afterProgress(now);
    }
  }

  private void repeatedSyn(TcpSegment segment, long now) {
    if (state == State.SYN_RECEIVED && segment.sequence + 1 == receiveNext) {
      sendSyn(TcpSegment.SYN | TcpSegment.ACK, now);
    } else {
      acknowledgeAtOnce(); // RFC 5961, 4.2: a guest that has forgotten the connection answers with
      // RST
    }
  }

  private void acknowledgeAtOnce() {
    owesAck = true;
    ackMayWait = false;
  }

  private boolean inWindow(int sequence) {
    return sequence - receiveNext >= 0 && sequence - advertisedEnd <= 0;
  }

  /** RFC 9293, 3.10.7.4, the first check. */
  private boolean acceptable(TcpSegment segment) {
    int end = segment.sequence + segment.span();
    return segment.span() == 0
        ? segment.sequence - receiveNext >= 0 && segment.sequence - advertisedEnd <= 0
            || segment.sequence == receiveNext
        : end - receiveNext > 0 && segment.sequence - advertisedEnd <= 0;
  }

  /** Takes in what the guest has received; false where the segment is to be ignored. */
  private boolean acknowledge(TcpSegment segment, long now) {
    int ack = segment.acknowledged;
    if (ack - sendMax > 0) {
      acknowledgeAtOnce();
      return false;
    }
    int window = segment.window << peerScale;
    int news = ack - sendStart;
    if (news > 0) {
      newlyAcknowledged(ack, news, now);
    } else if (news == 0
        && segment.span() == 0
        && window == sendWindow
        && sendMax != sendStart
        && state == State.ESTABLISHED) {
      duplicate(now);
    }
    if (news >= 0) {
      windowIs(window);
    }
    return true;
  }

  private void windowIs(int window) {
    if (sendWindow == 0 && window > 0 && sendNext != sendStart) {
      sendNext = sendStart; // the byte that asked for room may have been dropped
      restartTimer();
    }
    if (window == 0) {
      retries = 0; // a guest that answers lives, however long it takes nothing
    }
    sendWindow = window;
  }

  private void restartTimer() {
    rto = estimate();
    retransmitAt = NEVER;
  }

  private void newlyAcknowledged(int ack, int news, long now) {
    int bytes = Math.min(news, toGuest.size());
    toGuest.discard(bytes);
    if (finSent && ack == sendMax && bytes < news) {
      finAcknowledged = true;
    }
    sendStart = ack;
    if (sendNext - ack < 0) {
      sendNext = ack;
    }
    measure(ack, now);
    retries = 0;
    duplicates = 0;
    if (congestion < UNLIMITED) {
      congestion = congestion > SEND_BUFFER ? UNLIMITED : congestion + news;
    }
    if (recovering) {
      if (ack - recoverUntil >= 0) {
        recovering = false;
      } else {
        retransmitFirst(); // RFC 6582: a partial acknowledgement shows the next gap
      }
    }
    restartTimer();
  }

  private void duplicate(long now) {
    duplicates++;
    if (duplicates == 3 && !recovering) {
      recovering = true;
      recoverUntil = sendMax;
      timing = false;
      retransmitFirst();
      retransmitAt = now + rto;
    }
  }

  /** RFC 6298, 2; RFC 9293's Karn: what was repeated is not measured. */
  private void measure(int ack, long now) {
    if (!timing || ack - timedSequence < 0) {
      return;
    }
    timing = false;
    long sample = now - timedAt;
    if (smoothed < 0) {
      smoothed = sample;
      variation = sample / 2;
    } else {
      variation += (Math.abs(smoothed - sample) - variation) / 4;
      smoothed += (sample - smoothed) / 8;
    }
  }

  /** The time to wait for an acknowledgement. */
  private long estimate() {
    return smoothed < 0
        ? TimeUnit.SECONDS.toNanos(1)
        : Math.clamp(smoothed + 4 * variation, MIN_RTO, MAX_RTO);
  }

  /** Takes the segment's bytes, or what of them is new. */
  private void takeData(TcpSegment segment) {
    if (state != State.ESTABLISHED) {
      if (segment.span() > 0) {
        acknowledgeAtOnce();
      }
      return;
    }
    int from = segment.sequence;
    int end = from + segment.length;
    if (segment.has(TcpSegment.FIN) && !guestFinKnown) {
      guestFinKnown = true;
      guestFin = end;
    }
    int skip = Math.max(0, receiveNext - from);
    int length = Math.min(segment.length, advertisedEnd - from) - skip;
    if (segment.span() > 0) {
      ackMayWait =
          (!owesAck || ackMayWait)
              && from == receiveNext
              && length == segment.span()
              && outOfOrder.isEmpty();
      owesAck = true;
    }
    if (length > 0 && !guestEnded) {
      store(segment, skip, length);
    }
    if (guestFinKnown && !guestEnded && receiveNext == guestFin) {
      guestEnded = true;
      receiveNext++;
    }
  }

  private void store(TcpSegment segment, int skip, int length) {
    int from = segment.sequence + skip;
    int at = segment.payload + skip;
    if (from == receiveNext && outOfOrder.isEmpty()) {
      int direct = toHost.size() == 0 ? writeDirect(segment.data, at, length) : 0;
      int kept = direct < length ? toHost.put(segment.data, at + direct, length - direct) : 0;
      receiveNext += direct + kept;
      return;
    }
    int gap = from - receiveNext;
    if (toHost.reserve(gap + length) == gap + length && outOfOrder.add(from, from + length)) {
      toHost.putAt(toHost.size() + gap, segment.data, at, length);
      int next = outOfOrder.advance(receiveNext);
      toHost.extend(next - receiveNext);
      receiveNext = next;
    }
  }

  /** Gives the host bytes without keeping them; returns how many it took. */
  private int writeDirect(ByteBuffer data, int at, int length) {
    int position = data.position();
    int limit = data.limit();
    try {
      return stream.write(data.limit(at + length).position(at));
    } catch (IOException e) {
      reset();
      return length;
    } finally {
      data.limit(limit).position(position);
    }
  }

  /** Host's side: room for bytes. */
  void writable(long now) {
    if (state == State.ESTABLISHED) {
      afterProgress(now);
    }
  }

  /** Host's side: bytes, or the end. */
  void readable(long now) {
    if (state == State.ESTABLISHED) {
      fill(now);
      afterProgress(now);
    }
  }

  /** The link to the guest has room again. */
  void roomToSend(long now) {
    if (state == State.ESTABLISHED) {
      afterProgress(now);
    }
  }

  private void fill(long now) {
    int budget = READ_AT_ONCE;
    try {
      while (budget > 0 && !hostEnded && toGuest.room() > 0) {
        int read = toGuest.readFrom(stream, Math.min(budget, toGuest.step()));
        if (read < 0) {
          hostEnded = true;
        } else if (read == 0) {
          return;
        }
        budget -= Math.max(read, 0);
        transmit(now);
      }
    } catch (IOException e) {
      reset();
    }
  }

  /** Moves on whatever can move, and decides whether anything is left to be done. */
  private void afterProgress(long now) {
    if (state != State.ESTABLISHED) {
      return;
    }
    try {
      while (toHost.size() > 0 && toHost.writeTo(stream) > 0) {
        // As long as the host takes bytes.
      }
      if (guestEnded && toHost.size() == 0 && !outputShut) {
        outputShut = true;
        stream.shutdownOutput();
      }
    } catch (IOException e) {
      reset();
      return;
    }
    reopenWindow();
    transmit(now);
    if (outputShut && finAcknowledged && guestEndedFirst) {
      close(false);
    } else if (outputShut && finAcknowledged) {
      state = State.TIME_WAIT;
      endAt = now + TIME_WAIT;
      keepAt = NEVER;
      release(false);
    } else {
      stream.watch(!hostEnded && toGuest.room() > SEND_BUFFER / 8 && canGrow(), toHost.size() > 0);
    }
  }

  /** Reading stops where neither the guest takes bytes nor memory is left to keep them. */
  private boolean canGrow() {
    return toGuest.size() < Math.max(2 * sendWindow, ByteRing.SMALLEST) && toGuest.reserve(1) > 0;
  }

  /** Tells a guest that waits for room when there is much more than it knows of. */
  private void reopenWindow() {
    int end = receiveNext + window(ourScale);
    if (end - advertisedEnd >= RECEIVE_BUFFER / 2
        || advertisedEnd == receiveNext && end - advertisedEnd >= segmentSize) {
      acknowledgeAtOnce();
    }
  }

  private void transmit(long now) {
    while (sendNewSegment(now)) {
      // Until window, data or room is used up.
    }
    boolean waits = sendStart != sendMax || toGuest.size() > 0 && sendWindow == 0;
    if (waits && retransmitAt == NEVER) {
      retransmitAt = now + rto;
    }
  }

  private boolean sendNewSegment(long now) {
    int flight = sendNext - sendStart;
    int unsent = toGuest.size() - flight;
    int room = Math.min(sendWindow, congestion) - flight;
    int length = Math.min(Math.min(unsent, room), relay.burst(key, segmentSize, MAX_BURST));
    boolean last = hostEnded && unsent == Math.max(length, 0);
    if (length <= 0 && !(last && !finAcknowledged && sendNext - sendStart == toGuest.size())) {
      return false;
    }
    if (length < segmentSize && length < unsent && flight > 0) {
      return false; // RFC 9293, 3.8.6.2.1: no silly windows
    }
    if (length > segmentSize && length < unsent) {
      length -= length % segmentSize;
    }
    last &= length == unsent;
    if (!relay.hasRoom(this)) {
      return false;
    }
    length = Math.max(length, 0);
    int flags = TcpSegment.ACK | (length == unsent ? TcpSegment.PSH : 0);
    send(flags | (last ? TcpSegment.FIN : 0), sendNext, flight, length);
    if (!timing && sendNext == sendMax) {
      timing = true;
      timedSequence = sendNext + length;
      timedAt = now;
    }
    sendNext += length + (last ? 1 : 0);
    if (last && !finSent) {
      finSent = true;
      guestEndedFirst = guestEnded;
    }
    if (sendNext - sendMax > 0) {
      sendMax = sendNext;
    }
    return !last;
  }

  /** Sends the oldest segment again; returns the sequence numbers it took. */
  private int retransmitFirst() {
    // A guest without room is asked with one byte whether it has some (RFC 9293, 3.8.6.1).
    int length = Math.min(toGuest.size(), sendWindow == 0 ? 1 : segmentSize);
    boolean fin = finSent && length == toGuest.size();
    send(TcpSegment.ACK | (fin ? TcpSegment.FIN : 0), sendStart, 0, length);
    return length + (fin ? 1 : 0);
  }

  /** Sends bytes of {@link #toGuest}, the acknowledgement with them. */
  private void send(int flags, int sequence, int offset, int length) {
    int option = selective && length == 0 && !outOfOrder.isEmpty() ? outOfOrder.optionLength() : 0;
    Frame frame = relay.begin(key, option + length);
    ByteBuffer out = frame.data();
    int at = IpOutput.headers(key.guest()) + TcpSegment.HEADER;
    if (option > 0) {
      outOfOrder.writeOption(out, at);
    }
    toGuest.copyOut(offset, length, out, at + option);
    owesAck = false;
    ackMayWait = false;
    ackAt = NEVER;
    acknowledgedUpTo = receiveNext;
    advertisedEnd = receiveNext + window(ourScale);
    relay.finish(
        frame,
        key,
        new TcpRelay.Header(
            flags, sequence, receiveNext, window(ourScale) >> ourScale, TcpSegment.HEADER + option),
        length,
        segmentSize);
  }

  /** The window we offer: what fits, in units that the scale can say; never less than before. */
  private int window(int scale) {
    int room = Math.min(toHost.room(), 0xffff << scale) >> scale << scale;
    int promised = advertisedEnd - receiveNext;
    return Math.max(room, Math.max(promised, 0) >> scale << scale);
  }

  /** Sends the acknowledgement that is owed, or soon will. After each batch of frames. */
  void settle(long now) {
    if (owesAck && ackMayWait && receiveNext - acknowledgedUpTo < 2 * segmentSize) {
      if (ackAt == NEVER) {
        ackAt = now + ACK_DELAY;
        relay.acknowledgeLater(this);
      }
      return;
    }
    acknowledgeNow();
  }

  private void acknowledgeNow() {
    if (owesAck && (state == State.ESTABLISHED || state == State.TIME_WAIT)) {
      send(TcpSegment.ACK, state == State.TIME_WAIT ? sendMax : sendNext, 0, 0);
    }
    owesAck = false;
    ackMayWait = false;
  }

  /**
   * Sends an acknowledgement that has waited long enough.
   *
   * @return whether none waits any more
   */
  boolean acknowledgeLate(long now) {
    if (ackAt <= now) {
      ackAt = NEVER;
      acknowledgeNow();
    }
    return ackAt == NEVER;
  }

  /** When {@link #expire} wants to be called. */
  long deadline() {
    return Math.min(retransmitAt, Math.min(endAt, keepAt));
  }

  /** Does what is due. */
  void expire(long now) {
    if (endAt <= now) {
      close(false);
    } else if (retransmitAt <= now) {
      retransmit(now);
    } else if (keepAt <= now) {
      probe(now);
    }
  }

  private void retransmit(long now) {
    if (++retries > MAX_RETRIES) {
      reset();
      return;
    }
    timing = false;
    rto = Math.min(rto * 2, MAX_RTO);
    retransmitAt = now + rto;
    switch (state) {
      case SYN_SENT -> relay.unanswered(this, () -> sendSyn(TcpSegment.SYN, now));
      case SYN_RECEIVED -> sendSyn(TcpSegment.SYN | TcpSegment.ACK, now);
      default -> {
        // What lies behind the first is sent again as acknowledgements come.
        recovering = false;
        duplicates = 0;
        congestion = 2 * segmentSize;
        sendNext = sendStart + retransmitFirst();
        sendMax = sendNext - sendMax > 0 ? sendNext : sendMax;
      }
    }
  }

  private void probe(long now) {
    if (++probes > KEEP_PROBES) {
      reset();
      return;
    }
    keepAt = now + KEEP_INTERVAL;
    send(TcpSegment.ACK, sendStart - 1, 0, 0);
  }

  /** Ends the connection on both sides as a failure. */
  void reset() {
    if (state == State.CONNECTING) {
      relay.sendReset(key, 0, receiveNext, true);
    } else if (state != State.CLOSED && state != State.TIME_WAIT) {
      relay.sendReset(key, sendNext, receiveNext, true);
    }
    close(true);
  }

  /**
   * Forgets the connection.
   *
   * @param failed the host's other side hears a reset
   */
  void close(boolean failed) {
    if (state != State.CLOSED) {
      state = State.CLOSED;
      release(failed);
      relay.forget(this);
    }
  }

  private void release(boolean failed) {
    toGuest.release();
    toHost.release();
    retransmitAt = NEVER;
    ackAt = NEVER;
    if (failed) {
      stream.abortOnClose();
    }
    try {
      stream.close();
    } catch (IOException e) {
      // It is gone all the same.
    }
  }

  /** Timers stand still while the machine does. */
  void postpone(long nanos) {
    retransmitAt = later(retransmitAt, nanos);
    endAt = later(endAt, nanos);
    keepAt = later(keepAt, nanos);
    timing = false;
  }

  private static long later(long at, long nanos) {
    return at == NEVER ? NEVER : at + nanos;
  }

  /** As netstat(8) names it, on the router's side of the guest's connection. */
  private String shownState() {
    if (state == State.ESTABLISHED && (guestEnded || finSent)) {
      return !finSent
          ? "CLOSE_WAIT"
          : guestEnded ? "CLOSING" : finAcknowledged ? "FIN_WAIT_2" : "FIN_WAIT_1";
    }
    return state.toString();
  }

  /** As {@code info usernet} shows it: state and bytes that wait on either side. */
  String describe() {
    return "%s %s:%d %s:%d %d %d"
        .formatted(
            shownState(),
            key.guest(),
            key.guestPort(),
            key.peer(),
            key.peerPort(),
            toHost.size(),
            toGuest.size());
  }
}
