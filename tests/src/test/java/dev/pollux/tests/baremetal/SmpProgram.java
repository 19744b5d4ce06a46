package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.ShiftOp;

/**
 * Four processors: INIT and SIPI, locked instructions, memory order (Intel SDM vol. 3, 9.2), code
 * written by another processor (9.1.3), TLB shootdown, and interrupts between processors (chapter
 * 12). Every processor executes each job; R15 is its APIC id, 0 for the first.
 *
 * <p>Loops are long enough to be translated and to overlap, also where the host has fewer
 * processors; what is printed does not depend on how they do.
 */
final class SmpProgram extends LongModeProgram {
  private static final int CPUS = 4;
  private static final int APIC = 0xfee0_0000;
  private static final int APIC_BASE_MSR = 0x1b;
  private static final int ICR_MSR = 0x830;

  /** Memory that starts as zeros; variables that are contended for have lines of their own. */
  private static final int DATA_AREA = 0x50_0000;

  private static final int STARTED = DATA_AREA;
  private static final int IDS = DATA_AREA + 0x40;
  private static final int JOB = DATA_AREA + 0x80;
  private static final int JOB_NUMBER = DATA_AREA + 0xc0;
  private static final int FINISHED = DATA_AREA + 0x100;
  private static final int X = DATA_AREA + 0x140;
  private static final int Y = DATA_AREA + 0x180;
  private static final int LOCK = DATA_AREA + 0x1c0;
  private static final int PLAIN = DATA_AREA + 0x200;
  private static final int ERRORS = DATA_AREA + 0x240;
  private static final int BARRIER = DATA_AREA + 0x280;
  private static final int READERS = DATA_AREA + 0x2c0;
  private static final int ACKNOWLEDGED = DATA_AREA + 0x300;
  private static final int WIDE = DATA_AREA + 0x340;

  /** A dword in two cache lines, and one in two pages. */
  private static final int SPLIT = DATA_AREA + 0x3be;

  private static final int TWO_PAGES = DATA_AREA + 0x1ffe;

  /** By processor, 64 bytes each: interrupts taken. */
  private static final int TAKEN = DATA_AREA + 0x400;

  private static final int CODE = DATA_AREA + 0x3000;
  private static final int STACKS = 0x52_0000;

  /** Logs of what readers saw, 64 KiB each. */
  private static final int LOGS = 0x70_0000;

  private static final int LOG_BYTES = 0x1_0000;
  private static final int LOGGED = 2000;

  private static final int IPI_VECTOR = 0x70;
  private static final int SHOOTDOWN_VECTOR = 0x71;

  private final Label processor = new Label("application processor");
  private final Label nextJob = new Label("next job");
  private final Label barrier = new Label("barrier");
  private final Label takeIpi = new Label("IPI");
  private final Label takeNmi = new Label("NMI");
  private final Label shootDown = new Label("shootdown");
  private final Label endOfInterrupt = new Label("end of interrupt");

  @Override
  void body() {
    Label start = new Label();
    asm.jmp(start);
    routines();
    asm.bind(start);
    asm.mov(DWORD, Gpr.R15, 0);
    // Firmware may have left the timer running.
    asm.mov(BYTE, Gpr.RAX, 0xff);
    asm.out(BYTE, 0x21);
    asm.out(BYTE, 0xa1);
    gate(IPI_VECTOR, takeIpi);
    gate(SHOOTDOWN_VECTOR, shootDown);
    gate(2, takeNmi);
    startProcessors();
    counters();
    messagePassing();
    independentReads();
    storeBuffers();
    notOnQemu(this::modifiedCode);
    shootdowns();
    interrupts();
    nonMaskable();
    notOnQemu(this::x2apic);
  }

  private static Mem at(int address) {
    return Mem.absolute(address);
  }

  private void gate(int vector, Label handler) {
    asm.mov(QWORD, Gpr.RAX, handler);
    asm.mov(WORD, at(IDT + vector * 16), Gpr.RAX);
    asm.shr(DWORD, Gpr.RAX, 16);
    asm.mov(WORD, at(IDT + vector * 16 + 6), Gpr.RAX);
  }

