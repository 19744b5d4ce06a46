package dev.pollux.core.interp;

import static dev.pollux.core.interp.X87Unit.begin;
import static dev.pollux.core.interp.X87Unit.beginKeepingC1;
import static dev.pollux.core.interp.X87Unit.checkAvailable;
import static dev.pollux.core.interp.X87Unit.checkWaiting;
import static dev.pollux.core.interp.X87Unit.empty;
import static dev.pollux.core.interp.X87Unit.finish;
import static dev.pollux.core.interp.X87Unit.pop;
import static dev.pollux.core.interp.X87Unit.push;
import static dev.pollux.core.interp.X87Unit.put;
import static dev.pollux.core.interp.X87Unit.putIndefinite;
import static dev.pollux.core.interp.X87Unit.se;
import static dev.pollux.core.interp.X87Unit.setCondition;
import static dev.pollux.core.interp.X87Unit.sig;
import static dev.pollux.core.interp.X87Unit.st;
import static dev.pollux.core.interp.X87Unit.stackFault;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * The x87 instructions but those that save and restore state (Intel SDM vol. 2). A memory operand
 * is read, or probed for writing, before anything changes.
 */
final class X87Ops {
  private static final int ADD = 0;
  private static final int MUL = 1;
  private static final int SUB = 2;
  private static final int SUBR = 3;
  private static final int DIV = 4;
  private static final int DIVR = 5;

  private static final int CONDITIONS = X87Unit.C0 | X87Unit.C1 | X87Unit.C2 | X87Unit.C3;

  private X87Ops() {}

  static void register(HandlerTable t) {
    t.bind(Op.FADD, (cpu, insn) -> arithmetic(cpu, insn, ADD, false));
    t.bind(Op.FMUL, (cpu, insn) -> arithmetic(cpu, insn, MUL, false));
    t.bind(Op.FSUB, (cpu, insn) -> arithmetic(cpu, insn, SUB, false));
    t.bind(Op.FSUBR, (cpu, insn) -> arithmetic(cpu, insn, SUBR, false));
    t.bind(Op.FDIV, (cpu, insn) -> arithmetic(cpu, insn, DIV, false));
    t.bind(Op.FDIVR, (cpu, insn) -> arithmetic(cpu, insn, DIVR, false));
    t.bind(Op.FADDP, (cpu, insn) -> arithmetic(cpu, insn, ADD, true));
    t.bind(Op.FMULP, (cpu, insn) -> arithmetic(cpu, insn, MUL, true));
    t.bind(Op.FSUBP, (cpu, insn) -> arithmetic(cpu, insn, SUB, true));
    t.bind(Op.FSUBRP, (cpu, insn) -> arithmetic(cpu, insn, SUBR, true));
    t.bind(Op.FDIVP, (cpu, insn) -> arithmetic(cpu, insn, DIV, true));
    t.bind(Op.FDIVRP, (cpu, insn) -> arithmetic(cpu, insn, DIVR, true));
    t.bind(Op.FIADD, (cpu, insn) -> integerArithmetic(cpu, insn, ADD));
    t.bind(Op.FIMUL, (cpu, insn) -> integerArithmetic(cpu, insn, MUL));
    t.bind(Op.FISUB, (cpu, insn) -> integerArithmetic(cpu, insn, SUB));
    t.bind(Op.FISUBR, (cpu, insn) -> integerArithmetic(cpu, insn, SUBR));
    t.bind(Op.FIDIV, (cpu, insn) -> integerArithmetic(cpu, insn, DIV));
    t.bind(Op.FIDIVR, (cpu, insn) -> integerArithmetic(cpu, insn, DIVR));
    t.bind(Op.FCOM, (cpu, insn) -> compare(cpu, insn, true, 0));
    t.bind(Op.FCOMP, (cpu, insn) -> compare(cpu, insn, true, 1));
    t.bind(Op.FCOMPP, (cpu, insn) -> compare(cpu, insn, true, 2));
    t.bind(Op.FUCOM, (cpu, insn) -> compare(cpu, insn, false, 0));
    t.bind(Op.FUCOMP, (cpu, insn) -> compare(cpu, insn, false, 1));
    t.bind(Op.FUCOMPP, (cpu, insn) -> compare(cpu, insn, false, 2));
    t.bind(Op.FICOM, (cpu, insn) -> compareInteger(cpu, insn, false));
    t.bind(Op.FICOMP, (cpu, insn) -> compareInteger(cpu, insn, true));
    t.bind(Op.FTST, X87Ops::ftst);
    t.bind(Op.FCOMI, (cpu, insn) -> compareToFlags(cpu, insn, true, false));
    t.bind(Op.FCOMIP, (cpu, insn) -> compareToFlags(cpu, insn, true, true));
    t.bind(Op.FUCOMI, (cpu, insn) -> compareToFlags(cpu, insn, false, false));
    t.bind(Op.FUCOMIP, (cpu, insn) -> compareToFlags(cpu, insn, false, true));
    registerMoves(t);
    registerUnary(t);
    registerControl(t);
  }

