package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;

/**
 * Follows a case in the interpreter, instruction by instruction, to find out whether its result is
 * defined. Not thread-safe.
 */
final class CaseTracer {
  /** A case that does not say what its result is. */
  static final long UNDEFINED = -1;

  private static final int MAX_STEPS = 20_000;

  private final GuestExecutor guest;
  private final Decoder decoder;

  CaseTracer(GuestExecutor guest, Decoder decoder) {
    this.guest = guest;
    this.decoder = decoder;
  }

  /**
   * Flags that the case leaves undefined; {@link #UNDEFINED} if an instruction depends on such a
   * flag or cannot be compared, or if execution leaves the case's own code or does not end.
   */
  long undefinedFlags(SiliconCase test) {
    byte[] code = test.code();
    long address = Window.home(test.address());
    guest.load(test.bits(), test.start());
    guest.place(test.bits(), test.address(), code);
    long undefined = 0;
    for (int i = 0; i < MAX_STEPS; i++) {
      long offset = Window.home(guest.state().rip()) - address;
      long end = address + code.length;
      if (offset == code.length) {
        return Window.hasExit(end) || end == Window.CODE_END ? undefined : UNDEFINED;
      }
      if (offset < 0 || offset > code.length) {
        return UNDEFINED;
      }
      // As it is now: the case may have written to its own code.
      byte[] now = guest.read(address + offset, code.length - (int) offset);
      Insn insn = decoder.decode(now, 0, now.length, test.bits());
      if (insn == null) {
        // The rest of the instruction is what lies behind the case: nothing, at the end of a page.
        return end == Window.CODE_END ? undefined : UNDEFINED;
      }
      if ((insn.flagsRead() & undefined) != 0
          || !StateFilter.comparable(insn, guest.state(), now, 0)) {
        return UNDEFINED;
      }
      if (!guest.step()) {
        return undefined;
      }
      undefined = insn.info == null ? undefined : SiliconCase.undefinedAfter(insn, undefined);
    }
    return UNDEFINED;
  }
}
