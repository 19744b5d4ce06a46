package dev.pollux.devices.storage.nvme;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A command (4.2), as it was when it was taken from its queue. Constant.
 *
 * <pre>
 *   00 opcode, 9:8 fused, 15:14 how data is described, 31:16 identifier   04 namespace
 *   18 PRP 1   20 PRP 2   28 dword 10 ... 3c dword 15
 * </pre>
 */
final class NvmeCommand {
  static final int BYTES = 64;

  /** Fused operations, and data that is not described by PRPs. */
  private static final int NOT_SUPPORTED = 0xc3 << 8;

  private final ByteBuffer bytes;

  /**
   * @param bytes kept
   */
  NvmeCommand(byte[] bytes) {
    this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  byte[] bytes() {
    return bytes.array().clone();
  }

  int opcode() {
    return bytes.get(0) & 0xff;
  }

  int id() {
    return bytes.getShort(2) & 0xffff;
  }

  int namespace() {
    return bytes.getInt(4);
  }

  /** Whether it asks for something that this controller has not. */
  boolean isStrange() {
    return (bytes.getInt(0) & NOT_SUPPORTED) != 0;
  }

  long prp1() {
    return bytes.getLong(0x18);
  }

  long prp2() {
    return bytes.getLong(0x20);
  }

  /**
   * @param number 10 to 15
   */
  int dword(int number) {
    return bytes.getInt(number * 4);
  }

  /** A dword and the next one. */
  long qword(int number) {
    return bytes.getLong(number * 4);
  }

  int low(int number) {
    return dword(number) & 0xffff;
  }

  int high(int number) {
    return dword(number) >>> 16;
  }
}
