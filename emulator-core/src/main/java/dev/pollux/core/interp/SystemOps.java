package dev.pollux.core.interp;

import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.cpu.Stack;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import java.util.concurrent.locks.LockSupport;

/**
 * The system instructions: what depends on or changes privilege, segments, tables, control and
 * model-specific registers, and the port instructions. The rules are in {@code core.cpu}; here the
 * operands are fetched and the privilege is checked.
 */
final class SystemOps {
  private static final int RAX = 0;
  private static final int RCX = 1;
  private static final int RDX = 2;
  private static final int RBX = 3;
  private static final int RSP = 4;
  private static final int RSI = 6;
  private static final int RDI = 7;

  /** How long MWAIT waits for a write that cannot be watched; it may always end early. */
  private static final long MWAIT_NANOS = 20_000;

  private SystemOps() {}

  static void register(HandlerTable t) {
    registerSegments(t);
    registerTransfers(t);
    registerTables(t);
    registerControl(t);
    registerFlags(t);
    registerPorts(t);
    registerInformation(t);
  }

  // ---- checks ----

  private static void requireCpl0(Interpreter cpu) {
    if (cpu.state().cpl() != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }

  private static void requireDescriptors(Interpreter cpu) {
    if (!cpu.state().usesDescriptors()) {
      throw cpu.fault(CpuException.UD);
    }
  }

  private static boolean cr4(Interpreter cpu, long bit) {
    return (cpu.state().cr4() & bit) != 0;
  }

  private static void requireCr4(Interpreter cpu, long bit) {
    if (!cr4(cpu, bit)) {
      throw cpu.fault(CpuException.UD);
    }
  }

  /** SGDT, SIDT, SLDT, STR, SMSW with user-mode instruction prevention. */
  private static void checkUmip(Interpreter cpu) {
    if (cr4(cpu, ControlRegisters.CR4_UMIP) && cpu.state().cpl() != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }

  private static void undefined(Interpreter cpu, Insn insn) {
    throw cpu.fault(CpuException.UD);
  }

  // ---- segment registers ----

  private static void registerSegments(HandlerTable t) {
    t.bindSystem(Op.MOV_SREG, SystemOps::movSreg);
    t.bind(Op.PUSH_SREG, SystemOps::pushSreg);
    t.bindSystem(Op.POP_SREG, SystemOps::popSreg);
    t.bindSystem(Op.LES, (cpu, insn) -> loadFarPointer(cpu, insn, CpuLayout.ES));
    t.bindSystem(Op.LDS, (cpu, insn) -> loadFarPointer(cpu, insn, CpuLayout.DS));
    t.bindSystem(Op.LSS, (cpu, insn) -> loadFarPointer(cpu, insn, CpuLayout.SS));
    t.bindSystem(Op.LFS, (cpu, insn) -> loadFarPointer(cpu, insn, CpuLayout.FS));
    t.bindSystem(Op.LGS, (cpu, insn) -> loadFarPointer(cpu, insn, CpuLayout.GS));
    t.bindSystem(Op.LAR, SystemOps::lar);
    t.bindSystem(Op.LSL, SystemOps::lsl);
    t.bindSystem(Op.VERR, (cpu, insn) -> verify(cpu, insn, false));
    t.bindSystem(Op.VERW, (cpu, insn) -> verify(cpu, insn, true));
    t.bindSystem(Op.ARPL, SystemOps::arpl);
    t.bind(Op.RDFSBASE, (cpu, insn) -> readBase(cpu, insn, CpuLayout.FS));
    t.bind(Op.RDGSBASE, (cpu, insn) -> readBase(cpu, insn, CpuLayout.GS));
    t.bind(Op.WRFSBASE, (cpu, insn) -> writeBase(cpu, insn, CpuLayout.FS));
    t.bind(Op.WRGSBASE, (cpu, insn) -> writeBase(cpu, insn, CpuLayout.GS));
    t.bind(Op.SWAPGS, (cpu, insn) -> cpu.vcpu().systemCalls().swapgs());
  }

  private static void movSreg(Interpreter cpu, Insn insn) {
    if (insn.kind0 != Insn.SEG) {
      cpu.write(insn, 0, cpu.state().segSelector(insn.reg1));
      return;
    }
    int segment = insn.reg0;
    if (segment == CpuLayout.CS || segment > CpuLayout.GS) {
      throw cpu.fault(CpuException.UD);
    }
    loadSegment(cpu, segment, (int) cpu.read(insn, 1) & 0xffff);
  }

  /**
   * After a load of SS nothing interrupts before the next instruction, which loads the stack
   * pointer.
   */
  private static void loadSegment(Interpreter cpu, int segment, int selector) {
    cpu.vcpu().segmentation().loadSegment(segment, selector);
    if (segment == CpuLayout.SS) {
      cpu.state().setU32(CpuLayout.INTERRUPT_SHADOW, CpuLayout.SHADOW_MOV_SS);
    }
  }

  private static void pushSreg(Interpreter cpu, Insn insn) {
    Stack stack = cpu.vcpu().stack().current();
    stack.push(insn.opSize, cpu.state().segSelector(insn.reg0));
    stack.commit();
  }

  private static void popSreg(Interpreter cpu, Insn insn) {
    Stack stack = cpu.vcpu().stack().current();
    int selector = (int) stack.pop(insn.opSize) & 0xffff;
    loadSegment(cpu, insn.reg0, selector);
    stack.commit();
  }

  private static void loadFarPointer(Interpreter cpu, Insn insn, int segment) {
    long linear = cpu.address(insn, insn.opSize + 2, false);
    long offset = cpu.mmu().read(linear, insn.opSize);
    int selector = cpu.mmu().read16(linear + insn.opSize);
    cpu.vcpu().segmentation().loadSegment(segment, selector);
    cpu.write(insn, 0, offset);
  }

  private static void setZf(Interpreter cpu, boolean on) {
    CpuState s = cpu.state();
    s.setRflags(on ? s.rflags() | Eflags.ZF : s.rflags() & ~Eflags.ZF);
  }

  private static void lar(Interpreter cpu, Insn insn) {
    requireDescriptors(cpu);
    long rights = cpu.vcpu().segmentation().accessRights((int) cpu.read(insn, 1) & 0xffff);
    setZf(cpu, rights != -1);
    if (rights != -1) {
      cpu.write(insn, 0, rights);
    }
  }

  private static void lsl(Interpreter cpu, Insn insn) {
    requireDescriptors(cpu);
    long limit = cpu.vcpu().segmentation().segmentLimit((int) cpu.read(insn, 1) & 0xffff);
    setZf(cpu, limit != -1);
    if (limit != -1) {
      cpu.write(insn, 0, limit);
    }
  }

  private static void verify(Interpreter cpu, Insn insn, boolean write) {
    requireDescriptors(cpu);
    int selector = (int) cpu.read(insn, 0) & 0xffff;
    setZf(
        cpu,
        write
            ? cpu.vcpu().segmentation().writable(selector)
            : cpu.vcpu().segmentation().readable(selector));
  }

  private static void arpl(Interpreter cpu, Insn insn) {
    requireDescriptors(cpu);
    long destination = cpu.read(insn, 0);
    long source = cpu.read(insn, 1);
    boolean raised = (destination & 3) < (source & 3);
    if (raised) {
      cpu.write(insn, 0, destination & ~3L | source & 3);
    }
    setZf(cpu, raised);
  }

  private static void readBase(Interpreter cpu, Insn insn, int segment) {
    requireCr4(cpu, ControlRegisters.CR4_FSGSBASE);
    cpu.write(insn, 0, cpu.state().segBase(segment));
  }

  private static void writeBase(Interpreter cpu, Insn insn, int segment) {
    requireCr4(cpu, ControlRegisters.CR4_FSGSBASE);
    long base = cpu.read(insn, 0);
    requireCanonical(cpu, base);
    cpu.state().setSegBase(segment, base);
  }

  private static void requireCanonical(Interpreter cpu, long address) {
    if (!cpu.vcpu().model().isCanonical(address)) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }

  // ---- far transfers ----

  private static void registerTransfers(HandlerTable t) {
    t.bindSystem(Op.JMP_FAR, (cpu, insn) -> farTransfer(cpu, insn, false));
    t.bindSystem(Op.CALL_FAR, (cpu, insn) -> farTransfer(cpu, insn, true));
    t.bindSystem(
        Op.RET_FAR,
        (cpu, insn) ->
            cpu.vcpu()
                .farTransfers()
                .ret(insn.opSize, insn.operandCount > 0 ? (int) insn.imm & 0xffff : 0));
    t.bindSystem(Op.IRET, (cpu, insn) -> cpu.vcpu().farTransfers().iret(insn.opSize));
    t.bindSystem(
        Op.INT, (cpu, insn) -> cpu.vcpu().delivery().softwareInterrupt((int) insn.imm & 0xff));
    t.bindSystem(Op.INT3, (cpu, insn) -> cpu.vcpu().delivery().trapInstruction(CpuException.BP));
    t.bindSystem(Op.INTO, SystemOps::into);
    t.bindSystem(Op.INT1, (cpu, insn) -> cpu.vcpu().delivery().int1());
    t.bindSystem(Op.SYSCALL, (cpu, insn) -> cpu.vcpu().systemCalls().syscall());
    t.bindSystem(Op.SYSRET, (cpu, insn) -> cpu.vcpu().systemCalls().sysret(insn.opSize));
    t.bindSystem(Op.SYSENTER, (cpu, insn) -> cpu.vcpu().systemCalls().sysenter());
    t.bindSystem(Op.SYSEXIT, (cpu, insn) -> cpu.vcpu().systemCalls().sysexit(insn.opSize));
    t.bindSystem(Op.RSM, SystemOps::undefined);
    t.bindSystem(Op.UD0, SystemOps::undefined);
    t.bindSystem(Op.UD1, SystemOps::undefined);
    t.bindSystem(Op.UD2, SystemOps::undefined);
  }

  private static void farTransfer(Interpreter cpu, Insn insn, boolean call) {
    long offset;
    int selector;
    if (insn.kind0 == Insn.FAR) {
      offset = insn.imm;
      selector = insn.imm2;
    } else {
      long linear = cpu.address(insn, insn.opSize + 2, false);
      offset = cpu.mmu().read(linear, insn.opSize);
      selector = cpu.mmu().read16(linear + insn.opSize);
    }
    if (call) {
      cpu.vcpu().farTransfers().call(selector & 0xffff, offset, insn.opSize);
    } else {
      cpu.vcpu().farTransfers().jump(selector & 0xffff, offset, insn.opSize);
    }
  }

  private static void into(Interpreter cpu, Insn insn) {
    if ((cpu.state().rflags() & Eflags.OF) != 0) {
      cpu.vcpu().delivery().trapInstruction(CpuException.OF);
    }
  }

  // ---- descriptor tables ----

  private static void registerTables(HandlerTable t) {
    t.bind(Op.SGDT, (cpu, insn) -> storeTable(cpu, insn, CpuLayout.GDT_BASE, CpuLayout.GDT_LIMIT));
    t.bind(Op.SIDT, (cpu, insn) -> storeTable(cpu, insn, CpuLayout.IDT_BASE, CpuLayout.IDT_LIMIT));
    t.bindSystem(
        Op.LGDT, (cpu, insn) -> loadTable(cpu, insn, CpuLayout.GDT_BASE, CpuLayout.GDT_LIMIT));
    t.bindSystem(
        Op.LIDT, (cpu, insn) -> loadTable(cpu, insn, CpuLayout.IDT_BASE, CpuLayout.IDT_LIMIT));
    t.bind(Op.SLDT, (cpu, insn) -> storeSelector(cpu, insn, CpuLayout.LDTR));
    t.bind(Op.STR, (cpu, insn) -> storeSelector(cpu, insn, CpuLayout.TR));
    t.bindSystem(Op.LLDT, SystemOps::lldt);
    t.bindSystem(Op.LTR, SystemOps::ltr);
  }

  private static void storeTable(Interpreter cpu, Insn insn, int base, int limit) {
    checkUmip(cpu);
    int size = cpu.state().code64() ? 8 : 4;
    long linear = cpu.address(insn, size + 2, true);
    cpu.mmu().probeWrite(linear, size + 2);
    cpu.mmu().write16(linear, cpu.state().u32(limit));
    cpu.mmu().write(linear + 2, size, cpu.state().u64(base));
  }

  private static void loadTable(Interpreter cpu, Insn insn, int base, int limit) {
    requireCpl0(cpu);
    boolean code64 = cpu.state().code64();
    int size = code64 ? 8 : 4;
    long linear = cpu.address(insn, size + 2, false);
    int newLimit = cpu.mmu().read16(linear);
    long newBase = cpu.mmu().read(linear + 2, size);
    if (code64) {
      requireCanonical(cpu, newBase);
    } else if (insn.opSize == 2) {
      newBase &= 0xff_ffff;
    }
    cpu.state().setU64(base, newBase);
    cpu.state().setU64(limit, newLimit);
  }

  private static void storeSelector(Interpreter cpu, Insn insn, int segment) {
    requireDescriptors(cpu);
    checkUmip(cpu);
    cpu.write(insn, 0, cpu.state().segSelector(segment));
  }

  private static void lldt(Interpreter cpu, Insn insn) {
    requireDescriptors(cpu);
    requireCpl0(cpu);
    cpu.vcpu().segmentation().loadLdt((int) cpu.read(insn, 0) & 0xffff);
  }

  private static void ltr(Interpreter cpu, Insn insn) {
    requireDescriptors(cpu);
    requireCpl0(cpu);
    cpu.vcpu().segmentation().loadTaskRegister((int) cpu.read(insn, 0) & 0xffff);
  }

  // ---- control, debug and model-specific registers, caches ----

  private static void registerControl(HandlerTable t) {
    t.bindSystem(Op.MOV_CR, SystemOps::movCr);
    t.bindSystem(Op.MOV_DR, SystemOps::movDr);
    t.bind(Op.SMSW, SystemOps::smsw);
    t.bindSystem(Op.LMSW, SystemOps::lmsw);
    t.bindSystem(Op.CLTS, SystemOps::clts);
    t.bind(Op.XGETBV, SystemOps::xgetbv);
    t.bindSystem(Op.XSETBV, SystemOps::xsetbv);
    t.bind(Op.RDPKRU, SystemOps::rdpkru);
    t.bindSystem(Op.WRPKRU, SystemOps::wrpkru);
    t.bind(Op.RDMSR, SystemOps::rdmsr);
    t.bindSystem(Op.WRMSR, SystemOps::wrmsr);
    t.bindSystem(Op.INVLPG, SystemOps::invlpg);
    t.bindSystem(Op.INVPCID, SystemOps::invpcid);
    t.bindSystem(Op.INVD, (cpu, insn) -> requireCpl0(cpu));
    t.bindSystem(Op.WBINVD, (cpu, insn) -> requireCpl0(cpu));
    t.bindSystem(Op.WBNOINVD, (cpu, insn) -> requireCpl0(cpu));
    t.bindSystem(Op.HLT, SystemOps::hlt);
    t.bindSystem(Op.MONITOR, SystemOps::monitor);
    t.bindSystem(Op.MWAIT, SystemOps::mwait);
  }

  private static void movCr(Interpreter cpu, Insn insn) {
    boolean load = insn.kind0 == Insn.CR;
    int register = load ? insn.reg0 : insn.reg1;
    if (register > 4 && register != 8 || register == 1) {
      throw cpu.fault(CpuException.UD);
    }
    requireCpl0(cpu);
    CpuState s = cpu.state();
    ControlRegisters control = cpu.vcpu().controlRegisters();
    if (!load) {
      long value =
          switch (register) {
            case 0 -> s.cr0();
            case 2 -> s.u64(CpuLayout.CR2);
            case 3 -> s.cr3();
            case 4 -> s.cr4();
            default -> control.readCr8();
          };
      cpu.write(insn, 0, value);
      return;
    }
    long value = cpu.read(insn, 1);
    switch (register) {
      case 0 -> control.writeCr0(value);
      case 2 -> s.setU64(CpuLayout.CR2, value);
      case 3 -> control.writeCr3(value);
      case 4 -> control.writeCr4(value);
      default -> control.writeCr8(value);
    }
  }

  private static void movDr(Interpreter cpu, Insn insn) {
    boolean load = insn.kind0 == Insn.DR;
    int register = load ? insn.reg0 : insn.reg1;
    if (register > 7) {
      throw cpu.fault(CpuException.UD);
    }
    requireCpl0(cpu);
    if (load) {
      cpu.vcpu().debugRegisters().write(register, cpu.read(insn, 1));
    } else {
      cpu.write(insn, 0, cpu.vcpu().debugRegisters().read(register));
    }
  }

  private static void smsw(Interpreter cpu, Insn insn) {
    checkUmip(cpu);
    cpu.write(insn, 0, cpu.state().cr0());
  }

  private static void lmsw(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    cpu.vcpu().controlRegisters().lmsw((int) cpu.read(insn, 0) & 0xffff);
  }

  private static void clts(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    cpu.vcpu().controlRegisters().clearTaskSwitched();
  }

  private static void setEdxEax(Interpreter cpu, long value) {
    cpu.setGpr32(RAX, (int) value);
    cpu.setGpr32(RDX, (int) (value >>> 32));
  }

  private static long edxEax(Interpreter cpu) {
    return cpu.gpr(RAX, 4) | cpu.gpr(RDX, 4) << 32;
  }

  private static void xgetbv(Interpreter cpu, Insn insn) {
    requireCr4(cpu, ControlRegisters.CR4_OSXSAVE);
    long xcr0 = cpu.state().u64(CpuLayout.XCR0);
    int index = cpu.gpr32(RCX);
    if (index != 0 && !(index == 1 && cpu.vcpu().model().has(CpuFeature.XGETBV1))) {
      throw cpu.fault(CpuException.GP, 0);
    }
    setEdxEax(cpu, index == 0 ? xcr0 : xcr0 & ExtendedStateOps.inUse(cpu));
  }

  private static void xsetbv(Interpreter cpu, Insn insn) {
    requireCr4(cpu, ControlRegisters.CR4_OSXSAVE);
    requireCpl0(cpu);
    if (cpu.gpr32(RCX) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    cpu.vcpu().controlRegisters().writeXcr0(edxEax(cpu));
  }

  private static void rdpkru(Interpreter cpu, Insn insn) {
    requireCr4(cpu, ControlRegisters.CR4_PKE);
    if (cpu.gpr32(RCX) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    setEdxEax(cpu, cpu.state().u32(CpuLayout.PKRU) & 0xffff_ffffL);
  }

  private static void wrpkru(Interpreter cpu, Insn insn) {
    requireCr4(cpu, ControlRegisters.CR4_PKE);
    if ((cpu.gpr32(RCX) | cpu.gpr32(RDX)) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    cpu.state().setU32(CpuLayout.PKRU, cpu.gpr32(RAX));
  }

  private static void rdmsr(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    setEdxEax(cpu, cpu.vcpu().msrs().read(cpu.gpr32(RCX)));
  }

  private static void wrmsr(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    cpu.vcpu().msrs().write(cpu.gpr32(RCX), edxEax(cpu));
  }

  private static void invlpg(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    boolean flat = cpu.state().code64() && insn.segment < CpuLayout.FS;
    long linear = cpu.effectiveAddress(insn) + (flat ? 0 : cpu.state().segBase(insn.segment));
    cpu.mmu().flushPage(cpu.state().code64() ? linear : linear & 0xffff_ffffL);
  }

  private static void invpcid(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    long type = cpu.read(insn, 0);
    long linear = cpu.address(insn, 16, false);
    long pcid = cpu.mmu().read64(linear);
    long address = cpu.mmu().read64(linear + 8);
    boolean pcide = cr4(cpu, ControlRegisters.CR4_PCIDE);
    if (type < 0 || type > 3 || pcid >>> 12 != 0 || type < 2 && !pcide && pcid != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    switch ((int) type) {
      case 0 -> {
        requireCanonical(cpu, address);
        cpu.mmu().flushPage(address);
      }
      case 2 -> cpu.mmu().flushAll();
      default -> cpu.mmu().flushNonGlobal();
    }
  }

  private static void hlt(Interpreter cpu, Insn insn) {
    requireCpl0(cpu);
    cpu.vcpu().halt();
  }

  private static void monitor(Interpreter cpu, Insn insn) {
    if (cpu.state().cpl() != 0) {
      throw cpu.fault(CpuException.UD);
    }
    if (cpu.gpr32(RCX) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    cpu.mmu().read8(cpu.address(insn, 1, false));
  }

  private static void mwait(Interpreter cpu, Insn insn) {
    if (cpu.state().cpl() != 0) {
      throw cpu.fault(CpuException.UD);
    }
    if ((cpu.gpr32(RCX) & ~1) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    if (!cpu.state().exitRequested()) {
      LockSupport.parkNanos(MWAIT_NANOS);
    }
  }

  // ---- flags ----

  private static void registerFlags(HandlerTable t) {
    t.bind(Op.CLI, (cpu, insn) -> cpu.vcpu().flagInstructions().cli());
    t.bindSystem(Op.STI, (cpu, insn) -> cpu.vcpu().flagInstructions().sti());
    t.bind(Op.PUSHF, SystemOps::pushf);
    t.bindSystem(Op.POPF, (cpu, insn) -> cpu.vcpu().flagInstructions().popf(insn.opSize));
    t.bindSystem(Op.CLAC, (cpu, insn) -> setAc(cpu, false));
    t.bindSystem(Op.STAC, (cpu, insn) -> setAc(cpu, true));
  }

  private static void pushf(Interpreter cpu, Insn insn) {
    if (cpu.codeSize() == 64) {
      long rsp = cpu.gpr64(RSP) - insn.opSize;
      cpu.mmu().write(rsp, insn.opSize, cpu.rflags() & ~(long) (Eflags.VM | Eflags.RF));
      cpu.setGpr64(RSP, rsp);
    } else {
      cpu.vcpu().flagInstructions().pushf(insn.opSize, cpu.rflags());
    }
  }

  private static void setAc(Interpreter cpu, boolean on) {
    CpuState s = cpu.state();
    if (s.cpl() != 0) {
      throw cpu.fault(CpuException.UD);
    }
    s.setRflags(on ? s.rflags() | Eflags.AC : s.rflags() & ~Eflags.AC);
  }

  // ---- ports ----

  private static void registerPorts(HandlerTable t) {
    t.bind(Op.IN, SystemOps::in);
    t.bindSystem(Op.OUT, SystemOps::out);
    t.bindSystem(Op.INS, SystemOps::ins);
    t.bindSystem(Op.OUTS, SystemOps::outs);
  }

  private static void in(Interpreter cpu, Insn insn) {
    int port = (int) cpu.read(insn, 1) & 0xffff;
    int size = insn.size0;
    cpu.vcpu().ports().check(port, size);
    cpu.setGpr(RAX, size, cpu.vcpu().ports().read(port, size));
  }

  private static void out(Interpreter cpu, Insn insn) {
    int port = (int) cpu.read(insn, 0) & 0xffff;
    int size = insn.size1;
    cpu.vcpu().ports().check(port, size);
    cpu.vcpu().ports().write(port, size, cpu.gpr(RAX, size));
  }

  private static void ins(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    int port = (int) cpu.gpr(RDX, 2);
    do {
      if (insn.rep != 0 && cpu.gpr(RCX, insn.addrSize) == 0) {
        return;
      }
      cpu.vcpu().ports().check(port, size);
      long linear = cpu.linear(CpuLayout.ES, cpu.gpr(RDI, insn.addrSize), size, true);
      cpu.mmu().probeWrite(linear, size);
      cpu.mmu().write(linear, size, cpu.vcpu().ports().read(port, size));
    } while (advance(cpu, insn, RDI, size));
  }

  private static void outs(Interpreter cpu, Insn insn) {
    int size = insn.size1;
    int port = (int) cpu.gpr(RDX, 2);
    do {
      if (insn.rep != 0 && cpu.gpr(RCX, insn.addrSize) == 0) {
        return;
      }
      cpu.vcpu().ports().check(port, size);
      long linear = cpu.linear(insn.segment, cpu.gpr(RSI, insn.addrSize), size, false);
      cpu.vcpu().ports().write(port, size, cpu.mmu().read(linear, size));
    } while (advance(cpu, insn, RSI, size));
  }

  /**
   * Steps the index and the count of a string instruction. Returns true if the next element follows
   * at once; where the engine is asked to return in between, RIP is set back to the instruction.
   */
  private static boolean advance(Interpreter cpu, Insn insn, int index, int size) {
    long step = (cpu.state().rflags() & Eflags.DF) != 0 ? -size : size;
    cpu.setGpr(index, insn.addrSize, cpu.gpr(index, insn.addrSize) + step);
    if (insn.rep == 0) {
      return false;
    }
    long count = cpu.gpr(RCX, insn.addrSize) - 1;
    cpu.setGpr(RCX, insn.addrSize, count);
    if (count == 0) {
      return false;
    }
    if (cpu.state().exitRequested() || (cpu.state().rflags() & Eflags.TF) != 0) {
      cpu.state().setRip(cpu.rip(insn));
      return false;
    }
    return true;
  }

  // ---- what the processor is and counts ----

  private static void registerInformation(HandlerTable t) {
    t.bind(Op.CPUID, SystemOps::cpuid);
    t.bind(Op.RDTSC, SystemOps::rdtsc);
    t.bind(Op.RDTSCP, SystemOps::rdtscp);
    t.bind(Op.RDPID, (cpu, insn) -> cpu.write(insn, 0, cpu.state().u64(CpuLayout.TSC_AUX)));
    t.bind(Op.RDPMC, SystemOps::rdpmc);
    t.bind(Op.RDRAND, SystemOps::random);
    t.bind(Op.RDSEED, SystemOps::random);
  }

  private static void cpuid(Interpreter cpu, Insn insn) {
    CpuModel.Leaf leaf = cpu.vcpu().cpuid(cpu.gpr32(RAX), cpu.gpr32(RCX));
    cpu.setGpr32(RAX, leaf.eax());
    cpu.setGpr32(RBX, leaf.ebx());
    cpu.setGpr32(RCX, leaf.ecx());
    cpu.setGpr32(RDX, leaf.edx());
  }

  private static void checkTsd(Interpreter cpu) {
    if (cr4(cpu, ControlRegisters.CR4_TSD)) {
      requireCpl0(cpu);
    }
  }

  private static void rdtsc(Interpreter cpu, Insn insn) {
    checkTsd(cpu);
    setEdxEax(cpu, cpu.vcpu().tsc());
  }

  private static void rdtscp(Interpreter cpu, Insn insn) {
    checkTsd(cpu);
    setEdxEax(cpu, cpu.vcpu().tsc());
    cpu.setGpr32(RCX, cpu.state().u32(CpuLayout.TSC_AUX));
  }

  /** AMD's four counters exist and do not count. */
  private static void rdpmc(Interpreter cpu, Insn insn) {
    if (!cr4(cpu, ControlRegisters.CR4_PCE)) {
      requireCpl0(cpu);
    }
    if (!cpu.vcpu().model().isAmd() || Integer.compareUnsigned(cpu.gpr32(RCX), 3) > 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    setEdxEax(cpu, 0);
  }

  private static void random(Interpreter cpu, Insn insn) {
    cpu.write(insn, 0, HardwareRandom.next());
    cpu.setStatusFlags(Eflags.CF);
  }
}
