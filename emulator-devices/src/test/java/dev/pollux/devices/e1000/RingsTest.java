package dev.pollux.devices.e1000;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import dev.pollux.backend.net.Packet;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.TestMachines;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Both rings of the card, worked on without its thread: what descriptors ask for, and nonsense. */
class RingsTest {
  private static final byte[] OWN = {0x52, 0x54, 0, 1, 2, 3};
  private static final int RAM = 1 << 20;
  private static final int SEND_BASE = 0x1000;
  private static final int RECEIVE_BASE = 0x2000;
  private static final int DATA = 0x1_0000;
  private static final int BUFFERS = 0x8_0000;
  private static final int RING = 32;

  private static final long END = 1L << 24;
  private static final long CUT = 1L << 26;
  private static final long REPORT = 1L << 27;
  private static final long DATA_DESCRIPTOR = 1L << 29 | 1L << 20;
  private static final long TAGGED = 1L << 30;

  /** Keeps frames, as many as it has room for. */
  private static final class Wire implements NetEnd {
    final List<byte[]> frames = new ArrayList<>();
    int room = Integer.MAX_VALUE;

    @Override
    public int take(Frame[] batch, int count) {
      int taken = Math.min(count, room);
      for (int i = 0; i < taken; i++) {
        byte[] bytes = new byte[batch[i].length()];
        batch[i].data().get(batch[i].data().position(), bytes);
        frames.add(bytes);
      }
      room -= taken;
      return taken;
    }

    @Override
    public void resume() {}

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  private final Registers registers = new Registers();
  private final NetLink link = new NetLink();
  private final Wire wire = new Wire();
  private final SendContext.Slot plain = new SendContext.Slot();
  private final SendContext.Slot segmentation = new SendContext.Slot();
  private Machine machine;
  private RamBlock ram;
  private Sender sender;
  private Receiver receiver;
  private int causes;

  @BeforeEach
  void makeCard() throws IOException {
    machine = TestMachines.create(1);
    ram = new RamBlock("ram", RAM, false);
    machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
    GuestMemory memory = new GuestMemory(machine.memory());
    Dma dma = new Dma(memory);
    link.attachBackend(wire);
    registers.reset(OWN);
    sender =
        new Sender(
            registers,
            new Ring(registers, memory, Registers.SEND_RING),
            dma,
            link,
            bits -> causes |= bits,
            plain,
            segmentation);
    Ring ring = new Ring(registers, memory, Registers.RECEIVE_RING);
    receiver = new Receiver(registers, ring, dma, new Drops(), bits -> causes |= bits);
    ring(Registers.SEND_RING, SEND_BASE);
    ring(Registers.RECEIVE_RING, RECEIVE_BASE);
    registers.write(Registers.TCTL, Registers.TCTL_ENABLE | Registers.TCTL_PAD);
    registers.write(Registers.RCTL, Registers.RCTL_ENABLE | 1 << 15);
    registers.set(Registers.STATUS, Registers.STATUS_LINK_UP);
  }

  @AfterEach
  void takeApart() {
    machine.close();
    ram.close();
  }

  private void ring(int base, int at) {
    registers.write(base + Registers.RING_LOW, at);
    registers.write(base + Registers.RING_LENGTH, RING * Ring.DESCRIPTOR);
  }

  private long guest(long address, int size) {
    return machine.memory().read(address, size);
  }

  private void put(long address, byte[] bytes) {
    ram.write(address, bytes, 0, bytes.length);
  }

  /** Enters a descriptor at the send ring's tail. */
  private void descriptor(long low, long high) {
    int tail = registers.get(Registers.TDT);
    machine.memory().write(SEND_BASE + 16L * tail, 8, low);
    machine.memory().write(SEND_BASE + 16L * tail + 8, 8, high);
    registers.write(Registers.TDT, (tail + 1) % RING);
  }

