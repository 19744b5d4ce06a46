package dev.pollux.tests.devices;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.GuestScreen;
import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Debian's kernels with their own virtio drivers, on one command line with everything: the shell is
 * on a virtio console, a file system on a qcow2 disk is mounted and another disk comes and goes by
 * {@code pollux qmp}, a port goes to a file of the host, a SCSI disk is read and written and a disc
 * changed, the balloon goes out and in, and the random number generator is there.
 */
@Timeout(600)
class LinuxVirtioTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final long MEBIBYTE = 1 << 20;

  private static final List<String> MODULES =
      List.of(
          "virtio_pci",
          "virtio_mmio",
          "virtio_blk",
          "ext4",
          "crc32c_generic",
          "virtio_console",
          "virtio_rng",
          "virtio_scsi",
          "sd_mod",
          "sr_mod",
          "virtio_balloon");

  @TempDir private Path folder;
  private Path disk;
  private Path disc;
  private final BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();

  @ParameterizedTest
  @CsvSource({"CLOUD, pc", "GENERIC, q35", "CLOUD, microvm"})
  void driversFindTheirDevices(Kernel kernel, String machine)
      throws IOException, CommandFailed, InterruptedException {
    use(kernel, machine);
  }

  @Tag("campaign")
  @ParameterizedTest
  @CsvSource({"GENERIC, pc", "CLOUD, q35", "GENERIC, microvm"})
  void driversOfTheOtherKernelFindThem(Kernel kernel, String machine)
      throws IOException, CommandFailed, InterruptedException {
    use(kernel, machine);
  }

  private void use(Kernel kernel, String machine)
      throws IOException, CommandFailed, InterruptedException {
    HostTools.assumeInstalled();
    boolean hasScreen = LinuxGuest.hasModule(kernel, "virtio_gpu");
    List<String> modules = new ArrayList<>(MODULES);
    if (hasScreen) {
      modules.add("virtio_gpu");
    }
    Path initrd = LinuxGuest.initrd(folder, kernel, modules.toArray(String[]::new));
    HostTools.makeExt4(folder.resolve("root.qcow2"), 32);
    disk = random("disk", 4 * (int) MEBIBYTE, 1);
    disc = random("disc", 2048 * 50, 2);
    try (LinuxGuest guest =
            LinuxGuest.startWith("console=hvc0 quiet panic=-1", kernel, initrd, options(machine))
                .awaitShell();
        QmpClient client = Monitors.connect(folder.resolve("qmp"), events::add)) {
      assertEquals("hvc0", guest.run("cat /sys/class/tty/console/active"));
      assertEquals("64", guest.run("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c"));
      assertEquals(
          "kept", guest.run("mkdir /mnt; mount /dev/vda /mnt; echo kept > /mnt/it; cat /mnt/it"));
      if (!machine.equals("microvm")) {
        plugAndUnplug(guest, machine);
      }
      usePort(guest);
      useDisks(guest, client);
      if (hasScreen) {
        useScreen(guest, client);
      }
      useBalloon(guest, client);
      assertEquals("", guest.run("umount /mnt"));
      JsonNode _ = client.execute("quit");
      assertEquals(0, guest.process().await(PATIENCE), guest.process().errors());
    }
    Path raw = HostTools.checkExt4(folder.resolve("root.qcow2"));
    assertEquals(
        "kept",
        HostTools.run("/sbin/debugfs", "-R", "cat it", raw.toString()).lines().toList().getLast());
    assumeTrue(
        hasScreen || kernel == Kernel.CLOUD,
        "all but the screen: \"./pollux guest linux --kernel generic --refresh\" fetches its"
            + " driver");
  }

  /** A disk comes and goes by what people type. */
  private void plugAndUnplug(LinuxGuest guest, String machine) throws InterruptedException {
    assertEquals("{}", qmp("blockdev-add", "driver=null-co", "node-name=plugged", "size=1048576"));
    List<String> device =
        new ArrayList<>(
            List.of("device_add", "driver=virtio-blk-pci", "id=extra", "drive=plugged"));
    if (machine.equals("q35")) {
      device.add("bus=port0");
    }
    assertEquals("{}", qmp(device.toArray(String[]::new)));
    String wait = "i=0; while [ %s /dev/vdb ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; ";
    assertEquals("1048576", guest.run(wait.formatted("! -b") + "blockdev --getsize64 /dev/vdb"));
    assertEquals("{}", qmp("device_del", "id=extra"));
    JsonNode gone = event("DEVICE_DELETED");
    while (!gone.path("data").path("device").asText().equals("extra")) {
      gone = event("DEVICE_DELETED");
    }
    assertEquals("gone", guest.run(wait.formatted("-b") + "[ -b /dev/vdb ] || echo gone"));
    assertEquals("{}", qmp("blockdev-del", "node-name=plugged"));
  }

  /** Runs {@code pollux qmp}; returns what it prints. */
  private String qmp(String... words) {
    List<String> command = new ArrayList<>(List.of("qmp", folder.resolve("people").toString()));
    command.addAll(List.of(words));
    try (PolluxProcess client = PolluxProcess.start(command.toArray(String[]::new))) {
      assertEquals(0, client.await(PATIENCE), client::errors);
      return client.output().strip();
    }
  }

  private String[] options(String machine) {
    String kind = machine.equals("microvm") ? "device" : "pci";
    List<String> options =
        new ArrayList<>(
            machine.equals("q35") ? List.of("-device", "pcie-root-port,id=port0") : List.of());
    options.addAll(common(kind));
    String card = machine.equals("q35") ? "virtio-vga" : "virtio-gpu-" + kind;
    options.addAll(List.of("-device", card + ",xres=648,yres=488"));
    options.addAll(List.of("-machine", machine));
    return options.toArray(String[]::new);
  }

  private List<String> common(String kind) {
    return List.of(
        "-serial",
        "none",
        "-monitor",
        "none",
        "-chardev",
        "stdio,id=console,signal=off",
        "-device",
        "virtio-serial-%s,id=ports".formatted(kind),
        "-device",
        "virtconsole,chardev=console",
        "-chardev",
        "file,id=log,path=" + folder.resolve("log"),
        "-device",
        "virtserialport,chardev=log,name=org.example.log,id=port",
        "-device",
        "virtio-rng-" + kind,
        "-device",
        "virtio-balloon-" + kind,
        "-device",
        "virtio-scsi-" + kind,
        "-drive",
        "if=none,id=hd,format=raw,file=" + disk,
        "-device",
        "scsi-hd,drive=hd",
        "-drive",
        "if=none,id=cd,media=cdrom,format=raw,file=" + disc,
        "-device",
        "scsi-cd,drive=cd,id=drive",
        "-qmp",
        "unix:%s,server=on,wait=off".formatted(folder.resolve("qmp")),
        "-qmp",
        "unix:%s,server=on,wait=off".formatted(folder.resolve("people")),
        "-drive",
        "if=none,id=root,format=qcow2,file=" + folder.resolve("root.qcow2"),
        "-device",
        "virtio-blk-%s,drive=root".formatted(kind));
  }

  private Path random(String name, int bytes, int seed) throws IOException {
    byte[] content = new byte[bytes];
    new Random(seed).nextBytes(content);
    return Files.write(folder.resolve(name), content);
  }

  private static String sum(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private void usePort(LinuxGuest guest) throws IOException, InterruptedException {
    assertEquals("org.example.log", guest.run("cat /sys/class/virtio-ports/vport0p1/name"));
    assertEquals("", guest.run("seq 1 3000 > /dev/vport0p1"));
    JsonNode open = event("VSERPORT_CHANGE");
    assertEquals("port", open.path("data").path("id").asText());
    String log = Files.readString(folder.resolve("log"));
    assertTrue(log.startsWith("1\n2\n") && log.endsWith("\n3000\n"), () -> "log: " + log);
  }

  private void useDisks(LinuxGuest guest, QmpClient client)
      throws IOException, CommandFailed, InterruptedException {
    assertEquals(sum(Files.readAllBytes(disk)), guest.run("md5sum < /dev/sda | cut -c1-32"));
    assertEquals(
        "",
        guest.run(
            "dd if=/dev/sda of=/tmp/part bs=64k count=8 2>/dev/null;"
                + " dd if=/tmp/part of=/dev/sda bs=64k seek=16 conv=fsync 2>/dev/null"));
    byte[] written = Files.readAllBytes(disk);
    assertArrayEquals(
        Arrays.copyOf(written, 512 << 10),
        Arrays.copyOfRange(written, 1 << 20, (1 << 20) + (512 << 10)));
    assertEquals(sum(Files.readAllBytes(disc)), guest.run("md5sum < /dev/sr0 | cut -c1-32"));
    Path other = random("other", 2048 * 30, 3);
    JsonNode _ =
        client.execute(
            "blockdev-change-medium",
            JSON.createObjectNode().put("id", "drive").put("filename", other.toString()));
    assertEquals(true, event("DEVICE_TRAY_MOVED").path("data").path("tray-open").asBoolean());
    assertEquals(sum(Files.readAllBytes(other)), guest.run("md5sum < /dev/sr0 | cut -c1-32"));
  }

  /** The kernel's console is on the screen, at the size that the card has asked for. */
  private void useScreen(LinuxGuest guest, QmpClient client) throws IOException, CommandFailed {
    assertEquals("virtio_gpudrmfb", guest.run("cat /sys/class/graphics/fb0/name"));
    assertEquals("648,488", guest.run("cat /sys/class/graphics/fb0/virtual_size"));
    GuestScreen.assertShown(guest, client, folder, 648, 488);
  }

  private void useBalloon(LinuxGuest guest, QmpClient client)
      throws IOException, CommandFailed, InterruptedException {
    String before = memory(guest);
    // Has the host give memory, so that there is something to take back.
    assertEquals(
        "",
        guest.run(
            "mount -o remount,size=80% /tmp; dd if=/dev/zero of=/tmp/fill bs=1M count=220"
                + " 2>/dev/null; rm /tmp/fill"));
    long resident = residentMemory(guest);
    setBalloon(client, 256);
    assertTrue(Long.parseLong(memory(guest)) < Long.parseLong(before) - 200 * 1024);
    long freed = resident - residentMemory(guest);
    assertTrue(freed > 60 * MEBIBYTE, () -> "given back to the host: " + freed);
    setBalloon(client, 512);
    assertEquals(before, memory(guest));
    assertEquals(
        "220+0 records out",
        guest.run("dd if=/dev/zero of=/tmp/fill bs=1M count=220 2>&1 | grep out; rm /tmp/fill"));
  }

  private static String memory(LinuxGuest guest) {
    return guest.run("grep MemTotal /proc/meminfo | tr -dc 0-9");
  }

  /** Bytes of the process that lie in the host's memory. */
  private static long residentMemory(LinuxGuest guest) throws IOException {
    Path status = Path.of("/proc", String.valueOf(guest.process().process().pid()), "status");
    List<String> lines = Files.readAllLines(status);
    return lines.stream()
            .filter(line -> line.startsWith("VmRSS:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
            .sum()
        * 1024;
  }

  private void setBalloon(QmpClient client, long mebibytes)
      throws IOException, CommandFailed, InterruptedException {
    ObjectNode size = JSON.createObjectNode().put("value", mebibytes * MEBIBYTE);
    JsonNode _ = client.execute("balloon", size);
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (client.execute("query-balloon").path("actual").asLong() != mebibytes * MEBIBYTE) {
      assertTrue(System.nanoTime() < end, "the balloon gets there");
      Thread.sleep(50);
    }
    event("BALLOON_CHANGE");
  }

  private JsonNode event(String name) throws InterruptedException {
    while (true) {
      JsonNode event = events.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertTrue(event != null, () -> "no event " + name);
      if (event.path("event").asText().equals(name)) {
        return event;
      }
    }
  }
}
