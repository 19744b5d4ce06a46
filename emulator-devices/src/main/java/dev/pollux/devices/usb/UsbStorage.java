package dev.pollux.devices.usb;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.DriveProperties;
import dev.pollux.devices.storage.scsi.ScsiBus;
import dev.pollux.devices.storage.scsi.ScsiController;
import dev.pollux.devices.storage.scsi.ScsiDisk;
import dev.pollux.devices.storage.scsi.ScsiRequest;
import dev.pollux.devices.storage.scsi.ScsiSense;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A disk on USB: carries SCSI commands to a disk (Mass Storage Class, Bulk-Only Transport 1.0).
 * Machine lock held.
 *
 * <pre>
 *   from the host  command: USBC, tag, bytes of data, 80 for data to the host, unit, length, command
 *   either way     the data, of which the device keeps all until they are complete
 *   to the host    status: USBS, tag, bytes that were not moved, 0 good, 1 failed, 2 out of step
 * </pre>
 */
public final class UsbStorage implements UsbDevice, ScsiController {
  private static final Property<Boolean> REMOVABLE =
      Property.flag("removable", false, "the guest may take it for a removable medium");

  public static final DeviceType<UsbBus> TYPE =
      DeviceType.on(UsbBus.KIND, "usb-storage", UsbStorage::create)
          .category(DeviceCategory.STORAGE)
          .description("disk on USB")
          .properties(
              Stream.concat(
                      DriveProperties.ALL.stream().filter(p -> p != DriveProperties.SERIAL),
                      Stream.of(REMOVABLE))
                  .toList());

  private static final int IN = 0x81;
  private static final int OUT = 0x02;

  private static final UsbDescriptors.Interface FUNCTION =
      new UsbDescriptors.Interface(
          0x08_06_50,
          new byte[0],
          List.of(new UsbDescriptors.Endpoint.Bulk(IN), new UsbDescriptors.Endpoint.Bulk(OUT)));

  private static final int BULK_RESET = 0x21ff;
  private static final int GET_MAX_UNIT = 0xa1fe;

  private static final int COMMAND_SIGNATURE = 0x4342_5355;
  private static final int STATUS_SIGNATURE = 0x5342_5355;
  private static final int COMMAND_BYTES = 31;
  private static final int STATUS_BYTES = 13;
  private static final int CDB_BYTES = 16;
  private static final int REQUEST_SENSE = 0x03;

  private static final int FAILED = 1;
  private static final int OUT_OF_STEP = 2;

  /** Data of one command. */
  static final int MOST_BYTES = 4 << 20;

  /** What it waits for. */
  private enum Phase {
    /** A command. */
    COMMAND,
    /** Data from the host. */
    TAKING,
    /** The end of a command at the disk. */
    WORKING,
    /** The host to take data. */
    GIVING,
    /** The host to take the status. */
    STATUS
  }

  private static final StateDescriptor<UsbStorage> STATE =
      StateDescriptor.of(UsbStorage.class, "usb-storage", 1)
          .struct("control", ControlEndpoint.STATE, d -> d.control)
          .u8(
              "phase",
              Phase.values().length - 1,
              d -> d.phase.ordinal(),
              (d, v) -> d.phase = Phase.values()[v])
          .u32("tag", d -> d.tag, (d, v) -> d.tag = v)
          .u32("length", d -> d.length, (d, v) -> d.length = v)
          .bool("to-host", d -> d.toHost, (d, v) -> d.toHost = v)
          .bytes("cdb", CDB_BYTES, d -> d.cdb)
          .u32("moved", d -> d.moved, (d, v) -> d.moved = v)
          .u32("real", MOST_BYTES, d -> d.real, (d, v) -> d.real = v)
          .u8("status", OUT_OF_STEP, d -> d.status, (d, v) -> d.status = v)
          .varBytes("sense", ScsiSense.BYTES, d -> d.sense, (d, v) -> d.sense = v)
          .varBytes("data", MOST_BYTES, UsbStorage::saveData, UsbStorage::loadData);

