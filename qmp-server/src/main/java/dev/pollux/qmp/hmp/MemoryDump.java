package dev.pollux.qmp.hmp;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Disassembler;
import java.util.Arrays;

/**
 * {@code x} and {@code xp}: guest memory as numbers, characters or instructions. RAM and ROM only:
 * looking changes no device.
 */
final class MemoryDump {
  private static final int MAX_INSNS = 10_000;

  private final HmpSession session;
  private final boolean physical;
  private final StringBuilder out;

  private MemoryDump(HmpSession session, boolean physical, StringBuilder out) {
    this.session = session;
    this.physical = physical;
    this.out = out;
  }

  /** Reads the arguments; the vCPUs are parked while the command is carried out. */
  static HmpCommand.Effect prepare(HmpSession session, HmpArguments arguments, boolean physical) {
    HmpArguments.Format given = arguments.format();
    long address = arguments.expression();
    return out -> new MemoryDump(session, physical, out).run(given, address);
  }

  private void run(HmpArguments.Format given, long address) {
    int count = Math.max(given.count(), 1);
    if (given.format() != 0) {
      session.format = given.format();
    }
    if (given.size() != 0) {
      session.size = given.size();
    }
    if (session.format == 'i') {
      instructions(address, Math.min(count, MAX_INSNS));
    } else {
      numbers(address, count, session.format, session.format == 'c' ? 1 : session.size);
    }
  }

  /** The byte at an address, or -1. */
  private int peek(long address) {
    long at = physical ? address : translate(address);
    if (at == -1) {
      return -1;
    }
    AddressSpace memory = session.machine().memory();
    FlatView.Range range = memory.view().find(at);
    if (range == null || !(range.region() instanceof Region.RamRegion)) {
      return physical ? 0 : -1;
    }
    return (int) memory.read(at, 1);
  }

  private long translate(long linear) {
    CpuState s = session.cpu().cpuState();
    boolean longMode = (s.efer() & 1 << 10) != 0;
    return session.cpu().mmu().translate(longMode ? linear : linear & 0xffff_ffffL);
  }

  private void numbers(long address, int count, char format, int size) {
    int perLine = format != 'c' && size == 1 ? 8 : 16 / size;
    for (int i = 0; i < count; i++) {
      if (i % perLine == 0) {
        out.append(i == 0 ? "" : "\n").append("%016x:".formatted(address));
      }
      long value = 0;
      for (int j = 0; j < size; j++) {
        int b = peek(address + j);
        if (b < 0) {
          out.append(" Cannot access memory\n");
          return;
        }
        value |= (long) b << j * 8;
      }
      out.append(' ').append(number(value, format, size));
      address += size;
    }
    out.append('\n');
  }

  /**
   * One value as QEMU pads it.
   *
   * @param value zero-extended from {@code size} bytes
   */
  static String number(long value, char format, int size) {
    int shift = 64 - size * 8;
    return switch (format) {
      case 'd' -> ("%" + digits(size, 10, 33) + "d").formatted(value << shift >> shift);
      case 'u' -> ("%" + digits(size, 10, 33) + "s").formatted(Long.toUnsignedString(value));
      case 'o' -> ("%0" + (size * 8 + 2) / 3 + "o").formatted(value);
      case 'c' -> character((char) (value & 0xff));
      default -> ("0x%0" + size * 2 + "x").formatted(value);
    };
  }

  private static int digits(int size, int factor, int divisor) {
    return (size * 8 * factor + divisor - 1) / divisor;
  }

  /** A character literal as C writes it. */
  static String character(char c) {
    String inner =
        switch (c) {
          case '\'' -> "\\'";
          case '\\' -> "\\\\";
          case '\n' -> "\\n";
          case '\r' -> "\\r";
          default -> c >= 32 && c <= 126 ? String.valueOf(c) : "\\x%02x".formatted((int) c);
        };
    return "'" + inner + "'";
  }

  private void instructions(long address, int count) {
    Vcpu cpu = session.cpu();
    Decoder decoder = new Decoder(cpu.model().features());
    int mode = mode(cpu.cpuState());
    byte[] code = new byte[Decoder.MAX_LENGTH];
    for (int i = 0; i < count; i++) {
      int available = 0;
      for (int b; available < code.length && (b = peek(address + available)) >= 0; available++) {
        code[available] = (byte) b;
      }
      if (available == 0) {
        out.append("%016x: Cannot access memory\n".formatted(address));
        return;
      }
      String line =
          Disassembler.listing(
              decoder, Arrays.copyOf(code, available), 0, available, address, mode, 1);
      out.append(line);
      var insn = decoder.decode(code, 0, available, mode);
      address += insn != null && insn.isValid() ? insn.length : 1;
    }
  }

  private static int mode(CpuState s) {
    int attr = s.segAttr(CpuLayout.CS);
    if ((s.efer() & 1 << 10) != 0 && (attr & 1 << 13) != 0) {
      return 64;
    }
    return (attr & 1 << 14) != 0 ? 32 : 16;
  }
}