  private static void registerMoves(HandlerTable t) {
    t.bindByForm(Op.FLD, insn -> insn.kind0 == Insn.ST ? X87Ops::fldRegister : X87Ops::fld);
    t.bind(Op.FILD, X87Ops::fild);
    t.bind(Op.FBLD, X87Ops::fbld);
    t.bindByForm(
        Op.FST,
        insn ->
            insn.kind0 == Insn.ST
                ? (cpu, i) -> fstRegister(cpu, i, false)
                : (cpu, i) -> fst(cpu, i, false));
    t.bindByForm(
        Op.FSTP,
        insn ->
            insn.kind0 == Insn.ST
                ? (cpu, i) -> fstRegister(cpu, i, true)
                : (cpu, i) -> fst(cpu, i, true));
    t.bind(Op.FIST, (cpu, insn) -> fist(cpu, insn, false, false));
    t.bind(Op.FISTP, (cpu, insn) -> fist(cpu, insn, false, true));
    t.bind(Op.FISTTP, (cpu, insn) -> fist(cpu, insn, true, true));
    t.bind(Op.FBSTP, X87Ops::fbstp);
    t.bind(Op.FXCH, X87Ops::fxch);
    t.bind(Op.FCMOVB, (cpu, insn) -> fcmov(cpu, insn, 1, true));
    t.bind(Op.FCMOVE, (cpu, insn) -> fcmov(cpu, insn, 0x40, true));
    t.bind(Op.FCMOVBE, (cpu, insn) -> fcmov(cpu, insn, 0x41, true));
    t.bind(Op.FCMOVU, (cpu, insn) -> fcmov(cpu, insn, 4, true));
    t.bind(Op.FCMOVNB, (cpu, insn) -> fcmov(cpu, insn, 1, false));
    t.bind(Op.FCMOVNE, (cpu, insn) -> fcmov(cpu, insn, 0x40, false));
    t.bind(Op.FCMOVNBE, (cpu, insn) -> fcmov(cpu, insn, 0x41, false));
    t.bind(Op.FCMOVNU, (cpu, insn) -> fcmov(cpu, insn, 4, false));
    for (Op op :
        new Op[] {Op.FLD1, Op.FLDL2T, Op.FLDL2E, Op.FLDPI, Op.FLDLG2, Op.FLDLN2, Op.FLDZ}) {
      t.bind(op, X87Ops::loadConstant);
    }
  }

  private static void registerUnary(HandlerTable t) {
    t.bind(Op.FCHS, (cpu, insn) -> changeSign(cpu, insn, 0x8000, 0x8000));
    t.bind(Op.FABS, (cpu, insn) -> changeSign(cpu, insn, 0x8000, 0));
    t.bind(Op.FXAM, X87Ops::fxam);
    for (Op op : new Op[] {Op.FSQRT, Op.FRNDINT, Op.F2XM1}) {
      t.bind(op, X87Ops::unary);
    }
    for (Op op : new Op[] {Op.FYL2X, Op.FYL2XP1, Op.FPATAN}) {
      t.bind(op, X87Ops::binaryIntoSt1);
    }
    for (Op op : new Op[] {Op.FSIN, Op.FCOS}) {
      t.bind(op, X87Ops::sine);
    }
    for (Op op : new Op[] {Op.FSINCOS, Op.FPTAN}) {
      t.bind(op, X87Ops::sineAndPush);
    }
    t.bind(Op.FSCALE, X87Ops::fscale);
    t.bind(Op.FXTRACT, X87Ops::fxtract);
    t.bind(Op.FPREM, (cpu, insn) -> remainder(cpu, insn, false));
    t.bind(Op.FPREM1, (cpu, insn) -> remainder(cpu, insn, true));
  }

