package dev.pollux.tests.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest whose host has no room left, has a bad sector, or has lost a part of an image: the
 * machine stops and goes on without having lost anything, or the guest hears of an I/O error.
 */
@Timeout(600)
class FullDiskTest {
  private static final int MIB = 1 << 20;
  private static final int ROOM = 4 * MIB;

  @TempDir private Path folder;

  private final BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();

  @Test
  void hostsTroublesReachTheGuestOrStopIt() throws Exception {
    HostTools.assumeInstalled();
    Path small = Files.createDirectory(folder.resolve("small"));
    assumeTrue(mount(small), "the host lets this user mount no tmpfs");
    try {
      saysInOneSentenceThatAConversionHasNoRoom(small);
      stopAndGoOn(small);
    } finally {
      HostTools.run("umount", small.toString());
    }
  }

  private static boolean mount(Path on) throws IOException, InterruptedException {
    String size = "size=" + ROOM;
    return new ProcessBuilder("mount", "-t", "tmpfs", "-o", size, "tmpfs", on.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor()
        == 0;
  }

  private void saysInOneSentenceThatAConversionHasNoRoom(Path small) throws IOException {
    Path data = folder.resolve("data.raw");
    byte[] bytes = new byte[2 * ROOM];
    Arrays.fill(bytes, (byte) 1);
    Files.write(data, bytes);
    for (String format : new String[] {"raw", "qcow2"}) {
      Path target = small.resolve("target");
      try (PolluxProcess img =
          PolluxProcess.start("img", "convert", "-O", format, data.toString(), target.toString())) {
        assertEquals(1, img.await(Duration.ofSeconds(60)), img.errors());
        assertTrue(
            img.errors()
                .matches("pollux img: error while writing at byte \\d+: No space left on device\n"),
            img.errors());
      }
      Files.delete(target);
    }
  }

  private void stopAndGoOn(Path small) throws Exception {
    Path full = small.resolve("full.qcow2");
    Path cut = folder.resolve("cut.raw");
    Path bad = folder.resolve("bad.raw");
    HostTools.run("qemu-img", "create", "-q", "-f", "qcow2", full.toString(), "32M");
    Files.write(cut, new byte[8 * MIB]);
    Files.write(bad, new byte[8 * MIB]);
    Path kept = Files.write(folder.resolve("kept.raw"), new byte[8 * MIB]);
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_blk");
    try (LinuxGuest guest =
        LinuxGuest.start(
            Kernel.CLOUD,
            initrd,
            "-drive",
            "if=none,id=full,format=qcow2,werror=enospc,file=" + full,
            "-device",
            "virtio-blk-pci,drive=full,id=disk0",
            "-drive",
            "if=none,id=cut,format=raw,file=" + cut,
            "-device",
            "virtio-blk-pci,drive=cut",
            "-blockdev",
            "driver=blkdebug,node-name=bad,inject-error.0.iotype=write,inject-error.0.sector=8192,"
                + "image.driver=file,image.filename="
                + bad,
            "-device",
            "virtio-blk-pci,drive=bad,werror=report",
            "-drive",
            "if=none,id=kept,format=raw,rerror=stop,file=" + kept,
            "-device",
            "virtio-blk-pci,drive=kept",
            "-qmp",
            "unix:%s,server=on,wait=off".formatted(folder.resolve("qmp")))) {
      guest.awaitShell();
      assertTrue(fails(guest, "if=/dev/zero of=/dev/vdc seek=4 oflag=direct"));
      assertFalse(fails(guest, "if=/dev/zero of=/dev/vdc oflag=direct"));
      try (RandomAccessFile file = new RandomAccessFile(cut.toFile(), "rw")) {
        file.setLength(3 * MIB);
      }
      assertTrue(fails(guest, "if=/dev/vdb of=/dev/null skip=6 iflag=direct"));
      assertFalse(fails(guest, "if=/dev/vdb of=/dev/null skip=2 iflag=direct"));
      try (QmpClient client = Monitors.connect(folder.resolve("qmp"), events::add)) {
        readAgain(guest, client, kept);
        fillUp(guest, client, small);
        JsonNode _ = client.execute("quit");
      }
    }
    HostTools.run("qemu-img", "check", "-f", "qcow2", full.toString());
    Path raw = folder.resolve("full.raw");
    HostTools.run("qemu-img", "convert", "-O", "raw", full.toString(), raw.toString());
    byte[] written = Files.readAllBytes(raw);
    for (int at = 0; at < 3 * MIB; at += 64 << 10) {
      byte[] expected = new byte[64 << 10];
      Arrays.fill(expected, (byte) 'x');
      assertArrayEquals(expected, Arrays.copyOfRange(written, at, at + (64 << 10)), "at " + at);
    }
  }

  /** The guest writes more than there is room for; something else makes room, and it goes on. */
  private void fillUp(LinuxGuest guest, QmpClient client, Path small) throws Exception {
    Path ballast = Files.write(small.resolve("ballast"), new byte[2 * MIB]);
    guest.type(
        "yes xxxxxxxx | tr -d '\\n' | dd of=/dev/vda bs=64k count=48 iflag=fullblock conv=fsync"
            + " 2>/tmp/said; echo dd''=$?\n");
    JsonNode error = await("BLOCK_IO_ERROR").path("data");
    assertEquals("full", error.path("device").asText());
    assertEquals("write", error.path("operation").asText());
    assertEquals("stop", error.path("action").asText());
    assertTrue(error.path("nospace").asBoolean(), error::toString);
    JsonNode _ = await("STOP");
    assertEquals("io-error", client.execute("query-status").path("status").asText());
    assertEquals("nospace", ioStatus(client));
    // Without more room it stops at the same place again.
    JsonNode _ = client.execute("cont");
    JsonNode _ = await("BLOCK_IO_ERROR");
    JsonNode _ = await("STOP");
    Files.delete(ballast);
    JsonNode _ = client.execute("cont");
    guest.process().expect("dd=0", Duration.ofMinutes(1));
    assertEquals("ok", ioStatus(client));
    assertEquals("", guest.run("dmesg | grep 'vda.*error'"));
  }

  /** A read that fails stops the machine; when the file is whole again the guest gets its data. */
  private void readAgain(LinuxGuest guest, QmpClient client, Path image) throws Exception {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(3 * MIB);
      guest.type(
          "dd if=/dev/vdd bs=1M count=1 skip=6 iflag=direct 2>/dev/null | tr -d x | wc -c;"
              + " echo read''=done\n");
      JsonNode error = await("BLOCK_IO_ERROR").path("data");
      assertEquals("kept", error.path("device").asText());
      assertEquals("read", error.path("operation").asText());
      assertEquals("stop", error.path("action").asText());
      JsonNode _ = await("STOP");
      assertEquals("io-error", client.execute("query-status").path("status").asText());
      file.setLength(8 * MIB);
    }
    JsonNode _ = client.execute("cont");
    guest.process().expect("" + MIB, Duration.ofMinutes(1));
    guest.process().expect("read=done", Duration.ofMinutes(1));
    assertEquals("", guest.run("dmesg | grep 'vdd.*error'"));
  }

  private static String ioStatus(QmpClient client) throws IOException, CommandFailed {
    for (JsonNode each : client.execute("query-block")) {
      if (each.path("device").asText().equals("full")) {
        return each.path("io-status").asText();
      }
    }
    return "none";
  }

  private JsonNode await(String name) throws InterruptedException {
    JsonNode event;
    do {
      event = events.poll(1, TimeUnit.MINUTES);
      assertNotNull(event, () -> "no " + name);
    } while (!event.path("event").asText().equals(name));
    return event;
  }

  /** Whether dd fails with one MiB. */
  private static boolean fails(LinuxGuest guest, String words) {
    String said = guest.run("dd bs=1M count=1 %s 2>&1".formatted(words));
    return said.toLowerCase(Locale.ROOT).contains("error");
  }
}
