package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuFeature;
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
 * The child JVM of the silicon test: makes cases, runs them on the host and in the interpreter, and
 * prints those whose results differ, each ended by a line {@code ----}.
 *
 * <p>Arguments: seed, first case, number of instructions, seconds, file of the {@link Progress},
 * most differences to report, and optionally a regular expression that names the instructions to be
 * tested. With one argument only: a file of cases to be run.
 */
final class SiliconRunner {
  static final String END_OF_REPORT = "----";

  private static final Pattern SEPARATOR = Pattern.compile("^-.*$", Pattern.MULTILINE);

  private final HostExecutor host;
  private final GuestExecutor guest = new GuestExecutor();
  private final Decoder decoder;
  private final SiliconState hostEnd = new SiliconState();
  private final SiliconState guestEnd = new SiliconState();
  private final Map<OpcodeInfo, Integer> rowNumbers = new HashMap<>();
  private final CaseGenerator generator;

  SiliconRunner(String pattern) throws IOException {
    host = new HostExecutor();
    Set<CpuFeature> features = GuestExecutor.features();
    decoder = new Decoder(features);
    RowFilter filter = new RowFilter(HostCpu.get(), features);
    List<OpcodeInfo> rows = OpcodeTables.rows();
    for (int i = 0; i < rows.size(); i++) {
      rowNumbers.put(rows.get(i), i);
    }
    generator =
        new CaseGenerator(guest, decoder, select(filter, 64, pattern), select(filter, 32, pattern));
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
      if (runner.differs(test)) {
        System.out.print(runner.report(test));
        System.out.println(END_OF_REPORT);
      }
    }
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
    }
  }

  /** Makes and runs a case; false, and a report on standard output, if the two sides differ. */
  private boolean runOne(long seed, long number, Progress progress) {
    SiliconCase made = generator.generate(seed, number);
    long undefined = generator.undefinedFlags();
    for (Insn insn : generator.executed()) {
      progress.count(made.bits(), rowNumbers.get(insn.info));
    }
    runBoth(made);
    if (hostEnd.words[SiliconState.VECTOR] != SiliconState.NO_EXCEPTION) {
      progress.countFault();
    }
    if (hostEnd.sameAs(guestEnd, undefined)) {
      return true;
    }
    long vector = hostEnd.words[SiliconState.VECTOR];
    SiliconCase small =
        new Shrinker(decoder, test -> differs(test) && hostEnd.words[SiliconState.VECTOR] == vector)
            .shrink(made);
    boolean kept = differs(small);
    SiliconCase shown = kept ? small : made;
    System.out.print("seed " + seed + " case " + number + "\n" + report(shown));
    System.out.println(END_OF_REPORT);
    return false;
  }

  /** Runs a case on both sides; the words that differ, host first, or an empty list. */
  List<String> compare(SiliconCase test) {
    runBoth(test);
    return hostEnd.differences(guestEnd, test.undefinedFlags(decoder));
  }

  private boolean differs(SiliconCase test) {
    runBoth(test);
    return !hostEnd.sameAs(guestEnd, test.undefinedFlags(decoder));
  }

  String report(SiliconCase test) {
    List<String> differences = compare(test);
    return test.text()
        + test.listing(decoder)
        + "  differs (host, interpreter): "
        + String.join(", ", differences)
        + "\n";
  }

  private void runBoth(SiliconCase test) {
    byte[] code = test.code();
    host.run(test.bits(), test.address(), code, code.length, test.start(), hostEnd);
    guest.run(test.bits(), test.address(), code, test.start(), guestEnd);
    if (test.bits() == 32) {
      forget64BitParts(hostEnd);
      forget64BitParts(guestEnd);
    }
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
