package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeTables;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The child JVM of the silicon test: makes cases, runs them on the host, in the interpreter and in
 * generated code, all of it once more with the code at its second address, and prints those whose
 * results differ, each ended by a line {@code ----}.
 *
 * <p>Arguments: seed, first case, number of instructions, seconds, file of the {@link Progress},
 * most differences to report, and optionally a regular expression that names the instructions to be
 * tested. With one argument only: a file of cases to be run.
 */
final class SiliconRunner {
  static final String END_OF_REPORT = "----";

  /** Begins a line that belongs to no report. */
  static final String NOTE = "silicon: ";

  private static final Pattern SEPARATOR = Pattern.compile("^-.*$", Pattern.MULTILINE);

  private final HostExecutor host;
  private final GuestExecutor interpreter = new GuestExecutor(false);
  private final GuestExecutor generated = new GuestExecutor(true);
  private final Decoder decoder;
  private final SiliconState hostEnd = new SiliconState();
  private final SiliconState interpreterEnd = new SiliconState();
  private final SiliconState generatedEnd = new SiliconState();
  private final CaseTracer tracer;
  private final Map<OpcodeInfo, Integer> rowNumbers = new HashMap<>();
  private final CaseGenerator generator;

  /** The engines do as Intel's processors do where makers differ in what faults first. */
  private final boolean faultsAsModelled = HostCpu.get().vendor().equals(CpuModel.INTEL);

  /** Translations made by cases at their second address. */
  private long movedTranslations;

  /** Ends the note of how many translations came from earlier runs. */
  static final String STORED = " translations of earlier runs";

  SiliconRunner(String pattern) throws IOException {
    host = new HostExecutor();
    if (!host.executes32BitCode()) {
      System.out.println(
          NOTE
              + "the host executes no 32-bit code: there the engines are compared with each other");
    }
    Set<CpuFeature> features = GuestExecutor.features();
    decoder = new Decoder(features);
    RowFilter filter = new RowFilter(HostCpu.get(), features);
    List<OpcodeInfo> rows = OpcodeTables.rows();
    for (int i = 0; i < rows.size(); i++) {
      rowNumbers.put(rows.get(i), i);
    }
    generator =
        new CaseGenerator(
            interpreter, decoder, select(filter, 64, pattern), select(filter, 32, pattern));
    tracer = new CaseTracer(interpreter, decoder);
  }