  /** A TCP packet of IPv4 as a driver leaves it that has sums made. */
  private static byte[] tcp(int payload, boolean wholeLength) {
    ByteBuffer packet = ByteBuffer.allocate(54 + payload);
    packet.put(0, new byte[] {2, 0, 0, 0, 0, 9}).put(6, OWN).putShort(12, (short) 0x0800);
    packet.put(14, (byte) 0x45).putShort(16, (short) (wholeLength ? 40 + payload : 0));
    packet.put(22, (byte) 64).put(23, (byte) 6).putInt(26, 0x0a00_020f).putInt(30, 0x0a00_0202);
    packet.putShort(34, (short) 1234).putShort(36, (short) 80).putInt(38, 1000);
    packet.put(46, (byte) 0x50).put(47, (byte) 0x18);
    // The addresses, the protocol and, unless the card is to cut, the length.
    int sum = 0x0a00 + 0x020f + 0x0a00 + 0x0202 + 6 + (wholeLength ? 20 + payload : 0);
    packet.putShort(50, (short) ((sum & 0xffff) + (sum >>> 16)));
    for (int i = 0; i < payload; i++) {
      packet.put(54 + i, (byte) (i * 7));
    }
    return packet.array();
  }

  private static void context(RingsTest test, boolean cut, int segment) {
    long low = 14L | 24L << 8 | 33L << 16 | 34L << 32 | 50L << 40;
    long command = 1 | 1 << 1 | (cut ? 1 << 2 : 0) | 1 << 5;
    test.descriptor(low, command << 24 | 54L << 40 | (long) segment << 48);
  }

  private static void assertSums(byte[] frame) {
    Packet packet = new Packet();
    ByteBuffer data = ByteBuffer.wrap(frame);
    assertTrue(packet.parse(data), "headers");
    assertEquals(0xffff, packet.transportSum(data), "sum of TCP");
  }

  @Test
  void sendsWhatSeveralDescriptorsHoldAndFillsInSums() {
    byte[] packet = tcp(100, true);
    put(DATA, packet);
    context(this, false, 0);
    descriptor(DATA, 60 | DATA_DESCRIPTOR | 3L << 40);
    descriptor(DATA + 60, packet.length - 60 | DATA_DESCRIPTOR | END | REPORT);
    assertFalse(sender.send());
    assertEquals(1, wire.frames.size());
    assertEquals(packet.length, wire.frames.getFirst().length);
    assertSums(wire.frames.getFirst());
    assertEquals(1, guest(SEND_BASE + 2 * 16 + 12, 1) & 1, "done");
    assertEquals(Interrupts.SENT | Interrupts.SEND_QUEUE_EMPTY, causes);
    assertEquals(3, registers.get(Registers.SEND_RING + Registers.RING_HEAD));
    assertEquals(1, registers.take(Registers.GPTC));
  }

  @Test
  void cutsLongSegments() {
    byte[] packet = tcp(4000, false);
    put(DATA, packet);
    context(this, true, 1448);
    descriptor(DATA, packet.length | DATA_DESCRIPTOR | END | CUT | REPORT | 3L << 40);
    sender.send();
    assertEquals(3, wire.frames.size());
    int payload = 0;
    for (byte[] frame : wire.frames) {
      assertSums(frame);
      assertEquals(1000 + payload, ByteBuffer.wrap(frame).getInt(38), "sequence number");
      for (int i = 54; i < frame.length; i++) {
        assertEquals((byte) (payload++ * 7), frame[i]);
      }
    }
    assertEquals(4000, payload);
  }

  @Test
  void keepsWhatTheOtherEndDoesNotTake() {
    put(DATA, tcp(2000, false));
    context(this, true, 1000);
    for (int i = 0; i < 3; i++) {
      descriptor(DATA, 2054 | DATA_DESCRIPTOR | END | CUT | REPORT | 3L << 40);
    }
    wire.room = 0;
    sender.send();
    for (int i = 0; i < 20 && wire.frames.size() < 6; i++) {
      wire.room = 1;
      link.ready(wire);
      sender.send();
    }
    assertEquals(6, wire.frames.size());
    wire.frames.forEach(RingsTest::assertSums);
    assertEquals(4, registers.get(Registers.SEND_RING + Registers.RING_HEAD));
  }

  @Test
  void insertsTags() {
    registers.write(Registers.CTRL, Registers.CTRL_VLAN);
    put(DATA, tcp(100, true));
    descriptor(DATA, 154 | END | TAGGED | 42L << 48);
    sender.send();
    ByteBuffer frame = ByteBuffer.wrap(wire.frames.getFirst());
    assertEquals(158, frame.capacity());
    assertEquals(0x8100_002a, frame.getInt(12));
    assertEquals(0x0800, frame.getShort(16));
  }

