package dev.pollux.devices.e1000;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Both ways to the card's address. */
class EepromTest {
  private static final int CLOCK = 1;
  private static final int SELECT = 2;
  private static final int DATA_IN = 4;
  private static final int DATA_OUT = 8;

  private final Eeprom eeprom = new Eeprom(new byte[] {0x52, 0x54, 0, 0x12, 0x34, 0x56}, 0x100e);

  private int readByRegister(int word) {
    eeprom.ask(word << 8 | 1);
    return eeprom.answer() >>> 16;
  }

  private int clock(int bit) {
    eeprom.writeLines(SELECT | (bit != 0 ? DATA_IN : 0));
    eeprom.writeLines(SELECT | CLOCK | (bit != 0 ? DATA_IN : 0));
    return (eeprom.readLines() & DATA_OUT) != 0 ? 1 : 0;
  }

  private int readByWires(int word) {
    eeprom.writeLines(0);
    int instruction = 0b110 << 6 | word;
    for (int i = 8; i >= 0; i--) {
      clock(instruction >> i & 1);
    }
    int value = 0;
    for (int i = 0; i < 16; i++) {
      value = value << 1 | clock(0);
    }
    return value;
  }

  @Test
  void saysTheSameOverBothWays() {
    int sum = 0;
    for (int word = 0; word < 64; word++) {
      assertEquals(readByRegister(word), readByWires(word), "word " + word);
      sum += readByRegister(word);
    }
    assertEquals(0xbaba, sum & 0xffff);
    assertEquals(0x5452, readByRegister(0));
    assertEquals(0x5634, readByRegister(2));
  }
}
