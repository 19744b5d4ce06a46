package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.BlockCounters;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.devices.storage.DriveProperties;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * What the controller tells of itself: the pages of Identify (5.15.2) and of Get Log Page (5.14.1).
 */
final class NvmePages {
  static final int BYTES = 4096;

  /** Of the specification. */
  static final int VERSION = 0x1_0400;

  private static final String MODEL = "POLLUX NVMe Ctrl";
  private static final String FIRMWARE = "1.0";
  private static final String NAME = "nqn.2025-01.dev.pollux:";

  private static final int DATASET_MANAGEMENT = 1 << 2;
  private static final int WRITE_ZEROES = 1 << 3;
  private static final int SELECTABLE_FEATURES = 1 << 4;

  private final ByteBuffer page;

  private NvmePages(int bytes) {
    page = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private NvmePages u8(int at, int value) {
    page.put(at, (byte) value);
    return this;
  }

  private NvmePages u16(int at, int value) {
    page.putShort(at, (short) value);
    return this;
  }

  private NvmePages u32(int at, int value) {
    page.putInt(at, value);
    return this;
  }

  private NvmePages u64(int at, long value) {
    page.putLong(at, value);
    return this;
  }

  private NvmePages text(int at, int length, char padding, String text) {
    byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < length; i++) {
      page.put(at + i, i < ascii.length ? ascii[i] : (byte) padding);
    }
    return this;
  }

  private byte[] bytes() {
    return page.array();
  }

  static byte[] empty() {
    return new byte[BYTES];
  }

  /**
   * The controller (figure 247).
   *
   * @param dataPages the most that a command moves: pages of 4 KiB, log2
   * @param requests for events at once
   */
  static byte[] controller(
      int vendor, int subsystemVendor, String serial, int dataPages, int requests) {
    return new NvmePages(BYTES)
        .u16(0, vendor)
        .u16(2, subsystemVendor)
        .text(4, 20, ' ', serial)
        .text(24, 40, ' ', MODEL)
        .text(64, 8, ' ', FIRMWARE)
        .u8(72, 6) // commands in a burst are best 64
        .u8(75, 0x52) // the maker, 52-54-00
        .u8(74, 0x54)
        .u8(77, dataPages)
        .u32(80, VERSION)
        .u32(92, 1 << 8) // tells of changed namespaces
        .u8(111, 1) // for input and output
        .u8(258, 3) // commands to abort at once
        .u8(259, requests - 1)
        .u8(260, 1 << 1 | 1) // one firmware, not to be changed
        .u8(261, 7) // logs: of the namespace, effects, with offsets
        .u16(266, NvmeFeatures.WARNING_KELVINS)
        .u16(268, NvmeFeatures.WARNING_KELVINS + 30)
        .u8(512, 0x66) // commands of 64 bytes
        .u8(513, 0x44) // their ends 16
        .u32(516, NvmeNamespace.ID)
        .u16(520, DATASET_MANAGEMENT | WRITE_ZEROES | SELECTABLE_FEATURES)
        .u8(525, 7) // a write cache; flushed for all namespaces too
        .text(768, 256, '\0', NAME + serial)
        .u16(2048, 2500) // power in 10 mW
        .u32(2052, 16) // microseconds to enter that state, to leave it
        .u32(2056, 4)
        .bytes();
  }

  /** A namespace (figure 245). */
  static byte[] namespace(NvmeNamespace namespace) {
    DriveProperties sizes = namespace.sizes();
    long blocks = namespace.blocks();
    int perWrite = (int) (sizes.physicalBlock() / sizes.logicalBlock()) - 1;
    long best = Math.max(sizes.optIo() / sizes.logicalBlock(), 1) - 1;
    return new NvmePages(BYTES)
        .u64(0, blocks)
        .u64(8, blocks)
        .u64(16, blocks)
        .u8(24, 1 << 4) // sizes of good requests follow
        .u8(33, 1 << 3) // zeros may be written by deallocating
        .u16(64, perWrite)
        .u16(66, perWrite)
        .u16(68, perWrite)
        .u16(70, perWrite)
        .u16(72, (int) Math.min(best, 0xffff))
        .u8(99, namespace.backend().readOnly() ? 1 : 0)
        .u32(128, Long.numberOfTrailingZeros(sizes.logicalBlock()) << 16)
        .bytes();
  }

  /** The namespaces above {@code id}, as unsigned numbers. */
  static byte[] namespaces(int id) {
    return new NvmePages(BYTES).u32(0, id == 0 ? NvmeNamespace.ID : 0).bytes();
  }

  /** The log of the namespaces that have changed. */
  static byte[] changed(boolean changed) {
    return new NvmePages(BYTES).u32(0, changed ? NvmeNamespace.ID : 0).bytes();
  }

  /** The log of errors: none. */
  static byte[] errors() {
    return new byte[64];
  }

  static byte[] firmware() {
    return new NvmePages(512).u8(0, 1).text(8, 8, ' ', FIRMWARE).bytes();
  }

  /** The log of health (figure 194). */
  static byte[] health(BlockCounters counters, boolean tooHot) {
    return new NvmePages(512)
        .u8(0, tooHot ? 1 << 1 : 0)
        .u16(1, NvmeFeatures.KELVINS)
        .u8(3, 100) // per cent that are in reserve
        .u64(32, thousands(counters.bytes(BlockRequest.Op.READ)))
        .u64(48, thousands(counters.bytes(BlockRequest.Op.WRITE)))
        .u64(64, counters.operations(BlockRequest.Op.READ))
        .u64(80, counters.operations(BlockRequest.Op.WRITE))
        .bytes();
  }

  /** Units of a thousand times 512 bytes, rounded up. */
  private static long thousands(long bytes) {
    return (bytes / 512 + 999) / 1000;
  }

  /** The log of the commands that there are: 1 of each, 2 of those that change data. */
  static byte[] effects() {
    NvmePages page = new NvmePages(BYTES);
    for (int opcode : NvmeAdmin.OPCODES) {
      page.u32(opcode * 4, 1);
    }
    for (int opcode : NvmeNamespace.OPCODES) {
      page.u32(1024 + opcode * 4, NvmeNamespace.isWrite(opcode) ? 3 : 1);
    }
    return page.bytes();
  }
}
