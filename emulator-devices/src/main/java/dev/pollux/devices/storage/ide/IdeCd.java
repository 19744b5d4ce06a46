package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * A drive for discs with data (ATA/ATAPI-6, PACKET feature set; MMC-3): takes SCSI commands in
 * packets. Machine lock held.
 */
public final class IdeCd extends IdeDrive {
  public static final DeviceType<IdeBus> TYPE =
      DeviceType.on(IdeBus.KIND, "ide-cd", IdeCd::create)
          .category(DeviceCategory.STORAGE)
          .description("disc drive on an IDE or SATA cable")
          .properties(
              Stream.concat(DriveProperties.ALL.stream(), DriveIdentity.PROPERTIES.stream())
                  .toList())
          .coldPlugOnly();

  private static final String MODEL = "POLLUX DVD-ROM";
  private static final int BLOCK = 2048;
  private static final int PACKET_BYTES = 12;

  /** Blocks a second of an audio disc, by which addresses are minutes, seconds and frames. */
  private static final int FRAMES = 75;

  private static final int LEAD_IN = 150;

  /** What a CD of 80 minutes holds; more is a DVD. */
  private static final int CD_BLOCKS = 80 * 60 * FRAMES;

  // The interrupt reason register, which is the count register.
  private static final int COMMAND_PHASE = 1;
  private static final int TO_HOST = 2;

  private static final int USES_DMA = 1;

  private static final int DIAGNOSTIC = 0x90;
  private static final int DEVICE_RESET = 0x08;

  private static final StateDescriptor<IdeCd> STATE =
      declare(StateDescriptor.of(IdeCd.class, "ide-cd", 1))
          .u16("byte-limit", c -> c.byteLimit, (c, v) -> c.byteLimit = v)
          .bool("packet-dma", c -> c.packetDma, (c, v) -> c.packetDma = v)
          .u8(
              "sense",
              Sense.values().length - 1,
              c -> c.sense.ordinal(),
              (c, v) -> c.sense = Sense.values()[v])
          .bool("tray-open", c -> c.trayOpen, (c, v) -> c.trayOpen = v)
          .bool("locked", c -> c.locked, (c, v) -> c.locked = v)
          .bool("changed", c -> c.changed, (c, v) -> c.changed = v)
          .bool("eject-asked", c -> c.ejectAsked, (c, v) -> c.ejectAsked = v)
          .struct("modes", TransferModes.STATE, c -> c.modes);

  /** Why a command failed: sense key, additional code and qualifier (SPC-3, 4.5). */
  enum Sense {
    NONE(0, 0, 0),
    NO_MEDIUM(2, 0x3a, 0),
    UNREADABLE(3, 0x11, 0),
    BAD_COMMAND(5, 0x20, 0),
    BAD_ADDRESS(5, 0x21, 0),
    BAD_FIELD(5, 0x24, 0),
    LOCKED(5, 0x53, 2),
    CHANGED(6, 0x28, 0);

    private final int key;
    private final int code;
    private final int qualifier;

    Sense(int key, int code, int qualifier) {
      this.key = key;
      this.code = code;
      this.qualifier = qualifier;
    }
  }

  private final String id;
  private final DriveIdentity identity;
  private final TransferModes modes = new TransferModes();

  /** Most bytes of a block that the data register hands over. */
  private int byteLimit = BUFFER - 2;

  private boolean packetDma;
  private Sense sense = Sense.NONE;
  private boolean trayOpen;
  private boolean locked;

  /** The medium has changed since the guest was told. */
  private boolean changed;

  private boolean ejectAsked;

  IdeCd(Machine machine, BlockBackend backend, int unit, String id, String serial) {
    this(machine, backend, unit, id, new DriveIdentity(serial, MODEL, DriveIdentity.VERSION, 0));
  }

  private IdeCd(
      Machine machine, BlockBackend backend, int unit, String id, DriveIdentity identity) {
    super(machine, backend, unit);
    this.id = id;
    this.identity = identity;
  }

  private static Device create(IdeBus bus, DeviceContext context) {
    BlockBackend backend = DriveProperties.claim(context, "/disk@" + bus.reservedUnit());
    String id = bus.name() + "/" + bus.reservedUnit();
    DriveIdentity identity = DriveIdentity.of(context, bus.serialNumber(), MODEL);
    IdeCd drive = new IdeCd(context.machine(), backend, bus.reservedUnit(), id, identity);
    DriveProperties.attach(context, backend, drive.new Tray(context.node()));
    return drive;
  }

  @Override
  public String id() {
    return id;
  }

  /** The tray as the block layer sees it. */
  private final class Tray extends AttachedDrive {
    Tray(DeviceNode node) {
      super(node);
    }

