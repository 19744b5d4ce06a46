package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses how a decoded instruction is executed: by a copy of a template, or by its shared handler.
 */
final class NodeFactory {
  private static final Logger log = LoggerFactory.getLogger(NodeFactory.class);
  private static final Set<Op> reported = ConcurrentHashMap.newKeySet();

  private static final Templates<Node> ALU_REG_REG = new Templates<>(IntegerNodes.AluRegReg.class);
  private static final Templates<Node> ALU_REG_IMM = new Templates<>(IntegerNodes.AluRegImm.class);
  private static final Templates<Node> ALU_REG_MEM = new Templates<>(IntegerNodes.AluRegMem.class);
  private static final Templates<Node> ALU_MEM = new Templates<>(IntegerNodes.AluMem.class);
  private static final Templates<Node> UNARY_REG = new Templates<>(IntegerNodes.UnaryReg.class);
  private static final Templates<Node> STEP_MEM = new Templates<>(IntegerNodes.StepMem.class);
  private static final Templates<Node> MOV_REG_REG = new Templates<>(IntegerNodes.MovRegReg.class);
  private static final Templates<Node> MOV_REG_IMM = new Templates<>(IntegerNodes.MovRegImm.class);
  private static final Templates<Node> MOV_REG_MEM = new Templates<>(IntegerNodes.MovRegMem.class);
  private static final Templates<Node> MOV_MEM = new Templates<>(IntegerNodes.MovMem.class);
  private static final Templates<Node> LEA = new Templates<>(IntegerNodes.Lea.class);
  private static final Templates<Node> SHIFT_IMM = new Templates<>(IntegerNodes.ShiftRegImm.class);
  private static final Templates<Node> SHIFT_CL = new Templates<>(IntegerNodes.ShiftRegCl.class);
  private static final Templates<Node> IMUL = new Templates<>(IntegerNodes.ImulReg.class);
  private static final Templates<Node> SETCC = new Templates<>(IntegerNodes.SetccReg.class);
  private static final Templates<Node> CMOV = new Templates<>(IntegerNodes.CmovRegReg.class);
  private static final Templates<Node> PUSH = new Templates<>(IntegerNodes.Push.class);

  private static final Templates<Node> VECTOR_LOAD = new Templates<>(VectorNodes.Load.class);
  private static final Templates<Node> VECTOR_STORE = new Templates<>(VectorNodes.Store.class);
  private static final Templates<Node> SCALAR_LOAD = new Templates<>(VectorNodes.LoadScalar.class);
  private static final Templates<Node> SCALAR_STORE =
      new Templates<>(VectorNodes.StoreScalar.class);
  private static final Templates<Node> VECTOR_LANES = new Templates<>(VectorNodes.Lanes.class);
  private static final Templates<Node> VECTOR_SHIFT = new Templates<>(VectorNodes.ShiftImm.class);

  private static final Templates<BlockEnd> INDIRECT = new Templates<>(BranchNodes.Indirect.class);
  private static final Templates<BlockEnd> JCC = new Templates<>(BranchNodes.Jcc.class);
  private static final Templates<BlockEnd> COMPARE_REG_REG =
      new Templates<>(BranchNodes.CompareRegReg.class);
  private static final Templates<BlockEnd> COMPARE_REG_IMM =
      new Templates<>(BranchNodes.CompareRegImm.class);
  private static final Templates<BlockEnd> COMPARE_MEM_IMM =
      new Templates<>(BranchNodes.CompareMemImm.class);

  private static final InsnHandler UNDEFINED =
      (cpu, insn) -> {
        throw cpu.fault(CpuException.UD);
      };

  private static final InsnHandler OVERLONG =
      (cpu, insn) -> {
        throw cpu.fault(CpuException.GP, 0);
      };

  private NodeFactory() {}

  /**
   * @param flags false where nothing sees the flags that the instruction sets
   */
  static Node node(Insn insn, boolean flags) {
    Templates<Node> template = insn.lock ? null : template(insn);
    if (template != null) {
      return template.get(shape(insn, flags)).create(insn);
    }
    if (insn.kind0 == Insn.XMM || insn.kind1 == Insn.XMM) {
      Node node = vectorNode(insn);
      if (node != null) {
        return node;
      }
    }
    if (insn.mode == 64 && insn.opSize == 8) {
      if (insn.op == Op.POP && insn.kind0 == Insn.GPR) {
        return new IntegerNodes.PopReg(insn);
      }
      if (insn.op == Op.LEAVE) {
        return new IntegerNodes.Leave();
      }
    }
    return shared(insn);
  }

