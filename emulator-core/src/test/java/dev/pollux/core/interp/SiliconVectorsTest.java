package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/**
 * Floating-point and vector instructions against what an AMD Zen 4 did with the same registers:
 * {@code vectors.txt.gz} has a line for each case with the instruction, the seed of its {@link
 * SampleState}, the exception it raised if any, and the registers it changed.
 */
class SiliconVectorsTest {
  private static final String RESOURCE = "vectors.txt.gz";

  @Test
  void handlersDoWhatSiliconDid() {
    List<String> lines = lines();
    assertTrue(lines.size() > 2000, "vectors are there");
    List<String> wrong = new ArrayList<>();
    Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
    try (BareMachine machine = new BareMachine(1 << 20)) {
      enable(machine.state());
      for (String line : lines) {
        String[] words = line.split(" ", 3);
        byte[] code = HexFormat.of().parseHex(words[0]);
        Insn insn = decoder.decode(code, 0, code.length, 64);
        String actual = words[0] + " " + words[1] + " " + run(machine, insn, words[1]);
        if (!actual.equals(line)) {
          wrong.add(insn + "\n  silicon " + line + "\n  here    " + actual);
        }
      }
    }
    assertEquals(List.of(), wrong);
  }

  /** SSE and AVX switched on, no task switch pending. */
  static void enable(CpuState state) {
    state.setU64(CpuLayout.CR0, 0x8001_0033L);
    state.setU64(CpuLayout.CR4, 0x4_0620);
    state.setU64(CpuLayout.XCR0, 7);
  }

  private static String run(BareMachine machine, Insn insn, String seed) {
    new SampleState(Long.parseLong(seed)).fill(machine.cpu(), insn);
    String before = SampleState.describe(machine.cpu());
    int vector = -1;
    try {
      Handlers.TABLE.handlerFor(insn).execute(machine.cpu(), insn);
    } catch (CpuException e) {
      vector = e.vector();
    }
    String changes = SampleState.changes(before, SampleState.describe(machine.cpu()));
    return vector < 0 ? changes : "#" + vector + " " + changes;
  }

  private static List<String> lines() {
    try (InputStream in = SiliconVectorsTest.class.getResourceAsStream(RESOURCE);
        InputStream text = new GZIPInputStream(in)) {
      return new String(text.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
