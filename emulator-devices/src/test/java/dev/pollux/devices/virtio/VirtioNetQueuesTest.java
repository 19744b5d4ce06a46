package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.NetworkListener;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.net.Offloads;
import dev.pollux.backend.net.ReceiveFilter;
import dev.pollux.backend.net.ReceiveFilter.Choice;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A network card with several pairs of queues, as a driver sees it. */
class VirtioNetQueuesTest {
  private static final int PAIRS = 3;
  private static final int HEADER = 12;
  private static final long FEATURES = VirtioNet.CONTROL_QUEUE | VirtioNet.CONTROL_MAC;
  private static final long SEVERAL = FEATURES | VirtioNet.MULTIQUEUE;
  private static final byte[] TO_CARD = HexFormat.of().parseHex("525400000001" + "0".repeat(96));

  /** One queue of a back end. */
  static final class End implements NetEnd {
    final Queue<byte[]> taken = new ConcurrentLinkedQueue<>();
    volatile boolean active = true;

    @Override
    public int take(Frame[] frames, int count) {
      for (int i = 0; i < count; i++) {
        byte[] bytes = new byte[frames[i].length()];
        frames[i].data().get(frames[i].data().position(), bytes);
        taken.add(bytes);
      }
      return count;
    }

    @Override
    public void resume() {
      // The test sends again.
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }

    @Override
    public void setActive(boolean on) {
      active = on;
    }
  }

  /** A back end with as many queues as are asked for. */
  static final class Backend extends NetBackend {
    final List<End> ends = new ArrayList<>();

    Backend(int queues) {
      super("n0");
      for (int i = 0; i < queues; i++) {
        End end = new End();
        ends.add(end);
        if (i == 0) {
          link().attachBackend(end);
        } else {
          NetLink _ = addLink(end);
        }
      }
    }

    @Override
    public String type() {
      return "test";
    }

    @Override
    public String describe() {
      return "";
    }

    @Override
    public int take(Frame[] frames, int count) {
      return count;
    }

    @Override
    public void resume() {
      // There is nothing to resume.
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }

    @Override
    public void close() {
      unplug();
    }
  }

  private final Backend backend = new Backend(PAIRS);
  private PciFixture pci;
  private Networks networks;
  private DeviceNode node;
  private QueueDriver driver;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    networks = pci.devices.services().networks();
    pci.machine.lock().lock();
    try {
      networks.watch(pci.machine);
      networks.add(backend);
    } finally {
      pci.machine.lock().unlock();
    }
    node = pci.add("virtio-net-pci,netdev=n0,mq=on,id=net0,mac=52:54:00:00:00:01");
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private void start(long features, int queues) {
    driver = new QueueDriver(pci, node, features, queues);
  }

  private boolean command(int queue, int kind, int command, String data) {
    byte[] bytes = HexFormat.of().parseHex("%02x%02x%s".formatted(kind, command, data));
    return driver.ask(queue, bytes, 1)[0] == 0;
  }

  private boolean usePairs(int count) {
    return command(2 * PAIRS, 4, 0, "%04x".formatted(Short.reverseBytes((short) count) & 0xffff));
  }

  private List<Boolean> active() {
    return backend.ends.stream().map(end -> end.active).toList();
  }

  private Map<String, Long> cardDrops() {
    return networks.cards().getFirst().card().drops().counts();
  }

  /** Again until the card takes it: it does not while its thread looks at what was offered. */
  private void sendToGuest(int queue, byte[] bytes) {
    ByteBuffer data = ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    Frame[] frames = {new Frame(data)};
    NetLink link = backend.links().get(queue);
    pci.await(() -> link.fromBackend(frames, 1) == 1, "the card to take a frame");
  }

