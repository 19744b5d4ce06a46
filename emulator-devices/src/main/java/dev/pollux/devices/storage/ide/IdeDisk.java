package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import java.util.List;
import java.util.stream.Stream;

/** A disk (ATA/ATAPI-6, general feature set, with 48-bit addresses). Machine lock held. */
public final class IdeDisk extends IdeDrive {
  private static final String MODEL = "POLLUX HARDDISK";
  private static final Property<Long> ROTATION_RATE =
      Property.unsigned(
          "rotation_rate", 16, 0, 0, 0xffff, "turns a minute, 1 for none, 0 to say nothing");

  public static final DeviceType<IdeBus> TYPE =
      DeviceType.on(IdeBus.KIND, "ide-hd", IdeDisk::create)
          .category(DeviceCategory.STORAGE)
          .description("disk on an IDE or SATA cable")
          .properties(
              Stream.of(
                      DriveProperties.ALL,
                      IdeGeometry.PROPERTIES,
                      DriveIdentity.PROPERTIES,
                      List.<Property<?>>of(ROTATION_RATE))
                  .flatMap(List::stream)
                  .toList())
          .coldPlugOnly();

  static final int SECTOR = 512;
  private static final int MOST_MULTIPLE = 16;
  private static final long MOST_28 = 0xfff_ffff;

  /** Of the device register: the address is a number, not cylinder, head and sector. */
  private static final int LBA = 0x40;

  private static final int DIAGNOSTIC = 0x90;
  private static final int ID_NOT_FOUND = 0x10;

  private static final StateDescriptor<IdeDisk> STATE =
      declare(StateDescriptor.of(IdeDisk.class, "ide-hd", 1))
          .u8("multiple", MOST_MULTIPLE, d -> d.multiple, (d, v) -> d.multiple = v)
          .u8("blocked", MOST_MULTIPLE, d -> d.blocked, (d, v) -> d.blocked = v)
          .struct("modes", TransferModes.STATE, d -> d.modes);

  private final String id;
  private final DriveIdentity identity;
  private final IdeGeometry geometry;
  private final int rotationRate;
  private final TransferModes modes = new TransferModes();

  /** Sectors of a block of READ MULTIPLE, 0 while that is switched off. */
  private int multiple = MOST_MULTIPLE;

  /** Sectors of a block of the present command. */
  private int blocked = 1;

  /** A disk with the geometry that its size suggests. */
  IdeDisk(Machine machine, BlockBackend backend, int unit, String id, String serial) {
    this(
        machine,
        backend,
        unit,
        id,
        new DriveIdentity(serial, MODEL, DriveIdentity.VERSION, 0),
        IdeGeometry.DEFAULT,
        0);
  }

  /**
   * @param id the name in saved state
   * @param rotationRate as the disk tells it
   */
  private IdeDisk(
      Machine machine,
      BlockBackend backend,
      int unit,
      String id,
      DriveIdentity identity,
      IdeGeometry geometry,
      int rotationRate) {
    super(machine, backend, unit);
    this.id = id;
    this.identity = identity;
    this.geometry = geometry;
    this.rotationRate = rotationRate;
  }

  private static Device create(IdeBus bus, DeviceContext context) {
    BlockBackend backend = DriveProperties.claim(context, "/disk@" + bus.reservedUnit());
    if (backend.root().isEmpty()) {
      throw context.error("Device needs media, but drive is empty");
    }
    DriveProperties sizes = DriveProperties.of(context);
    if (sizes.logicalBlock() != SECTOR) {
      throw context.error("logical_block_size must be 512 for IDE");
    }
    String id = bus.name() + "/" + bus.reservedUnit();
    IdeDisk disk =
        new IdeDisk(
            context.machine(),
            backend,
            bus.reservedUnit(),
            id,
            DriveIdentity.of(context, bus.serialNumber(), MODEL),
            IdeGeometry.of(context),
            (int) (long) context.get(ROTATION_RATE));
    DriveProperties.attach(context, backend, new AttachedDrive(context.node()));
    return disk;
  }