    @Override
    public boolean removable() {
      return true;
    }

    @Override
    public boolean trayOpen() {
      return trayOpen;
    }

    @Override
    public boolean locked() {
      return locked;
    }

    @Override
    public void ejectRequested(boolean force) {
      ejectAsked = true;
      if (force) {
        moveTray(true);
        locked = false;
      }
    }

    @Override
    public void mediumChanged(boolean present) {
      moveTray(!present);
      changed = present;
    }
  }

  private void moveTray(boolean open) {
    if (trayOpen != open) {
      trayOpen = open;
      backend.trayMoved(open);
    }
  }

  private boolean hasMedium() {
    return !trayOpen && backend.root().isPresent() && backend.length() > 0;
  }

  private long blocks() {
    return backend.length() / BLOCK;
  }

  // ---- ATA ----

  @Override
  void setSignature() {
    count = 1;
    lbaLow = 1;
    lbaMid = 0x14;
    lbaHigh = 0xeb;
    modes.reset();
    sense = Sense.NONE;
    packetDma = false;
    byteLimit = BUFFER - 2;
  }

  @Override
  void softReset() {
    super.softReset();
    status = 0; // not ready until a packet was taken (9.12)
  }

  @Override
  public void reset() {
    softReset();
    locked = false;
    ejectAsked = false;
    changed = false;
    trayOpen = false;
  }

  @Override
  boolean interrupts(int code) {
    return code == DEVICE_RESET || code == DIAGNOSTIC;
  }

  @Override
  void command(int code) {
    switch (code) {
      case 0xa0 -> startPacket();
      case 0xa1 -> reply(identify(), false);
      case DEVICE_RESET -> {
        softReset();
      }
      case DIAGNOSTIC -> {
        softReset();
        interrupt();
      }
      case 0xef -> {
        if (feature == 0x03 && modes.choose(count) || feature == 0x66 || feature == 0xcc) {
          succeed();
        } else {
          abort();
        }
      }
      case 0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xe7 -> succeed();
      case 0xe5 -> {
        count = 0xff;
        succeed();
      }
      case 0xec -> { // IDENTIFY DEVICE: tells by its failure what it is
        setSignature();
        abort();
      }
      default -> abort();
    }
  }

  private void startPacket() {
    packetDma = (feature & USES_DMA) != 0;
    int limit = lbaHigh << 8 | lbaMid;
    byteLimit = limit == 0 || limit == 0xffff ? BUFFER - 2 : limit;
    count = COMMAND_PHASE;
    awaitPacket(PACKET_BYTES);
  }

  @Override
  int blockSize(int available) {
    // An odd limit is for the last block only.
    return available <= byteLimit ? available : Math.max(2, byteLimit & ~1);
  }

  @Override
  void blockReady(int bytes) {
    count = TO_HOST;
    lbaMid = bytes & 0xff;
    lbaHigh = bytes >> 8;
  }

  @Override
  boolean ended() {
    count = COMMAND_PHASE | TO_HOST;
    return true;
  }

  private byte[] identify() {
    IdentifyData data =
        new IdentifyData()
            .word(0, 2 << 14 | 5 << 8 | 1 << 7 | 2 << 5) // removable disc, DRQ in 50 us
            .word(48, 1)
            .word(49, 1 << 11 | 1 << 9 | 1 << 8) // IORDY, LBA, DMA
            .word(53, 7)
            .word(64, 3)
            .word(65, 120)
            .word(66, 120)
            .word(67, 120)
            .word(68, 120)
            .word(71, 30)
            .word(72, 30)
            .word(80, 0x1e)
            .word(82, 1 << 14 | 1 << 9 | 1 << 4) // NOP, DEVICE RESET, PACKET
            .word(83, 1 << 14)
            .word(84, 1 << 14)
            .word(85, 1 << 9 | 1 << 4)
            .word(87, 1 << 14)
            .word(93, 1 | 1 << 14 | 0x2000);
    identity.describe(data);
    modes.describe(data);
    return data.bytes();
  }

  // ---- packets ----

  private void end() {
    sense = Sense.NONE;
    count = COMMAND_PHASE | TO_HOST;
    succeed();
  }

  private void check(Sense why) {
    sense = why;
    count = COMMAND_PHASE | TO_HOST;
    fail(why.key << 4 | ABORTED);
  }

  @Override
  void mediumFailed() {
    check(Sense.UNREADABLE);
  }

  /** Hands over as much of a reply as the guest has asked for. */
  private void reply(byte[] bytes, int asked) {
    sense = Sense.NONE;
    int length = Math.min(bytes.length, asked);
    if (length == 0) {
      end();
    } else {
      reply(Arrays.copyOf(bytes, length), packetDma);
    }
  }

