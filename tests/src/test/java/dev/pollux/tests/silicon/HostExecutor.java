package dev.pollux.tests.silicon;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.host.HostCpu;
import dev.pollux.core.host.NativeCall;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.X86Assembler;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Runs instructions on the host's own processor, from a complete state to a complete state.
 *
 * <p>Exceptions are caught: a signal handler of generated code, put before the JVM's, notes vector
 * and place, and lets the interrupted code continue in the exit stub, which saves the state as the
 * exception left it. Signals from elsewhere go on to the JVM's handler. Used by one thread, the one
 * that made it, in a JVM of its own: nothing protects against what the instructions write to.
 */
final class HostExecutor {
  // Offsets in the page at Arena.STATE.
  private static final int GPR = 0;
  private static final int RFLAGS = 128;
  private static final int FAULT_RIP = 136;
  private static final int FAULT_VECTOR = 144;
  private static final int FAULT_FLAGS = 152;
  private static final int HOST_RSP = 160;
  private static final int ENTRY = 168;
  private static final int HOST_MXCSR = 184;
  private static final int HOST_FCW = 188;

  /** 1 from before the guest's state is loaded until it is saved. */
  private static final int INSIDE = 192;

  private static final int FAULT_ERROR = 200;
  private static final int FAULT_ADDRESS = 208;

  /** 1 if the code ended at the second address of the exit; and where it goes on then. */
  private static final int ENDED_MOVED = 216;

  private static final int MOVED_EXIT = 224;

  private static final int OLD_HANDLERS = 256;
  private static final int XSAVE_AREA = 1024;

  /** Linux's selectors for 64- and 32-bit user code and for data. */
  private static final int USER_CS = 0x33;

  /** A test can name another than the real one, and have a host that executes no 32-bit code. */
  private static final int USER32_CS = Integer.getInteger("silicon.selector32", 0x23);

  private static final int USER_DS = 0x2b;

  // Offsets in ucontext_t of x86-64 Linux: registers start at 40.
  private static final int CONTEXT_RIP = 40 + 16 * 8;
  private static final int CONTEXT_RFLAGS = 40 + 17 * 8;
  private static final int CONTEXT_CS = 40 + 18 * 8;
  private static final int CONTEXT_ERROR = 40 + 19 * 8;
  private static final int CONTEXT_TRAP = 40 + 20 * 8;

  private static final int CONTEXT_CR2 = 40 + 22 * 8;

  private static final int[] SIGNALS = {4, 5, 7, 8, 11};
  private static final int SIGACTION_BYTES = 152;
  private static final int SIGACTION_FLAGS = 136;
  private static final int SA_ONSTACK = 0x0800_0000;
  private static final int ALTERNATE_STACK_BYTES = 1 << 17;

  private static final int PROT_NONE = 0;
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_ALL = 7;
  private static final int PAGE = 4096;
  private static final int MAP_SHARED_ANONYMOUS_FIXED_NOREPLACE = 0x10_0021;
  private static final int MREMAP_MAYMOVE_FIXED = 3;

  private static final int PLAIN_RFLAGS = 0x202;
  private static final int STATE_COMPONENTS = 7;

  private final long entry64;
  private final long entry32;
  private final boolean executes32BitCode;
  private final Label exit = new Label("exit");
  private final Label movedExit = new Label("moved exit");

  HostExecutor() throws IOException {
    map();
    if ((HostCpu.get().xcr0() & STATE_COMPONENTS) != STATE_COMPONENTS) {
      throw new IOException("the host has no AVX state");
    }
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(Window.STUB);
    Label in64 = asm.here();
    enter(asm, false);
    Label in32 = asm.here();
    enter(asm, true);
    leave(asm);
    Label handler = asm.here();
    handle(asm);
    byte[] stub = asm.finish();
    RawMemory.copyIn(stub, 0, Window.STUB, stub.length);
    entry64 = asm.address(in64);
    entry32 = asm.address(in32);
    writeExits(asm.address(exit), asm.address(movedExit));
    catchSignals(asm.address(handler));
    executes32BitCode = reaches32BitCode();
  }

  /** False on hosts whose hypervisor or system has no 32-bit segments: the far jump raises #GP. */
  boolean executes32BitCode() {
    return executes32BitCode;
  }