  private void repeat(Gpr counter, int times, Runnable code) {
    asm.mov(DWORD, counter, times);
    Label next = asm.here();
    code.run();
    asm.dec(DWORD, counter);
    asm.jcc(Cond.NE, next);
  }

  /** Waits until {@code condition} holds of a dword compared with a register. */
  private void await(int address, Cond condition, Gpr value) {
    Label done = new Label();
    Label next = asm.here();
    asm.cmp(DWORD, at(address), value);
    asm.jcc(condition, done);
    asm.op(NullaryOp.PAUSE);
    asm.jmp(next);
    asm.bind(done);
  }

  /** Has all processors execute {@code job}, and goes on when all have. */
  private void all(Runnable job) {
    Label code = new Label("job");
    Label after = new Label();
    asm.jmp(after);
    asm.bind(code);
    job.run();
    asm.ret();
    asm.bind(after);
    asm.mov(QWORD, Gpr.RAX, code);
    asm.mov(QWORD, at(JOB), Gpr.RAX);
    asm.mov(DWORD, at(FINISHED), 0);
    asm.lock();
    asm.inc(DWORD, at(JOB_NUMBER));
    asm.call(code);
    asm.mov(DWORD, Gpr.RAX, CPUS - 1);
    await(FINISHED, Cond.E, Gpr.RAX);
  }

  /** Runs code on one processor only. */
  private void on(int cpu, Runnable code) {
    Label skip = new Label();
    asm.cmp(DWORD, Gpr.R15, cpu);
    asm.jcc(Cond.NE, skip);
    code.run();
    asm.bind(skip);
  }

  private void report(String what, int address) {
    asm.mov(DWORD, Gpr.RBX, at(address));
    print("  " + what, Gpr.RBX);
    newLine();
  }

  private void reportErrors(String what) {
    report(what, ERRORS);
    asm.mov(DWORD, at(ERRORS), 0);
  }

  // ---- what all processors share ----

