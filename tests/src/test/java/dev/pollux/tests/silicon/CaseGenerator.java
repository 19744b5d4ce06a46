package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * Makes random sequences. Each instruction is executed in the interpreter as soon as it is chosen,
 * so that the next one can be chosen for the registers that it will find; one that raises an
 * exception is mostly taken back, or else ends the sequence. Whatever follows from the
 * interpreter's being wrong shows when the whole sequence is compared.
 *
 * <p>Half of the sequences have a structure: loops, subroutines, code that is jumped over, jumps to
 * another page. What a sequence does in the further rounds of a loop is left to chance, as long as
 * it stays inside its own code and comes to an end.
 */
final class CaseGenerator {
  private static final int ATTEMPTS = 40;
  private static final int KEEP_FAULT_ONE_IN = 12;
  private static final int KEEP_PAGE_FAULT_ONE_IN = 3;
  private static final int SKIPPED_LIMIT = 16;
  private static final int MAX_NESTING = 2;

  /** Steps of a loop's further rounds. */
  private static final int MAX_STEPS = 400;

  /** Room that is kept free behind a sequence that is not to run into the end of the code. */
  private static final int ROOM = 128;

  private static final byte[] EMPTY = new byte[Window.CODE_LENGTH];
  private static final int RSP = 4;
  private static final int TRANSIENT = GuestExecutor.SNAPSHOTS - 1;

  private final GuestExecutor guest;
  private final Decoder decoder;
  private final List<List<OpcodeInfo>> groups64;
  private final List<List<OpcodeInfo>> groups32;
  private final Set<OpcodeInfo> usable64;
  private final Set<OpcodeInfo> usable32;
  private final long[] gpr = new long[16];

  private long firstCase;
  private long poolSeed;
  private long[] pool;

  private RandomGenerator random;
  private EncodingGenerator encodings;
  private int bits;
  private List<OpcodeInfo> rows;
  private Set<OpcodeInfo> usable;
  private long address;
  private long ip;
  private long undefined;
  private boolean ended;

  /** The sequence may run into the unmapped page behind the code. */
  private boolean toTheEnd;

  private boolean structured;
  private int nesting;

  /** Bits of general registers that count rounds. */
  private int reserved;

  private final List<byte[]> pieces = new ArrayList<>();
  private final List<Insn> executed = new ArrayList<>();
  private final byte[] code = new byte[Window.CODE_LENGTH + Decoder.MAX_LENGTH];

  /** The instructions by their offset in the window. */
  private final Insn[] insns = new Insn[Window.CODE_LENGTH + Decoder.MAX_LENGTH];

  /** Offset behind the last of {@link #insns} that is not null. */
  private int used;

  /** Where a structure starts, to go back to if it fails. */
  private record Checkpoint(int place, int pieces, int executed, long ip, long undefined) {}

  CaseGenerator(
      GuestExecutor guest, Decoder decoder, List<OpcodeInfo> rows64, List<OpcodeInfo> rows32) {
    this.guest = guest;
    this.decoder = decoder;
    this.groups64 = groups(rows64);
    this.groups32 = groups(rows32);
    this.usable64 = new HashSet<>(rows64);
    this.usable32 = new HashSet<>(rows32);
  }

  /** All rows several times, then the integer, the x87 and the vector ones. */
  private static List<List<OpcodeInfo>> groups(List<OpcodeInfo> rows) {
    List<List<OpcodeInfo>> groups = new ArrayList<>(List.of(rows, rows, rows));
    List<OpcodeInfo> integer = new ArrayList<>();
    List<OpcodeInfo> x87 = new ArrayList<>();
    List<OpcodeInfo> vector = new ArrayList<>();
    for (OpcodeInfo row : rows) {
      if (row.has(Property.X87) || row.has(Property.MMX)) {
        x87.add(row);
      } else if (row.has(Property.SIMD)) {
        vector.add(row);
      } else {
        integer.add(row);
      }
    }
    for (List<OpcodeInfo> group : List.of(integer, integer, x87, vector)) {
      if (!group.isEmpty()) {
        groups.add(group);
      }
    }
    return groups;
  }