  private final Machine machine;
  private final ControlEndpoint control;

  @HostOnly("saved by itself")
  private ScsiDisk disk;

  @HostOnly("where it is plugged in")
  private UsbPort port;

  private Phase phase = Phase.COMMAND;

  /** The command's number, which its status repeats. */
  private int tag;

  /** Bytes of data that the host has announced, unsigned. */
  private int length;

  private boolean toHost;
  private final byte[] cdb = new byte[CDB_BYTES];

  /** Bytes of data that have been moved, unsigned. */
  private int moved;

  /** Bytes of data that the disk has given or taken. */
  private int real;

  private int status;

  /** Why the last command failed; empty where it has not, or the guest knows. */
  private byte[] sense = {};

  /** The data of a command; null where there are none. */
  @HostOnly("saved as bytes")
  private HostBuffer data;

  /** The command at the disk; null where it has ended, or has to begin anew. */
  @HostOnly("none is under way while the machine stands")
  private Command current;

  @HostOnly("how commands end while the machine is being stopped")
  private final Completions completions;

  @HostOnly("wiring")
  private final MachineListener listener =
      new MachineListener() {
        @Override
        public void stopped() {
          settle();
        }

        @Override
        public void resumed() {
          retry();
        }
      };

  UsbStorage(DeviceContext context) {
    machine = context.machine();
    completions = new Completions(machine.loop()::post);
    String serial = context.get(UsbBus.SERIAL);
    control =
        new ControlEndpoint(
            new UsbDescriptors(
                0x46f4,
                1,
                List.of("Pollux", "Pollux USB Disk", serial.isEmpty() ? "1" : serial),
                0,
                FUNCTION),
            new ControlEndpoint.Function() {
              @Override
              public UsbAnswer request(SetupPacket setup, UsbData answer) {
                return serve(setup, answer);
              }

              @Override
              public void configured(boolean yes) {
                abandon();
              }
            });
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    UsbStorage storage = new UsbStorage(context);
    storage.plugged(bus.port(context, storage));
    ScsiBus inner = ScsiBus.ofOne(context.busName("scsi", 0), storage, context.devices());
    context.addBus(inner);
    storage.disk =
        ScsiDisk.within(
            storage, context, context.get(REMOVABLE), context.get(UsbBus.SERIAL), MOST_BYTES);
    context.addPart("disk", ScsiDisk.HD, inner, storage.disk, given(context));
    context.machine().addListener(storage.listener);
    context.onRemove(() -> context.machine().removeListener(storage.listener));
    return storage;
  }

  /** What the disk's own properties are. */
  private static Map<String, String> given(DeviceContext context) {
    return Map.of(
        DriveProperties.DRIVE.name(),
        context.get(DriveProperties.DRIVE),
        REMOVABLE.name(),
        context.get(REMOVABLE) ? "on" : "off",
        DriveProperties.SERIAL.name(),
        context.get(UsbBus.SERIAL));
  }

  // ---- requests ----

  private UsbAnswer serve(SetupPacket setup, UsbData answer) {
    return switch (setup.code()) {
      case BULK_RESET -> {
        abandon();
        yield UsbAnswer.DONE;
      }
      case GET_MAX_UNIT -> ControlEndpoint.answer(answer, 0);
      default -> UsbAnswer.STALL;
    };
  }

  /** Forgets the command; what the medium has been asked for is done first. */
  private void abandon() {
    if (phase == Phase.WORKING) {
      settle();
    }
    current = null;
    phase = Phase.COMMAND;
    freeData();
    tag = 0;
    length = 0;
    toHost = false;
    Arrays.fill(cdb, (byte) 0);
    moved = 0;
    real = 0;
    status = 0;
  }

  private void freeData() {
    if (data != null) {
      data.close();
      data = null;
    }
  }