  @Test
  void dropsWhatHasNoEndInAFullRing() {
    for (int i = 0; i < RING - 1; i++) {
      descriptor(DATA, 1000);
    }
    sender.send();
    assertEquals(RING - 1, registers.get(Registers.SEND_RING + Registers.RING_HEAD));
    assertEquals(0, wire.frames.size());
  }

  // ---- to the guest ----

  private void giveBuffers(int count) {
    for (int i = 0; i < count; i++) {
      machine.memory().write(RECEIVE_BASE + 16L * i, 8, BUFFERS + 2048L * i);
    }
    registers.write(Registers.RDT, count);
  }

  private static Frame frame(byte[] bytes) {
    return new Frame(ByteBuffer.allocateDirect(bytes.length).put(0, bytes));
  }

  private int receive(byte[]... frames) {
    Frame[] batch = new Frame[frames.length];
    for (int i = 0; i < frames.length; i++) {
      batch[i] = frame(frames[i]);
    }
    return receiver.take(batch, batch.length);
  }

  private static byte[] to(int... address) {
    byte[] bytes = new byte[100];
    for (int i = 0; i < 6; i++) {
      bytes[i] = (byte) address[i];
    }
    for (int i = 12; i < bytes.length; i++) {
      bytes[i] = (byte) i;
    }
    return bytes;
  }