  /** The case of a number; the same again for the same seed. */
  SiliconCase generate(long seed, long number) {
    if (pool == null || poolSeed != seed) {
      poolSeed = seed;
      SplittableRandom ofSeed = new SplittableRandom(seed);
      firstCase = ofSeed.nextLong(); // far from that of the next seed
      pool = SiliconState.pool(ofSeed);
    }
    random = new SplittableRandom(firstCase + number * 0xd134_2543_de82_ef95L);
    encodings = new EncodingGenerator(decoder, random);
    bits = random.nextInt(6) == 0 ? 32 : 64;
    List<List<OpcodeInfo>> groups = bits == 64 ? groups64 : groups32;
    rows = groups.get(random.nextInt(groups.size()));
    usable = bits == 64 ? usable64 : usable32;
    SiliconState start = new SiliconState();
    start.randomize(random, pool);
    if (bits == 32) {
      for (int i = 0; i < 16; i++) {
        start.words[SiliconState.GPR + i] &= i < 8 ? 0xffff_ffffL : 0;
      }
    }
    chooseAddress();
    start.words[SiliconState.RIP] = address;
    guest.load(bits, start);
    guest.write(Window.CODE, EMPTY);
    ip = address;
    undefined = 0;
    ended = false;
    nesting = 0;
    reserved = 0;
    structured = random.nextBoolean();
    pieces.clear();
    executed.clear();
    Arrays.fill(insns, 0, used, null);
    used = 0;
    int count = 1 + random.nextInt(random.nextInt(4) == 0 ? 100 : 24);
    while (executed.size() < count && !ended && add()) {
      // Until long enough, or nothing more fits.
    }
    while (!ended && !Window.hasExit(ip) && ip < Window.CODE_END) {
      appendPiece(new byte[] {SiliconCase.NOP});
    }
    return new SiliconCase(bits, address, List.copyOf(pieces), start);
  }

  private void chooseAddress() {
    toTheEnd = false;
    address = Window.CODE + 64 + random.nextInt(Window.CODE_LENGTH / 2);
    switch (random.nextInt(16)) {
      case 0, 1 -> address = Window.CODE + Window.CODE_LENGTH / 2 - random.nextInt(64);
      case 2 -> {
        toTheEnd = true;
        address = Window.CODE_END - 1 - random.nextInt(ROOM);
      }
      default -> {}
    }
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
    if (toTheEnd) {
      if (ip == Window.CODE_END) {
        ended = true;
        return false;
      }
    } else if (ip > Window.CODE_END - ROOM) {
      return false;
    }
    if (structured && !toTheEnd && nesting < MAX_NESTING && random.nextInt(6) == 0) {
      nesting++;
      addStructure();
      nesting--;
      return true;
    }
    return addInstruction();
  }

  private boolean addInstruction() {
    for (int i = 0; i < ATTEMPTS; i++) {
      OpcodeInfo row = rows.get(random.nextInt(rows.size()));
      if (StateFilter.alignmentDiffers(row, guest.state())) {
        continue;
      }
      for (int j = 0; j < 4; j++) {
        Candidate candidate = candidate(row);
        if (candidate != null && accept(candidate)) {
          return true;
        }
      }
    }
    return false;
  }

  private Candidate candidate(OpcodeInfo row) {
    for (int r = 0; r < 16; r++) {
      gpr[r] = guest.state().gpr(r);
    }
    return encodings.generate(row, bits, gpr, ip);
  }

