package dev.pollux.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Where the gate is closed nothing leaves the guest; what comes to it is let through. */
class NetLinkGateTest {
  private final NetLink link = new NetLink();
  private final Counter world = new Counter();
  private final Counter guest = new Counter();
  private final AtomicBoolean open = new AtomicBoolean(true);

  /** Counts what it takes. */
  private static final class Counter implements NetEnd {
    private int frames;
    private boolean full;

    @Override
    public int take(Frame[] batch, int count) {
      frames += full ? 0 : count;
      return full ? 0 : count;
    }

    @Override
    public void resume() {}

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  private static Frame[] frames(int count) {
    Frame[] frames = new Frame[count];
    for (int i = 0; i < count; i++) {
      frames[i] = new Frame(ByteBuffer.allocateDirect(60));
    }
    return frames;
  }

  @Test
  void barsTheWayOut() {
    link.attachBackend(world);
    link.attachCard(guest);
    link.setGate(open::get);
    assertEquals(3, link.fromCard(frames(3), 3));
    assertEquals(3, world.frames);
    open.set(false);
    assertEquals(2, link.fromCard(frames(2), 2)); // dropped
    assertEquals(4, link.fromBackend(frames(4), 4));
    assertEquals(3, world.frames);
    assertEquals(4, guest.frames);
    open.set(true);
    assertEquals(1, link.fromCard(frames(1), 1));
    assertEquals(4, world.frames);
    assertEquals(2, link.counters(NetFilter.Direction.RX).dropped());
  }
}
