package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Makes random sequences. Each instruction is executed in the interpreter as soon as it is chosen,
 * so that the next one can be chosen for the registers that it will find; one that raises an
 * exception is mostly taken back, or else ends the sequence. Whatever follows from the
 * interpreter's being wrong shows when the whole sequence is compared.
 */
final class CaseGenerator {
  private static final int MAX_INSTRUCTIONS = 16;
  private static final int ATTEMPTS = 40;
  private static final int KEEP_FAULT_ONE_IN = 12;
  private static final int SKIPPED_LIMIT = 16;
  private static final byte SKIPPED_BYTE = (byte) 0xcc;

  private final GuestExecutor guest;
  private final Decoder decoder;
  private final List<OpcodeInfo> rows64;
  private final List<OpcodeInfo> rows32;
  private final long[] gpr = new long[16];

  private Random random;
  private EncodingGenerator encodings;
  private int bits;
  private long ip;
  private long undefined;
  private boolean ended;
  private final List<byte[]> pieces = new ArrayList<>();
  private final List<Insn> executed = new ArrayList<>();

  CaseGenerator(
      GuestExecutor guest, Decoder decoder, List<OpcodeInfo> rows64, List<OpcodeInfo> rows32) {
    this.guest = guest;
    this.decoder = decoder;
    this.rows64 = rows64;
    this.rows32 = rows32;
  }

  /** The case of a number; the same again for the same seed. */
  SiliconCase generate(long seed, long number) {
    random = new Random(seed * 0x9e37_79b9_7f4a_7c15L + number * 0xd134_2543_de82_ef95L);
    encodings = new EncodingGenerator(decoder, random);
    bits = random.nextInt(5) == 0 ? 32 : 64;
    SiliconState start = new SiliconState();
    start.randomize(random);
    if (bits == 32) {
      for (int i = 0; i < 16; i++) {
        start.words[SiliconState.GPR + i] &= i < 8 ? 0xffff_ffffL : 0;
      }
    }
    long address = Window.CODE + 64 + random.nextInt(Window.CODE_LENGTH / 2);
    start.words[SiliconState.RIP] = address;
    guest.load(bits, start);
    ip = address;
    undefined = 0;
    ended = false;
    pieces.clear();
    executed.clear();
    int count = 1 + random.nextInt(MAX_INSTRUCTIONS);
    while (executed.size() < count && !ended && add()) {
      // Until long enough, or nothing more fits.
    }
    return new SiliconCase(bits, address, List.copyOf(pieces), start);
  }

  /** Instructions of the last case in the order of their execution. */
  List<Insn> executed() {
    return executed;
  }

  /** Flags that the last case leaves undefined. */
  long undefinedFlags() {
    return undefined;
  }

  private boolean add() {
    List<OpcodeInfo> rows = bits == 64 ? rows64 : rows32;
    for (int i = 0; i < ATTEMPTS; i++) {
      OpcodeInfo row = rows.get(random.nextInt(rows.size()));
      if (alignmentDiffers(row)) {
        continue;
      }
      for (int j = 0; j < 4; j++) {
        for (int r = 0; r < 16; r++) {
          gpr[r] = guest.state().gpr(r);
        }
        Candidate candidate = encodings.generate(row, bits, gpr, ip);
        if (candidate != null && accept(candidate)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Processors check the alignment of the larger operands in different ways. */
  private boolean alignmentDiffers(OpcodeInfo row) {
    return (guest.state().rflags() & OpcodeInfo.AC) != 0
        && (row.has(OpcodeInfo.Property.X87)
            || row.has(OpcodeInfo.Property.SIMD)
            || row.has(OpcodeInfo.Property.MMX)
            || row.op.name().startsWith("FX"));
  }

  private boolean accept(Candidate candidate) {
    Insn insn = candidate.insn();
    if ((insn.flagsRead() & undefined) != 0) {
      return false;
    }
    guest.save();
    long at = ip;
    if (candidate.setup().length > 0) {
      at = setUp(candidate.setup());
    }
    if (!guest.step(at, candidate.bytes())) {
      return fault(candidate);
    }
    long next = at + candidate.bytes().length;
    long rip = guest.state().rip();
    long skipped = rip - next;
    if (skipped < 0 || skipped > SKIPPED_LIMIT || !Window.inStack(guest.state().gpr(4))) {
      guest.restore();
      return false;
    }
    append(candidate);
    if (skipped > 0) {
      byte[] filler = new byte[(int) skipped];
      Arrays.fill(filler, SKIPPED_BYTE);
      pieces.add(filler);
    }
    undefined = SiliconCase.undefinedAfter(insn, undefined);
    ip = rip;
    return true;
  }

  private long setUp(byte[] setup) {
    long at = ip;
    for (int from = 0; from < setup.length; ) {
      Insn insn = decoder.decode(setup, from, setup.length, bits);
      guest.step(at, Arrays.copyOfRange(setup, from, from + insn.length));
      from += insn.length;
      at += insn.length;
    }
    return at;
  }

  private boolean fault(Candidate candidate) {
    if (random.nextInt(KEEP_FAULT_ONE_IN) != 0) {
      guest.restore();
      return false;
    }
    append(candidate);
    ended = true;
    return true;
  }

  private void append(Candidate candidate) {
    byte[] setup = candidate.setup();
    for (int from = 0; from < setup.length; ) {
      Insn insn = decoder.decode(setup, from, setup.length, bits);
      pieces.add(Arrays.copyOfRange(setup, from, from + insn.length));
      executed.add(insn);
      from += insn.length;
    }
    pieces.add(candidate.bytes());
    executed.add(candidate.insn());
  }
}