  private boolean accept(Candidate candidate) {
    Insn insn = candidate.insn();
    if ((insn.flagsRead() & undefined) != 0) {
      return false;
    }
    guest.save(TRANSIENT);
    long at = ip;
    if (candidate.setup().length > 0) {
      at = setUp(candidate.setup());
    }
    if (at > Window.CODE_END - 1
        || !StateFilter.comparable(insn, guest.state(), candidate.bytes(), 0)) {
      guest.restore(TRANSIENT);
      return false;
    }
    if (!guest.step(at, candidate.bytes())) {
      return fault(candidate, at);
    }
    long next = at + candidate.bytes().length;
    long rip = guest.state().rip();
    long skipped = rip - next;
    if (skipped < 0
        || skipped > SKIPPED_LIMIT
        || rip > Window.CODE_END
        || !Window.inStack(guest.state().gpr(RSP))
        || reservedChanged()) {
      guest.restore(TRANSIENT);
      return false;
    }
    append(candidate.setup(), true);
    append(candidate.bytes(), true);
    if (skipped > 0) {
      appendSkipped((int) skipped);
    }
    undefined = SiliconCase.undefinedAfter(insn, undefined);
    return true;
  }

  private boolean reservedChanged() {
    for (int r = 0; r < 16; r++) {
      if ((reserved >> r & 1) != 0 && guest.state().gpr(r) != reservedValue[r]) {
        return true;
      }
    }
    return false;
  }

  private final long[] reservedValue = new long[16];

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

  private boolean fault(Candidate candidate, long at) {
    boolean offTheEnd = at + candidate.bytes().length > Window.CODE_END;
    int oneIn =
        switch (guest.vector()) {
          case 14, 17 -> KEEP_PAGE_FAULT_ONE_IN;
          default -> KEEP_FAULT_ONE_IN;
        };
    if (!offTheEnd && random.nextInt(oneIn) != 0) {
      guest.restore(TRANSIENT);
      return false;
    }
    append(candidate.setup(), true);
    if (offTheEnd) {
      pieces.add(Arrays.copyOf(candidate.bytes(), (int) (Window.CODE_END - at)));
    } else {
      append(candidate.bytes(), true);
    }
    ended = true;
    return true;
  }

  /** Appends instructions that have been executed, or code that has not. */
  private void append(byte[] bytes, boolean wasExecuted) {
    for (int from = 0; from < bytes.length; ) {
      Insn insn = decoder.decode(bytes, from, bytes.length, bits);
      if (wasExecuted) {
        executed.add(insn);
      }
      setInsn(ip, insn);
      appendPiece(Arrays.copyOfRange(bytes, from, from + insn.length));
      from += insn.length;
    }
  }

  private void appendSkipped(int length) {
    byte[] filler = new byte[length];
    Arrays.fill(filler, SiliconCase.SKIPPED);
    guest.write(ip, filler);
    appendPiece(filler);
  }

  private void appendPiece(byte[] piece) {
    System.arraycopy(piece, 0, code, offset(ip), piece.length);
    pieces.add(piece);
    ip += piece.length;
  }

  private void setInsn(long at, Insn insn) {
    insns[offset(at)] = insn;
    used = Math.max(used, offset(at) + 1);
  }

  private static int offset(long address) {
    return (int) (address - Window.CODE);
  }

  // ---- structures ----

  private void addStructure() {
    Checkpoint start = new Checkpoint(nesting - 1, pieces.size(), executed.size(), ip, undefined);
    guest.save(start.place());
    int outerReserved = reserved;
    boolean good =
        switch (random.nextInt(6)) {
          case 0 -> subroutine();
          case 1 -> farJump();
          case 2, 3 -> hammock();
          default -> loop();
        };
    reserved = outerReserved;
    if (!good) {
      guest.restore(start.place());
      pieces.subList(start.pieces(), pieces.size()).clear();
      executed.subList(start.executed(), executed.size()).clear();
      Arrays.fill(insns, offset(start.ip()), Math.max(used, offset(start.ip())), null);
      ip = start.ip();
      undefined = start.undefined();
      ended = false;
    }
  }

  private X86Assembler assembler() {
    X86Assembler asm = new X86Assembler(bits == 64 ? CodeMode.BITS64 : CodeMode.BITS32);
    asm.org(ip);
    return asm;
  }