  private boolean reaches32BitCode() {
    SiliconState in = new SiliconState();
    SiliconState out = new SiliconState();
    in.words[SiliconState.RFLAGS] = PLAIN_RFLAGS;
    run(32, Window.CODE, new byte[] {(byte) 0x90}, in, out);
    return out.words[SiliconState.VECTOR] == SiliconState.NO_EXCEPTION;
  }

  /** The ends of sequences: jumps to the common way out, from 32-bit code by a far one. */
  private static void writeExits(long exit, long movedExit) {
    RawMemory.putByte(Window.EXIT_64, (byte) 0xe9);
    RawMemory.putInt(Window.EXIT_64 + 1, (int) (exit - (Window.EXIT_64 + 5)));
    writeFarJump(Window.EXIT_32, exit);
    RawMemory.putLong(Window.STATE + MOVED_EXIT, movedExit);
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.jmp(slot(MOVED_EXIT));
    byte[] jump = asm.finish();
    RawMemory.copyIn(jump, 0, Window.MOVE_64 + Window.EXIT_64, jump.length);
    writeFarJump(Window.MOVE_32 + Window.EXIT_32, movedExit);
  }

  private static void writeFarJump(long at, long to) {
    RawMemory.putByte(at, (byte) 0xea);
    RawMemory.putInt(at + 1, (int) to);
    RawMemory.putShort(at + 5, (short) USER_CS);
  }

  private static Mem slot(int offset) {
    return Mem.absolute((int) Window.STATE + offset);
  }

  /**
   * Saves what the caller expects back, loads the guest's state and jumps to the code under test.
   */
  private static void enter(X86Assembler asm, boolean compatibility) {
    asm.push(Gpr.RBX);
    asm.push(Gpr.RBP);
    asm.push(Gpr.R12);
    asm.push(Gpr.R13);
    asm.push(Gpr.R14);
    asm.push(Gpr.R15);
    asm.mov(QWORD, slot(HOST_RSP), Gpr.RSP);
    asm.mov(DWORD, slot(INSIDE), 1);
    asm.op(MemOp.STMXCSR, slot(HOST_MXCSR));
    asm.op(MemOp.FNSTCW, slot(HOST_FCW));
    if (compatibility) {
      asm.mov(DWORD, Gpr.RAX, USER_DS);
      asm.mov(Seg.DS, Gpr.RAX);
      asm.mov(Seg.ES, Gpr.RAX);
    }
    asm.mov(DWORD, Gpr.RAX, STATE_COMPONENTS);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.wide(MemOp.XRSTOR, slot(XSAVE_AREA));
    asm.push(QWORD, slot(RFLAGS));
    asm.popf();
    for (int i = 0; i < 16; i++) {
      asm.mov(QWORD, Gpr.of(i), slot(GPR + 8 * i));
    }
    if (compatibility) {
      asm.jmpFar(DWORD, slot(ENTRY));
    } else {
      asm.jmp(slot(ENTRY));
    }
  }

  /** Where code under test ends: saves the guest's state, brings back the caller's. */
  private void leave(X86Assembler asm) {
    asm.bind(movedExit);
    asm.mov(DWORD, slot(ENDED_MOVED), 1);
    asm.bind(exit);
    for (int i = 0; i < 16; i++) {
      asm.mov(QWORD, slot(GPR + 8 * i), Gpr.of(i));
    }
    asm.mov(QWORD, Gpr.RSP, slot(HOST_RSP));
    asm.mov(DWORD, slot(INSIDE), 0);
    asm.pushf();
    asm.pop(QWORD, slot(RFLAGS));
    asm.push(PLAIN_RFLAGS);
    asm.popf();
    asm.mov(DWORD, Gpr.RAX, STATE_COMPONENTS);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.wide(MemOp.XSAVE, slot(XSAVE_AREA));
    asm.op(NullaryOp.FNINIT);
    asm.op(MemOp.FLDCW, slot(HOST_FCW));
    asm.op(MemOp.LDMXCSR, slot(HOST_MXCSR));
    asm.op(NullaryOp.VZEROUPPER);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.mov(Seg.ES, Gpr.RAX);
    asm.pop(Gpr.R15);
    asm.pop(Gpr.R14);
    asm.pop(Gpr.R13);
    asm.pop(Gpr.R12);
    asm.pop(Gpr.RBP);
    asm.pop(Gpr.RBX);
    asm.ret();
  }

