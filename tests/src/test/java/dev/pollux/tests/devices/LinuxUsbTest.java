package dev.pollux.tests.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's kernel with its own drivers for USB: what the user does with keyboard, tablet and mouse
 * comes out of the kernel in order, a file system on a stick is what the host finds there, and a
 * stick comes and goes.
 */
@Timeout(600)
class LinuxUsbTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  // Types of the kernel's events.
  private static final int KEY = 1;
  private static final int RELATIVE = 2;
  private static final int ABSOLUTE = 3;

  /** What is typed, and the kernel's numbers of the keys. */
  private static final Map<String, Integer> KEYS =
      Map.of("shift", 42, "a", 30, "b", 48, "ctrl_r", 97, "delete", 111, "f12", 88, "alt", 56);

  @TempDir private Path folder;

  @Test
  void driversFindKeyboardPointersAndDisk()
      throws IOException, CommandFailed, InterruptedException {
    HostTools.assumeInstalled();
    assumeTrue(
        LinuxGuest.hasModule(Kernel.GENERIC, "xhci_pci"),
        "no USB drivers; \"./pollux guest linux --kernel generic\" fetches them");
    Path initrd =
        LinuxGuest.initrd(
            folder,
            Kernel.GENERIC,
            "xhci_pci",
            "usbhid",
            "hid_generic",
            "evdev",
            "usb_storage",
            "sd_mod",
            "ext4",
            "crc32c_generic");
    HostTools.makeExt4(folder.resolve("stick.qcow2"), 32);
    String sum;
    try (LinuxGuest guest = LinuxGuest.start(Kernel.GENERIC, initrd, options()).awaitShell();
        QmpClient client = Monitors.connect(folder.resolve("qmp"), _ -> {})) {
      type(guest, client);
      point(guest, client);
      sum = useStick(guest);
      plugAndUnplug(guest, client);
      JsonNode _ = client.execute("quit");
      assertEquals(0, guest.process().await(PATIENCE), guest.process().errors());
    }
    Path raw = HostTools.checkExt4(folder.resolve("stick.qcow2"));
    HostTools.copyOut(raw, "/files", folder.resolve("out"));
    assertEquals(sum, sha256(folder.resolve("out/files/big")));
  }

  private String[] options() {
    return new String[] {
      "-machine",
      "q35",
      "-qmp",
      "unix:%s,server=on,wait=off".formatted(folder.resolve("qmp")),
      "-drive",
      "if=none,id=d0,format=qcow2,file=" + folder.resolve("stick.qcow2"),
      "-device",
      "qemu-xhci,id=usb",
      "-device",
      "usb-kbd",
      "-device",
      "bochs-display,id=screen",
      "-device",
      "usb-tablet,id=tablet,display=screen",
      "-device",
      "usb-mouse,id=mouse,usb_version=1",
      "-device",
      "usb-storage,drive=d0,serial=S123"
    };
  }

  private static String await(String condition) {
    return "i=0; until %s || [ $i -ge 300 ]; do sleep 0.1; i=$((i+1)); done".formatted(condition);
  }

  /** Waits for a device of input of a name, and begins to write down what comes from it. */
  private static void record(LinuxGuest guest, String name) {
    assertEquals("", guest.run(await("grep -q '%s' /proc/bus/input/devices".formatted(name))));
    assertEquals(
        "",
        guest.run(
            "e=$(grep -A4 '%s' /proc/bus/input/devices | grep -o 'event[0-9]*');".formatted(name)
                + " cat /dev/input/$e > /tmp/seen & sleep 0.2"));
  }

  /** What came of some types since, each as type, code and value; when there are so many. */
  private static List<String> recorded(LinuxGuest guest, int count, int... types) {
    List<String> events = seen(guest, count, types);
    assertEquals("", guest.run("kill $!; wait $! 2>/dev/null; true"));
    return events;
  }

  private static List<String> seen(LinuxGuest guest, int count, int... types) {
    List<String> events = List.of();
    for (int i = 0; i < 100 && events.size() < count; i++) {
      events = events(guest.run("base64 /tmp/seen"), types);
    }
    return events;
  }

  private static List<String> events(String text, int... types) {
    ByteBuffer bytes =
        ByteBuffer.wrap(Base64.getMimeDecoder().decode(text)).order(ByteOrder.LITTLE_ENDIAN);
    List<String> events = new ArrayList<>();
    for (int at = 0; at + 24 <= bytes.capacity(); at += 24) {
      int type = bytes.getShort(at + 16);
      for (int wanted : types) {
        if (type == wanted) {
          events.add("%d %d %d".formatted(type, bytes.getShort(at + 18), bytes.getInt(at + 20)));
        }
      }
    }
    return events;
  }

  private static ObjectNode key(String name, boolean down) {
    ObjectNode event = JSON.createObjectNode().put("type", "key");
    ObjectNode data = event.putObject("data").put("down", down);
    data.putObject("key").put("type", "qcode").put("data", name);
    return event;
  }

  private static void send(QmpClient client, ArrayNode events) throws IOException, CommandFailed {
    JsonNode _ = client.execute("input-send-event", JSON.createObjectNode().set("events", events));
  }

  /** At the screen that the tablet belongs to. */
  private static void sendAtScreen(QmpClient client, ArrayNode events)
      throws IOException, CommandFailed {
    ObjectNode arguments = JSON.createObjectNode().put("device", "screen").put("head", 0);
    JsonNode _ = client.execute("input-send-event", arguments.set("events", events));
  }

  private static String human(QmpClient client, String line) throws IOException, CommandFailed {
    return client
        .execute("human-monitor-command", JSON.createObjectNode().put("command-line", line))
        .asText();
  }

  /**
   * More keys at once than anybody types, with modifiers; no more than Linux keeps for a program
   * that is slow to read, which are 64 events, three for a key.
   */
  private static void type(LinuxGuest guest, QmpClient client) throws IOException, CommandFailed {
    record(guest, "USB Keyboard");
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      ArrayNode events = JSON.createArrayNode();
      for (String name : List.of("shift", "a", "b", "ctrl_r", "delete", "f12", "alt")) {
        events.add(key(name, i % 2 == 0));
        expected.add("1 %d %d".formatted(KEYS.get(name), i % 2 == 0 ? 1 : 0));
      }
      send(client, events);
      if (i % 2 == 1) {
        assertEquals(expected, seen(guest, expected.size(), KEY));
      }
    }
    assertEquals(expected, recorded(guest, expected.size(), KEY));
  }

  private static ObjectNode move(String type, String axis, int value) {
    ObjectNode event = JSON.createObjectNode().put("type", type);
    event.putObject("data").put("axis", axis).put("value", value);
    return event;
  }

  private static void point(LinuxGuest guest, QmpClient client) throws IOException, CommandFailed {
    record(guest, "USB Tablet");
    ArrayNode place = JSON.createArrayNode();
    place.add(move("abs", "x", 0x1234)).add(move("abs", "y", 0x7fff));
    CommandFailed elsewhere = assertThrows(CommandFailed.class, () -> send(client, place));
    assertTrue(elsewhere.getMessage().contains("Input handler not found for event type abs"));
    sendAtScreen(client, place);
    ArrayNode click = JSON.createArrayNode();
    ObjectNode press = JSON.createObjectNode().put("type", "btn");
    press.putObject("data").put("button", "left").put("down", true);
    sendAtScreen(client, click.add(press).add(move("abs", "x", 0x2345)));
    assertEquals(
        List.of("3 0 4660", "3 1 32767", "1 272 1", "3 0 9029"), recorded(guest, 4, KEY, ABSOLUTE));
    record(guest, "USB Mouse");
    ArrayNode distance = JSON.createArrayNode();
    send(client, distance.add(move("rel", "x", 300)).add(move("rel", "y", -7)));
    List<String> moved = recorded(guest, 4, RELATIVE);
    assertEquals(List.of("2 0 127", "2 1 -7", "2 0 127", "2 0 46"), moved);
    String mice = human(client, "info mice");
    assertTrue(mice.contains("Mouse #4: Pollux HID Tablet (absolute)"), mice);
    assertTrue(mice.contains("Mouse #5: Pollux HID Mouse"), mice);
  }

  private static String useStick(LinuxGuest guest) {
    assertEquals("", guest.run(await("[ -b /dev/sda ]")));
    assertEquals("33554432", guest.run("blockdev --getsize64 /dev/sda"));
    String sum =
        guest.run(
            "mkdir /mnt; mount -t ext4 /dev/sda /mnt && mkdir /mnt/files && cd /mnt/files &&"
                + " dd if=/dev/urandom of=big bs=1000003 count=9 2>/dev/null; sync;"
                + " echo 3 > /proc/sys/vm/drop_caches; sha256sum big; cd /; umount /mnt");
    assertTrue(sum.matches("[0-9a-f]{64}  big"), sum);
    return sum.substring(0, 64);
  }

  /** The mouse goes, and a second stick takes its port. */
  private static void plugAndUnplug(LinuxGuest guest, QmpClient client)
      throws IOException, CommandFailed {
    JsonNode _ = client.execute("device_del", JSON.createObjectNode().put("id", "mouse"));
    assertEquals("", guest.run(await("! grep -q 'USB Mouse' /proc/bus/input/devices")));
    JsonNode _ =
        client.execute(
            "blockdev-add",
            JSON.createObjectNode()
                .put("driver", "null-co")
                .put("node-name", "plugged")
                .put("size", 1 << 20));
    JsonNode _ =
        client.execute(
            "device_add",
            JSON.createObjectNode()
                .put("driver", "usb-storage")
                .put("id", "extra")
                .put("drive", "plugged"));
    assertEquals("", guest.run(await("[ -b /dev/sdb ]")));
    assertEquals("1048576", guest.run("blockdev --getsize64 /dev/sdb"));
    String shown = human(client, "info usb");
    assertTrue(
        shown.contains("Port 2, Speed 480 Mb/s, Product Pollux USB Tablet, ID: tablet"), shown);
    assertTrue(
        shown.contains("Port 3, Speed 5000 Mb/s, Product Pollux USB Disk, ID: extra"), shown);
    JsonNode _ = client.execute("device_del", JSON.createObjectNode().put("id", "extra"));
    assertEquals("", guest.run(await("! [ -b /dev/sdb ]")));
  }

  private static String sha256(Path file) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(file)));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
