package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.ParentProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * What the user typed after {@code pollux run}, in QEMU's spelling, not yet interpreted. An option
 * that may be repeated is a list in the order typed.
 */
final class RunOptions {
  @ArgGroup(validate = false, heading = "%nMachine:%n")
  final MachineGroup machine = new MachineGroup();

  @ArgGroup(validate = false, heading = "%nWhat to boot:%n")
  final Boot boot = new Boot();

  @ArgGroup(validate = false, heading = "%nConsoles and character devices:%n")
  final Consoles consoles = new Consoles();

  @ArgGroup(validate = false, heading = "%nDevices:%n")
  final Devices devices = new Devices();

  @ArgGroup(validate = false, heading = "%nNetworks:%n")
  final Networks networks = new Networks();

  @ArgGroup(validate = false, heading = "%nDisks:%n")
  final Disks disks = new Disks();

  @ArgGroup(validate = false, heading = "%nWhat the machine does not have:%n")
  final AbsentHardware absent = new AbsentHardware();

  @ArgGroup(validate = false, heading = "%nStart, stop and migration:%n")
  final Running running = new Running();

  @ArgGroup(validate = false, heading = "%nLogs and debugging:%n")
  final Logs logs = new Logs();

  /** CPU, memory, identity. */
  static final class MachineGroup {
    @Option(
        names = {"-machine", "-M"},
        paramLabel = "<type>[,<property>=<value>...]",
        description = "Machine type; \"-machine help\" lists them.")
    final List<String> machine = new ArrayList<>();

    @Option(
        names = "-accel",
        paramLabel = "<engine>[,<property>=<value>...]",
        description =
            "How to run the guest's code; the first that works of several is taken. \"-accel help\""
                + " lists them.")
    final List<String> accel = new ArrayList<>();

    @Option(
        names = "-cpu",
        paramLabel = "<model>[,+<feature>][,-<feature>]...",
        description = "CPU model and its features; \"-cpu help\" lists them.")
    String cpu;

    @Option(
        names = "-smp",
        paramLabel = "[cpus=]<n>[,sockets=<n>][,cores=<n>][,threads=<n>][,maxcpus=<n>]",
        description =
            "Number of virtual CPUs, 1 to 255, and how they are grouped; what is missing follows"
                + " from the rest.")
    final List<String> smp = new ArrayList<>();

    @Option(
        names = "-m",
        paramLabel = "[size=]<size>",
        description = "Memory, 4M to 64G; a bare number counts MiB. Default: 128M.")
    final List<String> memory = new ArrayList<>();

    @Option(names = "-name", paramLabel = "<name>", description = "Name of the virtual machine.")
    String name;

    @Option(
        names = "-uuid",
        paramLabel = "<uuid>",
        description = "Identity of the virtual machine.")
    String uuid;

    @Option(
        names = "-rtc",
        paramLabel = "[base=utc|localtime|<datetime>][,clock=host|vm|rt][,driftfix=none|slew]",
        description = "Time of day at the start, and the clock it follows.")
    final List<String> rtc = new ArrayList<>();
  }

  /** Kernels. */
  static final class Boot {
    @Option(
        names = "-kernel",
        paramLabel = "<file>",
        description = "Linux bzImage, PVH ELF or multiboot kernel.")
    Path kernel;

    @Option(
        names = "-initrd",
        paramLabel = "<file>[,<file>...]",
        description =
            "First root file system; with multiboot the modules, each followed by its arguments if"
                + " it has any.")
    String initrd;

    @Option(names = "-append", paramLabel = "<text>", description = "The kernel's command line.")
    String append;

    @Option(
        names = "-bios",
        paramLabel = "<file>",
        description = "Firmware to begin with; SeaBIOS where no kernel is given.")
    String bios;

    @Option(
        names = "-boot",
        paramLabel =
            "[order=<drives>][,once=<drives>][,menu=on|off][,splash-time=<ms>]"
                + "[,reboot-timeout=<ms>][,strict=on|off]",
        description = "What firmware boots from: c a disk, d a disc, n the network.")
    final List<String> boot = new ArrayList<>();

    @Option(
        names = "-option-rom",
        paramLabel = "<file>",
        description = "An option ROM for firmware to run.")
    final List<String> optionRom = new ArrayList<>();

    @Option(
        names = "-smbios",
        paramLabel = "type=<n>[,<key>=<value>][,...]",
        description =
            "What tables of the firmware say of the machine: type 0 firmware, 1 system, 2 board,"
                + " 3 chassis, 4 processors, 11 other strings, 17 memory; keys are QEMU's.")
    final List<String> smbios = new ArrayList<>();
  }

  /** Character devices and who uses them. */
  static final class Consoles {
    @Option(
        names = "-nographic",
        description =
            "No display; the first serial port and the monitor share the terminal (Ctrl-A h"
                + " helps).")
    boolean nographic;

