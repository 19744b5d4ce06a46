package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;

/**
 * Corners of virtio that drivers seldom come to: a packed ring that ends inside of a chain, event
 * indices past 65535, resets with requests in flight, broken rules, masked MSI-X vectors. The first
 * disk is as fast as can be, the second does few requests a second.
 */
final class VirtioBlkProgram extends VirtioBlkDriver {
  private static final int SPLIT_ENTRIES = 64;
  private static final int AVAILABLE_INDEX = DRIVER_AREA + 2;
  private static final int AVAILABLE = DRIVER_AREA + 4;
  private static final int USED_EVENT = AVAILABLE + 2 * SPLIT_ENTRIES;
  private static final int USED_INDEX = DEVICE_AREA + 2;
  private static final int AVAILABLE_EVENT = DEVICE_AREA + 4 + 8 * SPLIT_ENTRIES;

  /** No divisor of 65536, so that an index gets there in the middle of a batch. */
  private static final int BATCH = 13;

  private static final int BATCHES = 5200;

  /** Entries, more than a ring has. */
  private static final int LONG_PAST = 0x4000;

  private static final int DISK_SECTORS = 2048;

  /** Not a multiple of what a batch takes. */
  private static final int PACKED_ENTRIES = 5;

  private static final int PACKED_BATCHES = 100;

  /** Of a batch on a packed ring: a chain of three, and one in an indirect table. */
  private static final int CHAIN = 0;

  private static final int TABLE = 1;
  private static final int PACKED_AVAILABLE = 1 << 7;
  private static final int PACKED_USED = 1 << 15;
  private static final int EVENTS_OFF = 1;
  private static final int EVENTS_AT = 2;

  private static final int VECTOR = 0x51;
  private static final int REQUESTS = 0xfee0_0200 + 0x10 * (VECTOR / 32);
  private static final int SPURIOUS_REGISTER = 0xfee0_00f0;

  // The program's own words, behind the driver's.
  private static final int INDEX = 0x20_0100;
  private static final int SECTOR_NUMBER = 0x20_0104;
  private static final int INTERRUPTS = 0x20_0108;
  private static final int UNWANTED = 0x20_010c;
  private static final int PHASE = 0x20_0110;
  private static final int SLOT = 0x20_0114;
  private static final int WRAP = 0x20_0118;
  private static final int USED_SLOT = 0x20_011c;
  private static final int USED_WRAP = 0x20_0120;
  private static final int WRAPS = 0x20_0124;
  private static final int HEAD = 0x20_0128;
  private static final int HEAD_FLAGS = 0x20_012c;

  private final Label put = new Label("descriptor of a packed ring");
  private final Label publish = new Label("head of a packed ring");
  private final Label packedAnswer = new Label("answer on a packed ring");

  @Override
  void assemble() {
    begin();
    Label after = new Label();
    asm.jmp(after);
    packedRoutines();
    asm.bind(after);
    findDisk(true);
    packedRing();
    eventIndex();
    msix();
    brokenRules();
    findDisk(false);
    resetInFlight();
    print("done\n");
    exit();
  }

  private void clear(int... words) {
    for (int word : words) {
      asm.mov(DWORD, at(word), 0);
    }
  }

  /** A sector that was not read lately, in EAX. */
  private void nextSector() {
    asm.mov(DWORD, Gpr.RAX, at(SECTOR_NUMBER));
    asm.add(DWORD, Gpr.RAX, 37);
    asm.and(DWORD, Gpr.RAX, DISK_SECTORS - 1);
    asm.mov(DWORD, at(SECTOR_NUMBER), Gpr.RAX);
  }

  // ---- a split ring ----

  private void initializeSplit(int features, int vector) {
    initialize(features, VERSION_1, SPLIT_ENTRIES, vector);
    clear(INDEX, ERRORS, SECTOR_NUMBER);
    for (int i = 0; i < BATCH; i++) {
      chain(DESCRIPTORS, 3 * i, i);
    }
  }

  /** Makes a head available at {@code ahead} entries from the index; the index stays. */
  private void offer(int ahead, int head) {
    asm.mov(DWORD, Gpr.RAX, at(INDEX));
    asm.add(DWORD, Gpr.RAX, ahead);
    asm.and(DWORD, Gpr.RAX, SPLIT_ENTRIES - 1);
    asm.mov(WORD, Mem.indexed(Gpr.RAX, 2, AVAILABLE), head);
  }