  /** Without a template: for what is executed seldom, as a copy costs more than it saves. */
  static Node shared(Insn insn) {
    InsnHandler handler = handler(insn);
    return Handlers.TABLE.isSystem(insn.op)
        ? new Node.SystemInsn(handler, insn)
        : new Node.Handled(handler, insn);
  }

  private static Templates<Node> template(Insn insn) {
    boolean registers = Access.isRegister(insn, 0) && Access.isRegister(insn, 1);
    return switch (insn.op) {
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST ->
          twoOperands(insn, ALU_REG_REG, ALU_REG_IMM, aluRegMem(insn), ALU_MEM);
      case MOV -> twoOperands(insn, MOV_REG_REG, MOV_REG_IMM, MOV_REG_MEM, MOV_MEM);
      case MOVZX, MOVSX, MOVSXD -> Access.isRegister(insn, 1) ? MOV_REG_REG : MOV_REG_MEM;
      case INC, DEC -> Access.isRegister(insn, 0) ? UNARY_REG : STEP_MEM;
      case NEG, NOT -> Access.isRegister(insn, 0) ? UNARY_REG : null;
      case LEA -> insn.mode == 64 && insn.addrSize == 8 ? LEA : null;
      case SHL, SHR, SAR, ROL, ROR -> shiftTemplate(insn);
      case IMUL -> registers && insn.operandCount > 1 ? IMUL : null;
      case SETCC -> Access.isRegister(insn, 0) ? SETCC : null;
      case CMOVCC -> registers ? CMOV : null;
      case PUSH -> insn.mode == 64 && insn.opSize == 8 && insn.kind0 != Insn.MEM ? PUSH : null;
      default -> null;
    };
  }

  /** TEST has its memory operand first; it is symmetric. */
  private static Templates<Node> aluRegMem(Insn insn) {
    return insn.op == Op.TEST ? null : ALU_REG_MEM;
  }

  private static Templates<Node> twoOperands(
      Insn insn,
      Templates<Node> regReg,
      Templates<Node> regImm,
      Templates<Node> regMem,
      Templates<Node> mem) {
    if (insn.kind0 == Insn.MEM) {
      return insn.kind1 == Insn.IMM || Access.isRegister(insn, 1) ? mem : null;
    }
    if (!Access.isRegister(insn, 0)) {
      return null;
    }
    return switch (insn.kind1) {
      case Insn.GPR, Insn.GPR8H -> regReg;
      case Insn.IMM -> regImm;
      case Insn.MEM -> regMem;
      default -> null;
    };
  }

  private static Templates<Node> shiftTemplate(Insn insn) {
    if (!Access.isRegister(insn, 0)) {
      return null;
    }
    if (insn.kind1 == Insn.IMM) {
      return (insn.imm & (insn.size0 == 8 ? 63 : 31)) == 0 ? null : SHIFT_IMM;
    }
    return SHIFT_CL;
  }

  private static Shape shape(Insn insn, boolean flags) {
    return new Shape(
        operation(insn.op), insn.size0, address(insn), flags && setsFlags(insn.op), extra(insn));
  }

  /** LEA computes without a segment. */
  private static int address(Insn insn) {
    if (insn.op == Op.LEA) {
      return insn.index == Insn.REG_ZERO ? MemoryOperand.BASE : MemoryOperand.INDEXED;
    }
    return MemoryOperand.kind(insn);
  }

  private static boolean setsFlags(Op op) {
    return switch (op) {
      case MOV, MOVZX, MOVSX, MOVSXD, LEA, NOT, SETCC, CMOVCC, PUSH -> false;
      default -> true;
    };
  }

  private static int operation(Op op) {
    return switch (op) {
      case ADD, INC -> AluCode.ADD;
      case OR -> AluCode.OR;
      case ADC -> AluCode.ADC;
      case SBB -> AluCode.SBB;
      case AND -> AluCode.AND;
      case SUB, DEC -> AluCode.SUB;
      case XOR, NOT -> AluCode.XOR;
      case CMP, NEG -> AluCode.CMP;
      case TEST -> AluCode.TEST;
      case SHL -> AluCode.SHL;
      case SHR -> AluCode.SHR;
      case SAR -> AluCode.SAR;
      case ROL -> AluCode.ROL;
      case ROR -> AluCode.ROR;
      case MOVSX, MOVSXD -> 1;
      default -> 0;
    };
  }

  private static int extra(Insn insn) {
    return switch (insn.op) {
      case MOV -> insn.kind0 == Insn.MEM ? (insn.kind1 == Insn.IMM ? 0 : 1) : insn.size0;
      case MOVZX, MOVSX, MOVSXD -> insn.size1;
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST ->
          insn.kind0 == Insn.MEM && insn.kind1 != Insn.IMM ? 1 : 0;
      case SETCC, CMOVCC -> insn.cond;
      case IMUL -> insn.operandCount == 3 ? 1 : 0;
      case PUSH -> insn.kind0 == Insn.IMM ? 0 : 1;
      default -> 0;
    };
  }

