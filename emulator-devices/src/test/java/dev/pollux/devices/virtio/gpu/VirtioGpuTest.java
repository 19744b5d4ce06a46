package dev.pollux.devices.virtio.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Edid;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.virtio.QueueDriver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A driver of the graphics card: what it shows, and what it is told where it asks for nonsense. */
class VirtioGpuTest {
  private static final int CONTROL = 0;
  private static final int CURSOR = 1;
  private static final int EDID = 1 << 1;

  private static final int OK = 0x1100;
  private static final int UNSPECIFIED = 0x1200;
  private static final int OUT_OF_MEMORY = 0x1201;
  private static final int INVALID_SCANOUT = 0x1202;
  private static final int INVALID_RESOURCE = 0x1203;
  private static final int INVALID_PARAMETER = 0x1205;

  /** In the guest's memory: a picture, and a part of it that lies elsewhere. */
  private static final int PICTURE = 0x20_0000;

  private static final int ELSEWHERE = 0x30_0000;

  private PciFixture pci;
  private QueueDriver driver;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    driver =
        new QueueDriver(pci, pci.add("virtio-gpu-pci,max_hostmem=1M,xres=800,yres=600"), EDID, 2);
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private ByteBuffer ask(int queue, int type, int flags, int... words) {
    ByteBuffer request = ByteBuffer.allocate(24 + words.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    request.putInt(type).putInt(flags).putLong(77).putInt(5).putInt(0);
    for (int word : words) {
      request.putInt(word);
    }
    return ByteBuffer.wrap(driver.ask(queue, request.array(), 2048)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private int status(int type, int... words) {
    return ask(CONTROL, type, 0, words).getInt(0);
  }

  private void create(int id, int format, int width, int height) {
    assertEquals(OK, status(0x101, id, format, width, height));
  }

  private Screen screen() {
    pci.machine.lock().lock();
    try {
      return pci.machine.devices().stream()
          .filter(Display.class::isInstance)
          .map(Display.class::cast)
          .findFirst()
          .orElseThrow()
          .screen();
    } finally {
      pci.machine.lock().unlock();
    }
  }

  private void poke(long address, int... words) {
    for (int i = 0; i < words.length; i++) {
      pci.machine.memory().write(address + i * 4L, 4, words[i]);
    }
  }

  private static int color(int pixel) {
    return pixel * 0x01_0305 & 0xff_ffff;
  }

  /** Pixels of 20 by 16, the first 100 words in one place and the others elsewhere. */
  private void backPicture(int id) {
    int[] words = IntStream.range(0, 20 * 16).map(i -> 0xff00_0000 | color(i)).toArray();
    poke(PICTURE, Arrays.copyOf(words, 100));
    poke(ELSEWHERE, Arrays.copyOfRange(words, 100, words.length));
    assertEquals(
        OK, status(0x106, id, 2, PICTURE, 0, 400, 0, ELSEWHERE, 0, (20 * 16 - 100) * 4, 0));
  }

  @Test
  void tellsOfItsScreen() {
    assertEquals(1, driver.config(8, 4), "screens");
    ByteBuffer info = ask(CONTROL, 0x100, 0);
    assertEquals(24 + 16 * 24, info.limit());
    assertEquals(0x1101, info.getInt(0));
    assertEquals(800, info.getInt(24 + 8));
    assertEquals(600, info.getInt(24 + 12));
    assertEquals(1, info.getInt(24 + 16));
    assertEquals(0, info.getInt(48 + 16), "no second one");
    ByteBuffer edid = ask(CONTROL, 0x10a, 0, 0, 0);
    assertEquals(0x1104, edid.getInt(0));
    byte[] bytes = new byte[Edid.BYTES];
    edid.get(32, bytes);
    assertArrayEquals(Edid.of(800, 600), bytes);
    assertEquals(INVALID_PARAMETER, status(0x10a, 1, 0));
  }

  @Test
  void userAsksForAnotherSize() {
    pci.machine.lock().lock();
    try {
      pci.machine.devices().stream()
          .filter(VirtioGpu.class::isInstance)
          .forEach(gpu -> ((Display) gpu).wantSize(1000, 700));
    } finally {
      pci.machine.lock().unlock();
    }
    assertEquals(1, driver.config(0, 4), "the display has changed");
    ByteBuffer info = ask(CONTROL, 0x100, 0);
    assertEquals(1000, info.getInt(24 + 8));
    assertEquals(700, info.getInt(24 + 12));
    driver.write(0x2004, 4, 1);
    assertEquals(0, driver.config(0, 4), "acknowledged");
  }

  @Test
  void showsWhatWasTransferred() {
    create(7, 2, 20, 16);
    backPicture(7);
    assertEquals(OK, status(0x103, 0, 0, 20, 16, 0, 7));
    assertEquals(0, screen().pixels()[21], "nothing was transferred yet");
    assertEquals(OK, status(0x105, 0, 0, 20, 16, 0, 0, 7, 0));
    assertEquals(OK, status(0x104, 0, 0, 20, 16, 7, 0));
    int[] whole = screen().pixels();
    assertEquals(20 * 16, whole.length);
    for (int i = 0; i < whole.length; i++) {
      assertEquals(color(i), whole[i], "pixel " + i);
    }
    // Two rows of a part, from where the driver has them.
    poke(PICTURE + 4 * (3 * 20 + 5), 0x11, 0x22);
    poke(PICTURE + 4 * (4 * 20 + 5), 0x33, 0x44);
    assertEquals(OK, status(0x105, 5, 3, 2, 2, 4 * (3 * 20 + 5), 0, 7, 0));
    whole[3 * 20 + 5] = 0x11;
    whole[3 * 20 + 6] = 0x22;
    whole[4 * 20 + 5] = 0x33;
    whole[4 * 20 + 6] = 0x44;
    assertArrayEquals(whole, screen().pixels());
    // A part of the resource is shown; without memory behind it the host has its copy.
    assertEquals(OK, status(0x107, 7, 0));
    assertEquals(OK, status(0x103, 4, 3, 16, 4, 0, 7));
    assertEquals(16, screen().width());
    assertEquals(0x11, screen().pixels()[1]);
    assertEquals(OK, status(0x102, 7, 0));
    assertEquals(640, screen().width(), "nothing is shown");
    create(8, 2, 20, 16);
    assertEquals(OK, status(0x103, 0, 0, 20, 16, 0, 8));
    assertEquals(0, Arrays.stream(screen().pixels()).sum(), "memory is found clean");
  }

  @ParameterizedTest
  @CsvSource({
    "1, ff112233, 112233", "2, 00112233, 112233", "3, 332211ff, 112233", "4, 33221100, 112233",
    "67, ff332211, 112233", "68, 11223300, 112233", "121, 112233ff, 112233", "134, 332211, 112233"
  })
  void formats(int format, String word, String color) {
    create(1, format, 16, 16);
    poke(PICTURE, (int) Long.parseLong(word, 16));
    assertEquals(OK, status(0x106, 1, 1, PICTURE, 0, 1024, 0));
    assertEquals(OK, status(0x105, 0, 0, 1, 1, 0, 0, 1, 0));
    assertEquals(OK, status(0x103, 0, 0, 16, 16, 0, 1));
    assertEquals(Integer.parseInt(color, 16), screen().pixels()[0]);
  }

  @Test
  void cursorLiesOnTop() {
    create(1, 2, 100, 100);
    assertEquals(OK, status(0x103, 0, 0, 100, 100, 0, 1));
    create(2, 1, 64, 64);
    poke(PICTURE, 0xffff_ffff, 0x8040_4040);
    assertEquals(OK, status(0x106, 2, 1, PICTURE, 0, 64 * 64 * 4, 0));
    assertEquals(OK, status(0x105, 0, 0, 2, 1, 0, 0, 2, 0));
    assertEquals(OK, ask(CURSOR, 0x300, 0, 0, 90, 95, 0, 2, 0, 0, 0).getInt(0));
    assertEquals(0xff_ffff, screen().pixels()[95 * 100 + 90]);
    assertEquals(0x40_4040, screen().pixels()[95 * 100 + 91]);
    assertEquals(OK, ask(CURSOR, 0x301, 0, 0, -1, 0, 0, 0, 0, 0, 0).getInt(0));
    assertEquals(0x40_4040, screen().pixels()[0]);
    assertEquals(0, screen().pixels()[95 * 100 + 90]);
    assertEquals(INVALID_SCANOUT, ask(CURSOR, 0x301, 0, 1, 0, 0, 0, 0, 0, 0, 0).getInt(0));
  }

  @Test
  void fencesComeBack() {
    ByteBuffer answer = ask(CONTROL, 0x102, 1, 99, 0);
    assertEquals(INVALID_RESOURCE, answer.getInt(0));
    assertEquals(1, answer.getInt(4));
    assertEquals(77, answer.getLong(8));
    assertEquals(5, answer.getInt(16));
    assertEquals(0, ask(CONTROL, 0x102, 0, 99, 0).getLong(8));
  }

  @Test
  void nonsenseIsAnsweredAndMemoryBounded() {
    create(1, 1, 64, 64);
    assertEquals(INVALID_RESOURCE, status(0x101, 1, 1, 8, 8), "there already");
    assertEquals(INVALID_RESOURCE, status(0x101, 0, 1, 8, 8));
    assertEquals(INVALID_PARAMETER, status(0x101, 2, 99, 8, 8));
    assertEquals(INVALID_PARAMETER, status(0x101, 2, 1, 0, 8));
    assertEquals(INVALID_PARAMETER, status(0x101, 2, 1, -1, -1));
    assertEquals(OUT_OF_MEMORY, status(0x101, 2, 1, 0xffff, 0xffff));
    assertEquals(OUT_OF_MEMORY, status(0x101, 2, 1, 512, 512));
    assertEquals(INVALID_PARAMETER, status(0x101, 2), "too short");
    assertEquals(UNSPECIFIED, status(0x108, 0, 0), "no three dimensions");
    assertEquals(UNSPECIFIED, status(0x7777));
    assertEquals(UNSPECIFIED, status(0x105, 0, 0, 8, 8, 0, 0, 1, 0), "nothing behind it");
    assertEquals(UNSPECIFIED, status(0x107, 1, 0));
    assertEquals(INVALID_PARAMETER, status(0x106, 1, 2, PICTURE, 0, 400, 0), "entries missing");
    assertEquals(INVALID_PARAMETER, status(0x106, 1, -1));
    assertEquals(OK, status(0x106, 1, 2, PICTURE, 0, 400, 0, 0x7000_0000, 0, 0x8000_0000, 0));
    assertEquals(UNSPECIFIED, status(0x106, 1, 0), "one is there");
    assertEquals(OK, status(0x105, 0, 0, 64, 64, 0, 0, 1, 0), "some of it is no RAM");
    assertEquals(OK, status(0x105, 0, 0, 64, 64, -1, -1, 1, 0), "nothing is there");
    assertEquals(INVALID_PARAMETER, status(0x105, 1, 0, 64, 64, 0, 0, 1, 0));
    assertEquals(INVALID_PARAMETER, status(0x105, 1, 0, -1, 1, 0, 0, 1, 0));
    assertEquals(INVALID_PARAMETER, status(0x104, 0, 65, 1, 1, 1, 0));
    assertEquals(INVALID_RESOURCE, status(0x104, 0, 0, 1, 1, 2, 0));
    assertEquals(INVALID_SCANOUT, status(0x103, 0, 0, 64, 64, 1, 1));
    assertEquals(INVALID_PARAMETER, status(0x103, 0, 0, 65, 64, 0, 1));
    assertEquals(INVALID_RESOURCE, status(0x103, 0, 0, 64, 64, 0, 3));
    int made = 0;
    while (status(0x101, 100 + made, 1, 1, 1) == OK) {
      made++;
    }
    assertEquals(256 - 4, made, "a page each");
    assertEquals(OK, status(0x102, 150, 0));
    assertEquals(OK, status(0x101, 3, 1, 32, 32), "its page is free again");
    assertTrue(driver.status() == 0xf, "the device goes on");
  }

  /** A column of 256 KiB takes long enough to have others come next. */
  @Test
  void shortRowsCountAsWork() {
    assertTrue(new GpuArea(0, 0, 1, 0xffff).work() >= VirtioGpu.MOST_WORK);
    assertTrue(new GpuArea(0, 0, 1920, 1080).work() < VirtioGpu.MOST_WORK);
  }
}