  @Test
  void driverChoosesHowManyQueuesItUses() {
    start(SEVERAL, 2 * PAIRS + 1);
    assertEquals(PAIRS, driver.config(8, 2), "pairs of queues");
    assertEquals(2 * PAIRS + 1, driver.read(0x12, 2), "queues");
    assertEquals(List.of(true, false, false), active());
    assertTrue(usePairs(PAIRS));
    assertEquals(List.of(true, true, true), active());
    assertTrue(usePairs(2));
    assertEquals(List.of(true, true, false), active());
    for (int wrong : new int[] {0, PAIRS + 1, 0x8000, 0xffff}) {
      assertFalse(usePairs(wrong), () -> wrong + " pairs");
    }
    assertFalse(command(2 * PAIRS, 4, 1, "0200"), "there is no receive-side scaling");
    assertFalse(command(2 * PAIRS, 4, 0, "02"), "half a number");
    assertEquals(List.of(true, true, false), active());
    driver.start(SEVERAL);
    assertEquals(List.of(true, false, false), active(), "a reset begins with one");
  }

  @Test
  void eachPairHasItsOwnQueueOfTheBackEnd() {
    start(SEVERAL, 2 * PAIRS + 1);
    sendToGuest(1, TO_CARD);
    assertEquals(Map.of("the driver is not ready", 1L), cardDrops());
    assertTrue(usePairs(PAIRS));
    for (int i = 0; i < PAIRS; i++) {
      driver.offer(2 * i, new byte[0], 2000);
      byte[] frame = TO_CARD.clone();
      frame[20] = (byte) (0x40 + i);
      sendToGuest(i, frame);
      byte[] received = driver.answer(2 * i);
      assertEquals(HEADER + frame.length, received.length);
      assertEquals(0x40 + i, received[HEADER + 20]);
      byte[] sent = new byte[HEADER + 60];
      sent[HEADER] = (byte) (0x30 + i);
      driver.ask(2 * i + 1, sent, 1);
      assertEquals(0x30 + i, backend.ends.get(i).taken.remove()[0]);
    }
    backend.ends.forEach(end -> assertEquals(0, end.taken.size()));
  }

  @Test
  void driverThatKnowsOneQueueFindsTheControlQueueBehindIt() {
    start(FEATURES, 3);
    assertTrue(command(2, 1, 1, "525400000002"));
    assertArrayEquals(
        HexFormat.of().parseHex("525400000002"),
        networks.cards().getFirst().card().currentAddress());
    assertFalse(command(2, 4, 0, "0200"), "it has not agreed on several queues");
    assertEquals(List.of(true, false, false), active());
  }

  @Test
  void changesOfTheFilterAreToldOnceUntilSomebodyLooks() {
    List<String> told = new ArrayList<>();
    networks.addListener(
        new NetworkListener() {
          @Override
          public void filterChanged(String card, String path) {
            told.add(card + " " + path);
          }
        });
    start(SEVERAL | 1 << 18 | 1 << 19 | 1 << 20, 2 * PAIRS + 1);
    int control = 2 * PAIRS;
    assertTrue(command(control, 0, 0, "00"), "not promiscuous");
    assertTrue(command(control, 1, 0, "01000000" + "525400000009" + "00000000"));
    assertTrue(command(control, 2, 0, "0500"));
    assertTrue(command(control, 0, 1, "01"), "all groups");
    String event = "net0 /machine/peripheral/net0/virtio-backend";
    pci.await(() -> !told.isEmpty(), "the event");
    ReceiveFilter filter = look();
    assertEquals(List.of(event), told);
    assertFalse(filter.promiscuous());
    assertTrue(filter.broadcast());
    assertEquals(Choice.NORMAL, filter.unicast());
    assertEquals(Choice.ALL, filter.multicast());
    assertEquals(Choice.NORMAL, filter.vlan());
    assertEquals(List.of(5), filter.vlans());
    assertEquals("525400000009", HexFormat.of().formatHex(filter.unicastAddresses().getFirst()));
    sendToGuest(0, HexFormat.of().parseHex("525400000077" + "0".repeat(96)));
    assertEquals(Map.of("not wanted by the guest", 1L), cardDrops());
    assertTrue(command(control, 0, 3, "01"), "no groups");
    pci.await(() -> told.size() == 2, "the second event");
    assertEquals(Choice.NONE, look().multicast());
  }

  private ReceiveFilter look() {
    pci.machine.lock().lock();
    try {
      NetworkClaim claim = networks.cards().getFirst();
      return claim.takeFilter().orElseThrow();
    } finally {
      pci.machine.lock().unlock();
    }
  }
}