    @Option(
        names = "-display",
        paramLabel =
            "none|curses|vnc=<where>|web[,addr=<host>:<port>][,token=on|off][,token-secret=<id>]",
        description =
            "Display: none, the characters of the screen in the terminal (Ctrl-A h helps), what"
                + " -vnc says, or a page for browsers.")
    String display;

    @Option(
        names = "-vnc",
        paramLabel =
            "<host>:<n>|unix:<path>|none[,to=<n>][,password=on][,password-secret=<id>]"
                + "[,share=<policy>][,websocket=on|<port>|<host>:<port>]",
        description = "Show the screen to VNC viewers at port 5900 + n.")
    String vnc;

    @Option(
        names = "-serial",
        paramLabel = "<where>",
        description =
            "Connect the next serial port: stdio, mon:stdio, null, none, pty, file:<path>,"
                + " unix:<path>[,server=on][,wait=off], tcp:<host>:<port>[,...], chardev:<id>.")
    final List<String> serial = new ArrayList<>();

    @Option(
        names = {"-expect", "--expect"},
        paramLabel = "<file>",
        description =
            "Run a script on the first serial port: wait for text, type, exit with a status; the"
                + " port's output goes to standard output.")
    Path expect;

    @Option(
        names = "-chardev",
        paramLabel = "<backend>,id=<id>[,...]",
        description = "Make a character device; \"-chardev help\" lists the back ends.")
    final List<String> chardev = new ArrayList<>();

    @Option(
        names = "-monitor",
        paramLabel = "<where>",
        description = "Connect the monitor; takes what -serial takes.")
    final List<String> monitor = new ArrayList<>();

    @Option(
        names = "-mon",
        paramLabel = "[chardev=]<id>[,mode=readline|control][,pretty=on|off]",
        description = "Connect a monitor to a character device.")
    final List<String> mon = new ArrayList<>();

    @Option(
        names = "-qmp",
        paramLabel = "<where>",
        description = "Connect a monitor that speaks QMP; takes what -serial takes.")
    final List<String> qmp = new ArrayList<>();

    @Option(
        names = "-qmp-pretty",
        paramLabel = "<where>",
        description = "As -qmp, with replies that are indented for people.")
    final List<String> qmpPretty = new ArrayList<>();

    @Option(
        names = "-debugcon",
        paramLabel = "<where>",
        description = "Connect the debug console at port 0xe9; takes what -serial takes.")
    final List<String> debugcon = new ArrayList<>();
  }

  /** Everything on the buses. */
  static final class Devices {
    @Option(
        names = "-object",
        paramLabel = "<type>,id=<id>[,<property>=<value>...]",
        description =
            "Make an object that devices use; \"-object help\" lists the types, \"-object"
                + " <type>,help\" the properties.")
    final List<String> object = new ArrayList<>();

    @Option(
        names = "-device",
        paramLabel = "<type>[,<property>=<value>...]",
        description =
            "Add a device; \"-device help\" lists the types, \"-device <type>,help\" the"
                + " properties.")
    final List<String> device = new ArrayList<>();

    @Option(
        names = "-global",
        paramLabel = "<type>.<property>=<value>",
        description = "Change the default of a device's property.")
    final List<String> global = new ArrayList<>();

    @Option(
        names = "-vga",
        paramLabel = "std|virtio|none",
        description =
            "Graphics card: standard VGA, which a machine has that begins with firmware, or a"
                + " virtio-vga; others are devices.")
    String vga;

    @Option(
        names = "-usb",
        description = "A controller for USB: qemu-xhci, where QEMU has older ones.")
    boolean usb;

    @Option(
        names = "-usbdevice",
        paramLabel = "tablet|mouse|keyboard",
        description = "A device on USB; -usb is understood.")
    final List<String> usbdevice = new ArrayList<>();

    @Option(names = "-nodefaults", description = "Leave out the devices that nobody asked for.")
    boolean nodefaults;

    @Option(
        names = "-no-user-config",
        description = "Accepted; there is no configuration of the user to read.")
    boolean noUserConfig;
  }

  /** Networks. */
  static final class Networks {
    @Option(
        names = "-netdev",
        paramLabel = "<type>,id=<id>[,<property>=<value>...]",
        description =
            "Make a network for a card that names it with netdev=: user (NAT, with hostfwd=,"
                + " guestfwd=, restrict=, tftp= ...) or tap (ifname=, fd=, script=); takes JSON,"
                + " too.")
    final List<String> netdev = new ArrayList<>();

    @Option(
        names = "-nic",
        paramLabel = "<type>|none[,model=<card>][,mac=<address>][,<property>=<value>...]",
        description = "Make a network and a card on it; \"none\" for no network.")
    final List<String> nic = new ArrayList<>();

    @Option(
        names = "-net",
        paramLabel = "nic[,model=<card>][,macaddr=<address>]|<type>[,<property>=<value>...]|none",
        description = "Put a card, or a network, on a hub with all others of -net.")
    final List<String> net = new ArrayList<>();
  }