  @Override
  public String id() {
    return id;
  }

  long sectors() {
    return backend.length() / SECTOR;
  }

  private int cylinders() {
    return geometry.cylinders(sectors());
  }

  @Override
  void setSignature() {
    count = 1;
    lbaLow = 1;
    lbaMid = 0;
    lbaHigh = 0;
    multiple = MOST_MULTIPLE;
    blocked = 1;
    modes.reset();
  }

  @Override
  boolean interrupts(int code) {
    return code == DIAGNOSTIC;
  }

  @Override
  int blockSize(int available) {
    return blocked * SECTOR;
  }

  @Override
  void command(int code) {
    switch (code) {
      case 0x20, 0x21 -> transfer(false, false, false, 1); // READ SECTORS
      case 0x24 -> transfer(true, false, false, 1);
      case 0x25 -> transfer(true, false, true, 1); // READ DMA EXT
      case 0x29 -> transfer(true, false, false, multiple); // READ MULTIPLE EXT
      case 0x30, 0x31 -> transfer(false, true, false, 1); // WRITE SECTORS
      case 0x34 -> transfer(true, true, false, 1);
      case 0x35 -> transfer(true, true, true, 1); // WRITE DMA EXT
      case 0x39 -> transfer(true, true, false, multiple); // WRITE MULTIPLE EXT
      case 0xc4 -> transfer(false, false, false, multiple); // READ MULTIPLE
      case 0xc5 -> transfer(false, true, false, multiple); // WRITE MULTIPLE
      case 0xc6 -> setMultiple();
      case 0xc8, 0xc9 -> transfer(false, false, true, 1); // READ DMA
      case 0xca, 0xcb -> transfer(false, true, true, 1); // WRITE DMA
      case 0x27 -> tellAddress(sectors() - 1, true); // READ NATIVE MAX ADDRESS EXT
      case 0xf8 -> tellAddress(Math.min(sectors() - 1, MOST_28), false);
      case 0x40, 0x41 -> verify(false);
      case 0x42 -> verify(true);
      case 0xe7, 0xea -> flush();
      case 0xec -> reply(identify(), false);
      case 0xef -> setFeatures();
      case DIAGNOSTIC -> diagnose();
      case 0xe5, 0x98 -> { // CHECK POWER MODE: active
        count = 0xff;
        succeed();
      }
      case 0x10, 0x70, 0x91, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0x94, 0x95, 0x96, 0x97, 0x99 ->
          succeed(); // RECALIBRATE, SEEK, INITIALIZE PARAMETERS, power management
      default -> abort();
    }
  }

  private void diagnose() {
    setSignature();
    select = 0;
    error = 1;
    succeed();
  }

  /** The number of sectors in the registers, 0 meaning the most. */
  private int sectorCount(boolean extended) {
    int given = extended ? oldCount << 8 | count : count;
    return given != 0 ? given : extended ? 0x1_0000 : 0x100;
  }

  /** The first sector in the registers; -1 if there is no such. */
  private long address(boolean extended) {
    if (extended) {
      return (long) (oldHigh << 16 | oldMid << 8 | oldLow) << 24
          | lbaHigh << 16
          | lbaMid << 8
          | lbaLow;
    }
    if ((select & LBA) != 0) {
      return (select & 0xfL) << 24 | lbaHigh << 16 | lbaMid << 8 | lbaLow;
    }
    int cylinder = lbaHigh << 8 | lbaMid;
    long track = (long) cylinder * geometry.heads() + (select & 0xf);
    return lbaLow == 0 ? -1 : track * geometry.sectors() + lbaLow - 1;
  }

  /** Whether the sectors of the registers are on the disk; if not the command fails. */
  private boolean checkAddress(boolean extended) {
    long first = address(extended);
    if (first < 0 || first > sectors() - sectorCount(extended)) {
      fail(ABORTED | ID_NOT_FOUND);
      return false;
    }
    return true;
  }

