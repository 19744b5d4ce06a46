package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import java.util.Arrays;

/**
 * The two DMA controllers of a PC (Intel 8237A data sheet) and their page registers (IBM PC AT
 * technical reference): channels 0 to 3 move bytes, 4 to 7 words. A device hands over data when it
 * has some, or takes them. Machine lock held.
 *
 * <pre>
 *   00 to 07 address and count of channels 0 to 3   08 status / command   09 request   0a one mask
 *   0b mode   0c first byte next   0d master clear   0e no masks   0f all masks
 *   81 to 8f pages   c0 to df as 00 to 0f for channels 4 to 7, at even ports
 * </pre>
 */
public final class DmaController implements Device {
  public static final DeviceType<IsaBus> TYPE =
      DeviceType.part(IsaBus.KIND, "i8257").description("DMA controllers of a PC");

  /** Where bytes, pages and words have their ports. */
  public static final int BYTE_PORT = 0;

  public static final int PAGE_PORT = 0x81;
  public static final int WORD_PORT = 0xc0;

  private static final int CHANNELS = 8;

  /** Of a mode register: what a transfer does to memory, and how it goes on at the end. */
  private static final int VERIFIES = 0;

  private static final int WRITES_MEMORY = 1 << 2;

  private static final int READS_MEMORY = 2 << 2;
  private static final int TRANSFER = 3 << 2;
  private static final int AUTOMATIC = 1 << 4;
  private static final int DOWNWARDS = 1 << 5;

  /** Of the command register. */
  private static final int DISABLED = 1 << 2;

  /** Ports 81 to 8f to channels; -1 for latches that lead nowhere. */
  private static final int[] PAGES = {-1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, -1};

  private static final StateDescriptor<DmaController> STATE =
      StateDescriptor.of(DmaController.class, "i8257", 1)
          .u32Array("base-address", CHANNELS, d -> d.baseAddress)
          .u32Array("base-count", CHANNELS, d -> d.baseCount)
          .u32Array("address", CHANNELS, d -> d.address)
          .u32Array("count", CHANNELS, d -> d.count)
          .u32Array("mode", CHANNELS, d -> d.mode)
          .bytes("pages", PAGES.length, d -> d.pages)
          .u8("masks", d -> d.masks, (d, v) -> d.masks = v)
          .u8("ended", d -> d.ended, (d, v) -> d.ended = v)
          .u8("commands", d -> d.commands, (d, v) -> d.commands = v)
          .u8("second-byte", 3, d -> d.secondByte, (d, v) -> d.secondByte = v);

  private final GuestMemory memory;
  private final int[] baseAddress = new int[CHANNELS];
  private final int[] baseCount = new int[CHANNELS];
  private final int[] address = new int[CHANNELS];
  private final int[] count = new int[CHANNELS];
  private final int[] mode = new int[CHANNELS];
  private final byte[] pages = new byte[PAGES.length];

  /** A bit for each channel that is switched off. */
  private int masks;

  /** A bit for each channel that has reached the end of its count. */
  private int ended;

  /** The command registers, four bits each. */
  private int commands;

  /** A bit for each controller whose next byte is the high one. */
  private int secondByte;

  @HostOnly("wiring")
  private final Runnable[] waiting = new Runnable[CHANNELS];

  public DmaController(Machine machine) {
    memory = new GuestMemory(machine.memory());
  }

  // ---- for devices ----

  /** Says what runs when software may have made a channel ready. */
  public void onReady(int channel, Runnable action) {
    waiting[channel] = action;
  }

  /** Whether a channel of bytes would move data, or take some that memory does not get. */
  public boolean isReady(int channel, boolean toMemory) {
    int transfer = mode[channel] & TRANSFER;
    return (masks >> channel & 1) == 0
        && (commands & DISABLED) == 0
        && (toMemory
            ? transfer == WRITES_MEMORY || transfer == VERIFIES
            : transfer == READS_MEMORY);
  }

  /**
   * Moves bytes between a device's buffer and memory, as many as the channel's count has left; a
   * channel that verifies only counts them.
   *
   * @param channel 0 to 3, ready
   * @param host address of the buffer
   * @return bytes moved
   */
  public int transfer(int channel, long host, int length, boolean toMemory) {
    int done = Math.min(length, left(channel));
    int step = (mode[channel] & DOWNWARDS) != 0 ? -1 : 1;
    boolean moves = (mode[channel] & TRANSFER) != VERIFIES;
    for (int moved = 0; moved < done; ) {
      int at = address[channel] & 0xffff;
      int part = step > 0 ? Math.min(done - moved, 0x1_0000 - at) : 1;
      if (moves) {
        memory.move(page(channel) << 16 | at, host + moved, part, toMemory);
      }
      address[channel] = at + step * part & 0xffff;
      moved += part;
    }
    count[channel] = count[channel] - done & 0xffff;
    if (count[channel] == 0xffff) {
      reachEnd(channel);
    }
    return done;
  }

