package dev.pollux.devices.storage.floppy;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.storage.AttachedDrive;
import dev.pollux.devices.storage.DriveProperties;
import dev.pollux.devices.timer.CmosRtc;
import java.util.stream.Stream;

/** A floppy drive: where its heads are, and what disk is in it. Machine lock held. */
public final class FloppyDrive implements Device {
  public static final DeviceType<FloppyBus> TYPE =
      DeviceType.on(FloppyBus.KIND, "floppy", FloppyDrive::create)
          .category(DeviceCategory.STORAGE)
          .description("floppy drive")
          .properties(
              Stream.concat(DriveProperties.ALL.stream(), Stream.of(FloppyKind.PROPERTY)).toList())
          .coldPlugOnly();

  // What the BIOS of a PC finds in CMOS memory.
  private static final int CMOS_DRIVES = 0x10;
  private static final int CMOS_EQUIPMENT = 0x14;

  private static final int LAST_STEP = 85;

  private static final StateDescriptor<FloppyDrive> STATE =
      StateDescriptor.of(FloppyDrive.class, "floppy", 1)
          .u8("track", LAST_STEP, d -> d.track, (d, v) -> d.track = v)
          .bool("changed", d -> d.changed, (d, v) -> d.changed = v)
          .bool("taken-out", d -> d.takenOut, (d, v) -> d.takenOut = v);

  private final BlockBackend backend;
  private final int unit;

  /** Where the heads are. */
  private int track;

  /** The disk was changed since the heads last moved. */
  private boolean changed;

  private boolean takenOut;

  FloppyDrive(BlockBackend backend, int unit) {
    this.backend = backend;
    this.unit = unit;
  }

  private static Device create(FloppyBus bus, DeviceContext context) {
    int unit = bus.reservedUnit();
    BlockBackend backend = DriveProperties.claim(context, "/floppy@" + unit);
    if (FloppyFormat.of(backend.length()).isEmpty()) {
      throw context.error(
          "an image of %d bytes is no floppy's; the largest has %d"
              .formatted(backend.length(), new FloppyFormat(80, 36, 3, 5).bytes()));
    }
    FloppyDrive drive = new FloppyDrive(backend, unit);
    FloppyKind kind = context.get(FloppyKind.PROPERTY);
    if (backend.length() > 0 && !kind.takes(drive.format())) {
      throw context.error(
          "drive-type=%s takes no disk of %d bytes".formatted(kind, drive.format().bytes()));
    }
    DriveProperties.attach(context, backend, drive.new Slot(context.node()));
    tellBios(context, unit, kind.cmosType(drive.format()));
    return drive;
  }

  private static void tellBios(DeviceContext context, int unit, int type) {
    context.machine().devices().stream()
        .filter(CmosRtc.class::isInstance)
        .map(CmosRtc.class::cast)
        .forEach(
            rtc -> {
              rtc.setCmos(CMOS_DRIVES, rtc.cmos(CMOS_DRIVES) | type << (unit == 0 ? 4 : 0));
              rtc.setCmos(CMOS_EQUIPMENT, rtc.cmos(CMOS_EQUIPMENT) & ~0xc0 | 1 | unit << 6);
            });
  }

  /** The drive as the block layer sees it. */
  private final class Slot extends AttachedDrive {
    Slot(DeviceNode node) {
      super(node);
    }

    @Override
    public boolean removable() {
      return true;
    }

    @Override
    public boolean trayOpen() {
      return takenOut;
    }

    @Override
    public void ejectRequested(boolean force) {
      move(true);
    }

    @Override
    public void mediumChanged(boolean present) {
      move(!present);
      changed = true;
    }

    private void move(boolean out) {
      if (takenOut != out) {
        takenOut = out;
        backend.trayMoved(out);
      }
    }
  }

  int unit() {
    return unit;
  }

  BlockBackend backend() {
    return backend;
  }

  FloppyFormat format() {
    return FloppyFormat.of(backend.length()).orElse(FloppyFormat.usual());
  }

  boolean hasDisk() {
    return !takenOut && backend.root().isPresent() && backend.length() > 0;
  }

  boolean isChanged() {
    return changed || !hasDisk();
  }

  int track() {
    return track;
  }

  /** Moves the heads, as far as they go. */
  void seek(int to) {
    if (to != track && hasDisk()) {
      changed = false;
    }
    track = Math.clamp(to, 0, LAST_STEP);
  }

  /** Where a sector is on the medium in bytes, or -1 if there is no such. */
  long position(int cylinder, int head, int sector) {
    FloppyFormat format = format();
    if (cylinder >= format.tracks()
        || head >= FloppyFormat.HEADS
        || sector < 1
        || sector > format.sectors()) {
      return -1;
    }
    long number = ((long) cylinder * FloppyFormat.HEADS + head) * format.sectors() + sector - 1;
    return number * FloppyFormat.SECTOR + FloppyFormat.SECTOR > backend.length()
        ? -1
        : number * FloppyFormat.SECTOR;
  }

  @Override
  public String id() {
    return "floppy/" + unit;
  }

  @Override
  public void reset() {
    track = 0;
    changed = false;
    takenOut = false;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
