package dev.pollux.devices.virtio.serial;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.DeviceListener;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.virtio.QueueDriver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Ports as a driver sees them. */
class VirtioSerialTest {
  private static final int MULTIPORT = 2;
  private static final int CONTROL_IN = 2;
  private static final int CONTROL_OUT = 3;
  private static final int CHANNEL_IN = 4;
  private static final int CHANNEL_OUT = 5;

  private final MemoryBackend console = new MemoryBackend("console");
  private final MemoryBackend channel = new MemoryBackend("channel");
  private final List<String> changes = Collections.synchronizedList(new ArrayList<>());
  private PciFixture pci;
  private QueueDriver driver;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    pci.devices.services().charDevices().add(console, false);
    pci.devices.services().charDevices().add(channel, false);
    pci.devices.addListener(
        new DeviceListener() {
          @Override
          public void removed(Optional<String> id, String path) {}

          @Override
          public void unplugRefused(Optional<String> id, String path) {}

          @Override
          public void portChanged(String id, boolean open) {
            changes.add(id + " " + open);
          }
        });
    DeviceNode node = pci.add("virtio-serial-pci,id=vs,max_ports=3");
    pci.add("virtconsole,chardev=console");
    pci.add("virtserialport,chardev=channel,name=org.test,id=port");
    driver = new QueueDriver(pci, node, MULTIPORT, 8);
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private static byte[] message(int port, int event, int value, String more) {
    byte[] text = more.getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(8 + text.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(port)
        .putShort((short) event)
        .putShort((short) value)
        .put(text)
        .array();
  }

  private static byte[] message(int port, int event, int value) {
    return message(port, event, value, "");
  }

  private void assertTold(byte[] expected) {
    assertArrayEquals(expected, driver.ask(CONTROL_IN, new byte[0], 64));
  }

  private void say(byte[] message) {
    driver.ask(CONTROL_OUT, message, 0);
  }

  private void openChannel() {
    say(message(0, 0, 1));
    assertTold(message(0, 1, 1));
    assertTold(message(1, 1, 1));
    say(message(1, 3, 1));
    assertTold(message(1, 7, 1, "org.test\0"));
    assertTold(message(1, 6, 1));
    say(message(1, 6, 1));
  }

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) ('a' + i % 26);
    }
    return bytes;
  }

  @Test
  void portsIntroduceThemselves() {
    assertEquals(3, driver.config(4, 4));
    openChannel();
    say(message(0, 3, 1));
    assertTold(message(0, 4, 1));
    assertTold(message(0, 6, 1));
    pci.await(() -> changes.equals(List.of("port true")), "VSERPORT_CHANGE");
    say(message(1, 6, 0));
    pci.await(() -> changes.size() == 2, "VSERPORT_CHANGE");
  }

  @Test
  void bytesGoBothWays() {
    openChannel();
    driver.ask(CHANNEL_OUT, bytes(10_000), 0);
    assertEquals(new String(bytes(10_000), StandardCharsets.US_ASCII), channel.takeOutput());
    driver.offer(CHANNEL_IN, new byte[0], 5);
    channel.type("123456789");
    assertArrayEquals("12345".getBytes(StandardCharsets.US_ASCII), driver.answer(CHANNEL_IN));
    assertArrayEquals(
        "6789".getBytes(StandardCharsets.US_ASCII), driver.ask(CHANNEL_IN, new byte[0], 64));
  }

  @Test
  void slowReadersKeepTheGuestWaiting() {
    openChannel();
    channel.setRoom(5_000);
    driver.offer(CHANNEL_OUT, bytes(10_000), 0);
    StringBuilder read = new StringBuilder();
    pci.await(() -> read.append(channel.takeOutput()).length() == 5_000, "a part");
    assertEquals(0, driver.used(CHANNEL_OUT), "the request is not done");
    channel.setRoom(Integer.MAX_VALUE);
    driver.answer(CHANNEL_OUT);
    assertEquals(new String(bytes(10_000), StandardCharsets.US_ASCII), read + channel.takeOutput());
  }

  @Test
  void consolesDoNotKeepTheGuestWaiting() {
    console.setRoom(3);
    driver.ask(1, bytes(10), 0);
    assertEquals("abc", console.takeOutput());
  }

  @Test
  void readersThatLeaveLetTheGuestGo() {
    openChannel();
    channel.setRoom(1);
    driver.offer(CHANNEL_OUT, bytes(10), 0);
    pci.await(() -> !channel.takeOutput().isEmpty(), "a part");
    channel.setConnected(false);
    driver.answer(CHANNEL_OUT);
    assertTold(message(1, 6, 0));
    driver.ask(CHANNEL_OUT, bytes(10), 0);
    channel.setConnected(true);
    assertTold(message(1, 6, 1));
  }

  @Test
  void portsComeAndGo() {
    say(message(0, 0, 1));
    assertTold(message(0, 1, 1));
    assertTold(message(1, 1, 1));
    pci.machine.lock().lock();
    try {
      pci.devices.add(DeviceOptions.parse("device_add", "virtserialport,id=new", "driver"), true);
      ConfigException full =
          assertThrows(
              ConfigException.class,
              () ->
                  pci.devices.add(
                      DeviceOptions.parse("device_add", "virtserialport", "driver"), true));
      assertTrue(full.getMessage().contains("max_ports"), full.getMessage());
    } finally {
      pci.machine.lock().unlock();
    }
    assertTold(message(2, 1, 1));
    pci.machine.lock().lock();
    try {
      pci.devices.requestRemoval("new");
    } finally {
      pci.machine.lock().unlock();
    }
    assertTold(message(2, 2, 1));
  }

  @Test
  void removalGivesBackWhatThePortKeeps() {
    openChannel();
    channel.setRoom(1);
    driver.offer(CHANNEL_OUT, bytes(10), 0);
    pci.await(() -> !channel.takeOutput().isEmpty(), "a part");
    pci.machine.lock().lock();
    try {
      pci.devices.requestRemoval("port");
    } finally {
      pci.machine.lock().unlock();
    }
    driver.answer(CHANNEL_OUT);
    assertTold(message(1, 2, 1));
    driver.ask(CHANNEL_OUT, bytes(10), 0); // nobody's any more
  }

  @Test
  void driversThatTakeNoMessagesAreStopped() {
    for (int i = 1; i <= 1000 && (driver.status() & 0x40) == 0; i++) {
      int asked = i;
      driver.offer(CONTROL_OUT, message(0, 0, 1), 0);
      pci.await(
          () -> driver.used(CONTROL_OUT) == asked || (driver.status() & 0x40) != 0, "an answer");
    }
    driver.awaitNeedsReset();
    driver.start(MULTIPORT);
    openChannel();
  }

  @Test
  void nonsenseIsIgnored() {
    say(message(-1, 3, 1));
    say(message(700, 6, 1));
    say(message(0, 99, 1));
    openChannel();
    driver.write(0x2008, 4, 'x'); // emergency write
    pci.await(() -> console.takeOutput().equals("x"), "the byte");
    driver.offer(CONTROL_OUT, new byte[3], 0);
    driver.awaitNeedsReset();
  }
}
