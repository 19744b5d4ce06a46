package dev.pollux.tests.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
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
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A guest uses its disks, its screen and its tablet all the time while it moves, or while it is one
 * of a pair.
 */
@Timeout(600)
class BusyDiskTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int CHECKPOINTS = 20;

  /**
   * Writes blocks past the guest's cache, to all disks at once and to one of them twice, and looks
   * at what was written.
   */
  private static final String WRITE =
      "i=0; until [ -b /dev/sdc ] || [ $i -ge 300 ]; do sleep 0.1; i=$((i+1)); done; "
          + "dd if=/dev/urandom of=/tmp/f bs=64k count=1 2> /tmp/said; "
          + "work() { i=0; bad=0; while [ ! -e /tmp/stop ]; do n=$((i % 10 * 2 + $2)); "
          + "dd if=/tmp/f of=/dev/$1 bs=64k seek=$n oflag=direct 2> /tmp/said || bad=$((bad+1)); "
          + "dd if=/dev/$1 of=/tmp/g$1$2 bs=64k skip=$n count=1 iflag=direct 2> /tmp/said; "
          + "cmp /tmp/f /tmp/g$1$2 || bad=$((bad+1)); i=$((i+1)); done; echo $1 i=$i bad=$bad; }; "
          + "for d in vda nvme0n1 sda sdb sdc fd0; do work $d 0 & done; "
          + "work nvme0n1 1 & echo started";

  private static final int WRITERS = 7;

  /**
   * Reads two disks past the guest's cache, and has requests under way at all other devices: writes
   * to disks, random numbers, lines on a console and a channel.
   */
  private static final String READ =
      "i=0; until [ -b /dev/sdb ] || [ $i -ge 300 ]; do sleep 0.1; i=$((i+1)); done; work() {"
          + " h=$(sha256sum < /dev/$1); i=0; bad=0; while [ ! -e /tmp/stop ]; do dd if=/dev/$1"
          + " of=/tmp/g$1 bs=256k iflag=direct 2> /tmp/said || bad=$((bad+1)); [ \"$(sha256sum <"
          + " /tmp/g$1)\" = \"$h\" ] || bad=$((bad+1)); i=$((i+1)); done; echo $1 i=$i bad=$bad; };"
          + " noise() { while [ ! -e /tmp/stop ]; do dd if=/dev/zero of=/dev/vdb bs=64k count=64"
          + " oflag=direct 2> /tmp/said; dd if=/dev/hwrng of=/dev/null bs=64 count=4 2> /tmp/said;"
          + " dd if=/dev/sda of=/dev/null bs=64k count=16 iflag=direct 2> /tmp/said || echo bad"
          + " sda; dd if=/dev/zero of=/dev/sda bs=64k count=16 oflag=direct 2> /tmp/said; dd"
          + " if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2> /tmp/said || echo bad"
          + " nvme; dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=16 oflag=direct 2> /tmp/said; seq"
          + " 1 100 > /dev/hvc0; seq 1 100 > $port; done; }; port=$(ls /dev/vport*p1); work vda &"
          + " work sdb & noise & echo started";

  private static final int READERS = 2;

  /** Writes to the screen without an end, and keeps what the tablet says. */
  private static final String LOOK =
      "i=0; until grep -q 'USB Tablet' /proc/bus/input/devices || [ $i -ge 300 ]; do sleep 0.1;"
          + " i=$((i+1)); done; e=$(grep -A4 'USB Tablet' /proc/bus/input/devices"
          + " | grep -o 'event[0-9]*'); cat /dev/input/$e > /tmp/seen & echo $! > /tmp/cat;"
          + " show() { while [ ! -e /tmp/shown ]; do cat /proc/self/maps > /dev/tty0; done; };"
          + " show & echo $! > /tmp/show; echo started";

  private static final String END = "kill $(cat /tmp/cat); sleep 1; touch /tmp/stop; wait";

  /** Bytes of what the kernel says of a movement: the event and that this was all. */
  private static final int SEEN = 48;

  /** Of the value in that. */
  private static final int SEEN_VALUE = 20;

  private static final Pattern RESULT = Pattern.compile("i=(\\d+) bad=(\\d+)");

  private static final List<String> MODULES =
      List.of(
          "virtio_pci",
          "virtio_blk",
          "nvme",
          "ata_piix",
          "ahci",
          "sd_mod",
          "floppy",
          "xhci_pci",
          "usb_storage",
          "usbhid",
          "hid_generic",
          "evdev",
          "virtio_gpu");
  private static final List<String> PAIR_MODULES =
      List.of(
          "virtio_pci",
          "virtio_blk",
          "virtio_rng",
          "virtio_scsi",
          "sd_mod",
          "virtio_console",
          "virtio_balloon",
          "virtiofs",
          "nvme",
          "xhci_pci",
          "usb_storage",
          "usbhid",
          "hid_generic",
          "evdev",
          "virtio_gpu");

  private static final int WIDTH = 648;
  private static final int HEIGHT = 488;
  private static final String SCREEN = "virtio-gpu-pci,xres=%d,yres=%d".formatted(WIDTH, HEIGHT);

  @TempDir private Path folder;

  @Test
  void requestsUnderWayAreDoneBeforeAMachineMoves() throws Exception {
    HostTools.assumeInstalled();
    assumeDrivers();
    List<String> options = new ArrayList<>();
    for (String disk : List.of("d0", "nvme", "ide", "sata", "usb")) {
      Path image = folder.resolve(disk);
      HostTools.run("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "32M");
      options.addAll(
          List.of("-drive", "if=none,format=qcow2,id=%s,file=%s".formatted(disk, image)));
    }
    Path floppy = Files.write(folder.resolve("floppy"), new byte[1440 << 10]);
    options.addAll(List.of("-drive", "if=floppy,format=raw,file=" + floppy));
    for (String device :
        List.of(
            "nvme,drive=nvme,serial=S1",
            "ide-hd,bus=ide.0,drive=ide",
            "ich9-ahci,id=more",
            "ide-hd,bus=more.0,drive=sata",
            "qemu-xhci",
            "usb-storage,drive=usb",
            "usb-tablet",
            SCREEN)) {
      options.addAll(List.of("-device", device));
    }
    try (LinuxGuest here = start(MODULES, "here", options)) {
      here.awaitShell();
      assertTrue(here.run(WRITE).endsWith("started"));
      assertTrue(here.run(LOOK).endsWith("started"));
      try (LinuxGuest there =
              start(MODULES, "there", Stream.concat(options.stream(), incoming()).toList());
          QmpClient source = connect("here");
          QmpClient target = connect("there")) {
        for (QmpClient each : List.of(source, target)) {
          capabilities(each, "late-block-activate");
        }
        migrate(source, target);
        await(source, "query-migrate", "completed");
        await(target, "query-status", "running");
        here.process().process().destroyForcibly();
        assertLooksOn(there, target);
        assertResults(there.run(END), WRITERS);
        JsonNode _ = target.execute("quit");
        assertEquals(0, there.process().await(PATIENCE), there.process().errors());
      }
    }
    for (String disk : List.of("d0", "nvme", "ide", "sata", "usb")) {
      HostTools.run("qemu-img", "check", "-f", "qcow2", folder.resolve(disk).toString());
    }
  }

  @Test
  void pairGoesOnWithRequestsUnderWayAtEachCheckpoint() throws Exception {
    assumeDrivers();
    byte[] contents = new byte[4 << 20];
    new Random(11).nextBytes(contents);
    for (String side : List.of("here", "there")) {
      Files.write(folder.resolve(side + ".raw"), contents);
      Files.write(folder.resolve(side + ".stick"), contents);
    }
    try (LinuxGuest here = start(PAIR_MODULES, "here", pairOptions("here").toList())) {
      here.awaitShell();
      assertTrue(here.run(READ).endsWith("started"));
      assertTrue(here.run(LOOK).endsWith("started"));
      try (LinuxGuest there =
              start(
                  PAIR_MODULES, "there", Stream.concat(pairOptions("there"), incoming()).toList());
          QmpClient source = connect("here");
          QmpClient target = connect("there")) {
        for (QmpClient each : List.of(source, target)) {
          capabilities(each, "x-colo", "return-path");
        }
        ObjectNode parameters = JSON.createObjectNode().put("x-checkpoint-delay", 100);
        JsonNode _ = source.execute("migrate-set-parameters", parameters);
        migrate(source, target);
        await(source, "query-migrate", "colo");
        awaitCheckpoints(source, target);
        here.process().process().destroyForcibly();
        JsonNode _ = target.execute("x-colo-lost-heartbeat");
        await(target, "query-status", "running");
        there.type("\n");
        assertLooksOn(there, target);
        assertResults(there.run(END), READERS);
        assertEquals("", there.run("dmesg | grep -E 'BUG|Oops|I/O error|lockup'"));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void imagesAreLockedWhereThePausedMachineArrivesOrOnlyWhenItRuns(boolean late) throws Exception {
    Path disk = Files.write(folder.resolve("disk.raw"), new byte[1 << 20]);
    try (PolluxProcess here = halted("here", disk);
        PolluxProcess there = halted("there", disk, "-incoming", "defer");
        QmpClient source = connect("here");
        QmpClient target = connect("there")) {
      assertTrue(isLocked(disk));
      if (late) {
        capabilities(target, "late-block-activate");
      }
      migrate(source, target);
      await(source, "query-migrate", "completed");
      await(target, "query-migrate", "completed");
      assertEquals(!late, isLocked(disk));
      JsonNode _ = target.execute("cont");
      assertTrue(isLocked(disk));
      JsonNode _ = source.execute("quit");
      assertEquals(0, here.await(PATIENCE), here.errors());
      assertTrue(isLocked(disk), "the source lets go of what it has handed over");
      JsonNode _ = target.execute("quit");
      assertEquals(0, there.await(PATIENCE), there.errors());
    }
  }

  /** A machine that does nothing, paused at its start. */
  private PolluxProcess halted(String name, Path disk, String... more) {
    Path kernel = new TinyKernel().halt().write(folder.resolve("kernel"));
    Stream<String> common =
        Stream.of(
            "run -m 8 -S -display none -monitor none -serial none -kernel",
            kernel.toString(),
            "-drive",
            "if=none,id=d0,format=raw,file=" + disk,
            "-device virtio-blk-pci,drive=d0 -qmp",
            socket(name) + ",server=on,wait=off");
    return PolluxProcess.start(
        Stream.concat(common.flatMap(words -> Stream.of(words.split(" "))), Stream.of(more))
            .toArray(String[]::new));
  }

  private static boolean isLocked(Path file) throws IOException {
    String inode = ":" + Files.getAttribute(file, "unix:ino") + " ";
    return Files.readAllLines(Path.of("/proc/locks")).stream().anyMatch(l -> l.contains(inode));
  }

  private static void assumeDrivers() throws IOException {
    for (String driver : List.of("xhci_pci", "virtio_gpu")) {
      assumeTrue(
          LinuxGuest.hasModule(Kernel.GENERIC, driver),
          "no %s; \"./pollux guest linux --kernel generic --refresh\" fetches it"
              .formatted(driver));
    }
  }

  private LinuxGuest start(List<String> modules, String name, List<String> options)
      throws IOException {
    Path initrd = LinuxGuest.initrd(folder, Kernel.GENERIC, modules.toArray(String[]::new));
    Stream<String> common =
        Stream.of(
            "-m",
            "256",
            "-device",
            "virtio-blk-pci,drive=d0",
            "-qmp",
            socket(name) + ",server=on,wait=off");
    return LinuxGuest.start(
        Kernel.GENERIC, initrd, Stream.concat(options.stream(), common).toArray(String[]::new));
  }

  /** A machine with one of everything that can be plugged. */
  private Stream<String> pairOptions(String side) {
    return Stream.of(
            "-machine q35",
            "-drive if=none,id=d0,format=raw,file=" + folder.resolve(side + ".raw"),
            "-blockdev driver=null-co,node-name=n0,size=16777216",
            "-device virtio-blk-pci,drive=n0,addr=8",
            "-device virtio-rng-pci,addr=9",
            "-device virtio-scsi-pci,addr=10,id=scsi",
            "-blockdev driver=null-co,node-name=n1,size=16777216",
            "-device scsi-hd,drive=n1,bus=scsi.0",
            "-blockdev driver=null-co,node-name=n2,size=1048576",
            "-device scsi-cd,drive=n2,bus=scsi.0",
            "-device virtio-serial-pci,addr=11,id=ports",
            "-chardev null,id=con",
            "-chardev file,id=chan,path=" + folder.resolve(side + ".channel"),
            "-device virtserialport,chardev=chan,name=org.example.channel,nr=1",
            "-device virtconsole,chardev=con,nr=2",
            "-device virtio-balloon-pci,addr=12,free-page-reporting=on",
            "-device virtio-fs-pci,addr=13,tag=folder,path=" + folder,
            "-device pcie-root-port,id=port,addr=14",
            "-device virtio-net-pci,bus=port",
            "-device pci-bridge,id=bridge,chassis_nr=9,addr=15",
            "-device e1000,bus=bridge,addr=1",
            "-blockdev driver=null-co,node-name=n3,size=16777216",
            "-device nvme,drive=n3,serial=S3,addr=16",
            "-drive if=none,id=n4,format=raw,file=" + folder.resolve(side + ".stick"),
            "-device qemu-xhci,id=usb,addr=17",
            "-device usb-storage,drive=n4,bus=usb.0",
            "-device usb-tablet,bus=usb.0",
            "-device %s,addr=18".formatted(SCREEN))
        .flatMap(words -> Stream.of(words.split(" ", 2)));
  }

  private static Stream<String> incoming() {
    return Stream.of("-incoming", "defer");
  }

  private String socket(String name) {
    return "unix:" + folder.resolve(name + ".qmp");
  }

  private QmpClient connect(String name) throws Exception {
    return Monitors.connect(socket(name), _ -> {}, PATIENCE);
  }

  private static void capabilities(QmpClient client, String... names)
      throws IOException, CommandFailed {
    ObjectNode arguments = JSON.createObjectNode();
    for (String name : names) {
      arguments.withArray("capabilities").addObject().put("capability", name).put("state", true);
    }
    JsonNode _ = client.execute("migrate-set-capabilities", arguments);
  }

  private void migrate(QmpClient source, QmpClient target) throws IOException, CommandFailed {
    String uri = "unix:" + folder.resolve("stream");
    ObjectNode parameters =
        JSON.createObjectNode().put("max-bandwidth", 0).put("downtime-limit", 2000);
    JsonNode _ = source.execute("migrate-set-parameters", parameters);
    JsonNode _ = target.execute("migrate-incoming", JSON.createObjectNode().put("uri", uri));
    JsonNode _ = source.execute("migrate", JSON.createObjectNode().put("uri", uri));
  }

  private static void await(QmpClient client, String command, String status) throws Exception {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      JsonNode reply = client.execute(command);
      String now = reply.path("status").asText();
      if (now.equals(status)) {
        return;
      }
      if (System.nanoTime() > end || now.equals("failed")) {
        fail(command + " tells " + reply);
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  /** The user moves the tablet meanwhile. */
  private static void awaitCheckpoints(QmpClient primary, QmpClient secondary) throws Exception {
    long end = System.nanoTime() + PATIENCE.toNanos();
    long loaded = 0;
    while (loaded < CHECKPOINTS) {
      assertTrue(System.nanoTime() < end, "only " + loaded + " checkpoints");
      point(primary, (int) loaded);
      TimeUnit.MILLISECONDS.sleep(50);
      loaded = secondary.execute("x-pollux-query-colo-statistics").path("checkpoints").asLong();
    }
  }

  private static void point(QmpClient client, int x) throws IOException, CommandFailed {
    ObjectNode event = JSON.createObjectNode().put("type", "abs");
    event.putObject("data").put("axis", "x").put("value", x);
    ObjectNode arguments = JSON.createObjectNode();
    arguments.putArray("events").add(event);
    JsonNode _ = client.execute("input-send-event", arguments);
  }

  /** The guest hears of its tablet, and what it shows is what it has in its memory. */
  private void assertLooksOn(LinuxGuest guest, QmpClient client) throws Exception {
    int place = 0x1234;
    point(client, place);
    long end = System.nanoTime() + PATIENCE.toNanos();
    int seen = -1;
    while (seen != place) {
      assertTrue(System.nanoTime() < end, "the tablet is at " + seen);
      String last = guest.run("tail -c %d /tmp/seen | base64".formatted(SEEN));
      ByteBuffer events = ByteBuffer.wrap(Base64.getMimeDecoder().decode(last));
      if (events.capacity() == SEEN) {
        seen = events.order(ByteOrder.LITTLE_ENDIAN).getInt(SEEN_VALUE);
      }
    }
    assertEquals("", guest.run("touch /tmp/shown; wait $(cat /tmp/show)"));
    GuestScreen.assertShown(guest, client, folder, WIDTH, HEIGHT);
  }

  /** So many loops have each gone round, and found nothing wrong. */
  private static void assertResults(String printed, int loops) {
    Matcher result = RESULT.matcher(printed);
    for (int i = 0; i < loops; i++) {
      assertTrue(result.find(), printed);
      assertTrue(Long.parseLong(result.group(1)) > 0, printed);
      assertEquals("0", result.group(2), printed);
    }
  }
}
