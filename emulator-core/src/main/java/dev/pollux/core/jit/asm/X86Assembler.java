package dev.pollux.core.jit.asm;

import java.nio.charset.StandardCharsets;

/**
 * Assembles x86 instructions into a {@link CodeBuffer}. The code generator emits through it, and
 * tests assemble their guests with it. Operands are typed; what x86 cannot encode in the current
 * {@link CodeMode} is refused with an {@link IllegalArgumentException} (a reference that turns out
 * to be out of reach when its label is bound, likewise). Instructions on the hot path allocate
 * nothing. Not thread-safe.
 *
 * <p>Integer instructions take an {@link OpSize} first, then destination and sources in Intel's
 * order. Families that share an encoding are enums: {@code alu(ADD, QWORD, RAX, RBX)}; the common
 * ones have names of their own.
 */
public final class X86Assembler extends Encoder {
  private static final int MAX_ALIGNMENT = 1 << 16;

  /** The recommended NOPs of 1 to 8 bytes (Intel SDM vol. 2, NOP), first byte lowest. */
  private static final long[] NOPS = {
    0,
    0x90L,
    0x9066L,
    0x001f0fL,
    0x00401f0fL,
    0x0000441f0fL,
    0x0000441f0f66L,
    0x00000000801f0fL,
    0x0000000000841f0fL
  };

  /** An assembler with a buffer of its own. */
  public X86Assembler(CodeMode mode) {
    this(new CodeBuffer(256), mode);
  }

  /** An assembler that appends to {@code code}. */
  public X86Assembler(CodeBuffer code, CodeMode mode) {
    super(code, mode);
  }

  // ---- buffer, labels, data

  /** The buffer written to. */
  public CodeBuffer code() {
    return code;
  }

  /** Offset in bytes of the next instruction. */
  public int position() {
    return code.position();
  }

  /** Mode that the next instruction is assembled for. */
  public CodeMode mode() {
    return mode;
  }

  /** Assembles for {@code newMode} from here on. */
  public void bits(CodeMode newMode) {
    mode = newMode;
  }

  /** Address of the first byte of the buffer; to be set before the first absolute reference. */
  public void org(long address) {
    setOrigin(address);
  }

  /** Address of a bound label: {@link #org} plus its position. */
  public long address(Label label) {
    return origin() + label.position();
  }

  /** Gives {@code label} the current position and fills in what referred to it. */
  public void bind(Label label) {
    bindHere(label);
  }

  /** A new label bound here. */
  public Label here() {
    Label label = new Label();
    bind(label);
    return label;
  }

  /**
   * The finished code.
   *
   * @throws IllegalStateException if a label that is referred to was never bound
   */
  public byte[] finish() {
    checkResolved();
    return code.toByteArray();
  }

  /** Drops the code made so far, finished or not. Labels have to be reset or new. */
  public void restart() {
    code().truncate(0);
    forgetReferences();
  }

  /** Checks that every label referred to is bound. */
  public void checkResolved() {
    if (unresolved() != 0) {
      throw new IllegalStateException(unresolved() + " references to labels that were never bound");
    }
  }

  /** Data bytes. */
  public void db(int... values) {
    code.reserve(values.length);
    for (int value : values) {
      code.put8(value);
    }
  }

  /** Data bytes. */
  public void db(byte[] values) {
    code.putBytes(values);
  }