  private void reachEnd(int channel) {
    ended |= 1 << channel;
    if ((mode[channel] & AUTOMATIC) != 0) {
      address[channel] = baseAddress[channel];
      count[channel] = baseCount[channel];
    } else {
      masks |= 1 << channel;
    }
  }

  /** Bytes until a channel of bytes reaches its end (TC). */
  public int left(int channel) {
    return (count[channel] & 0xffff) + 1;
  }

  private long page(int channel) {
    for (int i = 0; i < PAGES.length; i++) {
      if (PAGES[i] == channel) {
        return pages[i] & 0xff;
      }
    }
    return 0;
  }

  private void tellWaiting() {
    for (int channel = 0; channel < CHANNELS; channel++) {
      if (waiting[channel] != null && (masks >> channel & 1) == 0) {
        waiting[channel].run();
      }
    }
  }

  // ---- registers ----

  /** Of channels 0 to 3. */
  public Region bytePorts() {
    return ports("dma-chan", 16, 0);
  }

  /** Of channels 4 to 7. */
  public Region wordPorts() {
    return ports("dma-cont", 32, 1);
  }

  private Region ports(String name, int size, int controller) {
    return new Region.DeviceRegion(
        name,
        size,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int accessed) {
            return readRegister(controller, (int) offset >> controller);
          }

          @Override
          public void write(long offset, int accessed, long value) {
            writeRegister(controller, (int) offset >> controller, (int) value & 0xff);
          }
        });
  }

  /** The page registers, from port 81 on. */
  public Region pagePorts() {
    return new Region.DeviceRegion(
        "dma-page",
        PAGES.length - 1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return pages[(int) offset + 1] & 0xff;
          }

          @Override
          public void write(long offset, int size, long value) {
            pages[(int) offset + 1] = (byte) value;
          }
        });
  }

  private int readRegister(int controller, int register) {
    int first = controller * 4;
    if (register < 8) {
      int channel = first + register / 2;
      int value = register % 2 == 0 ? address[channel] : count[channel];
      return value >> nextByte(controller) * 8 & 0xff;
    }
    return switch (register) {
      case 8 -> {
        int status = ended >> first & 0xf;
        ended &= ~(0xf << first);
        yield status;
      }
      case 0xf -> 0xf0 | masks >> first & 0xf;
      default -> 0;
    };
  }

  /** 0 for the low byte, 1 for the high one; the other comes next. */
  private int nextByte(int controller) {
    int now = secondByte >> controller & 1;
    secondByte ^= 1 << controller;
    return now;
  }

  private void writeRegister(int controller, int register, int value) {
    int first = controller * 4;
    if (register < 8) {
      writeChannel(first + register / 2, register % 2 == 0, nextByte(controller) * 8, value);
      return;
    }
    int bit = 1 << first + (value & 3);
    switch (register) {
      case 8 -> commands = commands & ~(0xf << first) | (value & 0xf) << first;
      case 0xa -> masks = (value & 4) != 0 ? masks | bit : masks & ~bit;
      case 0xb -> mode[first + (value & 3)] = value;
      case 0xc -> secondByte &= ~(1 << controller);
      case 0xd -> {
        secondByte &= ~(1 << controller);
        masks |= 0xf << first;
        ended &= ~(0xf << first);
        commands &= ~(0xf << first);
      }
      case 0xe -> masks &= ~(0xf << first);
      case 0xf -> masks = masks & ~(0xf << first) | (value & 0xf) << first;
      default -> {} // requests by software
    }
    tellWaiting();
  }

  private void writeChannel(int channel, boolean isAddress, int shift, int value) {
    int[] base = isAddress ? baseAddress : baseCount;
    base[channel] = base[channel] & ~(0xff << shift) & 0xffff | value << shift;
    (isAddress ? address : count)[channel] = base[channel];
  }

  // ---- device ----

  @Override
  public String id() {
    return "i8257";
  }

  @Override
  public void reset() {
    Arrays.fill(baseAddress, 0);
    Arrays.fill(baseCount, 0);
    Arrays.fill(address, 0);
    Arrays.fill(count, 0);
    Arrays.fill(mode, 0);
    Arrays.fill(pages, (byte) 0);
    masks = 0xff;
    ended = 0;
    commands = 0;
    secondByte = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