  private void offerIndex(int count) {
    asm.add(DWORD, at(INDEX), count);
    asm.mov(DWORD, Gpr.RAX, at(INDEX));
    asm.mov(WORD, at(AVAILABLE_INDEX), Gpr.RAX);
    asm.op(NullaryOp.MFENCE);
  }

  private void awaitIndex() {
    asm.mov(DWORD, Gpr.RAX, at(INDEX));
    until(Cond.E, () -> asm.cmp(WORD, Gpr.RAX, at(USED_INDEX)));
  }

  private void offerReads(int count) {
    for (int i = 0; i < count; i++) {
      nextSector();
      prepare(i);
      offer(i, 3 * i);
    }
  }

  private void checkReads(int count) {
    for (int i = 0; i < count; i++) {
      check(i);
    }
  }

  private void readSome(int count) {
    offerReads(count);
    offerIndex(count);
    kick();
    awaitIndex();
    checkReads(count);
    print("errors", at(ERRORS));
  }

  /**
   * Batches with an event index somewhere inside of them, of which each interrupts once; in every
   * seventh it is long past, and none does.
   */
  private void eventIndex() {
    print("split ring, event index: ");
    initializeSplit(EVENT_IDX, NO_VECTOR);
    clear(INTERRUPTS, UNWANTED, PHASE);
    repeat(BATCHES, this::batchWithEvents);
    print("index", at(INDEX));
    asm.movzx(DWORD, Gpr.RAX, WORD, at(USED_INDEX));
    print("used", Gpr.RAX);
    print("interrupts", at(INTERRUPTS));
    // A device may interrupt more often than it has to, which QEMU does now and then.
    notOnQemu(() -> print("unwanted", at(UNWANTED)));
    print("errors", at(ERRORS));
    newLine();
  }

  private void batchWithEvents() {
    offerReads(BATCH);
    Label wanted = new Label();
    Label offered = new Label();
    Label end = new Label();
    // Phases 0 to 5 are entries of the batch. 6 is long past: the device may still be about to look
    // whether it has to interrupt for the batch before.
    asm.mov(DWORD, Gpr.RAX, at(INDEX));
    asm.cmp(DWORD, at(PHASE), 6);
    asm.jcc(Cond.NE, wanted);
    asm.sub(DWORD, Gpr.RAX, LONG_PAST);
    asm.jmp(offered);
    asm.bind(wanted);
    asm.add(DWORD, Gpr.RAX, at(PHASE));
    asm.add(DWORD, Gpr.RAX, at(PHASE));
    asm.bind(offered);
    asm.mov(WORD, at(USED_EVENT), Gpr.RAX);
    offerIndex(BATCH);
    kickForEvent();
    awaitIndex();
    checkReads(BATCH);
    Label none = new Label();
    asm.cmp(DWORD, at(PHASE), 6);
    asm.jcc(Cond.E, none);
    until(Cond.NE, this::takeInterrupt);
    asm.inc(DWORD, at(INTERRUPTS));
    asm.inc(DWORD, at(PHASE));
    asm.jmp(end);
    asm.bind(none);
    takeInterrupt();
    asm.add(DWORD, at(UNWANTED), Gpr.RAX);
    clear(PHASE);
    asm.bind(end);
  }

  /** Notifies if the index has passed what the device waits for (2.7.10). */
  private void kickForEvent() {
    Label quiet = new Label();
    asm.mov(DWORD, Gpr.RAX, at(INDEX));
    asm.movzx(DWORD, Gpr.RBX, WORD, at(AVAILABLE_EVENT));
    asm.sub(DWORD, Gpr.RAX, Gpr.RBX);
    asm.dec(DWORD, Gpr.RAX);
    asm.cmp(WORD, Gpr.RAX, BATCH);
    asm.jcc(Cond.AE, quiet);
    kick();
    asm.bind(quiet);
  }

  // ---- MSI-X ----

