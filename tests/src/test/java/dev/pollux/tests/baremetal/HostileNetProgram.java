package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.StringOp;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A guest that means harm to its network cards, a virtio-net in slot {@link #VIRTIO_SLOT} and an
 * e1000 in slot {@link #E1000_SLOT}, and to the user networks behind them. It gives both cards the
 * same frames of {@link HostileFrames} by rings and descriptors many of which lie, too, and changes
 * a byte of each frame before it does so again. After each pass it resets both cards, asks the
 * router for its address and for an echo as any guest does, and prints what came of it.
 */
public final class HostileNetProgram extends LongModeProgram {
  public static final int VIRTIO_SLOT = 5;
  public static final int E1000_SLOT = 6;

  /** Frames that each card sends in a pass. */
  public static final int FRAMES = 4096;

  private static final int BATCH = 64;
  private static final int QUEUE = 256;
  private static final int ROW = 32;
  private static final int IDENTIFIER = 0xbeef;

  private static final int VIRTIO = 0x7000_0000;
  private static final int E1000 = 0x7010_0000;
  private static final int SENT = 0x90_0000;
  private static final int RECEIVED = 0x90_1000;
  private static final int RECEIVE_RING = 0x90_2000;
  private static final int BUFFERS = 0xa0_0000;
  private static final int BUFFER = 2048;

  /** Looks at a card before it is given up, and attempts to get an answer. */
  private static final int LOOKS = 20_000;

  private static final int ATTEMPTS = 300;

  /** CSUM and GUEST_CSUM, which the other offloads depend on. */
  private static final int SUMS = 3;

  /** All offloads and ways of receiving; no queues but two, no ring layout but split. */
  private static final int FEATURES = 0x1000_f983;

  private final Random random;
  private final HostileFrames frames;
  private final int passes;
  private final Label fireVirtio = new Label("virtio");
  private final Label fireE1000 = new Label("e1000");
  private final Label draw = new Label("random number");
  private final Label receiveAvailable = new Label("receive buffers");

  /** Address and length, in turn, of those that are long enough to be changed. */
  private final List<Integer> changing = new ArrayList<>();

  /**
   * Where a frame is, and how long with its header.
   *
   * @param address of virtio's header, which the frame follows
   */
  private record Shot(int address, int length) {}

  private HostileNetProgram(long seed, int passes, int port) {
    random = new Random(seed);
    frames = new HostileFrames(random, port);
    this.passes = passes;
  }

  /**
   * An image for {@code -kernel}.
   *
   * @param passes of {@link #FRAMES} frames for each card
   * @param port of the host, where TCP of the guest may go
   */
  public static byte[] image(long seed, int passes, int port) {
    return new HostileNetProgram(seed, passes, port).build(false);
  }

  // ---- what it sends: data in the image

  private int here() {
    return (int) asm.address(asm.here());
  }

  private Shot shot(byte[] header, byte[] frame) {
    int address = here();
    asm.db(header);
    asm.db(frame);
    if (header.length + frame.length > HostileFrames.HEADER + HostileFrames.FREE) {
      changing.add(address);
      changing.add(header.length + frame.length);
    }
    return new Shot(address, header.length + frame.length);
  }

  /**
   * The queues of a batch of frames, as one row of numbers: the addresses of virtio's descriptors
   * and of the driver's area, features, the address of the receive descriptors; that of the e1000's
   * ring, its tail; virtio's index that says that all are sent.
   */
  private int[] batch(List<Shot> batch, boolean hostile) {
    asm.alignData(16);
    int ring = here();
    int tail = e1000Ring(batch, hostile);
    int receive = receiveDescriptors(hostile);
    asm.alignData(16);
    int descriptors = here();
    int available = batch.size() + (hostile && once(4) ? random.nextInt(1 << 16) : 0);
    int[] heads = virtioDescriptors(batch, hostile);
    int driver = here();
    asm.dw(1, available & 0xffff); // no interrupts
    for (int i = 0; i < QUEUE; i++) {
      asm.dw(hostile && once(100) ? random.nextInt(1 << 16) : heads[i % heads.length]);
    }
    int features = hostile || once(2) ? SUMS | random.nextInt() & FEATURES : FEATURES;
    return new int[] {descriptors, driver, features, receive, ring, tail, available & 0xffff, 0};
  }

  private boolean once(int in) {
    return random.nextInt(in) == 0;
  }

  /** Each frame in three pieces; returns the descriptors where each begins. */
  private int[] virtioDescriptors(List<Shot> batch, boolean hostile) {
    int[] heads = new int[batch.size()];
    int bad = hostile ? random.nextInt(4 * batch.size()) : -1;
    for (int i = 0; i < QUEUE; i++) {
      int piece = i % 4;
      if (i / 4 >= batch.size() || piece == 3) {
        asm.dq(0, 0);
        continue;
      }
      Shot shot = batch.get(i / 4);
      heads[i / 4] = i - piece;
      int from = piece * shot.length() / 3;
      int to = (piece + 1) * shot.length() / 3;
      long chain = piece < 2 ? 1 | (long) (i + 1) << 16 : 0;
      if (i == bad) {
        asm.dq(once(2) ? random.nextLong() >>> random.nextInt(64) : shot.address());
        asm.dd(once(2) ? random.nextInt() >>> random.nextInt(32) : to - from);
        asm.dw(random.nextInt(8), random.nextInt(once(2) ? QUEUE : 1 << 16));
      } else {
        asm.dq(shot.address() + from, to - from | chain << 32);
      }
    }
    return heads;
  }

  /** Good buffers, or some that are short, or not to be written to, or nowhere. */
  private int receiveDescriptors(boolean hostile) {
    asm.alignData(16);
    int address = here();
    for (int i = 0; i < QUEUE; i++) {
      boolean bad = hostile && once(16);
      asm.dq(bad && once(2) ? random.nextLong() : BUFFERS + i % BATCH * BUFFER);
      asm.dd(bad ? random.nextInt(64) : BUFFER);
      asm.dw(bad ? random.nextInt(8) : 2, random.nextInt(QUEUE));
    }
    return address;
  }

  /** Returns the tail. */
  private int e1000Ring(List<Shot> batch, boolean hostile) {
    List<Long> ring = new ArrayList<>();
    for (Shot shot : batch) {
      int at = shot.address() + HostileFrames.HEADER;
      int length = shot.length() - HostileFrames.HEADER;
      if (once(4)) {
        context(ring);
      }
      boolean lies = hostile && once(8);
      int first = once(3) ? length / 2 : 0;
      if (once(2)) {
        piece(ring, at, first, 0x0800_0000L);
        piece(ring, at + first, length - first, 0x0900_0000L | (once(8) ? anySum() : 0));
      } else { // extended: sums by the context, and every eighth time segments
        long options = (long) random.nextInt(4) << 40;
        piece(ring, at, first, 0x2810_0000L | options);
        piece(ring, at + first, length - first, (once(8) ? 0x2d10_0000L : 0x2910_0000L) | options);
      }
      if (lies) {
        int last = ring.size() - 1;
        ring.set(last - random.nextInt(2), random.nextLong() >>> random.nextInt(64));
      }
    }
    int tail = ring.size() / 2;
    asm.alignData(16);
    for (int i = 0; i < 2 * QUEUE; i++) {
      asm.dq(i < ring.size() ? ring.get(i) : 0);
    }
    return tail;
  }

  /** Inserts a sum from one offset at another. */
  private long anySum() {
    return 0x0400_0000L | (long) random.nextInt(256) << 40 | random.nextInt(256) << 16;
  }

  private static void piece(List<Long> ring, int address, int length, long command) {
    if (length > 0) {
      ring.add((long) address);
      ring.add(command | length);
    }
  }

  /** That of a TCP packet, or any. */
  private void context(List<Long> ring) {
    if (once(2)) {
      ring.add(0x0000_3222_0021_180eL);
      ring.add(
          (long) random.nextInt(1500) << 48 | 54L << 40 | 0x2000_0000L | random.nextInt(8) << 24);
    } else {
      ring.add(random.nextLong());
      ring.add(random.nextLong() & ~0xf0_0000L | 0x2000_0000L);
    }
  }

  /** All batches, and the honest one last; returns the rows' address. */
  private int rows() {
    asm.alignData(16);
    List<int[]> rows = new ArrayList<>();
    for (int i = 0; i < FRAMES / BATCH; i++) {
      List<Shot> batch = new ArrayList<>();
      for (int n = 0; n < BATCH; n++) {
        byte[] frame = frames.frame();
        batch.add(shot(frames.header(frame), frame));
      }
      rows.add(batch(batch, i % 4 == 3));
    }
    byte[] none = new byte[HostileFrames.HEADER];
    rows.add(honest(shot(none, HostileFrames.honestArp()), shot(none, ping())));
    int address = here();
    rows.forEach(asm::dd);
    return address;
  }

  private static byte[] ping() {
    return HostileFrames.honestPing(IDENTIFIER);
  }

  private int[] honest(Shot... frames) {
    asm.alignData(16);
    int ring = here();
    for (Shot frame : frames) {
      int length = frame.length() - HostileFrames.HEADER;
      asm.dq(frame.address() + HostileFrames.HEADER, 0x0900_0000L | length);
    }
    asm.db(new byte[(QUEUE - frames.length) * 16]);
    int receive = receiveDescriptors(false);
    int descriptors = here();
    for (Shot frame : frames) {
      asm.dq(frame.address(), frame.length());
    }
    asm.db(new byte[(QUEUE - frames.length) * 16]);
    int driver = here();
    asm.dw(1, frames.length);
    for (int i = 0; i < QUEUE; i++) {
      asm.dw(i % frames.length);
    }
    return new int[] {descriptors, driver, SUMS, receive, ring, frames.length, frames.length, 0};
  }

  // ---- what it does

  @Override
  void body() {
    Label start = new Label();
    asm.jmpNear(start);
    int rows = rows();
    int honest = rows + FRAMES / BATCH * ROW;
    asm.bind(receiveAvailable);
    asm.dw(1, BATCH);
    for (int i = 0; i < QUEUE; i++) {
      asm.dw(i);
    }
    asm.alignData(8);
    int table = here();
    changing.forEach(asm::dd);
    routines();
    asm.bind(start);
    writeConfig(VIRTIO_SLOT, 0x20, VIRTIO);
    writeConfig(VIRTIO_SLOT, 0x24, 0);
    writeConfig(VIRTIO_SLOT, 4, 6);
    writeConfig(E1000_SLOT, 0x10, E1000);
    writeConfig(E1000_SLOT, 4, 6);
    asm.mov(QWORD, Gpr.R14, random.nextLong() | 1);
    asm.mov(DWORD, Gpr.R13, passes);
    Label pass = asm.here();
    asm.mov(DWORD, Gpr.RSI, rows);
    Label next = asm.here();
    asm.call(fireVirtio);
    asm.call(fireE1000);
    asm.add(DWORD, Gpr.RSI, ROW);
    asm.cmp(DWORD, Gpr.RSI, honest);
    asm.jcc(Cond.NE, next);
    asm.mov(DWORD, Gpr.RSI, honest);
    ask("virtio-net", fireVirtio, HostileFrames.HEADER);
    ask("e1000", fireE1000, 0);
    damage(table);
    asm.dec(DWORD, Gpr.R13);
    asm.jcc(Cond.NE, pass);
  }

  private void routines() {
    asm.bind(draw); // xorshift64
    for (int shift : new int[] {13, -7, 17}) {
      asm.mov(QWORD, Gpr.RAX, Gpr.R14);
      if (shift > 0) {
        asm.shl(QWORD, Gpr.RAX, shift);
      } else {
        asm.shr(QWORD, Gpr.RAX, -shift);
      }
      asm.xor(QWORD, Gpr.R14, Gpr.RAX);
    }
    asm.mov(QWORD, Gpr.RAX, Gpr.R14);
    asm.ret();
    virtio();
    e1000();
  }

  private void status(int value) {
    asm.mov(BYTE, Mem.of(Gpr.RBX, 0x14), value);
  }

  /**
   * Sends the batch of the row at RSI from the reset on; waits until the card has it, or breaks.
   */
  private void virtio() {
    asm.bind(fireVirtio);
    clear(SENT, 0x2000);
    asm.mov(DWORD, Gpr.RBX, VIRTIO);
    status(0);
    status(1);
    status(3);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 8), 1);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xc), 1); // VERSION_1
    asm.mov(DWORD, Mem.of(Gpr.RBX, 8), 0);
    asm.mov(DWORD, Mem.of(Gpr.RBX), 0);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RBX, 4));
    asm.and(DWORD, Gpr.RAX, Mem.of(Gpr.RSI, 8));
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xc), Gpr.RAX);
    status(0xb);
    asm.mov(QWORD, Gpr.RDX, receiveAvailable);
    queue(0, 12, RECEIVED);
    asm.mov(DWORD, Gpr.RDX, Mem.of(Gpr.RSI, 4));
    queue(1, 0, SENT);
    status(0xf);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x3000), 0);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x3004), 1);
    look(
        () -> {
          asm.mov(DWORD, Gpr.RAX, Mem.absolute(SENT + 2));
          asm.cmp(WORD, Gpr.RAX, Mem.of(Gpr.RSI, 24));
        },
        () -> {
          asm.mov(BYTE, Gpr.RAX, Mem.of(Gpr.RBX, 0x14));
          asm.and(DWORD, Gpr.RAX, 0x40);
          asm.cmp(DWORD, Gpr.RAX, 0x40);
        });
  }

  /** With its descriptors where the row says, and the driver's area at RDX. */
  private void queue(int number, int descriptors, int used) {
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x16), number);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x18), QUEUE);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RSI, descriptors));
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x20), Gpr.RAX);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x28), Gpr.RDX);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x30), used);
    for (int high : new int[] {0x24, 0x2c, 0x34}) {
      asm.mov(DWORD, Mem.of(Gpr.RBX, high), 0);
    }
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x1c), 1);
  }

  private void clear(int address, int bytes) {
    asm.mov(DWORD, Gpr.RDI, address);
    asm.mov(DWORD, Gpr.RCX, bytes / 4);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.rep(StringOp.STOS, DWORD);
  }

  /** Returns as soon as one of the comparisons says so, or after so many looks. */
  private void look(Runnable... comparisons) {
    asm.mov(DWORD, Gpr.RCX, LOOKS);
    Label again = asm.here();
    Label end = new Label();
    for (Runnable comparison : comparisons) {
      comparison.run();
      asm.jcc(Cond.E, end);
    }
    asm.op(NullaryOp.PAUSE);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, again);
    asm.bind(end);
    asm.ret();
  }

  private void register(int offset, int value) {
    asm.mov(DWORD, Mem.of(Gpr.RBX, offset), value);
  }

  /** As {@link #virtio}, with the e1000. */
  private void e1000() {
    asm.bind(fireE1000);
    asm.mov(DWORD, Gpr.RBX, E1000);
    register(0, 1 << 26); // reset
    register(0, 0x41);
    asm.mov(DWORD, Gpr.RDI, RECEIVE_RING);
    asm.mov(DWORD, Gpr.RAX, BUFFERS);
    asm.mov(DWORD, Gpr.RCX, BATCH);
    Label next = asm.here();
    asm.mov(QWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.mov(QWORD, Mem.of(Gpr.RDI, 8), 0);
    asm.add(DWORD, Gpr.RDI, 16);
    asm.add(DWORD, Gpr.RAX, BUFFER);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    register(0x2800, RECEIVE_RING);
    register(0x2804, 0);
    register(0x2808, BATCH * 16);
    register(0x2810, 0);
    register(0x100, 0x801a); // enabled, all addresses
    register(0x2818, BATCH - 1);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RSI, 16));
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x3800), Gpr.RAX);
    register(0x3804, 0);
    register(0x3808, QUEUE * 16);
    register(0x3810, 0);
    register(0x3818, 0);
    register(0x400, 0xa); // enabled, short ones are padded
    asm.mov(DWORD, Gpr.RDX, Mem.of(Gpr.RSI, 20));
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x3818), Gpr.RDX);
    look(() -> asm.cmp(DWORD, Gpr.RDX, Mem.of(Gpr.RBX, 0x3810)));
  }

  /** Asks the router for an echo until it comes, or often enough; prints which. */
  private void ask(String card, Label fire, int header) {
    Label again = new Label();
    Label answered = new Label();
    Label end = new Label();
    asm.mov(DWORD, Gpr.R12, ATTEMPTS);
    asm.bind(again);
    clear(BUFFERS, BATCH * BUFFER);
    asm.call(fire);
    asm.mov(DWORD, Gpr.RCX, LOOKS / 20);
    Label look = asm.here();
    for (int i = 0; i < BATCH; i++) {
      int frame = BUFFERS + i * BUFFER + header;
      Label other = new Label();
      asm.cmp(WORD, Mem.absolute(frame + 12), 8);
      asm.jcc(Cond.NE, other);
      asm.cmp(BYTE, Mem.absolute(frame + 34), 0); // an echo's reply
      asm.jcc(Cond.NE, other);
      asm.mov(DWORD, Gpr.RAX, Mem.absolute(frame + 38));
      asm.and(DWORD, Gpr.RAX, 0xffff);
      asm.cmp(DWORD, Gpr.RAX, Integer.reverseBytes(IDENTIFIER) >>> 16);
      asm.jcc(Cond.E, answered);
      asm.bind(other);
    }
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, look);
    asm.dec(DWORD, Gpr.R12);
    asm.jcc(Cond.NE, again);
    print(card + ": no answer\n");
    asm.jmp(end);
    asm.bind(answered);
    print(card + ": an answer\n");
    asm.bind(end);
  }

  /** A byte behind the addresses of about half of the frames. */
  private void damage(int table) {
    asm.mov(DWORD, Gpr.RSI, table);
    Label next = asm.here();
    Label skip = new Label();
    asm.call(draw);
    asm.mov(DWORD, Gpr.RDX, Gpr.RAX);
    asm.and(DWORD, Gpr.RDX, 0xff);
    asm.add(DWORD, Gpr.RDX, HostileFrames.HEADER + HostileFrames.FREE);
    asm.cmp(DWORD, Gpr.RDX, Mem.of(Gpr.RSI, 4));
    asm.jcc(Cond.AE, skip);
    asm.add(DWORD, Gpr.RDX, Mem.of(Gpr.RSI));
    asm.shr(QWORD, Gpr.RAX, 32);
    asm.mov(BYTE, Mem.of(Gpr.RDX), Gpr.RAX);
    asm.bind(skip);
    asm.add(DWORD, Gpr.RSI, 8);
    asm.cmp(DWORD, Gpr.RSI, table + 4 * changing.size());
    asm.jcc(Cond.NE, next);
  }
}
