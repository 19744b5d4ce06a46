package dev.pollux.migration.colo.compare;

import static dev.pollux.migration.colo.compare.Packets.ACK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Frame;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Two guests that say the same or not, checkpoints that come at any time, and streams between that
 * are slow: whatever leaves, the secondary had said it in the same state, or had all of a state in
 * which it was said. {@code -Dcomparison.runs=} is how many random histories, from {@code
 * -Dcomparison.seed=} on.
 */
class ComparisonPropertyTest {
  private static final int RUNS = Integer.getInteger("comparison.runs", 4000);
  private static final int SEED = Integer.getInteger("comparison.seed", 0);
  private static final int STEPS = 400;
  private static final int BYTES = 2000;
  private static final int FIRST = -500;
  private static final int TEXTS = 6;

  private Random random;
  private PacketComparator comparator;
  private String history;

  /** Messages of each side on their way to the comparison. */
  private final ArrayDeque<Runnable> fromPrimary = new ArrayDeque<>();

  private final ArrayDeque<Runnable> fromSecondary = new ArrayDeque<>();

  /**
   * The number of the primary's last taken state, of the one that was received, of that in place.
   */
  private long taken;

  private long received;
  private long loaded;

  /** What the primary's stream is, and how far its guest is; where it was in each state. */
  private final byte[] stream = new byte[BYTES];

  private int said;
  private final List<Integer> saidInState = new ArrayList<>();

  /** How far the secondary's guest is, what it says otherwise, and what it has said by state. */
  private int alsoSaid;

  private int differsFrom;
  private final Map<Long, BitSet> alsoSaidByState = new HashMap<>();

  /** By state and text, how many datagrams the secondary has sent, and how many left for them. */
  private final Map<String, Integer> datagrams = new HashMap<>();

  /** Bytes that have left. */
  private final BitSet left = new BitSet();

  /** The state in which each of the primary's frames was said, by a number in it. */
  private final Map<Integer, Long> stateOf = new HashMap<>();

  private int frames;
  private int gone;
  private boolean wanted;

  @Test
  void nothingLeavesThatTheSecondaryCouldContradict() {
    int all = 0;
    for (int seed = SEED; seed < SEED + RUNS; seed++) {
      begin(seed);
      for (int step = 0; step < STEPS; step++) {
        step();
      }
      finish();
      all += gone;
    }
    assertTrue(all > RUNS, "something has to leave at all");
  }

  private void begin(int seed) {
    history = "seed " + seed;
    random = new Random(seed);
    random.nextBytes(stream);
    for (Object each :
        List.of(fromPrimary, fromSecondary, saidInState, alsoSaidByState, datagrams, stateOf)) {
      if (each instanceof Map<?, ?> map) {
        map.clear();
      } else {
        ((Collection<?>) each).clear();
      }
    }
    left.clear();
    taken = 0;
    received = 0;
    loaded = 0;
    said = 0;
    alsoSaid = 0;
    differsFrom = Integer.MAX_VALUE;
    frames = 0;
    gone = 0;
    saidInState.add(0);
    comparator =
        new PacketComparator(
            ComparisonSettings.DEFAULTS,
            new PacketComparator.Output() {
              @Override
              public void release(Frame frame) {
                check(frame);
              }

              @Override
              public void wantCheckpoint() {
                wanted = true;
              }
            });
    comparator.goAlone();
    comparator.begin();
    fromSecondary.add(() -> comparator.mark(0));
  }

  private void step() {
    switch (random.nextInt(12)) {
      case 0 -> primaryDatagram();
      case 1 -> secondaryDatagram();
      case 2, 3 -> primarySegment();
      case 4, 5 -> secondarySegment();
      case 6, 7 -> arrive(fromPrimary);
      case 8, 9 -> arrive(fromSecondary);
      case 10 -> checkpointStep();
      default -> {
        if (random.nextInt(8) == 0 && differsFrom == Integer.MAX_VALUE) {
          differsFrom = alsoSaid;
        }
      }
    }
  }

  private static void arrive(ArrayDeque<Runnable> stream) {
    if (!stream.isEmpty()) {
      stream.remove().run();
    }
  }

