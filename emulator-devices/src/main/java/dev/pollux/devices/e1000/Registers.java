package dev.pollux.devices.e1000;

import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;

/**
 * The registers by their offsets (manual, 13.2), and what the card keeps in them. Most are no more
 * than kept; those that do something are in {@link E1000}.
 */
final class Registers {
  static final int CTRL = 0x0000;
  static final int STATUS = 0x0008;
  static final int EECD = 0x0010;
  static final int EERD = 0x0014;
  static final int CTRL_EXT = 0x0018;
  static final int MDIC = 0x0020;
  static final int FCAL = 0x0028;
  static final int FCT = 0x0030;
  static final int VET = 0x0038;
  static final int ICR = 0x00c0;
  static final int ITR = 0x00c4;
  static final int ICS = 0x00c8;
  static final int IMS = 0x00d0;
  static final int IMC = 0x00d8;
  static final int RCTL = 0x0100;
  static final int FCTTV = 0x0170;
  static final int TXCW = 0x0178;
  static final int TCTL = 0x0400;
  static final int TIPG = 0x0410;
  static final int AIT = 0x0458;
  static final int LEDCTL = 0x0e00;
  static final int PBA = 0x1000;
  static final int RECEIVE_RING = 0x2800;
  static final int RDT = 0x2818;
  static final int RDTR = 0x2820;
  static final int RXDCTL = 0x2828;
  static final int RADV = 0x282c;
  static final int RSRPD = 0x2c00;
  static final int SEND_RING = 0x3800;
  static final int TDT = 0x3818;
  static final int TIDV = 0x3820;
  static final int TXDCTL = 0x3828;
  static final int TADV = 0x382c;
  static final int TSPMT = 0x3830;
  static final int STATISTICS = 0x4000;
  static final int MPC = 0x4010;
  static final int GPRC = 0x4074;
  static final int BPRC = 0x4078;
  static final int MPRC = 0x407c;
  static final int GPTC = 0x4080;
  static final int GORC = 0x4088;
  static final int GOTC = 0x4090;
  static final int TOR = 0x40c0;
  static final int TOT = 0x40c8;
  static final int TPR = 0x40d0;
  static final int TPT = 0x40d4;
  static final int MPTC = 0x40f0;
  static final int BPTC = 0x40f4;
  static final int TSCTC = 0x40f8;
  static final int STATISTICS_END = 0x4128;
  static final int RXCSUM = 0x5000;
  static final int MTA = 0x5200;
  static final int RA = 0x5400;
  static final int RA_END = 0x5480;
  static final int VFTA = 0x5600;
  static final int VFTA_END = 0x5800;
  static final int WUC = 0x5800;
  static final int IPAV = 0x5838;

  /** Of a ring's registers, from its first one on. */
  static final int RING_LOW = 0x00;

  static final int RING_HIGH = 0x04;
  static final int RING_LENGTH = 0x08;
  static final int RING_HEAD = 0x10;
  static final int RING_TAIL = 0x18;

  static final int CTRL_LINK_UP = 1 << 6;
  static final int CTRL_RESET = 1 << 26;
  static final int CTRL_VLAN = 1 << 30;
  static final int CTRL_PHY_RESET = 1 << 31;
  static final int STATUS_FULL_DUPLEX = 1;
  static final int STATUS_LINK_UP = 1 << 1;
  static final int STATUS_1000 = 1 << 7 | 3 << 8;
  static final int RCTL_ENABLE = 1 << 1;
  static final int TCTL_ENABLE = 1 << 1;
  static final int TCTL_PAD = 1 << 3;
  static final int ADDRESS_VALID = 1 << 31;

  static final int END = 0x6000;

  /** The bits of each register that software can write. */
  private static final int[] WRITABLE = new int[END / 4];

  private static void writable(int mask, int... offsets) {
    for (int offset : offsets) {
      WRITABLE[offset / 4] = mask;
    }
  }

  private static void writableRange(int mask, int from, int end) {
    Arrays.fill(WRITABLE, from / 4, end / 4, mask);
  }

  static {
    writable(-1, CTRL_EXT, FCAL, FCAL + 4, FCT, RCTL, FCTTV, TXCW, TCTL, TIPG, AIT, LEDCTL, PBA);
    writable(~(CTRL_RESET | CTRL_PHY_RESET), CTRL);
    writable(0xffff, VET, ITR, RDTR, RADV, TIDV, TADV);
    writable(-1, RXDCTL, TXDCTL, RSRPD, TSPMT, RXCSUM);
    for (int ring : new int[] {RECEIVE_RING, SEND_RING}) {
      writable(~15, ring + RING_LOW);
      writable(-1, ring + RING_HIGH);
      writable(0xf_ff80, ring + RING_LENGTH);
      writable(0xffff, ring + RING_HEAD, ring + RING_TAIL);
    }
    writableRange(-1, MTA, RA);
    writableRange(-1, RA, RA_END);
    for (int high = RA + 4; high < RA_END; high += 8) {
      writable(0x8003_ffff, high);
    }
    writableRange(-1, VFTA, VFTA_END);
    writableRange(-1, WUC, IPAV + 4);
  }

  static final StateDescriptor<Registers> STATE =
      StateDescriptor.of(Registers.class, "e1000-registers", 1)
          .u32Array("values", END / 4, r -> r.values);

  private final int[] values = new int[END / 4];

  int get(int offset) {
    return values[offset / 4];
  }

  boolean has(int offset, int bits) {
    return (get(offset) & bits) != 0;
  }

  void set(int offset, int value) {
    values[offset / 4] = value;
  }

  /** The address in the first entry of the filter, which drivers keep as the card's. */
  byte[] firstAddress() {
    int low = get(RA);
    int high = get(RA + 4);
    return new byte[] {
      (byte) low,
      (byte) (low >> 8),
      (byte) (low >> 16),
      (byte) (low >> 24),
      (byte) high,
      (byte) (high >> 8)
    };
  }

  /** What software writes, as far as it can. */
  void write(int offset, int value) {
    int mask = WRITABLE[offset / 4];
    values[offset / 4] = value & mask | values[offset / 4] & ~mask;
  }

  /** Counters are cleared by being read (manual, 13.7). */
  static boolean isCounter(int offset) {
    return offset >= STATISTICS && offset < STATISTICS_END;
  }

  int take(int offset) {
    int value = get(offset);
    set(offset, 0);
    return value;
  }

  /** Counts up to the highest number that there is room for. */
  void count(int offset) {
    if (get(offset) != -1) {
      set(offset, get(offset) + 1);
    }
  }

  /** Adds bytes to a counter of 64 bits. */
  void add(int low, long bytes) {
    long sum = (Integer.toUnsignedLong(get(low)) | (long) get(low + 4) << 32) + bytes;
    set(low, (int) sum);
    set(low + 4, (int) (sum >>> 32));
  }

  /**
   * Values after a reset.
   *
   * @param address the card's own
   */
  void reset(byte[] address) {
    Arrays.fill(values, 0);
    set(CTRL, CTRL_LINK_UP | 1);
    set(PBA, 0x0010_0030);
    set(LEDCTL, 0x0706_8302);
    set(VET, 0x8100);
    int low = 0;
    for (int i = 3; i >= 0; i--) {
      low = low << 8 | address[i] & 0xff;
    }
    set(RA, low);
    set(RA + 4, address[4] & 0xff | (address[5] & 0xff) << 8 | ADDRESS_VALID);
  }
}