  /** A vector that is let through, and one that is masked and then let through. */
  private void msix() {
    print("MSI-X: ");
    asm.mov(DWORD, at(SPURIOUS_REGISTER), 0x1ff);
    asm.mov(DWORD, Gpr.RDI, at(MSIX_TABLE));
    for (int i = 0; i < 2; i++) {
      asm.mov(DWORD, Mem.of(Gpr.RDI, 16 * i), 0xfee0_0000);
      asm.mov(DWORD, Mem.of(Gpr.RDI, 16 * i + 4), 0);
      asm.mov(DWORD, Mem.of(Gpr.RDI, 16 * i + 8), VECTOR + i);
      asm.mov(DWORD, Mem.of(Gpr.RDI, 16 * i + 12), i);
    }
    writeConfig(at(MSIX_CAPABILITY), 0x8000_0000);
    initializeSplit(0, 0);
    readSome(1);
    until(Cond.NE, () -> asm.test(DWORD, at(REQUESTS), 1 << VECTOR % 32));
    printRequests();
    initializeSplit(0, 1);
    readSome(1);
    asm.mov(DWORD, Gpr.RDI, at(MSIX_PENDING));
    until(Cond.NE, () -> asm.test(DWORD, Mem.of(Gpr.RDI), 2));
    printRequests();
    asm.mov(DWORD, Gpr.RDI, at(MSIX_TABLE));
    asm.mov(DWORD, Mem.of(Gpr.RDI, 16 + 12), 0);
    until(Cond.NE, () -> asm.test(DWORD, at(REQUESTS), 2 << VECTOR % 32));
    printRequests();
    newLine();
    writeConfig(at(MSIX_CAPABILITY), 0);
  }

  private void printRequests() {
    asm.mov(DWORD, Gpr.RDI, at(MSIX_PENDING));
    print("pending", Mem.of(Gpr.RDI));
    print("requested", at(REQUESTS));
  }

  // ---- rules broken ----

  private void brokenRules() {
    int table = TABLES;
    broken(
        "an indirect table of 24 bytes",
        () -> descriptor(DESCRIPTORS, 0, table, 24, INDIRECT, 0),
        1);
    broken("a head beyond the ring", () -> offer(0, SPLIT_ENTRIES), 1);
    broken("an index too far ahead", () -> {}, SPLIT_ENTRIES + 1);
    broken("a chain that is a loop", () -> descriptor(DESCRIPTORS, 0, HEADERS, HEADER, NEXT, 0), 1);
    broken(
        "a readable descriptor behind a writable one",
        () -> descriptor(DESCRIPTORS, 2, STATUSES, 1, 0, 0),
        1);
    // QEMU takes an indirect descriptor inside a table for a plain one.
    notOnQemu(
        () ->
            broken(
                "an indirect table in an indirect table",
                () -> {
                  chain(table, 0, 0);
                  descriptor(table, 1, table + 0x100, 32, INDIRECT | NEXT, 2);
                  chain(table + 0x100, 0, 0);
                  descriptor(DESCRIPTORS, 0, table, 48, INDIRECT, 0);
                },
                1));
  }

  /** The device says that it needs a reset, does nothing more, and works again after it. */
  private void broken(String what, Runnable breakRule, int count) {
    print(what + ": ");
    initializeSplit(INDIRECT_DESC, NO_VECTOR);
    offerReads(1);
    breakRule.run();
    offerIndex(count);
    kick();
    asm.mov(DWORD, Gpr.RDI, at(COMMON));
    until(Cond.NE, () -> asm.test(BYTE, Mem.of(Gpr.RDI, 0x14), NEEDS_RESET));
    printStatus();
    until(Cond.NE, this::takeInterrupt);
    print("interrupt", Gpr.RAX);
    kick();
    asm.movzx(DWORD, Gpr.RAX, WORD, at(USED_INDEX));
    print("used", Gpr.RAX);
    initializeSplit(INDIRECT_DESC, NO_VECTOR);
    printStatus();
    readSome(BATCH);
    newLine();
  }

  // ---- resets ----