  /** Appends one instruction and executes it; false if it faults or reads an undefined flag. */
  private boolean emit(byte[] bytes) {
    Insn insn = decoder.decode(bytes, 0, bytes.length, bits);
    if ((insn.flagsRead() & undefined) != 0 || !guest.step(ip, bytes)) {
      return false;
    }
    append(bytes, true);
    undefined = SiliconCase.undefinedAfter(insn, undefined);
    return true;
  }

  private boolean emit(X86Assembler asm) {
    return emit(asm.finish());
  }

  /** Some instructions; false if none fits. The sequence may end in them. */
  private boolean body(int most) {
    int count = 1 + random.nextInt(most);
    for (int i = 0; i < count && !ended; i++) {
      if (!add()) {
        return false;
      }
    }
    return true;
  }

  /** Goes on where the vCPU is until it comes to {@code target}; false if it goes astray. */
  private boolean runTo(long target) {
    for (int i = 0; i < MAX_STEPS; i++) {
      long rip = guest.state().rip();
      if (rip == target) {
        return true;
      }
      if (rip < address || rip >= ip || !Window.inStack(guest.state().gpr(RSP))) {
        return false;
      }
      Insn insn = insns[offset(rip)];
      if (insn == null) {
        int end = offset(ip);
        insn = decoder.decode(code, offset(rip), end, bits);
        if (insn == null) {
          return false;
        }
        setInsn(rip, insn);
      }
      if ((insn.flagsRead() & undefined) != 0
          || insn.info == null
          || !usable.contains(insn.info) && !isGlue(insn)
          || !StateFilter.comparable(insn, guest.state(), code, offset(rip))) {
        return false;
      }
      executed.add(insn);
      if (!guest.step()) {
        ended = true;
        return true;
      }
      undefined = SiliconCase.undefinedAfter(insn, undefined);
    }
    return false;
  }

  /** Used by the structures, and by what loads registers for operands. */
  private static boolean isGlue(Insn insn) {
    return switch (insn.op) {
      case MOV, JMP, JCC, CALL, RET, LEA, DEC, SUB, ADD, LOOP, PUSH -> true;
      default -> false;
    };
  }

  /** A register counts rounds of a body down. */
  private boolean loop() {
    int counter = random.nextInt(bits == 64 ? 16 : 8);
    if (counter == RSP || (reserved >> counter & 1) != 0) {
      return false;
    }
    Gpr register = Gpr.of(counter);
    X86Assembler asm = assembler();
    asm.mov(OpSize.DWORD, register, 1 + random.nextInt(6));
    if (!emit(asm)) {
      return false;
    }
    reserved |= 1 << counter;
    reservedValue[counter] = guest.state().gpr(counter);
    long head = ip;
    if (!body(6)) {
      return false;
    }
    if (ended) {
      return true;
    }
    reserved &= ~(1 << counter);
    asm = assembler();
    int cond = 5;
    switch (random.nextInt(4)) {
      case 0 -> asm.alu(AluOp.SUB, OpSize.DWORD, register, 1);
      case 1 -> {
        asm.alu(AluOp.ADD, OpSize.DWORD, register, -1);
        cond = 15;
      }
      case 2 -> {
        if (counter == 1 && head - ip - 2 >= -128) {
          return close(new byte[] {(byte) 0xe2, (byte) (head - ip - 2)});
        }
        asm.dec(OpSize.DWORD, register);
      }
      default -> asm.dec(OpSize.DWORD, register);
    }
    return emit(asm) && close(conditionalJump(cond, head - ip));
  }

  /** A branch back and the rounds that follow from it. */
  private boolean close(byte[] branch) {
    long end = ip + branch.length;
    Insn insn = decoder.decode(branch, 0, branch.length, bits);
    if ((insn.flagsRead() & undefined) != 0 || !guest.step(ip, branch)) {
      return false;
    }
    append(branch, true);
    return runTo(end);
  }

