package dev.pollux.tests.net;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import java.util.Random;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Connects two back ends with each other: each is the other's guest. The link can be a bad one.
 * Closing takes away what is still on its way.
 */
final class Crossover implements AutoCloseable {
  /** Frames on their way in both directions; more are lost, as in any queue. */
  private static final int MOST_DELAYED = 2000;

  private final Impairment impairment;

  /** Sends the delayed ones, by one thread. */
  private final ScheduledThreadPoolExecutor delayed =
      new ScheduledThreadPoolExecutor(1, Thread.ofPlatform().daemon(true).name("delay").factory());

  Crossover(NetBackend a, NetBackend b, Impairment impairment, long seed) {
    this.impairment = impairment;
    Side ofA = new Side(a.link(), b, seed);
    Side ofB = new Side(b.link(), a, seed + 1);
    ofA.other = ofB;
    ofB.other = ofA;
    a.link().attachCard(ofA);
    b.link().attachCard(ofB);
  }

  @Override
  public void close() {
    delayed.shutdownNow();
    delayed.close();
  }

  /** What stands for a card on one link, and sends on the other. */
  private final class Side implements NetEnd {
    private final NetLink link;
    private final NetBackend far;
    private final Random random;
    private final Frame[] one = new Frame[1];
    private Frame late;
    private Side other;

    Side(NetLink link, NetBackend far, long seed) {
      this.link = link;
      this.far = far;
      this.random = new Random(seed);
    }

    @Override
    public int take(Frame[] frames, int count) {
      if (impairment == Impairment.NONE) {
        return far.link().fromCard(frames, count);
      }
      for (int i = 0; i < count; i++) {
        pass(frames[i]);
      }
      return count;
    }

    private void pass(Frame frame) {
      if (chance(impairment.lost)) {
        return;
      }
      if (late == null && chance(impairment.late)) {
        late = frame.copy();
        return;
      }
      send(frame);
      if (chance(impairment.doubled)) {
        send(frame);
      }
      if (late != null) {
        send(late);
        late = null;
      }
    }

    private boolean chance(int inThousand) {
      return random.nextInt(1000) < inThousand;
    }

    private void send(Frame frame) {
      if (impairment.delay == 0) {
        deliver(frame);
      } else if (delayed.getQueue().size() < MOST_DELAYED && !delayed.isShutdown()) {
        Frame copy = frame.copy();
        long micros = random.nextInt(impairment.delay * 1000);
        var _ = delayed.schedule(() -> deliver(copy), micros, TimeUnit.MICROSECONDS);
      }
    }

    /** What finds no room is lost, too. */
    private void deliver(Frame frame) {
      one[0] = frame;
      far.link().fromCard(one, 1);
    }

    @Override
    public void resume() {
      other.link.ready(other);
    }

    @Override
    public Offloads offloads() {
      return impairment == Impairment.NONE ? far.offloads() : Offloads.NONE;
    }
  }
}