  /** The characters of {@code text} as Latin-1 bytes, without a terminator. */
  public void ascii(String text) {
    code.putBytes(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  /** 16-bit data. */
  public void dw(int... values) {
    code.reserve(2 * values.length);
    for (int value : values) {
      code.put16(value);
    }
  }

  /** 32-bit data. */
  public void dd(int... values) {
    code.reserve(4 * values.length);
    for (int value : values) {
      code.put32(value);
    }
  }

  /** 64-bit data. */
  public void dq(long... values) {
    code.reserve(8 * values.length);
    for (long value : values) {
      code.put64(value);
    }
  }

  /** The 16-bit address of {@code label}. */
  public void dw(Label label) {
    code.reserve(2);
    reference(label, Fixup.Kind.ABS16, 0);
  }

  /** The 32-bit address of {@code label}. */
  public void dd(Label label) {
    code.reserve(4);
    reference(label, Fixup.Kind.ABS32, 0);
  }

  /** The 64-bit address of {@code label}. */
  public void dq(Label label) {
    code.reserve(8);
    reference(label, Fixup.Kind.ABS64, 0);
  }

  /** {@code count} zero bytes. */
  public void zeros(int count) {
    code.putBytes(new byte[count]);
  }

  /** Zero bytes until the address is a multiple of {@code alignment}, a power of two. */
  public void alignData(int alignment) {
    zeros(padding(alignment));
  }

  /** NOPs until the address is a multiple of {@code alignment}, a power of two. */
  public void align(int alignment) {
    nop(padding(alignment));
  }

  private int padding(int alignment) {
    if (Integer.bitCount(alignment) != 1 || alignment > MAX_ALIGNMENT) {
      throw new IllegalArgumentException("alignment " + alignment);
    }
    return (int) (-(origin() + code.position()) & (alignment - 1));
  }

  // ---- fixed instructions

  /** An instruction without written operands. */
  public void op(NullaryOp op) {
    if (!op.allows(mode)) {
      throw new IllegalArgumentException(op + " in " + mode.bits() + "-bit code");
    }
    begin();
    int bytes = op.bytes();
    for (int i = 0; i < op.length(); i++) {
      code.put8(bytes >>> (8 * i));
    }
  }

  /** One-byte NOP. */
  public void nop() {
    begin();
    code.put8(0x90);
  }

  /** {@code bytes} bytes of NOPs, as few as possible. */
  public void nop(int bytes) {
    for (int left = bytes; left > 0; ) {
      begin();
      int length = Math.min(left, mode == CodeMode.BITS64 ? 8 : 1);
      for (int i = 0; i < length; i++) {
        code.put8((int) (NOPS[length] >>> (8 * i)));
      }
      left -= length;
    }
  }

  /** The LOCK prefix of the next instruction, which must accept one. */
  public void lock() {
    lockNext();
  }

  /** A string instruction on elements of {@code size}. */
  public void string(StringOp op, OpSize size) {
    begin();
    operandSize(size);
    rex(rexFor(size));
    code.put8(op.opcode() | (size == OpSize.BYTE ? 0 : 1));
  }

  /** REP or REPE before {@code op}. */
  public void rep(StringOp op, OpSize size) {
    begin();
    code.put8(0xf3);
    string(op, size);
  }

  /** REPNE before {@code op}, which compares. */
  public void repne(StringOp op, OpSize size) {
    if (!op.compares()) {
      throw new IllegalArgumentException("REPNE before " + op);
    }
    begin();
    code.put8(0xf2);
    string(op, size);
  }

  // ---- moves

  /** {@code dst = src}. */
  public void mov(OpSize size, Rm dst, Gpr src) {
    begin();
    gprInstruction(size, 0x88, src, dst);
  }

  /** {@code dst = src}. */
  public void mov(OpSize size, Gpr dst, Mem src) {
    begin();
    gprInstruction(size, 0x8a, dst, src);
  }

  /** {@code dst = immediate}, by the shortest instruction that leaves the flags alone. */
  public void mov(OpSize size, Gpr dst, long immediate) {
    begin();
    if (size == OpSize.QWORD && immediate >>> 32 != 0) {
      movWide(dst, immediate);
      return;
    }
    // A 32-bit move clears the upper half.
    OpSize used = size == OpSize.QWORD ? OpSize.DWORD : size;
    if (size == OpSize.QWORD) {
      require64("a 64-bit operand");
    } else {
      checkImmediate(size, immediate);
    }
    operandSize(used);
    rexOpcodeRegister(rexFor(used, dst), dst.number());
    code.put8((size == OpSize.BYTE ? 0xb0 : 0xb8) | (dst.number() & 7));
    code.put(used.bytes(), immediate);
  }

  private void movWide(Gpr dst, long immediate) {
    if (immediate == (int) immediate) {
      operandSize(OpSize.QWORD);
      instruction(0, rexFor(OpSize.QWORD), OpcodeBits.ONE, 0xc7, 0, (Rm) dst, 4);
      code.put32((int) immediate);
    } else {
      movAbsolute(dst, immediate);
    }
  }

  /** {@code dst = immediate}, always with a 64-bit immediate, so that it can be patched. */
  public void movAbsolute(Gpr dst, long immediate) {
    require64("a 64-bit immediate");
    begin();
    rexOpcodeRegister(rexFor(OpSize.QWORD) | rexFor(OpSize.QWORD, dst), dst.number());
    code.put8(0xb8 | (dst.number() & 7));
    code.put64(immediate);
  }

  /** {@code dst = address of label} as an immediate of {@code size} (WORD, DWORD or QWORD). */
  public void mov(OpSize size, Gpr dst, Label label) {
    begin();
    operandSize(size);
    rexOpcodeRegister(rexFor(size) | rexFor(size, dst), dst.number());
    code.put8(0xb8 | (dst.number() & 7));
    switch (size) {
      case BYTE -> throw new IllegalArgumentException("address of a label in a byte register");
      case WORD -> reference(label, Fixup.Kind.ABS16, 0);
      case DWORD -> reference(label, Fixup.Kind.ABS32, 0);
      case QWORD -> reference(label, Fixup.Kind.ABS64, 0);
    }
  }

  /** {@code dst = immediate}, sign-extended where {@code size} is QWORD. */
  public void mov(OpSize size, Mem dst, int immediate) {
    begin();
    checkImmediate(size, immediate);
    sized(size, 0xc6, 0, dst, size.immediateBytes());
    code.put(size.immediateBytes(), immediate);
  }

  /** AL, AX, EAX or RAX from an absolute 64-bit address. */
  public void movFromAddress(OpSize size, long address) {
    absoluteMove(size, 0xa0, address);
  }

  /** AL, AX, EAX or RAX to an absolute 64-bit address. */
  public void movToAddress(OpSize size, long address) {
    absoluteMove(size, 0xa2, address);
  }

  private void absoluteMove(OpSize size, int opcode, long address) {
    require64("a 64-bit address");
    begin();
    operandSize(size);
    rex(rexFor(size));
    code.put8(opcode | (size == OpSize.BYTE ? 0 : 1));
    code.put64(address);
  }

  /** Zero-extends a {@code from} (BYTE or WORD) operand to {@code to}. */
  public void movzx(OpSize to, Gpr dst, OpSize from, Rm src) {
    extend(to, dst, from, src, 0xb6);
  }

  /** Sign-extends a {@code from} (BYTE, WORD or DWORD) operand to {@code to}. */
  public void movsx(OpSize to, Gpr dst, OpSize from, Rm src) {
    if (from == OpSize.DWORD && to == OpSize.QWORD) {
      begin();
      require64("a 64-bit operand");
      instruction(0, rexFor(to) | rexFor(to, dst), OpcodeBits.ONE, 0x63, dst.number(), src, 0);
    } else {
      extend(to, dst, from, src, 0xbe);
    }
  }

  private void extend(OpSize to, Gpr dst, OpSize from, Rm src, int opcode) {
    if (from.compareTo(OpSize.WORD) > 0 || to.compareTo(from) <= 0) {
      throw new IllegalArgumentException("extension from " + from + " to " + to);
    }
    begin();
    operandSize(to);
    int rexBits = rexFor(to) | rexFor(to, dst) | rexFor(from, src);
    int wide = from == OpSize.BYTE ? 0 : 1;
    instruction(0, rexBits, OpcodeBits.M0F, opcode | wide, dst.number(), src, 0);
  }

  /** {@code dst = address of src}. */
  public void lea(OpSize size, Gpr dst, Mem src) {
    requireNotByte(size);
    begin();
    operandSize(size);
    memoryForm(0, rexFor(size) | rexFor(size, dst), OpcodeBits.ONE, 0x8d, dst.number(), src, 0);
  }

  /** Exchanges; with memory it is atomic without LOCK. */
  public void xchg(OpSize size, Rm dst, Gpr src) {
    beginLockable(dst);
    gprInstruction(size, 0x86, src, dst);
  }

  /** {@code dst = src} when {@code condition} holds. */
  public void cmov(Cond condition, OpSize size, Gpr dst, Rm src) {
    requireNotByte(size);
    begin();
    twoByte(size, 0x40 | condition.code(), dst, src, 0);
  }

  /** {@code dst = condition ? 1 : 0}, a byte. */
  public void setcc(Cond condition, Rm dst) {
    begin();
    instruction(0, rexFor(OpSize.BYTE, dst), OpcodeBits.M0F, 0x90 | condition.code(), 0, dst, 0);
  }

  /** Reverses the bytes of a DWORD or QWORD register. */
  public void bswap(OpSize size, Gpr dst) {
    if (size.compareTo(OpSize.DWORD) < 0) {
      throw new IllegalArgumentException("BSWAP of a " + size);
    }
    begin();
    operandSize(size);
    rexOpcodeRegister(rexFor(size) | rexFor(size, dst), dst.number());
    code.put8(0x0f);
    code.put8(0xc8 | (dst.number() & 7));
  }

  /** Loads and reverses bytes. */
  public void movbe(OpSize size, Gpr dst, Mem src) {
    requireNotByte(size);
    begin();
    operandSize(size);
    memoryForm(0, rexFor(size) | rexFor(size, dst), OpcodeBits.M0F38, 0xf0, dst.number(), src, 0);
  }

  /** Reverses bytes and stores. */
  public void movbe(OpSize size, Mem dst, Gpr src) {
    requireNotByte(size);
    begin();
    operandSize(size);
    memoryForm(0, rexFor(size) | rexFor(size, src), OpcodeBits.M0F38, 0xf1, src.number(), dst, 0);
  }

  /** MOVNTI: a store of a DWORD or QWORD that bypasses the caches. */
  public void movnti(OpSize size, Mem dst, Gpr src) {
    if (size.compareTo(OpSize.DWORD) < 0) {
      throw new IllegalArgumentException("MOVNTI of a " + size);
    }
    begin();
    twoByte(size, 0xc3, src, dst, 0);
  }

  /** CBW, CWDE or CDQE: sign-extends the lower half of the accumulator into a {@code size} one. */
  public void extendAccumulator(OpSize size) {
    accumulator(size, 0x98);
  }

  /** CWD, CDQ or CQO: fills (E/R)DX with the accumulator's sign. */
  public void signToDx(OpSize size) {
    accumulator(size, 0x99);
  }

  private void accumulator(OpSize size, int opcode) {
    requireNotByte(size);
    begin();
    operandSize(size);
    rex(rexFor(size));
    code.put8(opcode);
  }

  // ---- arithmetic

  /** {@code dst = dst op src}. */
  public void alu(AluOp op, OpSize size, Rm dst, Gpr src) {
    beginAlu(op, dst);
    gprInstruction(size, op.digit() << 3, src, dst);
  }

  /** {@code dst = dst op src}. */
  public void alu(AluOp op, OpSize size, Gpr dst, Mem src) {
    begin();
    gprInstruction(size, op.digit() << 3 | 2, dst, src);
  }

  /** {@code dst = dst op immediate}, sign-extended where {@code size} is QWORD. */
  public void alu(AluOp op, OpSize size, Rm dst, int immediate) {
    beginAlu(op, dst);
    checkImmediate(size, immediate);
    int digit = op.digit();
    if (size != OpSize.BYTE && immediate == (byte) immediate) {
      sizedGroup(size, 0x83, digit, dst, 1);
      code.put8(immediate);
    } else if (dst == Gpr.RAX) {
      operandSize(size);
      rex(rexFor(size));
      code.put8(digit << 3 | (size == OpSize.BYTE ? 4 : 5));
      code.put(size.immediateBytes(), immediate);
    } else {
      sized(size, 0x80, digit, dst, size.immediateBytes());
      code.put(size.immediateBytes(), immediate);
    }
  }

  private void beginAlu(AluOp op, Rm dst) {
    if (op.lockable()) {
      beginLockable(dst);
    } else {
      begin();
    }
  }

  /** Flags of {@code a & b}. */
  public void test(OpSize size, Rm a, Gpr b) {
    begin();
    gprInstruction(size, 0x84, b, a);
  }

  /** Flags of {@code a & immediate}. */
  public void test(OpSize size, Rm a, int immediate) {
    begin();
    checkImmediate(size, immediate);
    if (a == Gpr.RAX) {
      operandSize(size);
      rex(rexFor(size));
      code.put8(size == OpSize.BYTE ? 0xa8 : 0xa9);
    } else {
      sized(size, 0xf6, 0, a, size.immediateBytes());
    }
    code.put(size.immediateBytes(), immediate);
  }

  /** One-operand arithmetic. */
  public void unary(UnaryOp op, OpSize size, Rm operand) {
    if (op.lockable()) {
      beginLockable(operand);
    } else {
      begin();
    }
    sized(size, op.opcode(), op.digit(), operand, 0);
  }

  /** Shift or rotate by a constant. */
  public void shift(ShiftOp op, OpSize size, Rm operand, int count) {
    begin();
    if (count < 0 || count > 255) {
      throw new IllegalArgumentException("shift count " + count);
    }
    if (count == 1) {
      sized(size, 0xd0, op.digit(), operand, 0);
    } else {
      sized(size, 0xc0, op.digit(), operand, 1);
      code.put8(count);
    }
  }

  /** Shift or rotate by CL. */
  public void shiftCl(ShiftOp op, OpSize size, Rm operand) {
    begin();
    sized(size, 0xd2, op.digit(), operand, 0);
  }

  /** SHLD: shifts {@code dst} left, filling from {@code src}. */
  public void shld(OpSize size, Rm dst, Gpr src, int count) {
    doubleShift(size, 0xa4, dst, src, count);
  }

  /** SHLD by CL. */
  public void shldCl(OpSize size, Rm dst, Gpr src) {
    begin();
    requireNotByte(size);
    twoByte(size, 0xa5, src, dst, 0);
  }

  /** SHRD: shifts {@code dst} right, filling from {@code src}. */
  public void shrd(OpSize size, Rm dst, Gpr src, int count) {
    doubleShift(size, 0xac, dst, src, count);
  }

  /** SHRD by CL. */
  public void shrdCl(OpSize size, Rm dst, Gpr src) {
    begin();
    requireNotByte(size);
    twoByte(size, 0xad, src, dst, 0);
  }

  private void doubleShift(OpSize size, int opcode, Rm dst, Gpr src, int count) {
    begin();
    requireNotByte(size);
    twoByte(size, opcode, src, dst, 1);
    code.put8(count);
  }

  /** {@code dst = src op} ..., see {@link GprOp}. */
  public void op(GprOp op, OpSize size, Gpr dst, Rm src) {
    if (!op.allows(size)) {
      throw new IllegalArgumentException(op + " of a " + size);
    }
    begin();
    operandSize(size);
    instruction(
        op.prefix(),
        rexFor(size) | rexFor(size, dst) | rexFor(size, src),
        op.map(),
        op.opcode(),
        dst.number(),
        src,
        0);
  }

  /** {@code dst = src * immediate}. */
  public void imul(OpSize size, Gpr dst, Rm src, int immediate) {
    requireNotByte(size);
    begin();
    checkImmediate(size, immediate);
    operandSize(size);
    boolean small = immediate == (byte) immediate;
    int bytes = small ? 1 : size.immediateBytes();
    int rexBits = rexFor(size) | rexFor(size, dst) | rexFor(size, src);
    instruction(0, rexBits, OpcodeBits.ONE, small ? 0x6b : 0x69, dst.number(), src, bytes);
    code.put(bytes, immediate);
  }

  /** Bit test (and change) with the bit number in a register. */
  public void bit(BitOp op, OpSize size, Rm dst, Gpr index) {
    requireNotByte(size);
    beginBit(op, dst);
    twoByte(size, op.registerOpcode(), index, dst, 0);
  }

  /** Bit test (and change) with a constant bit number. */
  public void bit(BitOp op, OpSize size, Rm dst, int index) {
    requireNotByte(size);
    beginBit(op, dst);
    operandSize(size);
    instruction(0, rexFor(size) | rexFor(size, dst), OpcodeBits.M0F, 0xba, op.digit(), dst, 1);
    code.put8(index);
  }

  private void beginBit(BitOp op, Rm dst) {
    if (op.lockable()) {
      beginLockable(dst);
    } else {
      begin();
    }
  }

  /** Exchange and add. */
  public void xadd(OpSize size, Rm dst, Gpr src) {
    beginLockable(dst);
    twoByteSized(size, 0xc0, src, dst);
  }

  /** Compare the accumulator with {@code dst} and exchange. */
  public void cmpxchg(OpSize size, Rm dst, Gpr src) {
    beginLockable(dst);
    twoByteSized(size, 0xb0, src, dst);
  }

  /** CMPXCHG16B; {@link MemOp#CMPXCHG8B} is its 8-byte form. */
  public void cmpxchg16b(Mem dst) {
    wide(MemOp.CMPXCHG8B, dst);
  }

  /** CRC32 of a {@code from} operand into a DWORD or, from a QWORD, a QWORD register. */
  public void crc32(OpSize from, Gpr dst, Rm src) {
    begin();
    operandSize(from);
    instruction(
        OpcodeBits.F2,
        rexFor(from) | rexFor(OpSize.DWORD, dst) | rexFor(from, src),
        OpcodeBits.M0F38,
        from == OpSize.BYTE ? 0xf0 : 0xf1,
        dst.number(),
        src,
        0);
  }

  /**
   * A BMI instruction with two register sources in the manual's order for those of {@link BmiOp}
   * that end in r/m.
   */
  public void bmi(BmiOp op, OpSize size, Gpr dst, Gpr first, Rm second) {
    if (op.middleIsRm()) {
      throw new IllegalArgumentException(op + " takes its register/memory operand in the middle");
    }
    bmiForm(op, size, dst, first, second);
  }

  /** A BMI instruction whose register/memory operand stands in the middle. */
  public void bmi(BmiOp op, OpSize size, Gpr dst, Rm first, Gpr second) {
    if (!op.middleIsRm()) {
      throw new IllegalArgumentException(op + " takes its register/memory operand last");
    }
    bmiForm(op, size, dst, second, first);
  }

  /** A BMI instruction on registers only, in the manual's order. */
  public void bmi(BmiOp op, OpSize size, Gpr dst, Gpr first, Gpr second) {
    if (op.middleIsRm()) {
      bmiForm(op, size, dst, second, first);
    } else {
      bmiForm(op, size, dst, first, second);
    }
  }

  private void bmiForm(BmiOp op, OpSize size, Gpr dst, Gpr vvvv, Rm rm) {
    boolean w = wideOrDword(size);
    begin();
    vexGpr(
        op.prefix(), OpcodeBits.M0F38, w, op.opcode(), lowRegister(dst), lowRegister(vvvv), rm, 0);
  }

  /** BLSR, BLSMSK or BLSI. */
  public void bls(BlsOp op, OpSize size, Gpr dst, Rm src) {
    boolean w = wideOrDword(size);
    begin();
    vexGpr(0, OpcodeBits.M0F38, w, 0xf3, op.digit(), lowRegister(dst), src, 0);
  }

  /** RORX: rotates right by a constant, without flags. */
  public void rorx(OpSize size, Gpr dst, Rm src, int count) {
    boolean w = wideOrDword(size);
    begin();
    vexGpr(OpcodeBits.F2, OpcodeBits.M0F3A, w, 0xf0, lowRegister(dst), 0, src, 1);
    code.put8(count);
  }

  private boolean wideOrDword(OpSize size) {
    return switch (size) {
      case BYTE, WORD -> throw new IllegalArgumentException("a VEX instruction on a " + size);
      case DWORD -> false;
      case QWORD -> {
        require64("a 64-bit operand");
        yield true;
      }
    };
  }

  /** AAM (base 10 in the usual form). */
  public void aam(int base) {
    asciiAdjust(0xd4, base);
  }

  /** AAD (base 10 in the usual form). */
  public void aad(int base) {
    asciiAdjust(0xd5, base);
  }

  private void asciiAdjust(int opcode, int base) {
    requireNot64("AAM or AAD");
    begin();
    code.put8(opcode);
    code.put8(base);
  }

  // ---- the common arithmetic by name

  /** {@code dst += src}. */
  public void add(OpSize size, Rm dst, Gpr src) {
    alu(AluOp.ADD, size, dst, src);
  }

  /** {@code dst += src}. */
  public void add(OpSize size, Gpr dst, Mem src) {
    alu(AluOp.ADD, size, dst, src);
  }

  /** {@code dst += immediate}. */
  public void add(OpSize size, Rm dst, int immediate) {
    alu(AluOp.ADD, size, dst, immediate);
  }

  /** {@code dst -= src}. */
  public void sub(OpSize size, Rm dst, Gpr src) {
    alu(AluOp.SUB, size, dst, src);
  }

  /** {@code dst -= src}. */
  public void sub(OpSize size, Gpr dst, Mem src) {
    alu(AluOp.SUB, size, dst, src);
  }

  /** {@code dst -= immediate}. */
  public void sub(OpSize size, Rm dst, int immediate) {
    alu(AluOp.SUB, size, dst, immediate);
  }

  /** {@code dst &= src}. */
  public void and(OpSize size, Rm dst, Gpr src) {
    alu(AluOp.AND, size, dst, src);
  }

  /** {@code dst &= src}. */
  public void and(OpSize size, Gpr dst, Mem src) {
    alu(AluOp.AND, size, dst, src);
  }

  /** {@code dst &= immediate}. */
  public void and(OpSize size, Rm dst, int immediate) {
    alu(AluOp.AND, size, dst, immediate);
  }

  /** {@code dst |= src}. */
  public void or(OpSize size, Rm dst, Gpr src) {
    alu(AluOp.OR, size, dst, src);
  }

  /** {@code dst |= src}. */
  public void or(OpSize size, Gpr dst, Mem src) {
    alu(AluOp.OR, size, dst, src);
  }

  /** {@code dst |= immediate}. */
  public void or(OpSize size, Rm dst, int immediate) {
    alu(AluOp.OR, size, dst, immediate);
  }

  /** {@code dst ^= src}. */
  public void xor(OpSize size, Rm dst, Gpr src) {
    alu(AluOp.XOR, size, dst, src);
  }

  /** {@code dst ^= src}. */
  public void xor(OpSize size, Gpr dst, Mem src) {
    alu(AluOp.XOR, size, dst, src);
  }

  /** {@code dst ^= immediate}. */
  public void xor(OpSize size, Rm dst, int immediate) {
    alu(AluOp.XOR, size, dst, immediate);
  }

  /** Flags of {@code a - b}. */
  public void cmp(OpSize size, Rm a, Gpr b) {
    alu(AluOp.CMP, size, a, b);
  }

  /** Flags of {@code a - b}. */
  public void cmp(OpSize size, Gpr a, Mem b) {
    alu(AluOp.CMP, size, a, b);
  }

  /** Flags of {@code a - immediate}. */
  public void cmp(OpSize size, Rm a, int immediate) {
    alu(AluOp.CMP, size, a, immediate);
  }

  /** {@code operand += 1}, CF untouched. */
  public void inc(OpSize size, Rm operand) {
    unary(UnaryOp.INC, size, operand);
  }

  /** {@code operand -= 1}, CF untouched. */
  public void dec(OpSize size, Rm operand) {
    unary(UnaryOp.DEC, size, operand);
  }

  /** {@code operand <<= count}. */
  public void shl(OpSize size, Rm operand, int count) {
    shift(ShiftOp.SHL, size, operand, count);
  }

  /** {@code operand >>>= count}. */
  public void shr(OpSize size, Rm operand, int count) {
    shift(ShiftOp.SHR, size, operand, count);
  }

  // ---- stack

  /** Pushes a register in the mode's own stack width, or as a WORD. */
  public void push(OpSize size, Gpr register) {
    stackRegister(size, 0x50, register);
  }

  /** Pops a register in the mode's own stack width, or as a WORD. */
  public void pop(OpSize size, Gpr register) {
    stackRegister(size, 0x58, register);
  }

  /** Pushes a register in the mode's own stack width. */
  public void push(Gpr register) {
    push(nativeSize(), register);
  }

  /** Pops a register in the mode's own stack width. */
  public void pop(Gpr register) {
    pop(nativeSize(), register);
  }

  private void stackRegister(OpSize size, int opcode, Gpr register) {
    begin();
    stackSize(size);
    rexOpcodeRegister(rexFor(size, register), register.number());
    code.put8(opcode | (register.number() & 7));
  }

  /** Pushes memory. */
  public void push(OpSize size, Mem src) {
    begin();
    stackSize(size);
    memoryForm(0, 0, OpcodeBits.ONE, 0xff, 6, src, 0);
  }

  /** Pops into memory. */
  public void pop(OpSize size, Mem dst) {
    begin();
    stackSize(size);
    memoryForm(0, 0, OpcodeBits.ONE, 0x8f, 0, dst, 0);
  }

  /** Pushes a sign-extended constant in {@code size}. */
  public void push(OpSize size, int immediate) {
    begin();
    stackSize(size);
    if (immediate == (byte) immediate) {
      code.put8(0x6a);
      code.put8(immediate);
    } else {
      checkImmediate(size, immediate);
      code.put8(0x68);
      code.put(size.immediateBytes(), immediate);
    }
  }

  /** Pushes a sign-extended constant in the mode's own stack width. */
  public void push(int immediate) {
    push(nativeSize(), immediate);
  }

  /** Pushes a segment register; in 64-bit code FS and GS only. */
  public void push(Seg segment) {
    stackSegment(segment, 0x06, 0xa0);
  }

  /** Pops a segment register but CS; in 64-bit code FS and GS only. */
  public void pop(Seg segment) {
    if (segment == Seg.CS) {
      throw new IllegalArgumentException("POP CS");
    }
    stackSegment(segment, 0x07, 0xa1);
  }

  private void stackSegment(Seg segment, int oneByte, int twoByte) {
    begin();
    switch (segment) {
      case ES, CS, SS, DS -> {
        requireNot64("PUSH or POP of " + segment);
        code.put8(oneByte | segment.number() << 3);
      }
      case FS, GS -> {
        code.put8(0x0f);
        code.put8(twoByte | (segment == Seg.GS ? 8 : 0));
      }
    }
  }

  /** PUSHF, PUSHFD or PUSHFQ. */
  public void pushf(OpSize size) {
    begin();
    stackSize(size);
    code.put8(0x9c);
  }

  /** POPF, POPFD or POPFQ. */
  public void popf(OpSize size) {
    begin();
    stackSize(size);
    code.put8(0x9d);
  }

  /** PUSHF in the mode's own stack width. */
  public void pushf() {
    pushf(nativeSize());
  }

  /** POPF in the mode's own stack width. */
  public void popf() {
    popf(nativeSize());
  }

  /** ENTER. */
  public void enter(int frameBytes, int level) {
    begin();
    code.put8(0xc8);
    code.put16(frameBytes);
    code.put8(level);
  }

  private void stackSize(OpSize size) {
    switch (size) {
      case WORD -> operandSize(size);
      case DWORD -> {
        requireNot64("a 32-bit stack operand");
        operandSize(size);
      }
      case QWORD -> require64("a 64-bit stack operand");
      case BYTE -> throw new IllegalArgumentException("a byte on the stack");
    }
  }

  /** Operand size of the mode itself for stack and branch operands. */
  private OpSize nativeSize() {
    return switch (mode) {
      case BITS16 -> OpSize.WORD;
      case BITS32 -> OpSize.DWORD;
      case BITS64 -> OpSize.QWORD;
    };
  }

  // ---- branches

  /** Jump: short to a bound label within reach, near otherwise. */
  public void jmp(Label target) {
    begin();
    if (inShortReach(target)) {
      code.put8(0xeb);
      reference(target, Fixup.Kind.REL8, 0);
    } else {
      code.put8(0xe9);
      near(target);
    }
  }

  /** Short jump, refused when the label turns out to be too far. */
  public void jmpShort(Label target) {
    begin();
    code.put8(0xeb);
    reference(target, Fixup.Kind.REL8, 0);
  }

  /** Near jump even to a bound label within short reach, so that it can be patched. */
  public void jmpNear(Label target) {
    begin();
    code.put8(0xe9);
    near(target);
  }

  /** Conditional jump: short to a bound label within reach, near otherwise. */
  public void jcc(Cond condition, Label target) {
    begin();
    if (inShortReach(target)) {
      code.put8(0x70 | condition.code());
      reference(target, Fixup.Kind.REL8, 0);
    } else {
      code.put8(0x0f);
      code.put8(0x80 | condition.code());
      near(target);
    }
  }

  /** Short conditional jump, refused when the label turns out to be too far. */
  public void jccShort(Cond condition, Label target) {
    begin();
    code.put8(0x70 | condition.code());
    reference(target, Fixup.Kind.REL8, 0);
  }

  /**
   * The last field of a branch whose opcode is there already, as part of code that was copied: a
   * 32-bit displacement.
   */
  public void displacementTo(Label target) {
    code.reserve(4);
    near(target);
  }

  /** LOOP: decrements (R/E)CX and jumps while it is not zero. */
  public void loop(Label target) {
    shortBranch(0xe2, target);
  }

  /** LOOPE. */
  public void loope(Label target) {
    shortBranch(0xe1, target);
  }

  /** LOOPNE. */
  public void loopne(Label target) {
    shortBranch(0xe0, target);
  }

  /** JCXZ, JECXZ or JRCXZ by the mode's address size. */
  public void jcxz(Label target) {
    shortBranch(0xe3, target);
  }

  private void shortBranch(int opcode, Label target) {
    begin();
    code.put8(opcode);
    reference(target, Fixup.Kind.REL8, 0);
  }

  private boolean inShortReach(Label target) {
    return target.isBound() && code.position() + 2 - target.position() <= 128;
  }

  private void near(Label target) {
    reference(target, mode == CodeMode.BITS16 ? Fixup.Kind.REL16 : Fixup.Kind.REL32, 0);
  }

  /** Near call. */
  public void call(Label target) {
    begin();
    code.put8(0xe8);
    near(target);
  }

  /** Near jump to the address in a register or in memory. */
  public void jmp(Rm target) {
    indirect(4, target);
  }

  /** Near call of the address in a register or in memory. */
  public void call(Rm target) {
    indirect(2, target);
  }

  private void indirect(int digit, Rm target) {
    begin();
    instruction(0, rexFor(nativeSize(), target), OpcodeBits.ONE, 0xff, digit, target, 0);
  }

  /** Near return. */
  public void ret() {
    begin();
    code.put8(0xc3);
  }

  /** Near return that drops {@code bytes} of arguments. */
  public void ret(int bytes) {
    begin();
    code.put8(0xc2);
    code.put16(bytes);
  }

  /** Far jump to {@code selector:target} with an offset of {@code size} (WORD or DWORD). */
  public void jmpFar(OpSize size, int selector, Label target) {
    farDirect(size, 0xea, selector, target);
  }

  /** Far call of {@code selector:target} with an offset of {@code size} (WORD or DWORD). */
  public void callFar(OpSize size, int selector, Label target) {
    farDirect(size, 0x9a, selector, target);
  }

  private void farDirect(OpSize size, int opcode, int selector, Label target) {
    requireNot64("a far pointer in the instruction");
    begin();
    operandSize(size);
    code.put8(opcode);
    switch (size) {
      case WORD -> reference(target, Fixup.Kind.ABS16, 0);
      case DWORD -> reference(target, Fixup.Kind.ABS32, 0);
      case BYTE, QWORD -> throw new IllegalArgumentException("far pointer of " + size);
    }
    code.put16(selector);
  }

  /** Far jump through a pointer in memory whose offset has {@code size}. */
  public void jmpFar(OpSize size, Mem pointer) {
    farIndirect(size, 5, pointer);
  }

  /** Far call through a pointer in memory whose offset has {@code size}. */
  public void callFar(OpSize size, Mem pointer) {
    farIndirect(size, 3, pointer);
  }

  private void farIndirect(OpSize size, int digit, Mem pointer) {
    requireNotByte(size);
    begin();
    operandSize(size);
    memoryForm(0, rexFor(size), OpcodeBits.ONE, 0xff, digit, pointer, 0);
  }

  /** Far return with operands of {@code size}. */
  public void retf(OpSize size) {
    sizedByte(size, 0xcb);
  }

  /** Interrupt return with operands of {@code size}. */
  public void iret(OpSize size) {
    sizedByte(size, 0xcf);
  }

  private void sizedByte(OpSize size, int opcode) {
    requireNotByte(size);
    begin();
    operandSize(size);
    rex(rexFor(size));
    code.put8(opcode);
  }

  /** Software interrupt. */
  public void int_(int vector) {
    begin();
    code.put8(0xcd);
    code.put8(vector);
  }

  // ---- ports

  /** AL, AX or EAX from the port in DX. */
  public void inDx(OpSize size) {
    port(size, 0xec);
  }

  /** AL, AX or EAX to the port in DX. */
  public void outDx(OpSize size) {
    port(size, 0xee);
  }

  /** AL, AX or EAX from a port below 256. */
  public void in(OpSize size, int port) {
    port(size, 0xe4);
    code.put8(port);
  }

  /** AL, AX or EAX to a port below 256. */
  public void out(OpSize size, int port) {
    port(size, 0xe6);
    code.put8(port);
  }

  private void port(OpSize size, int opcode) {
    if (size == OpSize.QWORD) {
      throw new IllegalArgumentException("64-bit port access");
    }
    begin();
    operandSize(size);
    code.put8(opcode | (size == OpSize.BYTE ? 0 : 1));
  }

  // ---- system

  /** Segment register from a register or memory. */
  public void mov(Seg dst, Rm src) {
    if (dst == Seg.CS) {
      throw new IllegalArgumentException("MOV CS");
    }
    begin();
    instruction(0, rexFor(OpSize.WORD, src), OpcodeBits.ONE, 0x8e, dst.number(), src, 0);
  }

  /** Segment register to a register of {@code size} (zero-extended) or to 16 bits of memory. */
  public void mov(OpSize size, Rm dst, Seg src) {
    requireNotByte(size);
    begin();
    int rexBits = 0;
    if (dst instanceof Gpr register) {
      operandSize(size);
      rexBits = rexFor(size) | rexFor(size, register);
    }
    instruction(0, rexBits, OpcodeBits.ONE, 0x8c, src.number(), dst, 0);
  }

  /** Control register from a general-purpose register. */
  public void mov(ControlReg dst, Gpr src) {
    special(0x22, dst.number(), src);
  }

  /** Control register to a general-purpose register. */
  public void mov(Gpr dst, ControlReg src) {
    special(0x20, src.number(), dst);
  }

  /** Debug register from a general-purpose register. */
  public void mov(DebugReg dst, Gpr src) {
    special(0x23, dst.number(), src);
  }

  /** Debug register to a general-purpose register. */
  public void mov(Gpr dst, DebugReg src) {
    special(0x21, src.number(), dst);
  }

  private void special(int opcode, int special, Gpr register) {
    begin();
    registerForm(0, 0, OpcodeBits.M0F, opcode, special, lowRegister(register));
  }

  /** An instruction with one memory operand. */
  public void op(MemOp op, Mem operand) {
    if (op.lockable()) {
      beginLockable(operand);
    } else {
      begin();
    }
    memoryForm(op.prefix(), 0, op.map(), op.opcode(), op.digit(), operand, 0);
  }

  /** The REX.W variant of {@code op}: FXSAVE64, XRSTOR64, CMPXCHG16B and the like. */
  public void wide(MemOp op, Mem operand) {
    if (!op.allowsWide()) {
      throw new IllegalArgumentException(op + " has no 64-bit variant");
    }
    require64("a 64-bit operand");
    if (op.lockable()) {
      beginLockable(operand);
    } else {
      begin();
    }
    memoryForm(op.prefix(), rexFor(OpSize.QWORD), op.map(), op.opcode(), op.digit(), operand, 0);
  }

  /** A system instruction with one 16-bit operand. */
  public void op(RmOp op, Rm operand) {
    begin();
    instruction(
        0, rexFor(OpSize.WORD, operand), OpcodeBits.M0F, op.opcode(), op.digit(), operand, 0);
  }

  /** RDFSBASE, RDGSBASE. */
  public void rdsegbase(OpSize size, Seg segment, Gpr dst) {
    segmentBase(size, segment, dst, 0);
  }

  /** WRFSBASE, WRGSBASE. */
  public void wrsegbase(OpSize size, Seg segment, Gpr src) {
    segmentBase(size, segment, src, 2);
  }

  private void segmentBase(OpSize size, Seg segment, Gpr register, int write) {
    require64("FSGSBASE");
    if (segment != Seg.FS && segment != Seg.GS) {
      throw new IllegalArgumentException("base of " + segment);
    }
    boolean w = wideOrDword(size);
    begin();
    int digit = (segment == Seg.GS ? 1 : 0) | write;
    registerForm(
        OpcodeBits.F3, w ? rexFor(size) : 0, OpcodeBits.M0F, 0xae, digit, lowRegister(register));
  }

  /** INVPCID. */
  public void invpcid(Gpr type, Mem descriptor) {
    begin();
    memoryForm(OpcodeBits.P66, 0, OpcodeBits.M0F38, 0x82, lowRegister(type), descriptor, 0);
  }

  /** RDRAND. */
  public void rdrand(OpSize size, Gpr dst) {
    requireNotByte(size);
    begin();
    operandSize(size);
    instruction(0, rexFor(size) | rexFor(size, dst), OpcodeBits.M0F, 0xc7, 6, (Rm) dst, 0);
  }

  /** RDSEED. */
  public void rdseed(OpSize size, Gpr dst) {
    requireNotByte(size);
    begin();
    operandSize(size);
    instruction(0, rexFor(size) | rexFor(size, dst), OpcodeBits.M0F, 0xc7, 7, (Rm) dst, 0);
  }

  /** LDS, LES, LSS, LFS or LGS: a far pointer from memory. */
  public void loadFarPointer(OpSize size, Seg segment, Gpr dst, Mem src) {
    requireNotByte(size);
    begin();
    operandSize(size);
    int rexBits = rexFor(size) | rexFor(size, dst);
    switch (segment) {
      case DS, ES -> {
        requireNot64("LDS or LES");
        int opcode = segment == Seg.ES ? 0xc4 : 0xc5;
        memoryForm(0, rexBits, OpcodeBits.ONE, opcode, dst.number(), src, 0);
      }
      case SS -> memoryForm(0, rexBits, OpcodeBits.M0F, 0xb2, dst.number(), src, 0);
      case FS -> memoryForm(0, rexBits, OpcodeBits.M0F, 0xb4, dst.number(), src, 0);
      case GS -> memoryForm(0, rexBits, OpcodeBits.M0F, 0xb5, dst.number(), src, 0);
      case CS -> throw new IllegalArgumentException("far pointer into CS");
    }
  }

  /** BOUND. */
  public void bound(OpSize size, Gpr index, Mem bounds) {
    requireNot64("BOUND");
    requireNotByte(size);
    begin();
    operandSize(size);
    memoryForm(0, rexFor(size, index), OpcodeBits.ONE, 0x62, index.number(), bounds, 0);
  }

  /** ARPL. */
  public void arpl(Rm dst, Gpr src) {
    requireNot64("ARPL");
    begin();
    instruction(0, rexFor(OpSize.WORD, src), OpcodeBits.ONE, 0x63, src.number(), dst, 0);
  }

  // ---- x87

  /** An x87 instruction on ST(0) and ST({@code i}). */
  public void op(X87Op op, int i) {
    if (i < 0 || i > 7) {
      throw new IllegalArgumentException("ST(" + i + ")");
    }
    begin();
    code.put8(op.first());
    code.put8(op.second() + i);
  }

  // ---- vectors, legacy encoding

  /** {@code dst = op(dst, src)} or {@code op(src)}. */
  public void sse(VectorOp op, Xmm dst, XmmRm src) {
    requireImmediate(op, false);
    legacy(op, dst, src, 0);
  }

  /** {@code dst = op(dst, src, immediate)}. */
  public void sse(VectorOp op, Xmm dst, XmmRm src, int immediate) {
    requireImmediate(op, true);
    legacy(op, dst, src, 1);
    code.put8(immediate);
  }

  private void legacy(VectorOp op, Xmm dst, XmmRm src, int immediateBytes) {
    if (!op.hasLegacyForm()) {
      throw new IllegalArgumentException(op + " exists only with VEX");
    }
    checkForm(op, src);
    begin();
    instruction(op.prefix(), 0, op.map(), op.opcode(), dst.number(), src, immediateBytes);
  }

  private static void requireImmediate(VectorOp op, boolean given) {
    if (op.hasImmediate() != given) {
      throw new IllegalArgumentException(op + (given ? " takes no" : " needs an") + " immediate");
    }
  }

  private static void checkForm(VectorOp op, XmmRm src) {
    boolean legal =
        switch (op.form()) {
          case RM, RVM, RVMR -> true;
          case RMEM -> src instanceof Mem;
          case RVR -> src instanceof Xmm;
        };
    if (!legal) {
      throw new IllegalArgumentException(op + " does not take " + src);
    }
  }

  /** Loads or copies into {@code dst}. */
  public void sse(VectorMove move, Xmm dst, XmmRm src) {
    checkMove(move, src, true);
    begin();
    instruction(move.prefix(), 0, move.map(), move.loadOpcode(), dst.number(), src, 0);
  }

  /** Stores {@code src}. */
  public void sse(VectorMove move, Mem dst, Xmm src) {
    begin();
    memoryForm(move.prefix(), 0, move.map(), move.storeOpcode(), src.number(), dst, 0);
  }

  private static void checkMove(VectorMove move, XmmRm src, boolean twoOperands) {
    boolean legal =
        switch (move.shape()) {
          case WHOLE -> true;
          case MEMORY, HALF -> src instanceof Mem;
          case SCALAR -> twoOperands || src instanceof Xmm;
        };
    if (!legal) {
      throw new IllegalArgumentException(move + " does not take " + src);
    }
  }

  /** Shifts packed integers by a constant. */
  public void sse(VectorShift op, Xmm dst, int count) {
    begin();
    registerForm(OpcodeBits.P66, 0, OpcodeBits.M0F, op.opcode(), op.digit(), dst.number());
    code.put8(count);
  }

  /** A vector to a DWORD or QWORD general-purpose register. */
  public void sse(FromVectorOp op, OpSize size, Gpr dst, XmmRm src) {
    if (!op.allowsMemory() && src instanceof Mem) {
      throw new IllegalArgumentException(op + " does not take memory");
    }
    int rexBits = wideOrDword(size) ? rexFor(size) : 0;
    begin();
    instruction(op.prefix(), rexBits, OpcodeBits.M0F, op.opcode(), lowRegister(dst), src, 0);
  }

  /** CVTSI2SS from a DWORD or QWORD. */
  public void cvtsi2ss(OpSize size, Xmm dst, Rm src) {
    fromGpr(OpcodeBits.F3, size, 0x2a, dst, src);
  }

  /** CVTSI2SD from a DWORD or QWORD. */
  public void cvtsi2sd(OpSize size, Xmm dst, Rm src) {
    fromGpr(OpcodeBits.F2, size, 0x2a, dst, src);
  }

  /** MOVD or MOVQ (by {@code size}) into a vector register, upper part zero. */
  public void movd(OpSize size, Xmm dst, Rm src) {
    fromGpr(OpcodeBits.P66, size, 0x6e, dst, src);
  }

  /** MOVD or MOVQ (by {@code size}) from the low element of a vector register. */
  public void movd(OpSize size, Rm dst, Xmm src) {
    fromGpr(OpcodeBits.P66, size, 0x7e, src, dst);
  }

  private void fromGpr(int prefix, OpSize size, int opcode, Xmm vector, Rm rm) {
    int rexBits = (wideOrDword(size) ? rexFor(size) : 0) | rexFor(size, rm);
    begin();
    instruction(prefix, rexBits, OpcodeBits.M0F, opcode, vector.number(), rm, 0);
  }

  /** MOVQ between vector registers or from memory, upper half zero. */
  public void movq(Xmm dst, XmmRm src) {
    begin();
    instruction(OpcodeBits.F3, 0, OpcodeBits.M0F, 0x7e, dst.number(), src, 0);
  }

  /** MOVQ to memory. */
  public void movq(Mem dst, Xmm src) {
    begin();
    memoryForm(OpcodeBits.P66, 0, OpcodeBits.M0F, 0xd6, src.number(), dst, 0);
  }

  /** PINSRB, PINSRW, PINSRD or PINSRQ by {@code size}. */
  public void pinsr(OpSize size, Xmm dst, Rm src, int lane) {
    begin();
    OpSize register = size == OpSize.QWORD ? OpSize.QWORD : OpSize.DWORD;
    int rexBits = rexFor(size) | rexFor(register, src);
    switch (size) {
      case BYTE -> instruction(0x66, rexBits, OpcodeBits.M0F3A, 0x20, dst.number(), src, 1);
      case WORD -> instruction(0x66, rexBits, OpcodeBits.M0F, 0xc4, dst.number(), src, 1);
      case DWORD, QWORD -> {
        instruction(0x66, rexBits, OpcodeBits.M0F3A, 0x22, dst.number(), src, 1);
      }
    }
    code.put8(lane);
  }

  /** PEXTRB, PEXTRW, PEXTRD or PEXTRQ by {@code size}; a register is zero-extended. */
  public void pextr(OpSize size, Rm dst, Xmm src, int lane) {
    begin();
    OpSize register = size == OpSize.QWORD ? OpSize.QWORD : OpSize.DWORD;
    int rexBits = rexFor(size) | rexFor(register, dst);
    int opcode =
        switch (size) {
          case BYTE -> 0x14;
          case WORD -> 0x15;
          case DWORD, QWORD -> 0x16;
        };
    instruction(0x66, rexBits, OpcodeBits.M0F3A, opcode, src.number(), dst, 1);
    code.put8(lane);
  }

  // ---- vectors, VEX encoding

  /** {@code dst = op(src)}. */
  public void avx(VectorOp op, VectorLength length, Xmm dst, XmmRm src) {
    requireImmediate(op, false);
    vexTwo(op, length, dst, src, 0);
  }

  /** {@code dst = op(src, immediate)}. */
  public void avx(VectorOp op, VectorLength length, Xmm dst, XmmRm src, int immediate) {
    requireImmediate(op, true);
    vexTwo(op, length, dst, src, 1);
    code.put8(immediate);
  }

  /** {@code dst = op(first, second)}. */
  public void avx(VectorOp op, VectorLength length, Xmm dst, Xmm first, XmmRm second) {
    requireImmediate(op, false);
    vexThree(op, length, dst, first, second, 0);
  }

  /** {@code dst = op(first, second, immediate)}. */
  public void avx(
      VectorOp op, VectorLength length, Xmm dst, Xmm first, XmmRm second, int immediate) {
    requireImmediate(op, true);
    vexThree(op, length, dst, first, second, 1);
    code.put8(immediate);
  }

  /** {@code dst = op(first, second, mask)}: VBLENDVPS and its like. */
  public void avx(VectorOp op, VectorLength length, Xmm dst, Xmm first, XmmRm second, Xmm mask) {
    if (op.form() != VectorOp.Form.RVMR) {
      throw new IllegalArgumentException(op + " takes no fourth register");
    }
    vexEncoded(op, length, dst, first.number(), second, 1);
    code.put8(mask.number() << 4);
  }

  private void vexTwo(VectorOp op, VectorLength length, Xmm dst, XmmRm src, int immediateBytes) {
    if (op.form().hasFirstSource()) {
      throw new IllegalArgumentException(op + " takes two sources with VEX");
    }
    vexEncoded(op, length, dst, 0, src, immediateBytes);
  }

  private void vexThree(
      VectorOp op, VectorLength length, Xmm dst, Xmm first, XmmRm second, int immediateBytes) {
    if (!op.form().hasFirstSource() || op.form() == VectorOp.Form.RVMR) {
      throw new IllegalArgumentException(op + " does not take two sources");
    }
    vexEncoded(op, length, dst, first.number(), second, immediateBytes);
  }

  private void vexEncoded(
      VectorOp op, VectorLength length, Xmm dst, int vvvv, XmmRm src, int immediateBytes) {
    if (!op.hasVexForm() || !op.allows(length)) {
      throw new IllegalArgumentException(op + " has no VEX encoding of " + length);
    }
    checkForm(op, src);
    begin();
    vex(
        op.prefix(),
        op.map(),
        op.vexW(),
        length == VectorLength.L256,
        op.opcode(),
        dst.number(),
        vvvv,
        src,
        immediateBytes);
  }

  /** Loads or copies into {@code dst}, clearing what lies above. */
  public void avx(VectorMove move, VectorLength length, Xmm dst, XmmRm src) {
    boolean scalarLoad = move.shape() == VectorMove.Shape.SCALAR && src instanceof Mem;
    if (move.shape() == VectorMove.Shape.HALF
        || (!scalarLoad && move.shape() == VectorMove.Shape.SCALAR)) {
      throw new IllegalArgumentException(move + " takes two sources with VEX");
    }
    checkMove(move, src, true);
    begin();
    vexMove(move, length, move.loadOpcode(), dst.number(), 0, src);
  }

  /** MOVSS or MOVSD of two registers, MOVLPS and its like of a register and memory. */
  public void avx(VectorMove move, Xmm dst, Xmm first, XmmRm second) {
    boolean legal =
        switch (move.shape()) {
          case WHOLE, MEMORY -> false;
          case SCALAR -> second instanceof Xmm;
          case HALF -> second instanceof Mem;
        };
    if (!legal) {
      throw new IllegalArgumentException(move + " does not take two sources");
    }
    begin();
    vexMove(move, VectorLength.L128, move.loadOpcode(), dst.number(), first.number(), second);
  }

  /** Stores {@code src}. */
  public void avx(VectorMove move, VectorLength length, Mem dst, Xmm src) {
    begin();
    vexMove(move, length, move.storeOpcode(), src.number(), 0, dst);
  }

  private void vexMove(
      VectorMove move, VectorLength length, int opcode, int reg, int vvvv, XmmRm rm) {
    boolean wide = length == VectorLength.L256;
    boolean partial =
        move.shape() == VectorMove.Shape.SCALAR || move.shape() == VectorMove.Shape.HALF;
    if (wide && partial) {
      throw new IllegalArgumentException(move + " has no VEX encoding of " + length);
    }
    vex(move.prefix(), move.map(), false, wide, opcode, reg, vvvv, rm, 0);
  }

  /** VEXTRACTF128: the half of {@code src} that {@code half} says. */
  public void vextractf128(XmmRm dst, Xmm src, int half) {
    extract128(0x19, dst, src, half);
  }

  /** VEXTRACTI128: the half of {@code src} that {@code half} says. */
  public void vextracti128(XmmRm dst, Xmm src, int half) {
    extract128(0x39, dst, src, half);
  }

  private void extract128(int opcode, XmmRm dst, Xmm src, int half) {
    begin();
    vex(OpcodeBits.P66, OpcodeBits.M0F3A, false, true, opcode, src.number(), 0, dst, 1);
    code.put8(half);
  }

  /** Shifts packed integers by a constant. */
  public void avx(VectorShift op, VectorLength length, Xmm dst, Xmm src, int count) {
    begin();
    boolean wide = length == VectorLength.L256;
    vexRegister(
        OpcodeBits.P66,
        OpcodeBits.M0F,
        false,
        wide,
        op.opcode(),
        op.digit(),
        dst.number(),
        src.number());
    code.put8(count);
  }

  /** VMOVD or VMOVQ (by {@code size}) into a vector register. */
  public void vmovd(OpSize size, Xmm dst, Rm src) {
    boolean w = wideOrDword(size);
    begin();
    vexGpr(OpcodeBits.P66, OpcodeBits.M0F, w, 0x6e, dst.number(), 0, src, 0);
  }

  /** VMOVD or VMOVQ (by {@code size}) from the low element of a vector register. */
  public void vmovd(OpSize size, Rm dst, Xmm src) {
    boolean w = wideOrDword(size);
    begin();
    vexGpr(OpcodeBits.P66, OpcodeBits.M0F, w, 0x7e, src.number(), 0, dst, 0);
  }

  // ---- shared shapes

  /** An instruction pair whose odd opcode takes the larger sizes, with a register operand. */
  private void gprInstruction(OpSize size, int opcode, Gpr reg, Rm rm) {
    operandSize(size);
    int rexBits = rexFor(size) | rexFor(size, reg) | rexFor(size, rm);
    int used = size == OpSize.BYTE ? opcode : opcode | 1;
    instruction(0, rexBits, OpcodeBits.ONE, used, reg.number(), rm, 0);
  }

  /** An instruction pair whose odd opcode takes the larger sizes, with a digit. */
  private void sized(OpSize size, int opcode, int digit, Rm rm, int immediateBytes) {
    sizedGroup(size, size == OpSize.BYTE ? opcode : opcode | 1, digit, rm, immediateBytes);
  }

  private void sizedGroup(OpSize size, int opcode, int digit, Rm rm, int immediateBytes) {
    operandSize(size);
    int rexBits = rexFor(size) | rexFor(size, rm);
    instruction(0, rexBits, OpcodeBits.ONE, opcode, digit, rm, immediateBytes);
  }

  private void twoByte(OpSize size, int opcode, Gpr reg, Rm rm, int immediateBytes) {
    operandSize(size);
    int rexBits = rexFor(size) | rexFor(size, reg) | rexFor(size, rm);
    instruction(0, rexBits, OpcodeBits.M0F, opcode, reg.number(), rm, immediateBytes);
  }

  private void twoByteSized(OpSize size, int opcode, Gpr reg, Rm rm) {
    twoByte(size, size == OpSize.BYTE ? opcode : opcode | 1, reg, rm, 0);
  }

  private static void requireNotByte(OpSize size) {
    if (size == OpSize.BYTE) {
      throw new IllegalArgumentException("the instruction has no byte form");
    }
  }

  /** Immediates are given signed or unsigned; a QWORD instruction sign-extends 32 bits. */
  private static void checkImmediate(OpSize size, long immediate) {
    boolean fits =
        switch (size) {
          case BYTE -> immediate >= -0x80 && immediate <= 0xff;
          case WORD -> immediate >= -0x8000 && immediate <= 0xffff;
          case DWORD -> immediate >= Integer.MIN_VALUE && immediate <= 0xffff_ffffL;
          case QWORD -> immediate == (int) immediate;
        };
    if (!fits) {
      throw new IllegalArgumentException("immediate " + immediate + " in a " + size + " operand");
    }
  }
}