  /** Signal handler: EDI signal, RSI siginfo, RDX ucontext. */
  private void handle(X86Assembler asm) {
    Label notOurs = new Label("not ours");
    asm.cmp(DWORD, slot(INSIDE), 0);
    asm.jcc(Cond.E, notOurs);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX, CONTEXT_RIP));
    asm.mov(QWORD, slot(FAULT_RIP), Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX, CONTEXT_TRAP));
    asm.mov(QWORD, slot(FAULT_VECTOR), Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX, CONTEXT_ERROR));
    asm.mov(QWORD, slot(FAULT_ERROR), Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX, CONTEXT_CR2));
    asm.mov(QWORD, slot(FAULT_ADDRESS), Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX, CONTEXT_RFLAGS));
    asm.mov(QWORD, slot(FAULT_FLAGS), Gpr.RAX);
    asm.mov(QWORD, Mem.of(Gpr.RDX, CONTEXT_RFLAGS), PLAIN_RFLAGS);
    asm.mov(DWORD, Gpr.RAX, exit);
    asm.mov(QWORD, Mem.of(Gpr.RDX, CONTEXT_RIP), Gpr.RAX);
    asm.mov(WORD, Mem.of(Gpr.RDX, CONTEXT_CS), USER_CS);
    asm.ret();
    asm.bind(notOurs);
    asm.alu(AluOp.AND, DWORD, Gpr.RDI, 31);
    int table = (int) Window.STATE + OLD_HANDLERS;
    asm.jmp(Mem.indexed(Gpr.RDI, 8, table));
  }

  /**
   * Executes {@code code} at {@code address} from {@code in}. Code so near to {@link
   * Window#CODE_END} that there is no room behind it must end with an exception.
   *
   * @param bits 64 or 32
   * @param out the state after the last instruction or at the exception, RIP being the address
   *     after the last instruction, or what the exception shows
   */
  void run(int bits, long address, byte[] code, SiliconState in, SiliconState out) {
    long state = Window.STATE;
    RawMemory.copyIn(Window.codeWindow(bits, address, code), 0, Window.CODE, Window.CODE_LENGTH);
    in.toMemory(0);
    in.toXsave(state + XSAVE_AREA);
    for (int i = 0; i < 16; i++) {
      RawMemory.putLong(state + GPR + 8L * i, in.words[SiliconState.GPR + i]);
    }
    RawMemory.putLong(state + RFLAGS, in.words[SiliconState.RFLAGS]);
    RawMemory.putLong(state + ENTRY, address | (long) USER32_CS << 32);
    if (bits == 64) {
      RawMemory.putLong(state + ENTRY, address);
    }
    RawMemory.putLong(state + FAULT_VECTOR, SiliconState.NO_EXCEPTION);
    RawMemory.putInt(state + ENDED_MOVED, 0);
    NativeCall.call(bits == 64 ? entry64 : entry32, 0, 0, 0);
    for (int i = 0; i < 16; i++) {
      out.words[SiliconState.GPR + i] = RawMemory.getLong(state + GPR + 8L * i);
    }
    long vector = RawMemory.getLong(state + FAULT_VECTOR);
    boolean ended = vector == SiliconState.NO_EXCEPTION;
    if (ended) {
      out.setNoException();
    } else {
      out.setException(
          (int) vector,
          RawMemory.getLong(state + FAULT_ERROR),
          RawMemory.getLong(state + FAULT_ADDRESS));
    }
    long move = RawMemory.getInt(state + ENDED_MOVED) == 0 ? 0 : Window.move(bits);
    long end = Window.home(address) + code.length + move;
    out.words[SiliconState.RIP] = ended ? end : RawMemory.getLong(state + FAULT_RIP);
    out.words[SiliconState.RFLAGS] = RawMemory.getLong(state + (ended ? RFLAGS : FAULT_FLAGS));
    out.fromXsave(state + XSAVE_AREA);
    out.fromMemory(0);
  }

  // ---- the system's part

  private static MethodHandle function(
      String name, FunctionDescriptor type, Linker.Option... options) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type, options);
  }

  private static void map() throws IOException {
    map(Window.BASE, Window.LENGTH);
    map(Window.STUB, Window.HOST_LENGTH);
    for (long move : new long[] {Window.MOVE_64, Window.MOVE_32}) {
      map(move + Window.BASE, Window.LENGTH);
      mapAgain(Window.BASE, Window.LENGTH, move + Window.BASE);
      map(move + Window.STUB, Window.HOST_LENGTH);
    }
    for (long move : new long[] {0, Window.MOVE_64, Window.MOVE_32}) {
      // At each address: the kernel says of a page that nobody has touched that it is not present.
      RawMemory.fill(move + Window.READ_ONLY, PAGE, Window.READ_ONLY_CONTENT);
      protect(move + Window.CODE_END, move + Window.DATA_PAGES, PROT_NONE);
      protect(move + Window.DATA_PAGES, move + Window.READ_ONLY, PROT_READ | PROT_WRITE);
      protect(move + Window.READ_ONLY, move + Window.UNMAPPED, PROT_READ);
      protect(move + Window.UNMAPPED, move + Window.STACK_PAGES, PROT_NONE);
      protect(move + Window.STACK_PAGES, move + Window.STACK_END, PROT_READ | PROT_WRITE);
    }
  }

  private static void map(long address, long length) throws IOException {
    MethodHandle mmap =
        function(
            "mmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG));
    long got;
    try {
      got =
          (long)
              mmap.invokeExact(
                  address, length, PROT_ALL, MAP_SHARED_ANONYMOUS_FIXED_NOREPLACE, -1, 0L);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    if (got != address) {
      throw new IOException("no executable memory at " + Long.toHexString(address));
    }
  }

  /** Maps the same memory once more, in the place of what is there. */
  private static void mapAgain(long address, long length, long to) throws IOException {
    MethodHandle mremap =
        function(
            "mremap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG),
            Linker.Option.firstVariadicArg(4));
    long got;
    try {
      got = (long) mremap.invokeExact(address, 0L, length, MREMAP_MAYMOVE_FIXED, to);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    if (got != to) {
      throw new IOException("memory cannot be mapped again at " + Long.toHexString(to));
    }
  }

  private static void protect(long from, long to, int protection) throws IOException {
    MethodHandle mprotect =
        function(
            "mprotect",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT));
    int result;
    try {
      result = (int) mprotect.invokeExact(from, to - from, protection);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    if (result != 0) {
      throw new IOException("memory at " + Long.toHexString(from) + " cannot be protected");
    }
  }

  private static void catchSignals(long handler) {
    FunctionDescriptor alternateStackType =
        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
    FunctionDescriptor actionType =
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
    MethodHandle sigaltstack = function("sigaltstack", alternateStackType);
    MethodHandle sigaction = function("sigaction", actionType);
    try {
      // stack_t: address, flags, size. It stays for the life of the process.
      MemorySegment stack = Arena.global().allocate(ALTERNATE_STACK_BYTES, 16);
      MemorySegment description = Arena.global().allocate(24, 8);
      description.set(ValueLayout.JAVA_LONG, 0, stack.address());
      description.set(ValueLayout.JAVA_LONG, 16, ALTERNATE_STACK_BYTES);
      check((int) sigaltstack.invokeExact(description, MemorySegment.NULL));
      MemorySegment action = Arena.global().allocate(SIGACTION_BYTES, 8);
      for (int signal : SIGNALS) {
        check((int) sigaction.invokeExact(signal, MemorySegment.NULL, action));
        long old = Window.STATE + OLD_HANDLERS + 8L * signal;
        RawMemory.putLong(old, action.get(ValueLayout.JAVA_LONG, 0));
        action.set(ValueLayout.JAVA_LONG, 0, handler);
        int flags = action.get(ValueLayout.JAVA_INT, SIGACTION_FLAGS);
        action.set(ValueLayout.JAVA_INT, SIGACTION_FLAGS, flags | SA_ONSTACK | 4);
        check((int) sigaction.invokeExact(signal, action, MemorySegment.NULL));
      }
    } catch (Throwable e) {
      throw new IllegalStateException("signals cannot be caught", e);
    }
  }

  private static void check(int result) {
    if (result != 0) {
      throw new IllegalStateException("system call failed");
    }
  }
}