  /** What is in flight is not answered after a reset, and the device is as new. */
  private void resetInFlight() {
    print("reset with requests in flight: ");
    initializeSplit(0, NO_VECTOR);
    offerReads(BATCH);
    offerIndex(BATCH);
    kick();
    // The disk has begun: it lets the first request through at once.
    until(Cond.NE, () -> asm.cmp(WORD, at(USED_INDEX), 0));
    asm.cmp(WORD, at(USED_INDEX), BATCH);
    Label all = new Label();
    asm.jcc(Cond.E, all);
    print("some are ");
    asm.bind(all);
    resetDevice();
    printStatus();
    asm.mov(DWORD, at(DEVICE_AREA), -1);
    for (int i = 0; i < BATCH; i++) {
      asm.mov(BYTE, at(STATUSES + i), 0xff);
      asm.mov(DWORD, at(BUFFERS + SECTOR * i), -1);
    }
    repeat(
        2_000_000,
        () -> {
          asm.op(NullaryOp.PAUSE);
          asm.op(NullaryOp.PAUSE);
        });
    Label changed = new Label();
    Label same = new Label();
    asm.cmp(DWORD, at(DEVICE_AREA), -1);
    asm.jcc(Cond.NE, changed);
    for (int i = 0; i < BATCH; i++) {
      asm.cmp(BYTE, at(STATUSES + i), 0xff);
      asm.jcc(Cond.NE, changed);
      asm.cmp(DWORD, at(BUFFERS + SECTOR * i), -1);
      asm.jcc(Cond.NE, changed);
    }
    asm.jmp(same);
    asm.bind(changed);
    print("memory has changed ");
    asm.bind(same);
    initializeSplit(0, NO_VECTOR);
    printStatus();
    readSome(2);
    newLine();
  }

  // ---- a packed ring ----

  private void packedRoutines() {
    // Address in EAX, length in ECX, flags in EDX, id in EBX; ESI is not 0 for a chain's head.
    asm.bind(put);
    asm.mov(DWORD, Gpr.RDI, at(SLOT));
    asm.shl(DWORD, Gpr.RDI, 4);
    asm.add(DWORD, Gpr.RDI, DESCRIPTORS);
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.mov(DWORD, Mem.of(Gpr.RDI, 4), 0);
    asm.mov(DWORD, Mem.of(Gpr.RDI, 8), Gpr.RCX);
    asm.mov(WORD, Mem.of(Gpr.RDI, 12), Gpr.RBX);
    markAvailable();
    Label after = new Label();
    Label inner = new Label();
    asm.test(DWORD, Gpr.RSI, Gpr.RSI);
    asm.jcc(Cond.E, inner);
    asm.mov(DWORD, at(HEAD), Gpr.RDI);
    asm.mov(DWORD, at(HEAD_FLAGS), Gpr.RDX);
    asm.jmp(after);
    asm.bind(inner);
    asm.mov(WORD, Mem.of(Gpr.RDI, 14), Gpr.RDX);
    asm.bind(after);
    asm.inc(DWORD, at(SLOT));
    Label end = new Label();
    asm.cmp(DWORD, at(SLOT), PACKED_ENTRIES);
    asm.jcc(Cond.NE, end);
    clear(SLOT);
    asm.xor(DWORD, at(WRAP), 1);
    asm.bind(end);
    asm.ret();
    asm.bind(publish);
    asm.mov(DWORD, Gpr.RDI, at(HEAD));
    asm.mov(DWORD, Gpr.RDX, at(HEAD_FLAGS));
    asm.mov(WORD, Mem.of(Gpr.RDI, 14), Gpr.RDX);
    asm.op(NullaryOp.MFENCE);
    asm.ret();
    packedAnswer();
  }

  /** What the flags in EDX get in this round, and in the other (2.8.1). */
  private void markAvailable() {
    Label other = new Label();
    Label end = new Label();
    asm.cmp(DWORD, at(WRAP), 0);
    asm.jcc(Cond.E, other);
    asm.or(DWORD, Gpr.RDX, PACKED_AVAILABLE);
    asm.jmp(end);
    asm.bind(other);
    asm.or(DWORD, Gpr.RDX, PACKED_USED);
    asm.bind(end);
  }