  @Override
  void packet(byte[] bytes) {
    ByteBuffer p = ByteBuffer.wrap(Arrays.copyOf(bytes, PACKET_BYTES));
    int code = p.get(0) & 0xff;
    if (changed && code != 0x12 && code != 0x03 && code != 0x4a && code != 0x46) {
      changed = false;
      check(Sense.CHANGED);
      return;
    }
    int asked8 = p.get(4) & 0xff;
    int asked16 = p.getShort(7) & 0xffff;
    switch (code) {
      case 0x03 -> reply(sense(), asked8);
      case 0x12 -> reply(inquiry(), asked8);
      case 0x1b -> startStop(p.get(4));
      case 0x1e -> {
        locked = (p.get(4) & 1) != 0;
        end();
      }
      case 0x46 -> reply(configuration(), asked16);
      case 0x4a -> events(p, asked16);
      case 0x51 -> ifMedium(() -> reply(discInformation(), asked16));
      case 0x5a -> modeSense(p, asked16);
      case 0xbd -> reply(mechanism(), p.getShort(8) & 0xffff);
      case 0xbb -> end(); // SET CD SPEED
      case 0x00 -> ifMedium(this::end);
      case 0x25 -> ifMedium(() -> reply(capacity(), 8));
      case 0x28 -> ifMedium(() -> readBlocks(p.getInt(2) & 0xffff_ffffL, asked16));
      case 0xa8 ->
          ifMedium(() -> readBlocks(p.getInt(2) & 0xffff_ffffL, p.getInt(6) & 0xffff_ffffL));
      case 0x2b -> ifMedium(() -> seek(p.getInt(2) & 0xffff_ffffL));
      case 0x43 -> ifMedium(() -> contents(p, asked16));
      case 0xbe -> ifMedium(() -> readCd(p));
      default -> check(Sense.BAD_COMMAND);
    }
  }

  private void ifMedium(Runnable action) {
    if (hasMedium()) {
      action.run();
    } else {
      check(Sense.NO_MEDIUM);
    }
  }

  private void readBlocks(long first, long number) {
    if (first > blocks() || number > blocks() - first) {
      check(Sense.BAD_ADDRESS);
    } else if (number == 0) {
      end();
    } else {
      sense = Sense.NONE;
      read(first * BLOCK, number * BLOCK, packetDma);
    }
  }

  private void seek(long block) {
    if (block >= blocks()) {
      check(Sense.BAD_ADDRESS);
    } else {
      end();
    }
  }

  /** READ CD: only user data, which is all that an image has. */
  private void readCd(ByteBuffer p) {
    int number = (p.get(6) & 0xff) << 16 | (p.get(7) & 0xff) << 8 | p.get(8) & 0xff;
    int fields = p.get(9) & 0xf8;
    if (fields == 0) {
      end();
    } else if (fields == 0x10) {
      readBlocks(p.getInt(2) & 0xffff_ffffL, number);
    } else {
      check(Sense.BAD_FIELD);
    }
  }

  private byte[] sense() {
    byte[] data = new byte[18];
    data[0] = 0x70;
    data[2] = (byte) sense.key;
    data[7] = 10;
    data[12] = (byte) sense.code;
    data[13] = (byte) sense.qualifier;
    return data;
  }

  private byte[] inquiry() {
    return ByteBuffer.allocate(36)
        .put(new byte[] {5, (byte) 0x80, 0, 0x21, 31, 0, 0, 0})
        .put(
            "POLLUX  DVD-ROM         %-4.4s"
                .formatted(identity.version())
                .getBytes(StandardCharsets.US_ASCII))
        .array();
  }

  private void startStop(int action) {
    boolean load = (action & 2) != 0;
    boolean start = (action & 1) != 0;
    if (load && !start && locked) {
      check(trayOpen ? Sense.NO_MEDIUM : Sense.LOCKED);
      return;
    }
    if (load) {
      moveTray(!start);
    }
    end();
  }

  private byte[] capacity() {
    return ByteBuffer.allocate(8).putInt((int) blocks() - 1).putInt(BLOCK).array();
  }

  /** GET CONFIGURATION: profile list and core features (MMC-3, 5.3). */
  private byte[] configuration() {
    boolean dvd = blocks() > CD_BLOCKS;
    int profile = !hasMedium() ? 0 : dvd ? 0x10 : 0x08;
    ByteBuffer out = ByteBuffer.allocate(40);
    out.putInt(36).putShort((short) 0).putShort((short) profile);
    out.putShort((short) 0).put((byte) 3).put((byte) 8);
    out.putShort((short) 0x10).put((byte) (profile == 0x10 ? 1 : 0)).put((byte) 0);
    out.putShort((short) 0x08).put((byte) (profile == 0x08 ? 1 : 0)).put((byte) 0);
    out.putShort((short) 1).put((byte) 0x0b).put((byte) 8).putInt(2); // ATAPI
    out.put((byte) 1).put(new byte[3]);
    out.putShort((short) 3).put((byte) 3).put((byte) 4).put((byte) 0x39).put(new byte[3]);
    return out.array();
  }

