package dev.pollux.core.cpu;

/**
 * Canonical linear addresses: those that sign-extend their low bits (Intel SDM vol. 1, 3.3.7.1).
 *
 * <p>Accesses and branches go by the paging mode ({@link CpuState#isCanonical}). Registers that
 * hold an address for later (MSRs, bases of segments and of descriptor tables) and INVPCID go by
 * what the processor can do ({@link CpuModel#isCanonical}): 57 bits with LA57, whatever CR4.LA57
 * says.
 */
final class CanonicalForm {
  /** Width with 4-level paging. */
  static final int BITS_4_LEVELS = 48;

  /** Width with 5-level paging. */
  static final int BITS_5_LEVELS = 57;

  private CanonicalForm() {}

  /** True if {@code address} sign-extends its {@code bits} low bits. */
  static boolean is(long address, int bits) {
    return address << 64 - bits >> 64 - bits == address;
  }

  /** True for an address that is canonical on some processor. */
  static boolean isAnywhere(long address) {
    return is(address, BITS_5_LEVELS);
  }
}
