package dev.pollux.tests.net;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import java.util.Random;

/** Connects two back ends with each other: each is the other's guest. The link can be a bad one. */
final class Crossover {
  private Crossover() {}

  static void connect(NetBackend a, NetBackend b, Impairment impairment, long seed) {
    Side ofA = new Side(a.link(), b, impairment, seed);
    Side ofB = new Side(b.link(), a, impairment, seed + 1);
    ofA.other = ofB;
    ofB.other = ofA;
    a.link().attachCard(ofA);
    b.link().attachCard(ofB);
  }

  /** What stands for a card on one link, and sends on the other. */
  private static final class Side implements NetEnd {
    private final NetLink link;
    private final NetBackend far;
    private final Impairment impairment;
    private final Random random;
    private final Frame[] one = new Frame[1];
    private Frame late;
    private Side other;

    Side(NetLink link, NetBackend far, Impairment impairment, long seed) {
      this.link = link;
      this.far = far;
      this.impairment = impairment;
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

    /** What finds no room is lost, too. */
    private void send(Frame frame) {
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