  /** Waits for the next used descriptor, and goes on behind the slots of its request. */
  private void packedAnswer() {
    Label round = new Label();
    Label table = new Label();
    Label end = new Label();
    asm.bind(packedAnswer);
    asm.mov(DWORD, Gpr.RDI, at(USED_SLOT));
    asm.shl(DWORD, Gpr.RDI, 4);
    asm.add(DWORD, Gpr.RDI, DESCRIPTORS);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.cmp(DWORD, at(USED_WRAP), 0);
    asm.jcc(Cond.E, round);
    asm.mov(DWORD, Gpr.RDX, PACKED_AVAILABLE | PACKED_USED);
    asm.bind(round);
    until(
        Cond.E,
        () -> {
          asm.movzx(DWORD, Gpr.RAX, WORD, Mem.of(Gpr.RDI, 14));
          asm.and(DWORD, Gpr.RAX, PACKED_AVAILABLE | PACKED_USED);
          asm.cmp(DWORD, Gpr.RAX, Gpr.RDX);
        });
    Label right = new Label();
    asm.cmp(DWORD, Mem.of(Gpr.RDI, 8), SECTOR + 1);
    asm.jcc(Cond.E, right);
    asm.inc(DWORD, at(ERRORS));
    asm.bind(right);
    asm.cmp(WORD, Mem.of(Gpr.RDI, 12), TABLE);
    asm.jcc(Cond.E, table);
    asm.add(DWORD, at(USED_SLOT), 2);
    asm.bind(table);
    asm.inc(DWORD, at(USED_SLOT));
    asm.cmp(DWORD, at(USED_SLOT), PACKED_ENTRIES);
    asm.jcc(Cond.B, end);
    asm.sub(DWORD, at(USED_SLOT), PACKED_ENTRIES);
    asm.xor(DWORD, at(USED_WRAP), 1);
    asm.inc(DWORD, at(WRAPS));
    asm.bind(end);
    asm.ret();
  }

  private void put(int address, int length, int flags, int id, boolean head) {
    asm.mov(DWORD, Gpr.RAX, address);
    asm.mov(DWORD, Gpr.RCX, length);
    asm.mov(DWORD, Gpr.RDX, flags);
    asm.mov(DWORD, Gpr.RBX, id);
    asm.mov(DWORD, Gpr.RSI, head ? 1 : 0);
    asm.call(put);
  }

  /** Batches of a chain of three and an indirect table, each with an event at its first answer. */
  private void packedRing() {
    print("packed ring of 5: ");
    initialize(INDIRECT_DESC | EVENT_IDX, VERSION_1 | RING_PACKED, PACKED_ENTRIES, NO_VECTOR);
    clear(SLOT, USED_SLOT, WRAPS, ERRORS, INTERRUPTS, SECTOR_NUMBER);
    asm.mov(DWORD, at(WRAP), 1);
    asm.mov(DWORD, at(USED_WRAP), 1);
    packedTable();
    repeat(PACKED_BATCHES, this::packedBatch);
    print("wraps", at(WRAPS));
    print("slot", at(SLOT));
    print("used", at(USED_SLOT));
    print("interrupts", at(INTERRUPTS));
    print("errors", at(ERRORS));
    newLine();
  }

  /** In a packed ring's tables flags come last, and all entries are used (2.8.7). */
  private void packedTable() {
    descriptor(TABLES, 0, HEADERS + HEADER * TABLE, HEADER, 0, 0);
    descriptor(TABLES, 1, BUFFERS + SECTOR * TABLE, SECTOR, 0, WRITE);
    descriptor(TABLES, 2, STATUSES + TABLE, 1, 0, WRITE);
  }

  private void packedBatch() {
    asm.mov(DWORD, Gpr.RAX, at(USED_WRAP));
    asm.shl(DWORD, Gpr.RAX, 15);
    asm.or(DWORD, Gpr.RAX, at(USED_SLOT));
    asm.mov(WORD, at(DRIVER_AREA), Gpr.RAX);
    asm.mov(WORD, at(DRIVER_AREA + 2), EVENTS_AT);
    nextSector();
    prepare(CHAIN);
    nextSector();
    prepare(TABLE);
    put(HEADERS, HEADER, NEXT, CHAIN, true);
    put(BUFFERS, SECTOR, WRITE | NEXT, CHAIN, false);
    put(STATUSES, 1, WRITE, CHAIN, false);
    asm.call(publish);
    put(TABLES, 48, INDIRECT, TABLE, true);
    asm.call(publish);
    Label quiet = new Label();
    asm.cmp(WORD, at(DEVICE_AREA + 2), EVENTS_OFF);
    asm.jcc(Cond.E, quiet);
    kick();
    asm.bind(quiet);
    asm.call(packedAnswer);
    asm.call(packedAnswer);
    check(CHAIN);
    check(TABLE);
    until(Cond.NE, this::takeInterrupt);
    asm.inc(DWORD, at(INTERRUPTS));
  }
}
