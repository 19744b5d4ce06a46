package dev.pollux.devices.virtio.scsi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.virtio.QueueDriver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A controller with a disk and a disc drive as a driver sees them. */
class VirtioScsiTest {
  private static final int HOTPLUG = 2;
  private static final int CHANGE = 4;
  private static final int EVENTS = 1;
  private static final int COMMANDS = 2;
  private static final int HEADER = 51;
  private static final int RESPONSE = 108;
  private static final int DISK_BYTES = 8 << 20;
  private static final int DISC_BYTES = 2048 * 100;
  private static final HexFormat HEX = HexFormat.of();

  @TempDir private Path folder;
  private Path image;
  private Path disc;
  private PciFixture pci;
  private QueueDriver driver;

  @BeforeEach
  void make() throws IOException {
    image = folder.resolve("disk");
    disc = folder.resolve("disc");
    byte[] bytes = new byte[DISK_BYTES];
    new Random(1).nextBytes(bytes);
    Files.write(image, bytes);
    Files.write(disc, Arrays.copyOf(bytes, DISC_BYTES));
    pci = new PciFixture();
    node("disk", image, "off");
    node("disc", disc, "on");
    DeviceNode node = pci.add("virtio-scsi-pci,id=scsi,num_queues=1");
    pci.add("scsi-hd,drive=disk,serial=S1,wwn=0x5000000000000001,id=hd");
    pci.add("scsi-cd,drive=disc,id=cd");
    driver = new QueueDriver(pci, node, HOTPLUG | CHANGE, 3);
  }

  @AfterEach
  void close() {
    pci.close();
    blocks().close();
  }

  private BlockGraph blocks() {
    return pci.devices.services().blocks();
  }

  private void node(String name, Path file, String readOnly) throws IOException {
    blocks()
        .add(
            BlockOptions.of(
                "test",
                Map.of(
                    "driver",
                    "raw",
                    "node-name",
                    name,
                    "read-only",
                    readOnly,
                    "file.driver",
                    "file",
                    "file.filename",
                    file.toString(),
                    "file.read-only",
                    readOnly)));
  }

  private static byte[] request(int target, int unit, String cdb, byte... data) {
    ByteBuffer out = ByteBuffer.allocate(HEADER + data.length);
    out.put((byte) 1).put((byte) target).putShort((short) (0x4000 | unit)).putInt(0);
    out.position(19);
    out.put(HEX.parseHex(cdb.replace(" ", "")));
    out.position(HEADER);
    out.put(data);
    return out.array();
  }

  /** What came back for a command. */
  private record Answer(int response, int status, int key, int code, int left, byte[] data) {
    boolean isGood() {
      return response == 0 && status == 0;
    }
  }

  private Answer run(int target, int unit, String cdb, int room, byte... data) {
    byte[] bytes = driver.ask(COMMANDS, request(target, unit, cdb, data), RESPONSE + room);
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    return new Answer(
        in.get(11) & 0xff,
        in.get(10) & 0xff,
        in.get(12 + 2) & 0xf,
        in.get(12 + 12) & 0xff,
        in.getInt(4),
        Arrays.copyOfRange(bytes, RESPONSE, bytes.length));
  }

  /** Units tell once that they were reset. */
  private void passAttention() {
    assertEquals(0x29, run(0, 0, "00 00 00 00 00 00", 0).code());
    assertEquals(0x29, run(1, 0, "00 00 00 00 00 00", 0).code());
  }

  private byte[] imagePart(long offset, int length) throws IOException {
    return Arrays.copyOfRange(Files.readAllBytes(image), (int) offset, (int) offset + length);
  }

  @Test
  void unitsSayWhatTheyAre() {
    Answer inquiry = run(0, 0, "12 00 00 00 24 00", 64);
    assertTrue(inquiry.isGood());
    assertEquals("POLLUX  HARDDISK", new String(inquiry.data(), 8, 16, StandardCharsets.US_ASCII));
    assertEquals(64 - 36, inquiry.left());
    assertEquals(5, run(1, 0, "12 00 00 00 24 00", 36).data()[0]);
    assertArrayEquals(
        HEX.parseHex("00000006008083b0b1b2"), run(0, 0, "12 01 00 00 ff 00", 255).data());
    assertEquals(
        "S1",
        new String(run(0, 0, "12 01 80 00 ff 00", 255).data(), 4, 2, StandardCharsets.US_ASCII));
    assertEquals(0x24, run(0, 0, "12 01 99 00 ff 00", 255).code());
    assertEquals(3, run(2, 0, "12 00 00 00 24 00", 36).response(), "no such target");
    assertEquals(0x7f, run(0, 5, "12 00 00 00 24 00", 36).data()[0], "no such unit");
    assertEquals(0x25, run(0, 5, "00 00 00 00 00 00", 0).code());
    assertArrayEquals(
        HEX.parseHex("00000008000000000000000000000000"),
        run(0, 7, "a0 00 00 00 00 00 00 00 10 00 00 00", 64).data());
  }

