package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** All operands of 8 bits against definitions that go bit by bit or through wider integers. */
class AluTest {
  private static int bit(long value, int n) {
    return (int) (value >>> n) & 1;
  }

  @Test
  void carriesOfSumsAndDifferences() {
    for (int a = 0; a < 256; a++) {
      for (int b = 0; b < 256; b++) {
        for (int in = 0; in < 2; in++) {
          long sum = Alu.addCarries(a, b, a + b + in);
          long difference = Alu.subCarries(a, b, a - b - in);
          for (int n = 0; n < 8; n++) {
            int mask = (2 << n) - 1;
            assertEquals((a & mask) + (b & mask) + in > mask ? 1 : 0, bit(sum, n));
            assertEquals((a & mask) - (b & mask) - in < 0 ? 1 : 0, bit(difference, n));
          }
          int signed = (byte) a + (byte) b + in;
          assertEquals(signed != (byte) signed ? 1 : 0, bit(sum, 7) ^ bit(sum, 6));
          signed = (byte) a - (byte) b - in;
          assertEquals(signed != (byte) signed ? 1 : 0, bit(difference, 7) ^ bit(difference, 6));
        }
      }
    }
  }

  @Test
  void rotationsGoBitByBit() {
    for (int a = 0; a < 256; a++) {
      int left = a;
      int right = a;
      for (int count = 1; count < 8; count++) {
        left = left << 1 & 0xff | left >> 7;
        right = right >> 1 | right << 7 & 0xff;
        assertEquals(left, Alu.rotateLeft(a, count, 1) & 0xff);
        assertEquals(right, Alu.rotateRight(a, count, 1) & 0xff);
      }
    }
  }

  @Test
  void rotationsThroughCarryGoBitByBit() {
    for (int a = 0; a < 256; a++) {
      for (int cf = 0; cf < 2; cf++) {
        int left = a << 1 | cf;
        int right = cf << 8 | a;
        for (int count = 1; count <= 8; count++) {
          // Nine bits, the carry above or below the eight.
          left = count == 1 ? a << 1 | cf : left << 1 & 0x1ff | left >> 8;
          right = right >> 1 | right << 8 & 0x1ff;
          int carryLeft = left >> 8;
          long result = Alu.rclResult(a, count, 1, cf) & 0xff;
          assertEquals(left & 0xff, result);
          assertEquals(carryLeft, Alu.rclFlags(a, result, count, 1) & 1);
          result = Alu.rcrResult(a, count, 1, cf) & 0xff;
          assertEquals(right & 0xff, result);
          assertEquals(right >> 8, Alu.rcrFlags(a, result, count, 1) & 1);
        }
      }
    }
  }

  @Test
  void parityAndSigns() {
    for (int a = 0; a < 256; a++) {
      assertEquals(Integer.bitCount(a) % 2 == 0 ? Alu.PF : 0, Alu.parity(a | 0xff00));
      assertEquals((byte) a, Alu.signExtend(a | 0xff00, 1));
      assertEquals(a, Alu.zeroExtend(a | 0xff00, 1));
    }
  }

  /** The pairs that a comparison of a and b tells apart. */
  @Test
  void conditionsCompare() {
    for (int a = 0; a < 256; a++) {
      for (int b = 0; b < 256; b += 5) {
        long r = a - b;
        long borrows = Alu.subCarries(a, b, r);
        int of = bit(borrows, 7) ^ bit(borrows, 6);
        int flags = Alu.shiftFlags(r, 1, bit(borrows, 7), of);
        assertEquals(a < b, Alu.condition(2, flags));
        assertEquals(a >= b, Alu.condition(3, flags));
        assertEquals(a == b, Alu.condition(4, flags));
        assertEquals(a <= b, Alu.condition(6, flags));
        assertEquals(a > b, Alu.condition(7, flags));
        assertEquals((byte) r < 0, Alu.condition(8, flags));
        assertEquals((byte) a < (byte) b, Alu.condition(12, flags));
        assertEquals((byte) a >= (byte) b, Alu.condition(13, flags));
        assertEquals((byte) a <= (byte) b, Alu.condition(14, flags));
        assertEquals((byte) a > (byte) b, Alu.condition(15, flags));
      }
    }
  }

  /** The check value of CRC-32C (RFC 3720, B.4 names the polynomial). */
  @Test
  void crc32cOfTheUsualDigits() {
    int crc = -1;
    for (byte b : "123456789".getBytes(StandardCharsets.US_ASCII)) {
      crc = Alu.crc32c(crc, b, 1);
    }
    assertEquals(0xe306_9283, ~crc);
  }
}