  private void routines() {
    asm.bind(processor);
    enterProcessor(STACKS);
    enableApic();
    asm.lock();
    asm.inc(DWORD, at(STARTED));
    asm.mov(DWORD, Gpr.R14, 0); // the last job done
    asm.bind(nextJob);
    await(JOB_NUMBER, Cond.NE, Gpr.R14);
    asm.inc(DWORD, Gpr.R14);
    asm.call(at(JOB));
    asm.lock();
    asm.inc(DWORD, at(FINISHED));
    asm.jmp(nextJob);

    barrierRoutine();

    asm.bind(takeIpi);
    taken();
    asm.jmp(endOfInterrupt);
    asm.bind(takeNmi);
    asm.iret(QWORD);
    asm.bind(shootDown);
    asm.op(MemOp.INVLPG, at(PAGE));
    asm.lock();
    asm.inc(DWORD, at(ACKNOWLEDGED));
    asm.bind(endOfInterrupt);
    asm.push(Gpr.RBX);
    asm.mov(DWORD, Gpr.RBX, APIC);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xb0), 0);
    asm.pop(Gpr.RBX);
    asm.iret(QWORD);
  }

  private void taken() {
    asm.push(Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, Gpr.R15);
    asm.shl(DWORD, Gpr.RAX, 6);
    asm.lock();
    asm.inc(DWORD, Mem.of(Gpr.RAX, TAKEN));
    asm.pop(Gpr.RAX);
  }

  /** All processors meet; R13 counts the meetings of each. */
  private void barrierRoutine() {
    asm.bind(barrier);
    asm.lock();
    asm.inc(DWORD, at(BARRIER));
    asm.add(DWORD, Gpr.R13, CPUS);
    await(BARRIER, Cond.AE, Gpr.R13);
    asm.ret();
  }

  private void enableApic() {
    asm.mov(DWORD, Gpr.RBX, APIC);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xf0), 0x1ff);
    // Flat logical id: bit n for processor n.
    asm.mov(DWORD, Gpr.RCX, Gpr.R15);
    asm.mov(DWORD, Gpr.RAX, 1 << 24);
    asm.shiftCl(ShiftOp.SHL, DWORD, Gpr.RAX);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xd0), Gpr.RAX);
  }

  // ---- start ----

  private void startProcessors() {
    print("start\n");
    copyTrampoline(processor);
    enableApic();
    sendIpi(0xc_4500); // INIT to all others
    // Two start-up IPIs, as firmware sends them; the second finds the processors running.
    sendIpi(0xc_4600 | TRAMPOLINE >> 12);
    asm.mov(DWORD, Gpr.RAX, CPUS - 1);
    await(STARTED, Cond.E, Gpr.RAX);
    sendIpi(0xc_4600 | TRAMPOLINE >> 12);
    all(
        () -> {
          asm.lock();
          asm.bit(BitOp.BTS, DWORD, at(IDS), Gpr.R15);
        });
    report("started", STARTED);
    report("ids", IDS);
  }

  /** Writes the low half of the interrupt command register. */
  private void sendIpi(int command) {
    asm.mov(DWORD, Gpr.RBX, APIC);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x300), command);
  }

  private void sendIpi(int destination, int command) {
    asm.mov(DWORD, Gpr.RBX, APIC);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x310), destination << 24);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x300), command);
  }

  // ---- locked instructions ----

  private void counters() {
    print("counters\n");
    all(
        () ->
            repeat(
                Gpr.RCX,
                5000,
                () -> {
                  asm.lock();
                  asm.inc(DWORD, at(X));
                  asm.mov(DWORD, Gpr.RAX, 3);
                  asm.lock();
                  asm.xadd(DWORD, at(Y), Gpr.RAX);
                }));
    report("inc", X);
    report("xadd", Y);
    all(
        () ->
            repeat(
                Gpr.RBP,
                2000,
                () -> {
                  asm.mov(QWORD, Gpr.RAX, at(WIDE));
                  asm.mov(QWORD, Gpr.RDX, at(WIDE + 8));
                  Label again = asm.here();
                  asm.lea(QWORD, Gpr.RBX, Mem.of(Gpr.RAX, 1));
                  asm.lea(QWORD, Gpr.RCX, Mem.of(Gpr.RDX, 2));
                  asm.lock();
                  asm.cmpxchg16b(at(WIDE));
                  asm.jcc(Cond.NE, again);
                }));
    report("cmpxchg16b low", WIDE);
    report("cmpxchg16b high", WIDE + 8);
    all(
        () ->
            repeat(
                Gpr.RCX,
                2000,
                () -> {
                  Label free = new Label();
                  Label again = asm.here();
                  asm.mov(DWORD, Gpr.RAX, 1);
                  asm.xchg(DWORD, at(LOCK), Gpr.RAX);
                  asm.test(DWORD, Gpr.RAX, Gpr.RAX);
                  asm.jcc(Cond.E, free);
                  asm.op(NullaryOp.PAUSE);
                  asm.jmp(again);
                  asm.bind(free);
                  asm.inc(DWORD, at(PLAIN));
                  asm.mov(DWORD, at(LOCK), 0);
                }));
    report("under a lock", PLAIN);
    all(
        () ->
            repeat(
                Gpr.RCX,
                300,
                () -> {
                  asm.lock();
                  asm.inc(DWORD, at(SPLIT));
                  asm.lock();
                  asm.add(DWORD, at(TWO_PAGES), 0x1_0001);
                }));
    report("in two lines", SPLIT);
    report("in two pages", TWO_PAGES);
  }

  // ---- memory order ----

  private void clearSharedWords() {
    asm.mov(QWORD, at(X), 0);
    asm.mov(QWORD, at(Y), 0);
    asm.mov(DWORD, at(READERS), 0);
  }

  private void error(Cond unless) {
    Label fine = new Label();
    asm.jcc(unless, fine);
    asm.lock();
    asm.inc(DWORD, at(ERRORS));
    asm.bind(fine);
  }

  /** Stores become visible in their order, loads are executed in theirs. */
  private void messagePassing() {
    print("message passing\n");
    clearSharedWords();
    all(
        () -> {
          on(
              0,
              () ->
                  repeat(
                      Gpr.RCX,
                      20_000,
                      () -> {
                        asm.inc(DWORD, at(X));
                        asm.mov(DWORD, Gpr.RAX, at(X));
                        asm.mov(DWORD, at(Y), Gpr.RAX);
                      }));
          Label end = new Label();
          asm.test(DWORD, Gpr.R15, Gpr.R15);
          asm.jcc(Cond.E, end);
          Label next = asm.here();
          asm.mov(DWORD, Gpr.RAX, at(Y));
          asm.mov(DWORD, Gpr.RBX, at(X));
          asm.cmp(DWORD, Gpr.RBX, Gpr.RAX);
          error(Cond.AE);
          asm.cmp(DWORD, Gpr.RAX, 20_000);
          asm.jcc(Cond.NE, next);
          asm.bind(end);
        });
    reportErrors("out of order");
  }

  private static int log(int n) {
    return LOGS + n * LOG_BYTES;
  }

  /** Notes pairs of what two words hold, read in this order, until {@link #LOGGED} are noted. */
  private void noteReads(int first, int second, int log) {
    asm.mov(DWORD, Gpr.RDI, log);
    repeat(
        Gpr.RCX,
        LOGGED,
        () -> {
          asm.mov(DWORD, Gpr.RAX, at(first));
          asm.mov(DWORD, Gpr.RBX, at(second));
          asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
          asm.mov(DWORD, Mem.of(Gpr.RDI, 4), Gpr.RBX);
          asm.add(DWORD, Gpr.RDI, 8);
        });
    asm.lock();
    asm.inc(DWORD, at(READERS));
  }

  /**
   * Two processors see two others' stores in one order: not (x new, y old) here while (y new, x
   * old) there.
   */
  private void independentReads() {
    print("independent reads of independent writes\n");
    clearSharedWords();
    all(
        () -> {
          on(0, () -> countUntilRead(X));
          on(1, () -> countUntilRead(Y));
          on(2, () -> noteReads(X, Y, log(0)));
          on(3, () -> noteReads(Y, X, log(1)));
        });
    // For each (x1, y1) of the first log, the last (y2, x2) of the second with x2 < x1.
    asm.mov(DWORD, Gpr.RSI, log(0));
    asm.mov(DWORD, Gpr.RDI, log(1));
    repeat(
        Gpr.RCX,
        LOGGED,
        () -> {
          Label found = new Label();
          Label next = asm.here();
          asm.cmp(DWORD, Gpr.RDI, log(1) + LOGGED * 8);
          asm.jcc(Cond.E, found);
          asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RDI, 4));
          asm.cmp(DWORD, Gpr.RAX, Mem.of(Gpr.RSI));
          asm.jcc(Cond.AE, found);
          asm.add(DWORD, Gpr.RDI, 8);
          asm.jmp(next);
          asm.bind(found);
          Label none = new Label();
          asm.cmp(DWORD, Gpr.RDI, log(1));
          asm.jcc(Cond.E, none);
          asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RDI, -8));
          asm.cmp(DWORD, Gpr.RAX, Mem.of(Gpr.RSI, 4));
          error(Cond.BE);
          asm.bind(none);
          asm.add(DWORD, Gpr.RSI, 8);
        });
    reportErrors("seen in two orders");
  }

  private void countUntilRead(int word) {
    Label next = asm.here();
    asm.inc(DWORD, at(word));
    asm.cmp(DWORD, at(READERS), 2);
    asm.jcc(Cond.B, next);
  }

  /**
   * A store may be passed by a later load, but not with MFENCE or a locked instruction in between:
   * of two processors that each store and then load the other's word one sees the other's store.
   */
  private void storeBuffers() {
    for (boolean locked : new boolean[] {false, true}) {
      print("store buffers with " + (locked ? "a locked instruction\n" : "MFENCE\n"));
      clearSharedWords();
      all(
          () -> {
            asm.mov(DWORD, Gpr.R13, 0);
            asm.call(barrier);
            on(0, () -> storeAndLoad(X, Y, log(2), locked));
            on(1, () -> storeAndLoad(Y, X, log(3), locked));
          });
      asm.mov(DWORD, at(BARRIER), 0);
      // Store i saw r, so the other's store r + 1 was later and must have seen i.
      asm.mov(DWORD, Gpr.RSI, log(2));
      asm.mov(DWORD, Gpr.RDX, 0);
      repeat(
          Gpr.RCX,
          LOGGED,
          () -> {
            Label none = new Label();
            asm.inc(DWORD, Gpr.RDX);
            asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RSI));
            asm.add(DWORD, Gpr.RSI, 8);
            asm.cmp(DWORD, Gpr.RAX, LOGGED);
            asm.jcc(Cond.E, none);
            asm.shl(DWORD, Gpr.RAX, 3);
            asm.cmp(DWORD, Mem.of(Gpr.RAX, log(3)), Gpr.RDX);
            error(Cond.AE);
            asm.bind(none);
          });
      reportErrors("both loads before both stores");
    }
  }

  private void storeAndLoad(int mine, int others, int log, boolean locked) {
    asm.mov(DWORD, Gpr.RDI, log);
    asm.mov(DWORD, Gpr.RBX, 0);
    repeat(
        Gpr.RCX,
        LOGGED,
        () -> {
          asm.inc(DWORD, Gpr.RBX);
          asm.mov(DWORD, at(mine), Gpr.RBX);
          if (locked) {
            asm.lock();
            asm.add(DWORD, Mem.of(Gpr.RSP), 0);
          } else {
            asm.op(NullaryOp.MFENCE);
          }
          asm.mov(DWORD, Gpr.RAX, at(others));
          asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
          asm.add(DWORD, Gpr.RDI, 8);
        });
  }

  // ---- code ----

  /** One processor rewrites a function that the others execute all the time. */
  private void modifiedCode() {
    print("code written by another processor\n");
    clearSharedWords();
    asm.mov(BYTE, at(CODE + 3), 0xb8); // mov eax, 0; ret
    asm.mov(DWORD, at(CODE + 4), 0);
    asm.mov(BYTE, at(CODE + 8), 0xc3);
    all(
        () -> {
          asm.mov(DWORD, Gpr.R13, 0);
          asm.call(barrier);
          on(
              0,
              () ->
                  repeat(
                      Gpr.RBP,
                      200,
                      () -> {
                        asm.inc(DWORD, at(X));
                        asm.mov(DWORD, Gpr.RAX, at(X));
                        asm.mov(DWORD, at(CODE + 4), Gpr.RAX);
                        asm.mov(DWORD, at(Y), Gpr.RAX);
                        repeat(Gpr.RCX, 300, () -> asm.op(NullaryOp.PAUSE));
                      }));
          Label end = new Label();
          asm.test(DWORD, Gpr.R15, Gpr.R15);
          asm.jcc(Cond.E, end);
          asm.mov(DWORD, Gpr.RDI, CODE + 3);
          asm.mov(DWORD, Gpr.R8, 0);
          Label next = asm.here();
          asm.mov(DWORD, Gpr.R9, at(Y));
          asm.cmp(DWORD, Gpr.R9, Gpr.R8);
          Label same = new Label();
          asm.jcc(Cond.E, same);
          asm.mov(DWORD, Gpr.R8, Gpr.R9);
          asm.mov(DWORD, Gpr.RAX, 0);
          asm.op(NullaryOp.CPUID); // serializes
          asm.bind(same);
          asm.call(Gpr.RDI);
          asm.cmp(DWORD, Gpr.RAX, Gpr.R8);
          error(Cond.AE);
          asm.cmp(DWORD, Gpr.R8, 200);
          asm.jcc(Cond.NE, next);
          asm.bind(end);
        });
    asm.mov(DWORD, at(BARRIER), 0);
    reportErrors("stale code");
  }

  // ---- translations ----

  /** Others read through a page that one remaps; after its IPIs none may use the old mapping. */
  private void shootdowns() {
    print("TLB shootdown\n");
    clearSharedWords();
    int rounds = 100;
    // Page n of the 2 MiB behind PAGE holds the number n.
    asm.mov(DWORD, Gpr.RDI, PAGE + 0x1000);
    asm.mov(DWORD, Gpr.RAX, 1);
    repeat(
        Gpr.RCX,
        rounds,
        () -> {
          asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
          asm.inc(DWORD, Gpr.RAX);
          asm.add(DWORD, Gpr.RDI, 0x1000);
        });
    all(
        () -> {
          asm.mov(DWORD, Gpr.R13, 0);
          asm.call(barrier);
          on(0, () -> repeat(Gpr.RBP, rounds, this::remap));
          Label end = new Label();
          asm.test(DWORD, Gpr.R15, Gpr.R15);
          asm.jcc(Cond.E, end);
          asm.op(NullaryOp.STI);
          Label next = asm.here();
          asm.mov(DWORD, Gpr.RBX, at(Y));
          asm.mov(DWORD, Gpr.RAX, at(PAGE));
          asm.cmp(DWORD, Gpr.RAX, Gpr.RBX);
          error(Cond.AE);
          asm.cmp(DWORD, Gpr.RBX, rounds);
          asm.jcc(Cond.NE, next);
          asm.op(NullaryOp.CLI);
          asm.bind(end);
        });
    asm.mov(DWORD, at(BARRIER), 0);
    asm.mov(DWORD, at(PTE), PAGE | PRESENT | WRITABLE);
    asm.op(MemOp.INVLPG, at(PAGE));
    reportErrors("old translations");
  }

  private void remap() {
    asm.inc(DWORD, at(X));
    asm.mov(DWORD, Gpr.RAX, at(X));
    asm.shl(DWORD, Gpr.RAX, 12);
    asm.add(DWORD, Gpr.RAX, PAGE | PRESENT | WRITABLE);
    asm.mov(DWORD, at(ACKNOWLEDGED), 0);
    asm.mov(DWORD, at(PTE), Gpr.RAX);
    asm.op(MemOp.INVLPG, at(PAGE));
    sendIpi(0xc_4000 | SHOOTDOWN_VECTOR);
    asm.mov(DWORD, Gpr.RAX, CPUS - 1);
    await(ACKNOWLEDGED, Cond.E, Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, at(X));
    asm.mov(DWORD, at(Y), Gpr.RAX);
  }

  // ---- interrupts ----

  /** Halted processors wake for what is sent to them, and only those. */
  private void interrupts() {
    print("interrupts to halted processors\n");
    clearSharedWords();
    all(
        () -> {
          Label end = new Label();
          on(0, this::sendAllKinds);
          asm.test(DWORD, Gpr.R15, Gpr.R15);
          asm.jcc(Cond.E, end);
          asm.lock();
          asm.inc(DWORD, at(READERS));
          Label next = asm.here();
          asm.op(NullaryOp.STI);
          asm.op(NullaryOp.HLT);
          asm.op(NullaryOp.CLI);
          asm.lock();
          asm.inc(DWORD, at(X));
          asm.cmp(DWORD, at(Y), 1);
          asm.jcc(Cond.NE, next);
          asm.bind(end);
        });
    for (int cpu = 0; cpu < CPUS; cpu++) {
      report("IPIs of " + cpu, TAKEN + cpu * 64);
    }
  }

  /** Each kind wakes as many as it is for; X counts those that woke. */
  private void sendAllKinds() {
    asm.mov(DWORD, Gpr.RAX, CPUS - 1);
    await(READERS, Cond.E, Gpr.RAX);
    int woken = 0;
    sendIpi(2, 0x4000 | IPI_VECTOR); // physical, fixed
    woken += 1;
    awaitWoken(woken);
    sendIpi(0b1010, 0x4800 | IPI_VECTOR); // logical: 1 and 3
    woken += 2;
    awaitWoken(woken);
    sendIpi(0b0100, 0x4900 | IPI_VECTOR); // lowest priority of one
    woken += 1;
    awaitWoken(woken);
    sendIpi(0xc_4000 | IPI_VECTOR); // all others
    woken += 3;
    awaitWoken(woken);
    sendIpi(0x4_4000 | IPI_VECTOR); // self
    awaitTaken(1);
    asm.mov(DWORD, at(Y), 1);
    sendIpi(0xff, 0x4000 | IPI_VECTOR); // physical broadcast, the sender included
    woken += 3;
    awaitWoken(woken);
    awaitTaken(2);
  }

  /** Waits with interrupts on until this processor has taken so many. */
  private void awaitTaken(int count) {
    asm.op(NullaryOp.STI);
    asm.mov(DWORD, Gpr.RAX, count);
    await(TAKEN, Cond.E, Gpr.RAX);
    asm.op(NullaryOp.CLI);
  }

  /** An NMI wakes a processor that has halted with interrupts off. */
  private void nonMaskable() {
    print("NMI to a halted processor\n");
    clearSharedWords();
    all(
        () -> {
          on(
              3,
              () -> {
                asm.op(NullaryOp.HLT);
                asm.mov(DWORD, at(Y), 1);
              });
          on(
              0,
              () -> {
                // It may not have halted yet.
                Label next = asm.here();
                sendIpi(3, 0x4400);
                repeat(Gpr.RCX, 1000, () -> asm.op(NullaryOp.PAUSE));
                asm.cmp(DWORD, at(Y), 1);
                asm.jcc(Cond.NE, next);
              });
        });
    report("woken", Y);
  }

  private void awaitWoken(int count) {
    asm.mov(DWORD, Gpr.RAX, count);
    await(X, Cond.E, Gpr.RAX);
  }

  /** The same through MSRs, with 32-bit destinations. */
  private void x2apic() {
    print("x2APIC\n");
    clearSharedWords();
    asm.mov(QWORD, Gpr.RAX, endOfX2apicInterrupt());
    asm.mov(WORD, at(IDT + IPI_VECTOR * 16), Gpr.RAX);
    asm.shr(DWORD, Gpr.RAX, 16);
    asm.mov(WORD, at(IDT + IPI_VECTOR * 16 + 6), Gpr.RAX);
    all(
        () -> {
          asm.mov(DWORD, Gpr.RCX, APIC_BASE_MSR);
          asm.op(NullaryOp.RDMSR);
          asm.or(DWORD, Gpr.RAX, 1 << 10);
          asm.op(NullaryOp.WRMSR);
          Label end = new Label();
          on(
              0,
              () -> {
                asm.mov(DWORD, Gpr.RAX, CPUS - 1);
                await(READERS, Cond.E, Gpr.RAX);
                sendX2apicIpi(1, 0x4000 | IPI_VECTOR);
                awaitWoken(1);
                sendX2apicIpi(0b1100, 0x4800 | IPI_VECTOR); // cluster 0: 2 and 3
                awaitWoken(3);
                asm.mov(DWORD, at(Y), 1);
                sendX2apicIpi(0, 0xc_4000 | IPI_VECTOR);
                awaitWoken(6);
              });
          asm.test(DWORD, Gpr.R15, Gpr.R15);
          asm.jcc(Cond.E, end);
          asm.lock();
          asm.inc(DWORD, at(READERS));
          Label next = asm.here();
          asm.op(NullaryOp.STI);
          asm.op(NullaryOp.HLT);
          asm.op(NullaryOp.CLI);
          asm.lock();
          asm.inc(DWORD, at(X));
          asm.cmp(DWORD, at(Y), 1);
          asm.jcc(Cond.NE, next);
          asm.bind(end);
        });
    for (int cpu = 0; cpu < CPUS; cpu++) {
      report("IPIs of " + cpu, TAKEN + cpu * 64);
    }
  }

  private void sendX2apicIpi(int destination, int command) {
    asm.mov(DWORD, Gpr.RCX, ICR_MSR);
    asm.mov(DWORD, Gpr.RAX, command);
    asm.mov(DWORD, Gpr.RDX, destination);
    asm.op(NullaryOp.WRMSR);
  }

  private Label endOfX2apicInterrupt() {
    Label handler = new Label("x2APIC IPI");
    Label after = new Label();
    asm.jmp(after);
    asm.bind(handler);
    taken();
    for (Gpr register : new Gpr[] {Gpr.RAX, Gpr.RCX, Gpr.RDX}) {
      asm.push(register);
    }
    asm.mov(DWORD, Gpr.RCX, 0x80b);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRMSR);
    for (Gpr register : new Gpr[] {Gpr.RDX, Gpr.RCX, Gpr.RAX}) {
      asm.pop(register);
    }
    asm.iret(QWORD);
    asm.bind(after);
    return handler;
  }
}