  private void transfer(boolean extended, boolean write, boolean dma, int perBlock) {
    if (perBlock == 0 || write && backend.readOnly()) {
      abort();
      return;
    }
    if (!checkAddress(extended)) {
      return;
    }
    blocked = perBlock;
    long from = address(extended) * SECTOR;
    long bytes = (long) sectorCount(extended) * SECTOR;
    if (write) {
      write(from, bytes, dma);
    } else {
      read(from, bytes, dma);
    }
  }

  private void verify(boolean extended) {
    if (checkAddress(extended)) {
      succeed();
    }
  }

  private void setMultiple() {
    if (count > MOST_MULTIPLE || Integer.bitCount(count) > 1) {
      abort();
    } else {
      multiple = count;
      succeed();
    }
  }

  private void tellAddress(long last, boolean extended) {
    lbaLow = (int) last & 0xff;
    lbaMid = (int) (last >> 8) & 0xff;
    lbaHigh = (int) (last >> 16) & 0xff;
    if (extended) {
      oldLow = (int) (last >> 24) & 0xff;
      oldMid = (int) (last >> 32) & 0xff;
      oldHigh = (int) (last >> 40) & 0xff;
    } else {
      select = select & 0xf0 | (int) (last >> 24) & 0xf;
    }
    succeed();
  }

  private void setFeatures() {
    switch (feature) {
      case 0x02 -> { // write cache
        backend.setWriteCache(true);
        succeed();
      }
      case 0x82 -> {
        backend.setWriteCache(false);
        flush();
      }
      case 0x03 -> {
        if (modes.choose(count)) {
          succeed();
        } else {
          abort();
        }
      }
      // Look-ahead, power-on defaults, power and acoustic management: nothing to do.
      case 0xcc, 0x66, 0xaa, 0x55, 0x05, 0x85, 0x69, 0x67, 0x96, 0x9a, 0x42, 0xc2 -> succeed();
      default -> abort();
    }
  }

  private byte[] identify() {
    long capacity = (long) cylinders() * geometry.heads() * geometry.sectors();
    long sectors = sectors();
    IdentifyData data =
        new IdentifyData()
            .word(0, 0x0040)
            .word(1, cylinders())
            .word(3, geometry.heads())
            .word(6, geometry.sectors())
            .word(47, 0x8000 | MOST_MULTIPLE)
            .word(48, 1) // double-word transfers
            .word(49, 0x0f00) // DMA, LBA, IORDY
            .word(50, 0x4000)
            .word(51, 0x0200)
            .word(52, 0x0200)
            .word(53, 7)
            .word(54, cylinders())
            .word(55, geometry.heads())
            .word(56, geometry.sectors())
            .pair(57, capacity)
            .word(59, multiple == 0 ? 0 : 0x100 | multiple)
            .pair(60, Math.min(sectors, MOST_28))
            .word(64, 3)
            .word(65, 120)
            .word(66, 120)
            .word(67, 120)
            .word(68, 120)
            .word(80, 0x00f0) // ATA-4 to ATA-7
            .word(81, 0x0016)
            .word(82, 1 << 14 | 1 << 5) // NOP, write cache
            .word(83, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10) // FLUSH CACHE, 48 bits
            .word(84, 1 << 14)
            .word(85, 1 << 14 | (backend.writeCache() ? 1 << 5 : 0))
            .word(86, 1 << 13 | 1 << 12 | 1 << 10)
            .word(87, 1 << 14)
            .word(93, 1 | 1 << 14 | 0x2000)
            .quad(100, sectors)
            .word(217, rotationRate);
    if (queueDepth() > 0) { // Serial ATA
      data.word(75, queueDepth() - 1).word(76, 1 << 8 | 1 << 1).word(93, 0);
    }
    identity.describe(data);
    modes.describe(data);
    return data.bytes();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