  /** Disks and what they are made of. */
  static final class Disks {
    @Option(
        names = "-drive",
        paramLabel = "[file=<file>][,if=<bus>][,id=<id>][,format=<format>][,...]",
        description =
            "Add a disk: media=disk|cdrom, index=, read-only=, snapshot=, cache=, discard=,"
                + " detect-zeroes=, werror=, rerror=, and the driver's own properties.")
    final List<String> drive = new ArrayList<>();

    @Option(
        names = "-blockdev",
        paramLabel = "driver=<driver>,node-name=<name>[,...]",
        description = "Make a node of the block graph; takes JSON, too.")
    final List<String> blockdev = new ArrayList<>();

    @Parameters(
        arity = "0..1",
        paramLabel = "<image>",
        description =
            "A disk to boot from. With no other option it is a virtio disk of a machine with 1G of"
                + " memory, whose serial console is the terminal.")
    final List<String> image = new ArrayList<>();

    @Option(names = "-fda", paramLabel = "<file>", description = "The first floppy.")
    String fda;

    @Option(names = "-fdb", paramLabel = "<file>", description = "The second floppy.")
    String fdb;

    @Option(names = "-hda", paramLabel = "<file>", description = "The first IDE disk.")
    String hda;

    @Option(names = "-hdb", paramLabel = "<file>", description = "The second IDE disk.")
    String hdb;

    @Option(names = "-hdc", paramLabel = "<file>", description = "The third IDE disk.")
    String hdc;

    @Option(names = "-hdd", paramLabel = "<file>", description = "The fourth IDE disk.")
    String hdd;

    @Option(
        names = "-cdrom",
        paramLabel = "<file>",
        description = "A disc in the third place of IDE.")
    String cdrom;

    @Option(
        names = "-snapshot",
        description = "Forget at the end what the guest writes to its disks.")
    boolean snapshot;
  }

  /** Life cycle. */
  static final class Running {
    @Option(
        names = "-S",
        description = "Wait for the monitor's \"cont\" before the first instruction.")
    boolean stopped;

    @Option(names = "-no-reboot", description = "End when the guest reboots.")
    boolean noReboot;

    @Option(names = "-no-shutdown", description = "Stay, stopped, when the guest powers off.")
    boolean noShutdown;

    @Option(
        names = "-run-with",
        paramLabel = "exit-with-parent=on|off",
        description = "End when the process that started this one ends.")
    final List<String> runWith = new ArrayList<>();

    @Option(
        names = "-sandbox",
        paramLabel = "on|off[,<property>=<value>...]",
        description = "Accepted; system calls are not filtered, which a warning says.")
    final List<String> sandbox = new ArrayList<>();

    @Option(names = "-pidfile", paramLabel = "<file>", description = "Write the process id here.")
    Path pidfile;

    @Option(
        names = "-incoming",
        paramLabel = "<uri>|defer",
        description = "Wait for a migration instead of booting.")
    String incoming;

    @Option(names = "-only-migratable", description = "Refuse devices that cannot be migrated.")
    boolean onlyMigratable;

    @Option(
        names = "-compat",
        paramLabel =
            "[deprecated-input=accept|reject|crash][,deprecated-output=accept|hide]"
                + "[,unstable-input=...][,unstable-output=...]",
        description = "What to do about deprecated and unstable interfaces.")
    final List<String> compat = new ArrayList<>();

    /** On the thread that lives as long as the process. */
    void endWithParentIfAsked() {
      DeviceOptions options = DeviceOptions.parse("-run-with", runWith, "");
      boolean asked = options.bool("exit-with-parent", false);
      options.rejectUnknown();
      if (asked) {
        try {
          ParentProcess.endWithParent();
        } catch (IOException e) {
          throw new ConfigException("-run-with exit-with-parent=on: " + e.getMessage(), e);
        }
      }
    }
  }

  /** What the emulator tells about itself. */
  static final class Logs {
    @Option(
        names = "-d",
        paramLabel = "<item>[,<item>...]",
        description = "Log these; \"-d help\" lists the items.")
    String items;

    @Option(
        names = "-D",
        paramLabel = "<file>",
        description = "Write the log here instead of to standard error.")
    Path file;

    @Option(
        names = "-msg",
        paramLabel = "[timestamp=on|off][,guest-name=on|off]",
        description = "Begin messages with the time, and with the name of the machine.")
    final List<String> msg = new ArrayList<>();

    @Option(
        names = {"-profile", "--profile"},
        paramLabel = "<file>",
        description = "Sample where the guest executes, and write that here at the end.")
    Path profile;

    @Option(
        names = {"-profile-symbols", "--profile-symbols"},
        paramLabel = "<System.map>",
        description = "Names of the guest's addresses for -profile.")
    Path profileSymbols;
  }
}
