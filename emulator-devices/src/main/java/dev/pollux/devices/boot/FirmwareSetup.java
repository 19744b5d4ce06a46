package dev.pollux.devices.boot;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.LinkedTables;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.board.Board;
import dev.pollux.devices.board.FwCfg;
import dev.pollux.devices.board.RamFramebuffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the firmware of a board what it asks for: files of the firmware configuration device, the
 * order of drives in CMOS memory, ACPI tables of the devices that are there at each reset. Machine
 * lock held.
 */
public final class FirmwareSetup implements MachineListener {
  private static final Logger log = LoggerFactory.getLogger(FirmwareSetup.class);

  private static final int CMOS_SHUTDOWN_STATUS = 0x0f;
  private static final int CMOS_BOOT_ORDER = 0x3d;
  private static final int CMOS_BOOT_ORDER_THIRD = 0x38;

  /** In the byte of the third drive: a floppy without boot signature may be booted. */
  private static final int NO_FLOPPY_CHECK = 1;

  /** Shutdown status by which firmware goes on with a guest that slept in RAM. */
  private static final int WAKE_UP = 0xfe;

  private static final int SUPPORTED = 0x80;

  private static final String RAMFB_ROM = "vgabios-ramfb.bin";

  private final Board board;
  private final BootOptions options;

  private FirmwareSetup(Board board, BootOptions options) {
    this.board = board;
    this.options = options;
  }

  /**
   * Prepares a board that has firmware and all its devices, before it is reset for the first time.
   */
  public static void install(Board board, BootOptions options) {
    FirmwareSetup setup = new FirmwareSetup(board, options);
    setup.describe();
    setup.prepare(options.once());
    board.machine().addListener(setup);
  }

  private void describe() {
    FwCfg fwCfg = board.fwCfg();
    fwCfg.putShort(FwCfg.NO_GRAPHIC, options.serialConsole() ? 1 : 0);
    fwCfg.putShort(FwCfg.BOOT_MENU, options.menu() ? 1 : 0);
    fwCfg.putInt(FwCfg.IRQ0_OVERRIDE, 1); // the timer is at pin 2 of the I/O APIC
    options
        .splashTime()
        .ifPresent(
            time -> fwCfg.putFile("etc/boot-menu-wait", little(2).putShort((short) time).array()));
    fwCfg.putFile("etc/boot-fail-wait", little(4).putInt(options.rebootTimeout()).array());
    fwCfg.putFile("etc/system-states", sleepStates());
    options.optionRoms().forEach(this::addRom);
    if (board.machine().devices().stream().anyMatch(RamFramebuffer.class::isInstance)) {
      addRamFramebufferRom();
    }
    options.smbios().ifPresent(smbios -> smbios.files(facts()).forEach(fwCfg::putFile));
  }

  private Smbios.Facts facts() {
    Vcpu vcpu = board.machine().vcpus().getFirst();
    CpuModel model = board.config().cpuModel();
    CpuModel.Leaf leaf = model.cpuid(1, 0, vcpu.cpuState(), 0, true);
    List<long[]> ranges = new ArrayList<>();
    ranges.add(new long[] {0, board.lowRamEnd() - 1});
    if (board.highRamSize() > 0) {
      ranges.add(new long[] {1L << 32, (1L << 32) + board.highRamSize() - 1});
    }
    return new Smbios.Facts(
        model.topology(),
        leaf.eax() & 0xffff_ffffL | (long) leaf.edx() << 32,
        board.config().ramSize(),
        ranges);
  }

  private void addRom(String name, BootOptions.Rom rom) {
    String file = "genroms/" + name;
    board.fwCfg().putFile(file, rom.content());
    board.devices().services().bootDevices().add(rom.bootIndex(), "/rom@" + file);
  }

  /** By which SeaBIOS shows text there; other firmware has a driver of its own. */
  private void addRamFramebufferRom() {
    FirmwareFolders.find(RAMFB_ROM)
        .ifPresentOrElse(
            file ->
                board
                    .fwCfg()
                    .putFile(
                        "vgaroms/" + RAMFB_ROM,
                        FirmwareFile.readOptionRom("-device ramfb", file.toString())),
            () ->
                log.info(
                    "{} is not on this host: SeaBIOS shows nothing on ramfb; \"pollux guest"
                        + " firmware\" fetches it",
                    RAMFB_ROM));
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** By the number of the state: whether there is one, and its SLP_TYP. */
  private byte[] sleepStates() {
    SleepStates states = board.sleepStates();
    return new byte[] {
      (byte) SUPPORTED,
      0,
      0,
      (byte) ((states.ram() ? SUPPORTED : 0) | AcpiPm.SLEEP_TYPE_S3),
      (byte) ((states.disk() ? SUPPORTED : 0) | AcpiPm.SLEEP_TYPE_S4),
      (byte) (SUPPORTED | AcpiPm.SLEEP_TYPE_S5)
    };
  }

  /** What may have changed since the last reset. */
  private void prepare(String order) {
    LinkedTables tables = board.linkedTables();
    FwCfg fwCfg = board.fwCfg();
    fwCfg.putFile(LinkedTables.TABLES_FILE, tables.tables());
    fwCfg.putFile(LinkedTables.RSDP_FILE, tables.rsdp());
    fwCfg.putFile(LinkedTables.SCRIPT_FILE, tables.script());
    fwCfg.putFile("bootorder", bootOrder());
    int codes = 0;
    for (int i = Math.min(order.length(), 3) - 1; i >= 0; i--) {
      codes = codes << 4 | code(order.charAt(i));
    }
    board.setCmos(CMOS_BOOT_ORDER, codes & 0xff);
    board.setCmos(CMOS_BOOT_ORDER_THIRD, codes >> 4 & 0xf0 | NO_FLOPPY_CHECK);
  }

  /**
   * Paths of devices, a line each, with a zero byte at the end; a last line {@code HALT} where
   * nothing else is to be tried.
   */
  private byte[] bootOrder() {
    List<String> lines = new ArrayList<>(board.devices().services().bootDevices().paths());
    if (lines.isEmpty()) {
      return new byte[0];
    }
    if (options.strict()) {
      lines.add("HALT");
    }
    return (String.join("\n", lines) + "\0").getBytes(StandardCharsets.US_ASCII);
  }

  /** The number by which CMOS memory knows a kind of drive. */
  private static int code(char drive) {
    return switch (drive) {
      case 'a', 'b' -> 1;
      case 'c' -> 2;
      case 'd' -> 3;
      case 'n', 'o', 'p' -> 4;
      default -> 0;
    };
  }

  @Override
  public void reset(ShutdownCause cause) {
    prepare(options.order());
  }

  /** Has firmware find itself in RAM and go on with the guest. */
  @Override
  public void wokenUp(WakeupReason reason) {
    board.setCmos(CMOS_SHUTDOWN_STATUS, WAKE_UP);
    board.showRam();
  }
}