  private static List<OpcodeInfo> select(RowFilter filter, int bits, String pattern) {
    List<OpcodeInfo> selected = new ArrayList<>();
    for (OpcodeInfo row : OpcodeTables.rows()) {
      if (filter.reason(row, bits) == null && row.op.name().matches(pattern)) {
        selected.add(row);
      }
    }
    return selected;
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length == 1) {
      runFile(Path.of(arguments[0]));
    } else {
      runRandom(arguments);
    }
  }

  private static void runFile(Path file) throws IOException {
    SiliconRunner runner = new SiliconRunner(".*");
    for (SiliconCase test : readCases(file)) {
      if (runner.tracer.undefinedFlags(test) == CaseTracer.UNDEFINED || runner.fails(test)) {
        System.out.print(runner.report(test));
        System.out.println(END_OF_REPORT);
      }
      if (runner.fails(test.moved())) {
        System.out.print(runner.report(test.moved()));
        System.out.println(END_OF_REPORT);
      }
    }
  }

  private boolean fails(SiliconCase test) {
    long undefined = tracer.undefinedFlags(test);
    return undefined != CaseTracer.UNDEFINED && differences(test, undefined) != 0;
  }

  private static void runRandom(String[] arguments) throws IOException {
    long seed = Long.parseLong(arguments[0]);
    long number = Long.parseLong(arguments[1]);
    long instructions = Long.parseLong(arguments[2]);
    long end = System.nanoTime() + Long.parseLong(arguments[3]) * 1_000_000_000L;
    int allowed = Integer.parseInt(arguments[5]);
    SiliconRunner runner = new SiliconRunner(arguments.length > 6 ? arguments[6] : ".*");
    try (Progress progress = new Progress(Path.of(arguments[4]))) {
      while (progress.instructions() < instructions && System.nanoTime() < end && allowed > 0) {
        progress.startCase(number);
        if (!runner.runOne(seed, number, progress)) {
          allowed--;
        }
        number++;
      }
      progress.finish();
      if (System.getProperty("silicon.store") != null) {
        long stored = runner.generated.storedTranslations();
        System.out.println(NOTE + stored + STORED);
        runner.generated.close();
      }
    }
  }

  /** Makes and runs a case; false, and a report on standard output, if the results differ. */
  private boolean runOne(long seed, long number, Progress progress) {
    SiliconCase made = generator.generate(seed, number);
    for (Insn insn : generator.executed()) {
      progress.count(made.bits(), rowNumbers.get(insn.info));
    }
    int first = differences(made, generator.undefinedFlags());
    if (made.bits() == 64) {
      countTranslated(made, progress);
    }
    if (hostEnd.words[SiliconState.VECTOR] != SiliconState.NO_EXCEPTION) {
      progress.countFault();
    }
    return check(made, first, seed, number) && runMoved(made.moved(), seed, number, progress);
  }

  /** Runs a case at its second address. */
  private boolean runMoved(SiliconCase moved, long seed, long number, Progress progress) {
    int first = differences(moved, generator.undefinedFlags());
    progress.countMoved(generated.translations(), movedTranslations);
    return check(moved, first, seed, number);
  }

  /** False, and a report, if a case that showed differences has them. */
  private boolean check(SiliconCase made, int first, long seed, long number) {
    if (first == 0) {
      return true;
    }
    // Instructions that read code may take another way once the case is complete, and what depends
    // on its address at another one.
    long traced = tracer.undefinedFlags(made);
    int differences = traced == CaseTracer.UNDEFINED ? 0 : differences(made, traced);
    if (differences == 0) {
      return true;
    }
    long vector = hostEnd.words[SiliconState.VECTOR];
    SiliconCase small =
        new Shrinker(
                test -> {
                  long undefined = tracer.undefinedFlags(test);
                  return undefined != CaseTracer.UNDEFINED
                      && differences(test, undefined) == differences
                      && hostEnd.words[SiliconState.VECTOR] == vector;
                })
            .shrink(made);
    System.out.print("seed " + seed + " case " + number + "\n" + report(small));
    System.out.println(END_OF_REPORT);
    return false;
  }

  private void countTranslated(SiliconCase test, Progress progress) {
    generated.load(test.bits(), test.start());
    Insn last = null;
    for (Insn insn : generator.executed()) {
      if (insn != last && generated.translates(insn)) {
        progress.countTranslated(rowNumbers.get(insn.info));
      }
      last = insn;
    }
  }

  private static final int INTERPRETER = 1;
  private static final int GENERATED = 2;

  /** Runs a case everywhere; which of the engines differ from the host. */
  private int differences(SiliconCase test, long undefined) {
    byte[] code = test.code();
    interpreter.run(test.bits(), test.address(), code, test.start(), interpreterEnd);
    if (interpreterEnd.words[SiliconState.VECTOR] >= GuestExecutor.STOPPED) {
      // It came to its end when it was made, step by step.
      return INTERPRETER;
    }
    if (interpreterEnd.words[SiliconState.VECTOR] == CpuException.PF
        && Window.isHostOnly(
            interpreterEnd.words[SiliconState.CR2], Window.moveOf(test.address()))) {
      return 0;
    }
    boolean onHost = test.bits() == 64 || host.executes32BitCode();
    if (onHost) {
      host.run(test.bits(), test.address(), code, test.start(), hostEnd);
    } else {
      System.arraycopy(interpreterEnd.words, 0, hostEnd.words, 0, SiliconState.WORDS);
    }
    runGenerated(test, code);
    if (test.bits() == 32) {
      forget64BitParts(hostEnd);
      forget64BitParts(generatedEnd);
      forget64BitParts(interpreterEnd);
    }
    if ((hostEnd.words[SiliconState.MXCSR] & MXCSR_MM) != 0) {
      // A bit that only AMD's processors have was loaded.
      return 0;
    }
    if (hostEnd.words[SiliconState.VECTOR] != SiliconState.NO_EXCEPTION) {
      Insn insn =
          at(
              test,
              code,
              Window.home(hostEnd.words[SiliconState.RIP]) - Window.home(test.address()));
      if (faultsOtherwise(test, insn, interpreterEnd)
          || faultsOtherwise(test, insn, generatedEnd)) {
        return 0;
      }
      if (insn != null && insn.info != null) {
        ignoreAtFault(insn);
      }
    }
    return (hostEnd.sameAs(interpreterEnd, undefined) ? 0 : INTERPRETER)
        | (hostEnd.sameAs(generatedEnd, undefined) ? 0 : GENERATED);
  }

  /** A case at its second address executes what has been translated at the first one. */
  private void runGenerated(SiliconCase test, byte[] code) {
    if (test.isMoved()) {
      SiliconCase home = test.home();
      generated.run(home.bits(), home.address(), code, home.start(), generatedEnd);
    }
    long before = generated.translations();
    generated.run(test.bits(), test.address(), code, test.start(), generatedEnd);
    if (test.isMoved()) {
      movedTranslations += generated.translations() - before;
    }
  }

  /**
   * Whether the host has good reason to fault where the engine does not, or to raise another
   * exception: where one instruction has several faults, which comes first is each maker's own; an
   * operand of 32-bit code that runs past 4 GiB may raise #GP or #SS, or go on at 0 (Intel SDM vol.
   * 3, 6.3).
   *
   * @param insn what faults on the host, null if a part of it cannot be fetched
   */
  private boolean faultsOtherwise(SiliconCase test, Insn insn, SiliconState end) {
    if (!faultsAsModelled
        && insn != null
        && storesX87(insn)
        && hostEnd.words[SiliconState.VECTOR] != CpuException.MF
        && (hostEnd.words[SiliconState.FCW] & X87_MASKS) != X87_MASKS) {
      // Unlike Intel's, AMD's processors translate the address before an unmasked exception keeps
      // the number from being stored.
      return true;
    }
    return hostEnd.words[SiliconState.RIP] == end.words[SiliconState.RIP]
        && hostEnd.words[SiliconState.VECTOR] != end.words[SiliconState.VECTOR]
        && (!faultsAsModelled || test.bits() == 32 && (isNear4GiB(hostEnd) || isNear4GiB(end)));
  }

  private static boolean storesX87(Insn insn) {
    return switch (insn.op) {
      case FST, FSTP, FIST, FISTP, FISTTP, FBSTP -> insn.hasMemory();
      default -> false;
    };
  }

  /** True after a page fault of an operand around the end of 32-bit addresses. */
  private static boolean isNear4GiB(SiliconState end) {
    return end.words[SiliconState.VECTOR] == CpuException.PF
        && Math.abs((int) end.words[SiliconState.CR2]) <= Window.LARGEST_OPERAND;
  }

  /**
   * What is not defined where an instruction faults: which of several operands, or which part of a
   * large one, is looked at first; whether an MMX instruction has already changed the x87 stack;
   * the flags of a repeated comparison, and the upper halves of registers that it uses the lower
   * ones of; memory before the place where an operand of 80 bits or a return address cannot be
   * written.
   */
  private void ignoreAtFault(Insn insn) {
    boolean string = insn.info.has(OpcodeInfo.Property.REP);
    for (SiliconState end : List.of(hostEnd, interpreterEnd, generatedEnd)) {
      if (string && insn.addrSize == 4) {
        for (int register : new int[] {RCX, RSI, RDI}) {
          end.words[SiliconState.GPR + register] &= 0xffff_ffffL;
        }
      }
      switch (insn.op) {
        case CMPS, SCAS -> {
          forgetAddress(end);
          end.words[SiliconState.RFLAGS] &= ~(long) OpcodeInfo.STATUS_FLAGS;
        }
        case FRSTOR, FLDENV, FNSAVE, FNSTENV, ENTER, PUSHA, POPA -> forgetAddress(end);
        case CALL, FSTP, FBSTP -> {
          int words = SiliconState.WORDS - SiliconState.DATA;
          System.arraycopy(hostEnd.words, SiliconState.DATA, end.words, SiliconState.DATA, words);
        }
        case VPMASKMOVD, VPMASKMOVQ, VMASKMOVPS, VMASKMOVPD -> forgetAddress(end);
        case BOUND, VCVTPS2PH -> {
          // The lower bound is compared before the upper one is read; converted before it is
          // stored.
          System.arraycopy(
              hostEnd.words, SiliconState.VECTOR, end.words, SiliconState.VECTOR, RESULT_WORDS);
          end.words[SiliconState.MXCSR] = 0;
        }
        default -> {}
      }
      if (insn.info.has(OpcodeInfo.Property.MMX)) {
        end.words[SiliconState.FSW] &= ~X87_TOP;
        end.words[SiliconState.FTW] = 0;
      }
    }
  }

  /**
   * Takes out where a page fault was, and whether a page is there: of the host's kernel it is, of
   * the other operand's address, or of the rest of the same one around 0, it need not be.
   */
  private static void forgetAddress(SiliconState end) {
    end.words[SiliconState.CR2] = 0;
    end.words[SiliconState.ERROR] &= ~1;
  }

  private static final int RCX = 1;
  private static final int RSI = 6;
  private static final int RDI = 7;
  private static final int X87_TOP = 7 << 11;
  private static final int X87_MASKS = 0x3f;

  /** Misaligned operands of SSE instructions raise no exception. */
  private static final int MXCSR_MM = 1 << 17;

  /** Vector, error code, CR2. */
  private static final int RESULT_WORDS = 3;

  private Insn at(SiliconCase test, byte[] code, long offset) {
    return offset < 0 || offset >= code.length
        ? null
        : decoder.decode(code, (int) offset, code.length, test.bits());
  }

  private String report(SiliconCase test) {
    long undefined = tracer.undefinedFlags(test);
    int differences = differences(test, undefined);
    StringBuilder text = new StringBuilder(test.text()).append(test.listing(decoder));
    if ((differences & INTERPRETER) != 0) {
      text.append("  differs (host, interpreter): ")
          .append(String.join(", ", hostEnd.differences(interpreterEnd, undefined)))
          .append('\n');
    }
    if ((differences & GENERATED) != 0) {
      text.append("  differs (host, generated code): ")
          .append(String.join(", ", hostEnd.differences(generatedEnd, undefined)))
          .append('\n');
    }
    return text.toString();
  }

  /**
   * The upper halves and upper registers are undefined after 32-bit code (Intel SDM vol. 1,
   * 3.4.1.1).
   */
  private static void forget64BitParts(SiliconState state) {
    for (int i = 0; i < 16; i++) {
      state.words[SiliconState.GPR + i] &= i < 8 ? 0xffff_ffffL : 0;
    }
  }

  /**
   * Cases of a file in the form of {@link SiliconCase}, separated by lines that start with a dash.
   */
  static List<SiliconCase> readCases(Path file) throws IOException {
    List<SiliconCase> cases = new ArrayList<>();
    for (String text : SEPARATOR.split(Files.readString(file), 0)) {
      if (!text.isBlank()) {
        cases.add(SiliconCase.parse(text));
      }
    }
    return cases;
  }
}