  private static Node vectorNode(Insn insn) {
    int address = MemoryOperand.kind(insn);
    return switch (insn.op) {
      case MOVUPS, MOVUPD, MOVDQU -> move(insn, address, 0);
      case MOVAPS, MOVAPD, MOVDQA -> move(insn, address, 1);
      case MOVD, MOVQ, MOVSS, MOVSD -> scalarMove(insn, address);
      default -> laneOperation(insn, address);
    };
  }

  private static Node move(Insn insn, int address, int aligned) {
    if (address == MemoryOperand.NONE) {
      return new VectorNodes.MoveRegReg(insn);
    }
    Templates<Node> template = insn.kind0 == Insn.MEM ? VECTOR_STORE : VECTOR_LOAD;
    return template.get(new Shape(0, 16, address, false, aligned)).create(insn);
  }

  private static Node scalarMove(Insn insn, int address) {
    if (address == MemoryOperand.NONE) {
      return null;
    }
    Templates<Node> template = insn.kind0 == Insn.MEM ? SCALAR_STORE : SCALAR_LOAD;
    return template.get(new Shape(0, insn.memSize(), address, false, 0)).create(insn);
  }

  private static Node laneOperation(Insn insn, int address) {
    if (insn.kind0 == Insn.XMM && insn.kind1 == Insn.IMM) {
      int shift = VectorNodes.shiftNumber(insn.op);
      return shift < 0 ? null : VECTOR_SHIFT.get(new Shape(shift, 16, 0, false, 0)).create(insn);
    }
    int lane = VectorNodes.laneNumber(insn.op);
    boolean sources = insn.kind0 == Insn.XMM && (insn.kind1 == Insn.XMM || insn.kind1 == Insn.MEM);
    return lane < 0 || !sources
        ? null
        : VECTOR_LANES.get(new Shape(lane, 16, address, false, 0)).create(insn);
  }

  /** True where {@link #joinedEnd} makes one step of a comparison and the branch behind it. */
  static boolean joins(Insn compare, Insn branch) {
    return branch.op == Op.JCC && branch.mode == 64 && joinTemplate(compare) != null;
  }

  private static Templates<BlockEnd> joinTemplate(Insn compare) {
    if (compare.op != Op.CMP && compare.op != Op.TEST) {
      return null;
    }
    if (compare.kind0 == Insn.MEM) {
      return compare.kind1 == Insn.IMM ? COMPARE_MEM_IMM : null;
    }
    return switch (compare.kind1) {
      case Insn.GPR, Insn.GPR8H -> COMPARE_REG_REG;
      case Insn.IMM -> COMPARE_REG_IMM;
      default -> null;
    };
  }

  static BlockEnd joinedEnd(Insn compare, Insn branch) {
    Shape shape =
        new Shape(
            operation(compare.op), compare.size0, MemoryOperand.kind(compare), true, branch.cond);
    return joinTemplate(compare).get(shape).create(compare, branch);
  }

  static BlockEnd end(Insn insn) {
    if (insn.mode == 64 && insn.isValid()) {
      BlockEnd end = end64(insn);
      if (end != null) {
        return end;
      }
    }
    InsnHandler handler = handler(insn);
    return Handlers.TABLE.isSystem(insn.op)
        ? new BlockEnd.SystemInsn(handler, insn)
        : new BlockEnd.Branch(handler, insn);
  }

  private static BlockEnd end64(Insn insn) {
    boolean relative = insn.kind0 == Insn.REL;
    return switch (insn.op) {
      case JMP -> relative ? new BranchNodes.Jump(insn) : indirect(insn, 0);
      case CALL -> relative ? new BranchNodes.Call(insn) : indirect(insn, 1);
      case RET -> insn.operandCount == 0 ? new BranchNodes.Return() : null;
      case JCC -> JCC.get(new Shape(0, 0, 0, false, insn.cond)).create(null, insn);
      default -> null;
    };
  }

  private static BlockEnd indirect(Insn insn, int call) {
    return INDIRECT.get(new Shape(0, 8, MemoryOperand.kind(insn), false, call)).create(null, insn);
  }

  private static InsnHandler handler(Insn insn) {
    if (insn.op == Op.OVERLONG) {
      return OVERLONG;
    }
    if (!insn.isValid()) {
      return UNDEFINED;
    }
    InsnHandler handler = Handlers.TABLE.handlerFor(insn);
    if (handler == null) {
      if (reported.add(insn.op)) {
        log.warn("instruction {} is not implemented: it raises #UD", insn.op);
      }
      return UNDEFINED;
    }
    return handler;
  }
}