  @Test
  void attentionComesFirst() {
    passAttention();
    assertTrue(run(0, 0, "00 00 00 00 00 00", 0).isGood());
    assertEquals(0, run(0, 0, "03 00 00 00 12 00", 18).data()[2]);
  }

  @Test
  void blocksAreReadAndWritten() throws IOException {
    passAttention();
    assertArrayEquals(
        imagePart(8 * 512, 4096), run(0, 0, "28 00 00 00 00 08 00 00 08 00", 4096).data());
    assertArrayEquals(imagePart(5 * 512, 512), run(0, 0, "08 00 00 05 01 00", 512).data());
    byte[] data = new byte[1024];
    new Random(2).nextBytes(data);
    assertTrue(run(0, 0, "2a 08 00 00 00 10 00 00 02 00", 0, data).isGood());
    assertArrayEquals(data, imagePart(16 * 512, 1024));
    assertTrue(run(0, 0, "8a 00 00 00 00 00 00 00 00 20 00 00 00 02 00 00", 0, data).isGood());
    assertArrayEquals(data, imagePart(32 * 512, 1024));
    assertTrue(run(0, 0, "aa 00 00 00 00 30 00 00 00 02 00 00", 0, data).isGood());
    assertTrue(run(0, 0, "35 00 00 00 00 00 00 00 00 00", 0).isGood());
    assertArrayEquals(
        data, run(0, 0, "88 00 00 00 00 00 00 00 00 30 00 00 00 02 00 00", 1024).data());
    assertArrayEquals(
        HEX.parseHex("00003fff00000200"), run(0, 0, "25 00 00 00 00 00 00 00 00 00", 8).data());
    assertArrayEquals(
        HEX.parseHex("0000000000003fff00000200"),
        Arrays.copyOf(run(0, 0, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 32).data(), 12));
  }

  @Test
  void whatLiesOutsideIsRefused() {
    passAttention();
    assertEquals(0x21, run(0, 0, "28 00 00 00 3f ff 00 00 02 00", 1024).code());
    assertEquals(0x21, run(0, 0, "28 00 ff ff ff ff 00 00 01 00", 512).code());
    assertEquals(0x21, run(0, 0, "88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00", 512).code());
    assertEquals(0x21, run(0, 0, "88 00 7f ff ff ff ff ff ff ff 00 00 00 01 00 00", 512).code());
    assertEquals(1, run(0, 0, "28 00 00 00 00 00 00 00 02 00", 512).response(), "overrun");
    assertEquals(1, run(0, 0, "2a 00 00 00 00 00 00 00 02 00", 0, new byte[512]).response());
    assertEquals(0x20, run(0, 0, "ff 00 00 00 00 00", 0).code());
    assertEquals(0x27, run(1, 0, "2a 00 00 00 00 00 00 00 01 00", 0, new byte[2048]).code());
  }

  @Test
  void rangesAreUnmappedAndFilled() throws IOException {
    passAttention();
    byte[] list =
        ByteBuffer.allocate(24)
            .putShort((short) 22)
            .putShort((short) 16)
            .putInt(0)
            .putLong(8)
            .putInt(16)
            .putInt(0)
            .array();
    assertTrue(run(0, 0, "42 00 00 00 00 00 00 00 18 00", 0, list).isGood());
    list[23 - 7] = 0x7f;
    assertEquals(0x26, run(0, 0, "42 00 00 00 00 00 00 00 10 00", 0, list).code());
    byte[] block = new byte[512];
    Arrays.fill(block, (byte) 7);
    assertTrue(run(0, 0, "41 00 00 00 01 00 00 00 04 00", 0, block).isGood());
    byte[] expected = new byte[2048];
    Arrays.fill(expected, (byte) 7);
    assertArrayEquals(expected, imagePart(256 * 512, 2048));
    assertTrue(
        run(0, 0, "93 08 00 00 00 00 00 00 01 00 00 00 00 04 00 00", 0, new byte[512]).isGood());
    assertArrayEquals(new byte[2048], imagePart(256 * 512, 2048));
  }

  @Test
  void modesTellOfTheWriteCache() {
    passAttention();
    byte[] pages = run(0, 0, "1a 08 08 00 ff 00", 255).data();
    assertEquals(4, pages[4 + 2] & 4);
    byte[] off = new byte[24];
    off[4] = 8;
    off[5] = 18;
    assertTrue(run(0, 0, "15 10 00 00 18 00", 0, off).isGood());
    assertEquals(0, run(0, 0, "1a 08 08 00 ff 00", 255).data()[4 + 2] & 4);
    assertEquals(0x26, run(0, 0, "15 10 00 00 06 00", 0, new byte[6]).code());
    assertTrue(run(1, 0, "5a 00 2a 00 00 00 00 00 ff 00", 255).isGood());
  }