  /** GET EVENT STATUS NOTIFICATION, by polling only. */
  private void events(ByteBuffer p, int asked) {
    if ((p.get(1) & 1) == 0) {
      check(Sense.BAD_FIELD);
      return;
    }
    byte[] data = new byte[8];
    data[3] = 1 << 4; // media events there are
    if ((p.get(4) & 1 << 4) == 0) {
      data[1] = 2;
      data[2] = (byte) 0x80;
      reply(Arrays.copyOf(data, 4), asked);
      return;
    }
    data[1] = 6;
    data[2] = 4;
    data[4] = (byte) (ejectAsked ? 1 : changed ? 2 : 0);
    data[5] = (byte) ((trayOpen ? 1 : 0) | (hasMedium() ? 2 : 0));
    ejectAsked = false;
    changed = false;
    reply(data, asked);
  }

  private static byte[] discInformation() {
    byte[] data = new byte[34];
    data[1] = 32;
    data[2] = 0xe; // complete, last session complete
    data[3] = 1;
    data[4] = 1;
    data[5] = 1;
    data[6] = 1;
    data[7] = 0x20;
    Arrays.fill(data, 16, 24, (byte) -1);
    return data;
  }

  private static byte[] mechanism() {
    byte[] data = new byte[8];
    data[5] = 1;
    return data;
  }

  private void modeSense(ByteBuffer p, int asked) {
    int page = p.get(2) & 0x3f;
    if ((p.get(2) & 0xc0) == 0xc0) {
      check(Sense.BAD_FIELD); // no saved values
      return;
    }
    byte[] content =
        switch (page) {
          case 0x01 -> new byte[] {1, 6, 0, 5, 0, 0, 0, 0};
          case 0x2a -> capabilities();
          default -> null;
        };
    if (content == null) {
      check(Sense.BAD_FIELD);
      return;
    }
    ByteBuffer out = ByteBuffer.allocate(8 + content.length);
    out.putShort((short) (content.length + 6)).put((byte) 0x70).put(new byte[5]).put(content);
    reply(out.array(), asked);
  }

  private byte[] capabilities() {
    byte[] page = new byte[20];
    page[0] = 0x2a;
    page[1] = 18;
    page[2] = 0x3b; // reads CD-R, CD-RW, DVD-ROM, DVD-R
    page[4] = 0x70;
    page[5] = 3 << 5;
    page[6] = (byte) (1 << 5 | 1 << 3 | 1 | (locked ? 2 : 0)); // tray, eject, lock
    page[8] = 706 >> 8;
    page[9] = (byte) 706;
    page[11] = 2;
    page[12] = 512 >> 8;
    page[14] = 706 >> 8;
    page[15] = (byte) 706;
    return page;
  }

  /** READ TOC: one track of data, and the lead-out. */
  private void contents(ByteBuffer p, int asked) {
    boolean msf = (p.get(1) & 2) != 0;
    int format = p.get(2) & 0xf;
    int track = p.get(6) & 0xff;
    if (format == 0) {
      format = p.get(9) >> 6 & 3;
    }
    switch (format) {
      case 0 -> {
        if (track > 1 && track != 0xaa) {
          check(Sense.BAD_FIELD);
          return;
        }
        ByteBuffer out = ByteBuffer.allocate(20);
        out.putShort((short) 0).put((byte) 1).put((byte) 1);
        if (track <= 1) {
          entry(out, 1, 0, msf);
        }
        entry(out, 0xaa, blocks(), msf);
        out.putShort(0, (short) (out.position() - 2));
        reply(Arrays.copyOf(out.array(), out.position()), asked);
      }
      case 1 -> {
        ByteBuffer out = ByteBuffer.allocate(12);
        out.putShort((short) 10).put((byte) 1).put((byte) 1);
        entry(out, 1, 0, msf);
        reply(out.array(), asked);
      }
      default -> check(Sense.BAD_FIELD);
    }
  }

  private static void entry(ByteBuffer out, int track, long block, boolean msf) {
    out.put((byte) 0).put((byte) 0x14).put((byte) track).put((byte) 0);
    if (msf) {
      long frames = block + LEAD_IN;
      out.put((byte) 0)
          .put((byte) Math.min(0xff, frames / FRAMES / 60))
          .put((byte) (frames / FRAMES % 60))
          .put((byte) (frames % FRAMES));
    } else {
      out.putInt((int) block);
    }
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