  @Test
  void takesOnlyWhatTheFiltersLetThrough() {
    giveBuffers(20);
    int hash = (5 << 8 | 4) >> 4;
    registers.write(Registers.MTA + (hash >> 5) * 4, 1 << (hash & 31));
    byte[] own = to(0x52, 0x54, 0, 1, 2, 3);
    assertEquals(
        5,
        receive(
            own,
            to(0x52, 0x54, 0, 1, 2, 4),
            to(0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
            to(1, 0, 0x5e, 0, 4, 5),
            to(1, 0, 0x5e, 0, 4, 0x55)));
    assertEquals(3, registers.get(Registers.RECEIVE_RING + Registers.RING_HEAD));
    byte[] received = new byte[own.length];
    ram.read(BUFFERS, received, 0, received.length);
    assertArrayEquals(own, received);
    assertEquals(104, guest(RECEIVE_BASE + 8, 2), "with room for the check sum");
    assertEquals(3, guest(RECEIVE_BASE + 12, 1) & 3, "done, and the end of its packet");
    assertEquals(1, registers.get(Registers.BPRC));
    assertEquals(1, registers.get(Registers.MPRC));
    registers.write(Registers.RCTL, Registers.RCTL_ENABLE | 3 << 3);
    receive(to(0x52, 0x54, 0, 1, 2, 4), to(1, 0, 0x5e, 0, 4, 0x55));
    assertEquals(5, registers.get(Registers.RECEIVE_RING + Registers.RING_HEAD), "promiscuous");
  }

  @Test
  void takesTagsOutAndFiltersThem() {
    giveBuffers(4);
    registers.write(Registers.CTRL, Registers.CTRL_VLAN);
    registers.write(Registers.RCTL, Registers.RCTL_ENABLE | 1 << 18);
    registers.write(Registers.VFTA + 4, 1 << 10);
    byte[] wanted = to(0x52, 0x54, 0, 1, 2, 3);
    ByteBuffer.wrap(wanted).putInt(12, 0x8100_6000 | 42);
    byte[] other = wanted.clone();
    ByteBuffer.wrap(other).putInt(12, 0x8100_0000 | 43);
    receive(other, wanted);
    assertEquals(1, registers.get(Registers.RECEIVE_RING + Registers.RING_HEAD));
    assertEquals(100, guest(RECEIVE_BASE + 8, 2));
    assertEquals(0x6000 | 42, guest(RECEIVE_BASE + 14, 2));
    assertEquals(wanted[16], (byte) guest(BUFFERS + 12, 1));
  }

  @Test
  void spreadsOverBuffersAndWaitsForRoom() {
    giveBuffers(3);
    registers.write(Registers.RCTL, Registers.RCTL_ENABLE | 1 << 5 | 1 << 26);
    byte[] large = new byte[5000];
    System.arraycopy(OWN, 0, large, 0, 6);
    new Random(1).nextBytes(large);
    System.arraycopy(OWN, 0, large, 0, 6);
    assertEquals(1, receive(large, large));
    byte[] received = new byte[5000];
    ram.read(BUFFERS, received, 0, received.length);
    assertArrayEquals(large, received);
    assertEquals(1, guest(RECEIVE_BASE + 12, 1) & 3);
    assertEquals(3, guest(RECEIVE_BASE + 2 * 16 + 12, 1) & 3);
    assertEquals(5000 - 4096, guest(RECEIVE_BASE + 2 * 16 + 8, 2));
    registers.write(Registers.RCTL, Registers.RCTL_ENABLE);
    assertEquals(1, receive(large), "longer than the guest allows: dropped");
    assertEquals(1, registers.take(Registers.MPC));
  }

  /** Rounds of nonsense; {@code -Dnet.fuzz.rounds} makes them more. */
  private static final int ROUNDS = Integer.getInteger("net.fuzz.rounds", 20_000);

  @Test
  void survivesNonsense() {
    long seed = Long.getLong("net.fuzz.seed", 20261129);
    Random random = new Random(seed);
    int[] interesting = {
      Registers.RCTL, Registers.TCTL, Registers.CTRL, Registers.RXCSUM, Registers.VET
    };
    for (int round = 0; round < ROUNDS; round++) {
      switch (random.nextInt(8)) {
        case 0 -> nonsenseRing(Registers.SEND_RING, random);
        case 1 -> nonsenseRing(Registers.RECEIVE_RING, random);
        case 2 -> {
          int register = interesting[random.nextInt(interesting.length)];
          registers.write(register, random.nextInt() | 2);
        }
        case 3 -> registers.write(Registers.MTA + random.nextInt(512) / 4 * 4, random.nextInt());
        default -> nonsenseDescriptors(random);
      }
      wire.room = random.nextInt(4) == 0 ? random.nextInt(3) : Integer.MAX_VALUE;
      link.ready(wire);
      sender.send();
      byte[] bytes = new byte[14 + random.nextInt(random.nextBoolean() ? 100 : 17000)];
      random.nextBytes(bytes);
      if (random.nextBoolean()) {
        System.arraycopy(OWN, 0, bytes, 0, 6);
      }
      receive(bytes);
      wire.frames.clear();
    }
  }

  private void nonsenseRing(int base, Random random) {
    int low = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(RAM);
    registers.write(base + Registers.RING_LOW, low);
    registers.write(base + Registers.RING_HIGH, random.nextInt(8) == 0 ? random.nextInt() : 0);
    registers.write(
        base + Registers.RING_LENGTH,
        random.nextInt(4) == 0 ? random.nextInt() : RING * Ring.DESCRIPTOR);
    registers.write(base + Registers.RING_HEAD, random.nextInt(RING + 2));
    registers.write(base + Registers.RING_TAIL, random.nextInt(RING + 2));
  }

  /** Descriptors that are likely to be looked at, with lengths and offsets that lie. */
  private void nonsenseDescriptors(Random random) {
    nonsenseHead(Registers.SEND_RING, random);
    nonsenseHead(Registers.RECEIVE_RING, random);
    long sendAt = registers.get(Registers.SEND_RING) & RAM - 1;
    byte[] packet = tcp(random.nextInt(3000), random.nextBoolean());
    put(DATA, packet);
    for (int i = 0; i < RING && sendAt + 16L * i + 16 <= RAM; i++) {
      boolean context = random.nextInt(4) == 0;
      long low =
          context
              ? random.nextInt(3) == 0
                  ? random.nextLong()
                  : 14L | 24L << 8 | 33L << 16 | 34L << 32 | 50L << 40
              : random.nextInt(8) == 0 ? random.nextLong() : DATA;
      long command = random.nextInt(256) | (random.nextBoolean() ? 0x21 : 0);
      long high =
          (context ? 0 : 1L << 20)
              | command << 24
              | (random.nextBoolean() ? packet.length : random.nextInt(0x10_0000))
              | random.nextLong() << 40;
      machine.memory().write(sendAt + 16L * i, 8, low);
      machine.memory().write(sendAt + 16L * i + 8, 8, high);
    }
  }

  private void nonsenseHead(int base, Random random) {
    registers.write(base + Registers.RING_LENGTH, RING * Ring.DESCRIPTOR);
    registers.write(base + Registers.RING_HIGH, 0);
    registers.write(base + Registers.RING_LOW, registers.get(base) & RAM - 1);
    registers.write(base + Registers.RING_HEAD, random.nextInt(RING));
    registers.write(base + Registers.RING_TAIL, random.nextInt(RING));
  }
}