  private void checkpointStep() {
    if (loaded == taken) {
      if (wanted || random.nextInt(4) == 0) {
        wanted = false;
        taken++;
        saidInState.add(said);
        comparator.taken(taken);
      }
    } else if (received < taken) {
      received = taken;
      comparator.received(taken);
    } else {
      load();
    }
  }

  /** The secondary goes on from the primary's state. */
  private void load() {
    loaded = taken;
    alsoSaid = saidInState.get((int) loaded);
    differsFrom = Integer.MAX_VALUE;
    long number = loaded;
    fromSecondary.add(() -> comparator.mark(number));
  }

  private int number(long state) {
    stateOf.put(frames, state);
    return frames++;
  }

  private void primaryDatagram() {
    byte[] text = {(byte) random.nextInt(TEXTS)};
    // The port of the client is the same in all; the frame's number lies behind the packet.
    Frame frame = numbered(Packets.udp(7, text), number(taken));
    fromPrimary.add(() -> comparator.primary(frame, 0));
  }

  private void secondaryDatagram() {
    byte[] text = {(byte) random.nextInt(TEXTS)};
    datagrams.merge(loaded + " " + text[0], 1, Integer::sum);
    fromSecondary.add(() -> comparator.secondary(Packets.udp(7, text), 0));
  }

  private void primarySegment() {
    int from = random.nextInt(5) == 0 ? Math.max(0, said - random.nextInt(60)) : said;
    int to = Math.min(BYTES, from + 1 + random.nextInt(50));
    said = Math.max(said, to);
    Frame frame =
        numbered(
            Packets.tcp(FIRST + from, 5, ACK, Arrays.copyOfRange(stream, from, to)), number(taken));
    fromPrimary.add(() -> comparator.primary(frame, 0));
  }

  private void secondarySegment() {
    int to = Math.min(BYTES, alsoSaid + 1 + random.nextInt(50));
    byte[] bytes = Arrays.copyOfRange(stream, alsoSaid, to);
    BitSet same = alsoSaidByState.computeIfAbsent(loaded, _ -> new BitSet());
    for (int i = 0; i < bytes.length; i++) {
      if (alsoSaid + i >= differsFrom) {
        bytes[i] ^= 1;
      } else {
        same.set(alsoSaid + i);
      }
    }
    Frame frame = Packets.tcp(FIRST + alsoSaid, 5, ACK, bytes);
    alsoSaid = to;
    fromSecondary.add(() -> comparator.secondary(frame, 0));
  }

  /** Puts a number behind the packet, where comparisons do not look. */
  private static Frame numbered(Frame frame, int number) {
    ByteBuffer data = ByteBuffer.allocate(frame.length() + Integer.BYTES);
    data.put(0, frame.data(), 0, frame.length());
    data.putInt(frame.length(), number);
    return new Frame(data);
  }

  private void check(Frame frame) {
    gone++;
    ByteBuffer data = frame.data();
    long state = stateOf.get(data.getInt(data.limit() - Integer.BYTES));
    boolean kept = received > state; // the secondary has a state in which it was said
    if (data.get(23) == 17) {
      String key = state + " " + data.get(42);
      if (!kept) {
        int open = datagrams.merge(key, -1, Integer::sum);
        assertTrue(open >= 0, () -> history + ": a datagram that the secondary has not sent");
      }
      return;
    }
    int from = Packets.sequence(frame) - FIRST;
    int to = from + Packets.payload(frame).length - Integer.BYTES;
    BitSet same = alsoSaidByState.getOrDefault(state, new BitSet());
    for (int i = from; i < to; i++) {
      int at = i;
      assertTrue(
          kept || left.get(i) || same.get(i) || i < saidInState.get((int) state),
          () -> history + ": byte " + at + ", which the secondary has not said");
    }
    left.set(from, to);
  }

  /** Nothing is lost: with the next checkpoint all that was held leaves. */
  private void finish() {
    while (loaded != taken) {
      wanted = true;
      checkpointStep();
    }
    fromPrimary.forEach(Runnable::run);
    fromPrimary.clear();
    fromSecondary.forEach(Runnable::run);
    fromSecondary.clear();
    taken++;
    saidInState.add(said);
    comparator.taken(taken);
    received = taken;
    comparator.received(taken);
    assertEquals(0, comparator.held(), history);
    assertEquals(frames, gone, history);
  }
}