  private BlockBackend backend(String device) {
    return blocks().backendOfDevice(device).orElseThrow();
  }

  private void locked(Runnable action) {
    pci.machine.lock().lock();
    try {
      action.run();
    } finally {
      pci.machine.lock().unlock();
    }
  }

  @Test
  void discsAreChanged() throws IOException {
    passAttention();
    assertEquals(2048, run(1, 0, "28 00 00 00 00 01 00 00 01 00", 2048).data().length);
    assertTrue(run(1, 0, "43 00 00 00 00 00 01 00 20 00", 32).isGood());
    assertTrue(run(1, 0, "46 00 00 00 00 00 00 00 28 00", 40).isGood());
    assertTrue(run(1, 0, "1e 00 00 00 01 00", 0).isGood());
    assertEquals(0x53, run(1, 0, "1b 00 00 00 02 00", 0).code(), "held fast");
    BlockDevice drive = backend("cd").device().orElseThrow();
    locked(() -> drive.ejectRequested(false));
    assertEquals(1, run(1, 0, "4a 01 00 00 10 00 00 00 08 00", 8).data()[4], "asked to eject");
    assertFalse(drive.trayOpen());
    assertTrue(run(1, 0, "1e 00 00 00 00 00", 0).isGood());
    assertTrue(run(1, 0, "1b 00 00 00 02 00", 0).isGood());
    assertTrue(drive.trayOpen());
    assertEquals(0x3a, run(1, 0, "00 00 00 00 00 00", 0).code());
    locked(() -> drive.mediumChanged(true));
    assertEquals(0x28, run(1, 0, "00 00 00 00 00 00", 0).code());
    assertTrue(run(1, 0, "00 00 00 00 00 00", 0).isGood());
    byte[] event = driver.ask(EVENTS, new byte[0], 16);
    assertEquals(3, event[0], "parameters changed");
    assertEquals(0x28, event[12]);
  }

  @Test
  void disksComeAndGo() throws IOException {
    node("other", Files.write(folder.resolve("other"), new byte[1 << 20]), "off");
    locked(
        () ->
            pci.devices.add(
                DeviceOptions.parse(
                    "device_add", "scsi-hd,drive=other,id=new,lun=3,scsi-id=0", "driver"),
                true));
    byte[] came = driver.ask(EVENTS, new byte[0], 16);
    assertArrayEquals(HEX.parseHex("01000000" + "0100000300000000" + "01000000"), came);
    assertEquals(0x29, run(0, 3, "00 00 00 00 00 00", 0).code());
    assertThrows(
        ConfigException.class,
        () -> pci.add("scsi-hd,drive=other,scsi-id=0,lun=3"),
        "the address is taken");
    locked(() -> pci.devices.requestRemoval("new"));
    byte[] went = driver.ask(EVENTS, new byte[0], 16);
    assertArrayEquals(HEX.parseHex("01000000" + "0100000300000000" + "02000000"), went);
    assertEquals(0x25, run(0, 3, "00 00 00 00 00 00", 0).code());
    ConfigException refused =
        assertThrows(ConfigException.class, () -> pci.add("scsi-block,drive=disk"));
    assertTrue(refused.getMessage().contains("scsi-hd"), refused.getMessage());
  }

  @Test
  void tasksAreManaged() {
    passAttention();
    byte[] reset = HEX.parseHex("00000000" + "05000000" + "0100400000000000" + "00".repeat(8));
    assertArrayEquals(new byte[] {0}, driver.ask(0, reset, 1));
    assertEquals(0x29, run(0, 0, "00 00 00 00 00 00", 0).code());
    reset[9] = 9;
    assertArrayEquals(new byte[] {3}, driver.ask(0, reset, 1), "no such target");
    reset[9] = 0;
    reset[4] = 99;
    assertArrayEquals(new byte[] {11}, driver.ask(0, reset, 1), "no such function");
    assertEquals(
        5, driver.ask(0, HEX.parseHex("01000000" + "0100400000000000" + "00000000"), 8).length);
  }

  @Test
  void rulesThatAreBrokenAreFound() {
    driver.offer(COMMANDS, new byte[10], RESPONSE);
    driver.awaitNeedsReset();
    driver.start(HOTPLUG | CHANGE);
    driver.offer(COMMANDS, request(0, 0, "00 00 00 00 00 00"), 10);
    driver.awaitNeedsReset();
    driver.start(0);
    driver.write(0x2000 + 24, 4, 1 << 20);
    driver.awaitNeedsReset();
    driver.start(0);
    assertTrue(run(0, 0, "12 00 00 00 24 00", 64).isGood());
  }
}
