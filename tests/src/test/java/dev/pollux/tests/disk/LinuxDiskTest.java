package dev.pollux.tests.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Debian's kernels with their own drivers: a file system is filled on a qcow2 disk, another disk
 * comes and goes while it is used, and the host finds in the images what the guest has put there.
 */
@Timeout(600)
class LinuxDiskTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** Fills /mnt/files: sizes on both sides of what a block, a cluster and a request hold. */
  private static final String FILL =
      "mkdir /mnt/files; cd /mnt/files; : > empty;"
          + " for size in 1 4095 4097 65537 1048577 9000000; do"
          + " dd if=/dev/urandom of=file$size bs=$size count=1 2>&1 | grep -i error; done;"
          + " i=0; while [ $i -lt 200 ]; do echo $i > small$i; i=$((i+1)); done;"
          + " rm small1?; truncate -s 3000000 sparse; echo end >> sparse; cd /";

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "CLOUD, pc, NVME, true",
    "GENERIC, q35, SATA, true",
    "CLOUD, microvm, VIRTIO_MMIO, false"
  })
  void hostFindsWhatGuestWrote(Kernel kernel, String machine, Disk disk, boolean plugs)
      throws IOException, CommandFailed, InterruptedException {
    fillPlugAndCompare(kernel, machine, disk, plugs);
  }

  @Tag("campaign")
  @ParameterizedTest
  @CsvSource({
    "GENERIC, pc, VIRTIO, true",
    "CLOUD, q35, VIRTIO, true",
    "GENERIC, q35, NVME, true",
    "GENERIC, microvm, VIRTIO_MMIO, false"
  })
  void hostFindsWhatTheOtherGuestWrote(Kernel kernel, String machine, Disk disk, boolean plugs)
      throws IOException, CommandFailed, InterruptedException {
    fillPlugAndCompare(kernel, machine, disk, plugs);
  }

  /** What the guest's file system is on. */
  enum Disk {
    VIRTIO("virtio-blk-pci", "vda"),
    VIRTIO_MMIO("virtio-blk-device", "vda"),
    SATA("ide-hd,bus=ide.3", "sda"),
    NVME("nvme,serial=S1", "nvme0n1");

    private final String device;
    private final String name;

    Disk(String device, String name) {
      this.device = device;
      this.name = name;
    }

    /** What the guest calls the next virtio disk. */
    private String plugged() {
      return name.startsWith("vd") ? "vdb" : "vda";
    }
  }

  private void fillPlugAndCompare(Kernel kernel, String machine, Disk kind, boolean plugs)
      throws IOException, CommandFailed, InterruptedException {
    HostTools.assumeInstalled();
    List<String> modules = new ArrayList<>(List.of("virtio_pci", "virtio_mmio", "virtio_blk"));
    modules.addAll(List.of("ext4", "crc32c_generic", "crc32c_intel"));
    if (kind == Disk.NVME) {
      modules.add("nvme");
    }
    if (kind == Disk.SATA) {
      modules.addAll(List.of("ahci", "sd_mod"));
    }
    Path initrd = LinuxGuest.initrd(folder, kernel, modules.toArray(String[]::new));
    Path disk = folder.resolve("disk.qcow2");
    Path plugged = folder.resolve("plugged.qcow2");
    HostTools.makeExt4(disk, 64);
    HostTools.makeExt4(plugged, 32);
    Map<String, String> sums;
    try (LinuxGuest guest = LinuxGuest.start(kernel, initrd, options(machine, kind, disk))) {
      guest.awaitShell();
      assertEquals("", guest.run("mkdir /mnt; mount -t ext4 /dev/%s /mnt".formatted(kind.name)));
      assertEquals("", guest.run(FILL));
      sums = sums(guest.run("sync; cd /mnt/files; sha256sum *; cd /"));
      if (plugs) {
        plugAndUnplug(guest, plugged, machine, kind.plugged());
      }
      assertEquals("", guest.run("umount /mnt"));
      try (QmpClient client = Monitors.connect(socket(), _ -> {})) {
        JsonNode _ = client.execute("quit");
      }
      assertEquals(0, guest.process().await(PATIENCE), guest.process().errors());
    }
    assertEquals(198, sums.size());
    Path raw = HostTools.checkExt4(disk);
    HostTools.copyOut(raw, "/files", folder.resolve("out"));
    assertEquals(sums, hostSums(folder.resolve("out/files")));
    HostTools.run("qemu-img", "check", "-f", "qcow2", plugged.toString());
  }

  private Path socket() {
    return folder.resolve("qmp");
  }

  private String[] options(String machine, Disk kind, Path disk) {
    List<String> options = new ArrayList<>(List.of("-machine", machine));
    options.addAll(List.of("-drive", "if=none,id=d0,format=qcow2,file=" + disk));
    options.addAll(List.of("-device", kind.device + ",drive=d0"));
    if (machine.equals("q35")) {
      options.addAll(List.of("-device", "pcie-root-port,id=port0"));
    }
    options.addAll(List.of("-qmp", "unix:%s,server=on,wait=off".formatted(socket())));
    return options.toArray(String[]::new);
  }

  /** A disk is plugged, mounted, written to, and pulled out while the guest writes to it. */
  private void plugAndUnplug(LinuxGuest guest, Path image, String machine, String name)
      throws IOException, CommandFailed, InterruptedException {
    BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();
    try (QmpClient client = Monitors.connect(socket(), events::add)) {
      ObjectNode node = JSON.createObjectNode().put("driver", "qcow2").put("node-name", "plugged");
      node.putObject("file").put("driver", "file").put("filename", image.toString());
      JsonNode _ = client.execute("blockdev-add", node);
      ObjectNode device =
          JSON.createObjectNode()
              .put("driver", "virtio-blk-pci")
              .put("id", "disk1")
              .put("drive", "plugged");
      if (machine.equals("q35")) {
        device.put("bus", "port0");
      }
      JsonNode _ = client.execute("device_add", device);
      assertEquals(
          "there",
          guest.run(
              "i=0; while [ ! -b /dev/%1$s ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; [ -b /dev/%1$s ] && echo there"
                  .formatted(name)));
      assertEquals("", guest.run("mkdir /mnt2; mount -t ext4 /dev/%s /mnt2".formatted(name)));
      assertEquals("", guest.run("echo kept > /mnt2/kept; sync"));
      String _ =
          guest.run(
              "(while echo more && dd if=/dev/zero bs=64k count=8; do :; done)"
                  + " > /mnt2/log 2> /tmp/said & sleep 0.5");
      JsonNode _ = client.execute("device_del", JSON.createObjectNode().put("id", "disk1"));
      awaitDeleted(events, "disk1");
      JsonNode _ =
          client.execute("blockdev-del", JSON.createObjectNode().put("node-name", "plugged"));
    }
    assertEquals("gone", guest.run("[ -b /dev/%s ] || echo gone".formatted(name)));
    String _ = guest.run("kill %1; umount -l /mnt2; dmesg -n 1");
  }

  private static void awaitDeleted(BlockingQueue<JsonNode> events, String device)
      throws InterruptedException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < end) {
      JsonNode event = events.poll(1, TimeUnit.SECONDS);
      if (event != null
          && event.path("event").asText().equals("DEVICE_DELETED")
          && event.path("data").path("device").asText().equals(device)) {
        return;
      }
    }
    fail("the guest does not let go of " + device);
  }

  private static Map<String, String> sums(String printed) {
    Map<String, String> sums = new TreeMap<>();
    printed
        .lines()
        .forEach(
            line -> {
              assertTrue(line.matches("[0-9a-f]{64} {2}\\w+"), line);
              sums.put(line.substring(66), line.substring(0, 64));
            });
    return sums;
  }

  private static Map<String, String> hostSums(Path folder) throws IOException {
    Map<String, String> sums = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        sums.put(file.getFileName().toString(), "%064x".formatted(new BigInteger(1, digest)));
      }
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    return sums;
  }
}
