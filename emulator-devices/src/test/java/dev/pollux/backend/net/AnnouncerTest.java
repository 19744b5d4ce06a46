package dev.pollux.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.machine.Machine;
import dev.pollux.devices.TestMachines;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Announcements go out of every card, as often and as far apart as was asked. */
class AnnouncerTest {
  private static final byte[] ADDRESS = {0x52, 0x54, 0, 1, 2, 3};

  private final Networks networks = new Networks();
  private final List<String> sent = new ArrayList<>();
  private Machine machine;
  private int asked;

  /** Keeps what it takes. */
  private class End implements NetEnd {
    @Override
    public int take(Frame[] frames, int count) {
      for (int i = 0; i < count; i++) {
        byte[] bytes = new byte[frames[i].length()];
        frames[i].data().get(0, bytes);
        sent.add(HexFormat.of().formatHex(bytes));
      }
      return count;
    }

    @Override
    public void resume() {}

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  /** Counts how often it is to have its guest say something. */
  private final class Card extends End implements NetCard, NetEnd {
    @Override
    public Drops drops() {
      return new Drops();
    }

    @Override
    public byte[] currentAddress() {
      return ADDRESS;
    }

    @Override
    public void announce() {
      asked++;
    }
  }

  @BeforeEach
  void makeNetwork() throws IOException {
    machine = TestMachines.create(1);
    machine.lock().lock();
    networks.watch(machine);
    NetworkClaim claim = networks.claim("card", "", ADDRESS);
    claim.connect(new Card(), "test");
    claim.link().attachBackend(new End());
  }

  @AfterEach
  void takeApart() {
    machine.lock().unlock();
    machine.close();
  }

  @Test
  void sendsReverseRequests() {
    networks.announcer().begin("", new Announcement(50, 550, 1, 100), _ -> true);
    String expected =
        "ffffffffffff525400010203803500010800060400035254000102030000000052540001020300000000";
    assertEquals(List.of(expected + "0".repeat(120 - expected.length())), sent);
    assertEquals(1, asked);
    networks.announcer().begin("", new Announcement(50, 550, 1, 100), _ -> false);
    networks.cards().getFirst().link().setUp(false);
    networks.announcer().begin("", new Announcement(50, 550, 1, 100), _ -> true);
    assertEquals(1, sent.size(), "no card, or no cable");
  }

  @Test
  void repeatsThemFurtherAndFurtherApart() {
    networks.announcer().begin("", new Announcement(1, 2, 4, 1), _ -> true);
    long end = System.nanoTime() + 10_000_000_000L;
    while (sent.size() < 4 && System.nanoTime() < end) {
      machine.clocks().runDue();
    }
    assertEquals(4, sent.size());
    Announcement timing = new Announcement(50, 220, 5, 100);
    assertEquals(50, timing.distance(1));
    assertEquals(150, timing.distance(2));
    assertEquals(220, timing.distance(3));
    networks.announcer().begin("", new Announcement(100_000, 100_000, 9, 1), _ -> true);
    networks.announcer().begin("", new Announcement(0, 0, 0, 1), _ -> true);
    machine.clocks().runDue();
    assertTrue(sent.size() == 5, "a series without rounds ends the one before");
  }
}
