package dev.pollux.devices.isa;

/** The keyboard controller's translation of scan code set 2 to set 1, and back. */
final class ScanCodes {
  private ScanCodes() {}

  /** Set 1 codes by set 2 code 0 to 0x7f. */
  private static final String SET_1 =
      """
      ff43413f3d3b3c5864444240 3e0f2959
      65382a701d10025a66712c1f 1e11035b
      672e2d201205045c68392f21 1413065d
      693130232215075e6a723224 1608095f
      6b332517180b0a606c343526 27190c61
      6d732874 1a0d626e3a361c1b752b6376
      55567778797a0e7b7c4f7d4b477e7f6f
      5253504c4d480145574e514a37494654
      """;

  private static final int[] TO_SET_1 = new int[256];
  private static final int[] TO_SET_2 = new int[128];

  static {
    String digits = SET_1.replaceAll("\\s", "");
    for (int i = 0; i < 256; i++) {
      TO_SET_1[i] = i < 128 ? Integer.parseInt(digits, i * 2, i * 2 + 2, 16) : i;
    }
    TO_SET_1[0x83] = 0x41; // F7
    TO_SET_1[0x84] = 0x54; // Alt + SysRq
    for (int i = 0x84; i >= 1; i--) {
      if (TO_SET_1[i] < 128) {
        TO_SET_2[TO_SET_1[i]] = i;
      }
    }
    TO_SET_2[0x41] = 0x83;
    TO_SET_2[0x54] = 0x84;
  }

  /** Translates one byte but for the break prefix f0. */
  static int toSet1(int set2) {
    return TO_SET_1[set2];
  }

  static int toSet2(int set1) {
    return TO_SET_2[set1];
  }
}