  private static void registerControl(HandlerTable t) {
    t.bind(Op.FWAIT, X87Unit::fwait);
    t.bind(Op.FNOP, X87Ops::fnop);
    t.bind(Op.FINCSTP, (cpu, insn) -> rotate(cpu, insn, 1));
    t.bind(Op.FDECSTP, (cpu, insn) -> rotate(cpu, insn, -1));
    t.bind(Op.FFREE, (cpu, insn) -> ffree(cpu, insn, false));
    t.bind(Op.FFREEP, (cpu, insn) -> ffree(cpu, insn, true));
    t.bind(Op.FNINIT, X87Ops::fninit);
    t.bind(Op.FNCLEX, X87Ops::fnclex);
    t.bind(Op.FLDCW, X87Ops::fldcw);
    t.bind(Op.FNSTCW, X87Ops::fnstcw);
    t.bind(Op.FNSTSW, X87Ops::fnstsw);
  }

  private static void fnop(Interpreter cpu, Insn insn) {
    if (insn.opcode == 0xdb) {
      // FNENI, FNDISI and FNSETPM of earlier processors.
      checkAvailable(cpu);
      return;
    }
    checkWaiting(cpu);
    beginKeepingC1(cpu, insn);
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  private static long compute(FloatEnv env, int kind, int seA, long sigA, int seB, long sigB) {
    return switch (kind) {
      case ADD -> Float80.add(env, seA, sigA, seB, sigB);
      case MUL -> Float80.multiply(env, seA, sigA, seB, sigB);
      case SUB -> Float80.subtract(env, seA, sigA, seB, sigB);
      case SUBR -> Float80.subtract(env, seB, sigB, seA, sigA);
      case DIV -> Float80.divide(env, seA, sigA, seB, sigB);
      default -> Float80.divide(env, seB, sigB, seA, sigA);
    };
  }

  /** {@code destination = destination op source}: ST0 and memory, or ST0 and ST(i) either way. */
  private static void arithmetic(Interpreter cpu, Insn insn, int kind, boolean pop) {
    checkWaiting(cpu);
    if (insn.kind1 == Insn.MEM) {
      long bits = cpu.read(insn, 1);
      FloatEnv env = begin(cpu, insn);
      long sig = insn.size1 == 4 ? Float80.widen(env, (int) bits) : Float80.widen(env, bits);
      withMemory(cpu, env, kind, env.se, sig);
      return;
    }
    FloatEnv env = begin(cpu, insn);
    int destination = insn.reg0;
    if (empty(cpu, destination) || empty(cpu, insn.reg1)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, destination);
        popIf(cpu, pop);
      }
      return;
    }
    long a = st(cpu, destination);
    long b = st(cpu, insn.reg1);
    long sig = compute(env, kind, se(a), sig(a), se(b), sig(b));
    if (finish(cpu, env)) {
      put(cpu, destination, env.se, sig);
      popIf(cpu, pop);
    }
  }

  private static void popIf(Interpreter cpu, boolean pop) {
    if (pop) {
      pop(cpu);
    }
  }

  private static void integerArithmetic(Interpreter cpu, Insn insn, int kind) {
    checkWaiting(cpu);
    long value = readInteger(cpu, insn, 1);
    FloatEnv env = begin(cpu, insn);
    long sig = Float80.fromInteger(env, value);
    withMemory(cpu, env, kind, env.se, sig);
  }

  private static long readInteger(Interpreter cpu, Insn insn, int i) {
    long value = cpu.read(insn, i);
    return switch (insn.size(i)) {
      case 2 -> (short) value;
      case 4 -> (int) value;
      default -> value;
    };
  }

  private static void withMemory(Interpreter cpu, FloatEnv env, int kind, int seB, long sigB) {
    if (empty(cpu, 0)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, 0);
      }
      return;
    }
    long a = st(cpu, 0);
    long sig = compute(env, kind, se(a), sig(a), seB, sigB);
    if (finish(cpu, env)) {
      put(cpu, 0, env.se, sig);
    }
  }

  // ---- comparison -------------------------------------------------------------------------------

  private static void compare(Interpreter cpu, Insn insn, boolean signalQuiet, int pops) {
    checkWaiting(cpu);
    boolean memory = insn.operandCount > 1 && insn.kind1 == Insn.MEM;
    long bits = memory ? cpu.read(insn, 1) : 0;
    FloatEnv env = begin(cpu, insn);
    if (memory) {
      long sig = insn.size1 == 4 ? Float80.widen(env, (int) bits) : Float80.widen(env, bits);
      compareSt0(cpu, env, empty(cpu, 0), env.se, sig, signalQuiet, pops);
      return;
    }
    int i = insn.operandCount > 1 ? insn.reg1 : 1;
    long b = st(cpu, i);
    boolean missing = empty(cpu, 0) || empty(cpu, i);
    compareSt0(cpu, env, missing, se(b), sig(b), signalQuiet, pops);
  }

  private static void compareInteger(Interpreter cpu, Insn insn, boolean pop) {
    checkWaiting(cpu);
    long value = readInteger(cpu, insn, 1);
    FloatEnv env = begin(cpu, insn);
    long sig = Float80.fromInteger(env, value);
    compareSt0(cpu, env, empty(cpu, 0), env.se, sig, true, pop ? 1 : 0);
  }

  private static void ftst(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    compareSt0(cpu, env, empty(cpu, 0), 0, 0, true, 0);
  }

  private static void compareSt0(
      Interpreter cpu,
      FloatEnv env,
      boolean missing,
      int seB,
      long sigB,
      boolean signalQuiet,
      int pops) {
    int order;
    boolean goesOn;
    if (missing) {
      order = 0x45;
      goesOn = stackFault(cpu, env, false);
    } else {
      long a = st(cpu, 0);
      order = Float80.compare(env, se(a), sig(a), seB, sigB, signalQuiet);
      goesOn = finish(cpu, env);
    }
    setCondition(cpu, CONDITIONS, order << 8);
    if (goesOn) {
      for (int i = 0; i < pops; i++) {
        pop(cpu);
      }
    }
  }

  private static void compareToFlags(Interpreter cpu, Insn insn, boolean signalQuiet, boolean pop) {
    checkWaiting(cpu);
    FloatEnv env = beginKeepingC1(cpu, insn);
    int order;
    boolean goesOn;
    if (empty(cpu, 0) || empty(cpu, insn.reg1)) {
      order = 0x45;
      goesOn = stackFault(cpu, env, false);
    } else {
      long a = st(cpu, 0);
      long b = st(cpu, insn.reg1);
      order = Float80.compare(env, se(a), sig(a), se(b), sig(b), signalQuiet);
      goesOn = finish(cpu, env);
    }
    cpu.setStatusFlags(order);
    popIf(cpu, pop && goesOn);
  }

  // ---- loads ------------------------------------------------------------------------------------

  /** Whether a push may go on; if there is no room and that is masked, pushes the indefinite. */
  private static boolean roomToPush(Interpreter cpu, FloatEnv env) {
    if (empty(cpu, -1)) {
      return true;
    }
    if (stackFault(cpu, env, true)) {
      push(cpu, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
    }
    return false;
  }

  private static void fld(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    if (insn.size0 == 10) {
      long linear = cpu.address(insn, 10, false);
      long sig = cpu.mmu().read64(linear);
      int se = cpu.mmu().read16(linear + 8);
      if (roomToPush(cpu, begin(cpu, insn))) {
        push(cpu, se, sig);
      }
      return;
    }
    long bits = cpu.read(insn, 0);
    FloatEnv env = begin(cpu, insn);
    if (!roomToPush(cpu, env)) {
      return;
    }
    long sig =
        insn.size0 == 4 ? Float80.fromSingle(env, (int) bits) : Float80.fromDouble(env, bits);
    // An unmasked denormal operand does not keep the number from being loaded.
    if (finish(cpu, env) || (env.unmasked() & FloatEnv.IE) == 0) {
      push(cpu, env.se, sig);
    }
  }

  private static void fldRegister(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, insn.reg0)) {
      if (stackFault(cpu, env, false)) {
        push(cpu, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
      }
      return;
    }
    long a = st(cpu, insn.reg0);
    if (roomToPush(cpu, env)) {
      push(cpu, se(a), sig(a));
    }
  }

  private static void fild(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    long value = readInteger(cpu, insn, 0);
    FloatEnv env = begin(cpu, insn);
    if (roomToPush(cpu, env)) {
      long sig = Float80.fromInteger(env, value);
      push(cpu, env.se, sig);
    }
  }

  private static void fbld(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    long linear = cpu.address(insn, 10, false);
    long low = cpu.mmu().read64(linear);
    int high = cpu.mmu().read16(linear + 8);
    FloatEnv env = begin(cpu, insn);
    if (roomToPush(cpu, env)) {
      long sig = Float80.fromBcd(env, high, low);
      push(cpu, env.se, sig);
    }
  }

  private static void loadConstant(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (!roomToPush(cpu, env)) {
      return;
    }
    // The constants have more than 64 bits; the last one depends on the rounding.
    boolean down = env.rounding == FloatEnv.DOWN || env.rounding == FloatEnv.TOWARD_ZERO;
    boolean up = env.rounding == FloatEnv.UP;
    switch (insn.op) {
      case FLD1 -> push(cpu, 0x3fff, Long.MIN_VALUE);
      case FLDL2T -> push(cpu, 0x4000, 0xd49a_784b_cd1b_8afeL + (up ? 1 : 0));
      case FLDL2E -> push(cpu, 0x3fff, 0xb8aa_3b29_5c17_f0bcL - (down ? 1 : 0));
      case FLDPI -> push(cpu, 0x4000, 0xc90f_daa2_2168_c235L - (down ? 1 : 0));
      case FLDLG2 -> push(cpu, 0x3ffd, 0x9a20_9a84_fbcf_f799L - (down ? 1 : 0));
      case FLDLN2 -> push(cpu, 0x3ffe, 0xb172_17f7_d1cf_79acL - (down ? 1 : 0));
      default -> push(cpu, 0, 0);
    }
  }

  // ---- stores -----------------------------------------------------------------------------------

  /**
   * Starts an operation whose result has been computed and is to be stored. An unmasked exception
   * that keeps the result back comes before the memory operand is looked at.
   *
   * @param missing whether ST(0) is empty; else {@code env} has what the conversion raised
   */
  private static void beginStore(
      Interpreter cpu, FloatEnv env, Insn insn, long linear, boolean missing) {
    int raised = missing ? FloatEnv.IE : env.raised;
    if ((raised & ~env.masks & ~FloatEnv.PE) == 0) {
      cpu.mmu().probeWrite(linear, insn.size0);
    }
    X87Unit.setFsw(cpu, X87Unit.fsw(cpu) & ~X87Unit.C1);
    X87Unit.recordPointers(cpu, insn);
  }

  private static FloatEnv freshEnv(Interpreter cpu) {
    FloatEnv env = cpu.floatEnv;
    env.beginX87(X87Unit.fcw(cpu));
    return env;
  }

  private static void fst(Interpreter cpu, Insn insn, boolean pop) {
    checkWaiting(cpu);
    int size = insn.size0;
    long linear = cpu.address(insn, size, true);
    FloatEnv env = freshEnv(cpu);
    boolean missing = empty(cpu, 0);
    long a = st(cpu, 0);
    int se = missing ? Float80.INDEFINITE_SE : se(a);
    long sig = missing ? Float80.INDEFINITE_SIG : sig(a);
    long bits =
        switch (size) {
          case 4 -> Float80.toSingle(env, se, sig);
          case 8 -> Float80.toDouble(env, se, sig);
          default -> sig;
        };
    beginStore(cpu, env, insn, linear, missing);
    if (missing && !stackFault(cpu, env, false) || !finishStore(cpu, env)) {
      return;
    }
    if (size == 10) {
      cpu.mmu().write64(linear, bits);
      cpu.mmu().write16(linear + 8, se);
    } else {
      cpu.mmu().write(linear, size, bits);
    }
    popIf(cpu, pop);
  }

  /** As {@link X87Unit#finish}: a trapped overflow or underflow also keeps memory as it is. */
  private static boolean finishStore(Interpreter cpu, FloatEnv env) {
    if ((env.unmasked() & (FloatEnv.OE | FloatEnv.UE)) == 0) {
      return finish(cpu, env);
    }
    env.raised &= ~FloatEnv.PE;
    finish(cpu, env);
    return false;
  }

  private static void fstRegister(Interpreter cpu, Insn insn, boolean pop) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, 0)) {
      // D9 D8+i is FSTPNCE: of an empty register it stores nothing and raises nothing.
      if (insn.opcode != 0xd9) {
        if (!stackFault(cpu, env, false)) {
          return;
        }
        putIndefinite(cpu, insn.reg0);
      }
    } else {
      long a = st(cpu, 0);
      put(cpu, insn.reg0, se(a), sig(a));
    }
    popIf(cpu, pop);
  }

  private static void fist(Interpreter cpu, Insn insn, boolean truncate, boolean pop) {
    checkWaiting(cpu);
    int size = insn.size0;
    long linear = cpu.address(insn, size, true);
    FloatEnv env = freshEnv(cpu);
    boolean missing = empty(cpu, 0);
    long a = st(cpu, 0);
    long value =
        missing ? -1L << (8 * size - 1) : Float80.toInteger(env, se(a), sig(a), 8 * size, truncate);
    beginStore(cpu, env, insn, linear, missing);
    if (missing ? !stackFault(cpu, env, false) : !finish(cpu, env)) {
      return;
    }
    cpu.mmu().write(linear, size, value);
    popIf(cpu, pop);
  }

  private static void fbstp(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    long linear = cpu.address(insn, 10, true);
    FloatEnv env = freshEnv(cpu);
    boolean missing = empty(cpu, 0);
    long low = Float80.INDEFINITE_SIG;
    int high = Float80.INDEFINITE_SE;
    if (!missing) {
      long a = st(cpu, 0);
      low = Float80.toBcd(env, se(a), sig(a));
      high = env.se;
    }
    beginStore(cpu, env, insn, linear, missing);
    if (missing ? !stackFault(cpu, env, false) : !finish(cpu, env)) {
      return;
    }
    cpu.mmu().write64(linear, low);
    cpu.mmu().write16(linear + 8, high);
    pop(cpu);
  }

  // ---- moves between registers ------------------------------------------------------------------

  private static void fxch(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    int i = insn.reg1;
    if (empty(cpu, 0) || empty(cpu, i)) {
      if (!stackFault(cpu, env, false)) {
        return;
      }
      if (empty(cpu, 0)) {
        putIndefinite(cpu, 0);
      }
      if (empty(cpu, i)) {
        putIndefinite(cpu, i);
      }
    }
    long a = st(cpu, 0);
    long b = st(cpu, i);
    int seA = se(a);
    long sigA = sig(a);
    put(cpu, 0, se(b), sig(b));
    put(cpu, i, seA, sigA);
  }

  private static void fcmov(Interpreter cpu, Insn insn, int flags, boolean set) {
    checkWaiting(cpu);
    FloatEnv env = beginKeepingC1(cpu, insn);
    if (empty(cpu, 0) || empty(cpu, insn.reg1)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, 0);
      }
      return;
    }
    if ((cpu.statusFlags() & flags) != 0 == set) {
      long b = st(cpu, insn.reg1);
      put(cpu, 0, se(b), sig(b));
    }
  }

  // ---- one operand ------------------------------------------------------------------------------

  private static void changeSign(Interpreter cpu, Insn insn, int clear, int flip) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, 0)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, 0);
      }
      return;
    }
    long a = st(cpu, 0);
    int se = se(a);
    put(cpu, 0, flip != 0 ? se ^ flip : se & ~clear, sig(a));
  }

  private static void fxam(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    begin(cpu, insn);
    long a = st(cpu, 0);
    int sign = (se(a) & 0x8000) != 0 ? X87Unit.C1 : 0;
    int kind = empty(cpu, 0) ? X87Unit.C3 | X87Unit.C0 : Float80.examine(se(a), sig(a));
    setCondition(cpu, CONDITIONS, kind | sign);
  }

  private static void unary(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, 0)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, 0);
      }
      return;
    }
    long a = st(cpu, 0);
    long sig =
        switch (insn.op) {
          case FSQRT -> Float80.squareRoot(env, se(a), sig(a));
          case FRNDINT -> Float80.roundToInteger(env, se(a), sig(a));
          default -> Float80Functions.f2xm1(env, se(a), sig(a));
        };
    if (finish(cpu, env)) {
      put(cpu, 0, env.se, sig);
    }
  }

  private static boolean missingOperand(Interpreter cpu, FloatEnv env) {
    if (!empty(cpu, 0) && !empty(cpu, 1)) {
      return false;
    }
    if (stackFault(cpu, env, false)) {
      putIndefinite(cpu, 0);
    }
    return true;
  }

  private static void fscale(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (missingOperand(cpu, env)) {
      return;
    }
    long a = st(cpu, 0);
    long b = st(cpu, 1);
    long sig = Float80.scale(env, se(a), sig(a), se(b), sig(b));
    if (finish(cpu, env)) {
      put(cpu, 0, env.se, sig);
    }
  }

  private static void remainder(Interpreter cpu, Insn insn, boolean nearest) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    setCondition(cpu, X87Unit.C2, 0);
    if (missingOperand(cpu, env)) {
      return;
    }
    long a = st(cpu, 0);
    long b = st(cpu, 1);
    long sig = Float80.remainder(env, se(a), sig(a), se(b), sig(b), nearest);
    if (!finish(cpu, env)) {
      return;
    }
    put(cpu, 0, env.se, sig);
    if ((env.se & 0x7fff) == 0x7fff) {
      // A NaN, which has no quotient: C0 and C3 keep their values.
      return;
    }
    long quotient = env.aux;
    int conditions =
        quotient == -1
            ? X87Unit.C2
            : ((quotient & 4) != 0 ? X87Unit.C0 : 0)
                | ((quotient & 2) != 0 ? X87Unit.C3 : 0)
                | ((quotient & 1) != 0 ? X87Unit.C1 : 0);
    setCondition(cpu, CONDITIONS, conditions);
  }

  private static void fxtract(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    boolean missing = empty(cpu, 0);
    if (missing || !empty(cpu, -1)) {
      if (stackFault(cpu, env, !missing)) {
        putIndefinite(cpu, 0);
        push(cpu, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
      }
      return;
    }
    long a = st(cpu, 0);
    long sig = Float80.extract(env, se(a), sig(a));
    int se = env.se;
    long exponent = env.aux;
    if (!finish(cpu, env)) {
      return;
    }
    if (exponent == Long.MIN_VALUE) {
      put(cpu, 0, 0xffff, Long.MIN_VALUE);
    } else if (exponent == Long.MAX_VALUE) {
      put(cpu, 0, 0x7fff, Long.MIN_VALUE);
    } else if ((se & 0x7fff) == 0x7fff) {
      put(cpu, 0, se, sig);
    } else {
      long exponentSig = Float80.fromInteger(env, exponent);
      put(cpu, 0, env.se, exponentSig);
    }
    push(cpu, se, sig);
  }

  // ---- transcendental functions -----------------------------------------------------------------

  private static void binaryIntoSt1(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, 0) || empty(cpu, 1)) {
      if (stackFault(cpu, env, false)) {
        putIndefinite(cpu, 1);
        pop(cpu);
      }
      return;
    }
    long x = st(cpu, 0);
    long y = st(cpu, 1);
    long sig =
        switch (insn.op) {
          case FYL2X -> Float80Functions.fyl2x(env, se(x), sig(x), se(y), sig(y));
          case FYL2XP1 -> Float80Functions.fyl2xp1(env, se(x), sig(x), se(y), sig(y));
          default -> Float80Functions.fpatan(env, se(x), sig(x), se(y), sig(y));
        };
    if (finish(cpu, env)) {
      put(cpu, 1, env.se, sig);
      pop(cpu);
    }
  }

  private static void sine(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    if (empty(cpu, 0)) {
      if (stackFault(cpu, env, false)) {
        setCondition(cpu, X87Unit.C2, 0);
        putIndefinite(cpu, 0);
      }
      return;
    }
    long a = st(cpu, 0);
    setCondition(cpu, X87Unit.C2, 0);
    if (Float80Functions.outOfRange(se(a), sig(a))) {
      setCondition(cpu, X87Unit.C2, X87Unit.C2);
      return;
    }
    long sig =
        insn.op == Op.FSIN
            ? Float80Functions.fsin(env, se(a), sig(a))
            : Float80Functions.fcos(env, se(a), sig(a));
    if (finish(cpu, env)) {
      put(cpu, 0, env.se, sig);
    }
  }

  /** FSINCOS leaves the sine and pushes the cosine; FPTAN leaves the tangent and pushes 1. */
  private static void sineAndPush(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    FloatEnv env = begin(cpu, insn);
    boolean missing = empty(cpu, 0);
    if (missing || !empty(cpu, -1)) {
      if (stackFault(cpu, env, !missing)) {
        setCondition(cpu, X87Unit.C2, 0);
        putIndefinite(cpu, 0);
        push(cpu, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
      }
      return;
    }
    long a = st(cpu, 0);
    int se = se(a);
    long sig = sig(a);
    setCondition(cpu, X87Unit.C2, 0);
    if (Float80Functions.outOfRange(se, sig)) {
      setCondition(cpu, X87Unit.C2, X87Unit.C2);
      return;
    }
    if (insn.op == Op.FPTAN) {
      long tangent = Float80Functions.fptan(env, se, sig);
      int tangentSe = env.se;
      if (finish(cpu, env)) {
        put(cpu, 0, tangentSe, tangent);
        boolean nan = (tangentSe & 0x7fff) == 0x7fff && tangent << 1 != 0;
        push(cpu, nan ? tangentSe : 0x3fff, nan ? tangent : Long.MIN_VALUE);
      }
      return;
    }
    long sine = Float80Functions.fsin(env, se, sig);
    int sineSe = env.se;
    long cosine = Float80Functions.fcos(env, se, sig);
    int cosineSe = env.se;
    if (finish(cpu, env)) {
      put(cpu, 0, sineSe, sine);
      push(cpu, cosineSe, cosine);
    }
  }

  // ---- control ----------------------------------------------------------------------------------

  private static void rotate(Interpreter cpu, Insn insn, int by) {
    checkWaiting(cpu);
    begin(cpu, insn);
    X87Unit.moveTop(cpu, by);
  }

  private static void ffree(Interpreter cpu, Insn insn, boolean pop) {
    checkWaiting(cpu);
    begin(cpu, insn);
    X87Unit.free(cpu, insn.reg0);
    popIf(cpu, pop);
  }

  private static void fninit(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    initialise(cpu);
  }

  /** The state after FNINIT. */
  static void initialise(Interpreter cpu) {
    RawMemory.putShort(cpu.s + CpuLayout.FCW, (short) 0x37f);
    X87Unit.replaceFsw(cpu, 0);
    X87Unit.setTags(cpu, 0);
    RawMemory.putInt(cpu.s + CpuLayout.FOP, 0);
    RawMemory.putLong(cpu.s + CpuLayout.FIP, 0);
    RawMemory.putLong(cpu.s + CpuLayout.FDP, 0);
    RawMemory.putInt(cpu.s + CpuLayout.FCS, 0);
    RawMemory.putInt(cpu.s + CpuLayout.FDS, 0);
  }

  private static void fnclex(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    X87Unit.replaceFsw(cpu, X87Unit.fsw(cpu) & ~0x80ff);
  }

  private static void fldcw(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    X87Unit.setFcw(cpu, (int) cpu.read(insn, 0));
  }

  private static void fnstcw(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    cpu.write(insn, 0, X87Unit.fcw(cpu));
  }

  private static void fnstsw(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    cpu.write(insn, 0, X87Unit.fsw(cpu));
  }
}
