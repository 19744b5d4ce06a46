package dev.pollux.core.jit;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Disassembler;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.jit.emit.BlockCode;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.function.Supplier;

/** What {@code -d} shows of translations. On the vCPU's thread. */
final class JitLog {
  private static final int GUEST_COLUMN = 56;

  private final TraceLog log;
  private final int cpu;

  /** Of host code, which is made of more than what a guest's processor has. */
  private Decoder decoder;

  JitLog(TraceLog log, int cpu) {
    this.log = log;
    this.cpu = cpu;
  }

  /** Made when it is needed: few runs show code, and it takes time. */
  private Decoder decoder() {
    if (decoder == null) {
      decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
    }
    return decoder;
  }

  /**
   * A block was translated.
   *
   * @param code how it was translated
   * @param insns the guest's instructions, at least the block's
   * @param rip where the guest executes it now
   * @param hostBytes length of its code
   */
  void translated(JitBlock block, BlockCode code, Insn[] insns, long rip, int hostBytes) {
    if (log.has(TraceLog.Item.JIT)) {
      event(
          "translated %016x, %d instructions of %d bytes, to %d bytes at %x, key %x"
              .formatted(
                  rip, block.count(), block.length(), hostBytes, block.start(), block.key()));
    }
    if (log.has(TraceLog.Item.IN_ASM)) {
      StringBuilder text = new StringBuilder("----------------\nIN:\n");
      for (int i = 0; i < block.count(); i++) {
        text.append(guest(insns[i], rip)).append('\n');
      }
      log.write(text.toString());
    }
    if (log.has(TraceLog.Item.OP)) {
      log.write(operations(block, code, insns, rip));
    }
    if (log.has(TraceLog.Item.OUT_ASM)) {
      log.write(sideBySide(block, code, insns, rip, hostBytes));
    }
  }

  /** True if anything is shown of translations. */
  boolean isOn() {
    return log.has(TraceLog.Item.JIT)
        || log.has(TraceLog.Item.IN_ASM)
        || log.has(TraceLog.Item.OP)
        || log.has(TraceLog.Item.OUT_ASM);
  }

  /** Generated code was dropped. */
  void dropped(String what) {
    if (log.has(TraceLog.Item.JIT)) {
      event(what);
    }
  }

  /**
   * The engine ends.
   *
   * @param statistics as {@link JitEngine#describe} gives them
   */
  void closed(Supplier<String> statistics) {
    if (log.has(TraceLog.Item.JIT)) {
      event("at the end\n" + statistics.get().stripTrailing());
    }
  }

  private void event(String text) {
    log.write("JIT " + cpu + ": " + text);
  }

  private static String guest(Insn insn, long rip) {
    long address = rip + insn.nextOffset - insn.length;
    return "0x%016x:  %s".formatted(address, Disassembler.text(insn, address));
  }

  private static String operations(JitBlock block, BlockCode code, Insn[] insns, long rip) {
    StringBuilder text = new StringBuilder("OP:\n");
    for (int i = 0; i < block.count(); i++) {
      String how = code.interprets(i) ? "interpreter" : "host";
      text.append("%-12s %s%n".formatted(how, guest(insns[i], rip)));
    }
    return text.toString();
  }

  /** Each guest instruction beside its host code, then what lies out of line. */
  private String sideBySide(JitBlock block, BlockCode code, Insn[] insns, long rip, int hostBytes) {
    byte[] host = new byte[hostBytes];
    RawMemory.copyOut(block.start(), host, 0, hostBytes);
    StringBuilder text = new StringBuilder("OUT: [size=" + hostBytes + "]\n");
    int at = code.bodyAt();
    append(text, "(entry)", block.start(), host, 0, at);
    for (int i = 0; i < block.count(); i++) {
      int end = code.endOf(i);
      append(text, guest(insns[i], rip), block.start(), host, at, end);
      at = end;
    }
    append(text, "(ways out)", block.start(), host, at, hostBytes);
    return text.toString();
  }

  private void append(StringBuilder text, String guest, long base, byte[] host, int from, int to) {
    String left = guest;
    for (String line : hostLines(base, host, from, to)) {
      text.append(("%-" + GUEST_COLUMN + "s | %s%n").formatted(left, line));
      left = "";
    }
    if (!left.isEmpty() && from == to && left.startsWith("0x")) {
      // Nothing to be done, as for NOP.
      text.append(("%-" + GUEST_COLUMN + "s |%n").formatted(left));
    }
  }

  private List<String> hostLines(long base, byte[] host, int from, int to) {
    List<String> lines = new ArrayList<>();
    int at = from;
    while (at < to) {
      Insn insn = decoder().decode(host, at, to, 64);
      boolean valid = insn != null && insn.isValid();
      long address = base + at;
      lines.add("0x%x:  %s".formatted(address, valid ? Disassembler.text(insn, address) : "(bad)"));
      at += valid ? insn.length : 1;
    }
    return lines;
  }
}