  /**
   * @param distance from its own start
   */
  private byte[] conditionalJump(int cond, long distance) {
    if (distance - 2 >= -128 && distance - 2 < 128 && random.nextInt(4) != 0) {
      return new byte[] {(byte) (0x70 | cond), (byte) (distance - 2)};
    }
    return rel32(new byte[] {0x0f, (byte) (0x80 | cond), 0, 0, 0, 0}, distance);
  }

  /** Fills in the displacement at the end of a branch. */
  private static byte[] rel32(byte[] branch, long distance) {
    long displacement = distance - branch.length;
    for (int i = 0; i < 4; i++) {
      branch[branch.length - 4 + i] = (byte) (displacement >> 8 * i);
    }
    return branch;
  }

  private static byte[] jump(long distance) {
    return rel32(new byte[] {(byte) 0xe9, 0, 0, 0, 0}, distance);
  }

  /** Gives an instruction that has been appended another displacement. */
  private void patch(int piece, long at, byte[] bytes) {
    pieces.set(piece, bytes);
    System.arraycopy(bytes, 0, code, offset(at), bytes.length);
    setInsn(at, decoder.decode(bytes, 0, bytes.length, bits));
    guest.write(at, bytes);
  }

  /** A call, a body, a return, and a jump over all that. */
  private boolean subroutine() {
    byte[] jump = jump(0);
    long rsp = guest.state().gpr(RSP);
    if (!emit(rel32(new byte[] {(byte) 0xe8, 0, 0, 0, 0}, 5 + jump.length))) {
      return false;
    }
    long inside = guest.state().gpr(RSP);
    long returnTo = ip;
    int jumpPiece = pieces.size();
    guest.write(ip, jump);
    append(jump, false);
    if (!body(6)) {
      return false;
    }
    if (!ended) {
      long distance = inside - guest.state().gpr(RSP);
      if (distance != 0) {
        byte[] lea = {0x48, (byte) 0x8d, 0x64, 0x24, (byte) distance};
        if (distance != (byte) distance
            || !emit(bits == 64 ? lea : Arrays.copyOfRange(lea, 1, 5))) {
          return false;
        }
      }
      if (!emit(new byte[] {(byte) 0xc3})) {
        return false;
      }
    }
    patch(jumpPiece, returnTo, jump(ip - returnTo));
    return ended || runTo(ip) && (ended || guest.state().gpr(RSP) == rsp);
  }

  /** A jump over bytes that may end in the next page. */
  private boolean farJump() {
    int length = 1 + random.nextInt(random.nextBoolean() ? 200 : 4000);
    if (ip + length + 3 * ROOM > Window.CODE_END || !emit(jump(5 + length))) {
      return false;
    }
    appendSkipped(length);
    return true;
  }

  /** A conditional jump over instructions, which are executed where it is not taken. */
  private boolean hammock() {
    int cond = random.nextInt(16);
    boolean isShort = random.nextBoolean();
    long at = ip;
    int piece = pieces.size();
    byte[] placeholder =
        isShort
            ? new byte[] {(byte) (0x70 | cond), 0x40}
            : new byte[] {0x0f, (byte) (0x80 | cond), 0x40, 0, 0, 0};
    if (!emit(placeholder)) {
      return false;
    }
    boolean taken = guest.state().rip() != ip;
    if (!taken) {
      if (!body(4)) {
        return false;
      }
    } else {
      for (int i = 1 + random.nextInt(4); i > 0; i--) {
        Candidate candidate = candidate(rows.get(random.nextInt(rows.size())));
        if (candidate != null) {
          append(candidate.setup(), false);
          append(candidate.bytes(), false);
        }
      }
      guest.write(at, Arrays.copyOfRange(code, offset(at), offset(ip)));
    }
    long distance = ip - at;
    byte[] jcc = placeholder.clone();
    if (isShort) {
      if (distance > 129) {
        return false;
      }
      jcc[1] = (byte) (distance - 2);
    } else {
      rel32(jcc, distance);
    }
    patch(piece, at, jcc);
    if (taken) {
      guest.state().setRip(ip);
    }
    return true;
  }
}