  private long announced() {
    return length & 0xffff_ffffL;
  }

  private long moved() {
    return moved & 0xffff_ffffL;
  }

  // ---- the two pipes ----

  @Override
  public UsbAnswer transfer(int endpoint, UsbData packet) {
    if (!control.isConfigured() || control.isHalted(endpoint)) {
      return UsbAnswer.STALL;
    }
    return switch (endpoint) {
      case OUT -> take(packet);
      case IN -> give(packet);
      default -> UsbAnswer.STALL;
    };
  }

  private UsbAnswer take(UsbData packet) {
    return switch (phase) {
      case COMMAND -> takeCommand(packet);
      case TAKING -> takeData(packet);
      case WORKING, GIVING, STATUS -> control.halt(OUT);
    };
  }

  private UsbAnswer takeCommand(UsbData packet) {
    if (packet.length() != COMMAND_BYTES) {
      return control.halt(OUT);
    }
    ByteBuffer in = ByteBuffer.wrap(packet.take(COMMAND_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
    int commandLength = in.get(14) & 0xff;
    if (in.getInt(0) != COMMAND_SIGNATURE
        || in.get(13) != 0
        || commandLength == 0
        || commandLength > CDB_BYTES) {
      control.halt(IN);
      return control.halt(OUT);
    }
    tag = in.getInt(4);
    length = in.getInt(8);
    toHost = in.get(12) < 0;
    Arrays.fill(cdb, (byte) 0);
    in.get(15, cdb, 0, commandLength);
    moved = 0;
    real = 0;
    if (length != 0) {
      data = new HostBuffer(Math.min(announced(), MOST_BYTES)).clear();
    }
    if (toHost || length == 0) {
      begin();
    } else {
      phase = Phase.TAKING;
    }
    return UsbAnswer.DONE;
  }

  private UsbAnswer takeData(UsbData packet) {
    long wanted = wanted(packet);
    long kept = Math.clamp(kept() - moved(), 0, wanted);
    if (kept > 0) {
      packet.take(data.address() + moved(), kept);
    }
    packet.skip(wanted - kept);
    moved += (int) wanted;
    if (moved() >= announced()) {
      begin();
    }
    return UsbAnswer.DONE;
  }

  /** Of the data that are announced, as many as a packet is for. */
  private long wanted(UsbData packet) {
    return Math.clamp(announced() - moved(), 0, packet.length());
  }

  /** Data that the device keeps. */
  private long kept() {
    return data == null ? 0 : data.bytes();
  }

  private UsbAnswer give(UsbData packet) {
    return switch (phase) {
      case WORKING -> UsbAnswer.NAK;
      case GIVING -> giveData(packet);
      case STATUS -> giveStatus(packet);
      case COMMAND, TAKING -> control.halt(IN);
    };
  }

  /** The host gets as much as it has announced: zeros after what there is (6.7.2, case 5). */
  private UsbAnswer giveData(UsbData packet) {
    long wanted = wanted(packet);
    long there = Math.clamp(kept() - moved(), 0, wanted);
    if (there > 0) {
      packet.put(data.address() + moved(), there);
    }
    packet.putZeros(wanted - there);
    moved += (int) wanted;
    if (moved() >= announced()) {
      endData();
    }
    return UsbAnswer.DONE;
  }

  private void endData() {
    freeData();
    phase = Phase.STATUS;
  }

  private UsbAnswer giveStatus(UsbData packet) {
    if (packet.length() < STATUS_BYTES) {
      return UsbAnswer.BABBLE;
    }
    packet.put(
        ByteBuffer.allocate(STATUS_BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(STATUS_SIGNATURE)
            .putInt(tag)
            .putInt((int) (announced() - real))
            .put((byte) status)
            .array());
    phase = Phase.COMMAND;
    return UsbAnswer.DONE;
  }

  // ---- commands ----

  /** Has the disk carry out the command, the data of which are complete. */
  private void begin() {
    phase = Phase.WORKING;
    if ((cdb[0] & 0xff) == REQUEST_SENSE && sense.length > 0) {
      giveSense();
    } else if (announced() > MOST_BYTES) {
      end(ScsiRequest.CHECK_CONDITION, ScsiSense.BAD_FIELD, 0);
    } else {
      sense = new byte[0];
      current = new Command(this, completions, cdb.clone(), toHost, data);
      current.execute(disk);
    }
  }

  /** What the host asks for after a command that failed. */
  private void giveSense() {
    byte[] told = sense;
    sense = new byte[0];
    int asked = Math.min(cdb[4] & 0xff, told.length);
    int room = toHost ? (int) Math.min(asked, kept()) : 0;
    if (room > 0) {
      RawMemory.copyIn(told, 0, data.address(), room);
    }
    end(ScsiRequest.GOOD, ScsiSense.NONE, room);
  }

  /** A command has ended, unless it has been abandoned meanwhile. */
  void ended(Command command, int result, ScsiSense why, long transferred) {
    if (command == current) {
      current = null;
      end(result, why, transferred);
    }
  }

  private void end(int result, ScsiSense why, long transferred) {
    if (result != ScsiRequest.GOOD) {
      sense = why.encode();
    }
    conclude(result == ScsiRequest.GOOD ? 0 : FAILED, transferred);
  }

  /** The host and the command do not agree on the data. */
  void outOfStep(Command command) {
    if (command == current) {
      current = null;
      conclude(OUT_OF_STEP, 0);
    }
  }

  /** The machine is about to stop: the command begins anew when it goes on. */
  void kept(Command command) {
    if (command == current) {
      current = null;
    }
  }

  private void conclude(int result, long transferred) {
    status = result;
    real = (int) Math.clamp(transferred, 0, Math.min(announced(), MOST_BYTES));
    if (toHost && length != 0) {
      phase = Phase.GIVING;
    } else {
      endData();
    }
    port.ready(IN);
  }

  /** Waits for what is under way at the disk. */
  private void settle() {
    while (current != null) {
      disk.drain();
      completions.run();
    }
  }

  // ---- as the controller of the disk ----

  @Override
  public void exclusively(Runnable action) {
    action.run();
  }

  @Override
  public void added(ScsiDisk unit) {}

  @Override
  public void removing(ScsiDisk unit) {
    abandon();
  }

  @Override
  public void changed(ScsiDisk unit, ScsiSense what) {}

  @Override
  public void retry() {
    if (phase == Phase.WORKING && current == null && machine.runState().current().isRunning()) {
      begin();
    }
  }

  // ---- as a device ----

  @Override
  public UsbAnswer control(SetupPacket setup, UsbData answer) {
    return control.control(setup, answer, port.speed());
  }

  @Override
  public String productName() {
    return control.productName();
  }

  @Override
  public String firmwareName() {
    return "storage";
  }

  @Override
  public Set<UsbSpeed> speeds() {
    return EnumSet.allOf(UsbSpeed.class);
  }

  @Override
  public void plugged(UsbPort where) {
    port = where;
  }

  @Override
  public UsbPort port() {
    return port;
  }

  @Override
  public int address() {
    return control.address();
  }

  @Override
  public void busReset() {
    control.reset();
    sense = new byte[0];
  }

  @Override
  public String sectionName() {
    return "usb-storage";
  }

  @Override
  public String id() {
    return UsbDevice.super.id();
  }

  @Override
  public void reset() {
    busReset();
  }

  @Override
  public void close() {
    abandon();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }

  private byte[] saveData() {
    return data == null ? new byte[0] : data.toBytes(0, (int) data.bytes());
  }

  private void loadData(byte[] bytes) {
    freeData();
    current = null;
    if (bytes.length > 0) {
      data = new HostBuffer(bytes.length);
      RawMemory.copyIn(bytes, 0, data.address(), bytes.length);
    }
  }
}
