package dev.pollux.tests.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.core.host.PseudoTerminal;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.TinyKernel;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code -nographic} on a terminal: every key is the guest's, Ctrl-A gives commands, and the
 * terminal is left as it was.
 */
class TerminalTest {
  /**
   * Prints ">" and then each byte typed, changed so that control characters show: Ctrl-C as C,
   * escape as [.
   */
  private static final TinyKernel ECHO =
      new TinyKernel().print(0x3f8, ">").code("66bafd03 ec a801 74f7 66baf803 ec 3440 ee ebed");

  private static final int PATIENCE_SECONDS = 90;

  @TempDir private Path dir;
  private PseudoTerminal terminal;
  private Process process;
  private String modeBefore;
  private String seen = "";

  @BeforeEach
  void start() throws Exception {
    terminal = PseudoTerminal.open();
    stty("sane");
    modeBefore = stty("-g");
    File device = new File(terminal.path());
    List<String> command = JavaCommand.pollux();
    command.addAll(
        List.of(
            "run",
            "-m",
            "16",
            "-nographic",
            "-kernel",
            ECHO.write(dir.resolve("echo")).toString()));
    process =
        new ProcessBuilder(command)
            .redirectInput(device)
            .redirectOutput(device)
            .redirectError(dir.resolve("errors").toFile())
            .start();
    expect(">");
  }

  @AfterEach
  void end() {
    process.destroyForcibly();
    process.onExit().join();
    terminal.close();
  }

  private String stty(String argument) throws IOException, InterruptedException {
    Process stty = new ProcessBuilder(List.of("stty", "-F", terminal.path(), argument)).start();
    String out = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    assertEquals(0, stty.waitFor());
    return out;
  }

  private void type(String keys) throws IOException {
    byte[] bytes = keys.getBytes(StandardCharsets.ISO_8859_1);
    assertEquals(bytes.length, terminal.write(bytes, bytes.length));
  }

  private void expect(String text) throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    byte[] buffer = new byte[1000];
    while (!seen.contains(text)) {
      if (System.nanoTime() > deadline || !process.isAlive()) {
        fail("no \"" + text + "\" in \"" + seen + "\"");
      }
      if (terminal.poll(false, 100) == PseudoTerminal.Ready.NOW) {
        int n = terminal.read(buffer);
        seen += new String(buffer, 0, Math.max(n, 0), StandardCharsets.ISO_8859_1);
      }
    }
    seen = seen.substring(seen.indexOf(text) + text.length());
  }

  private void assertEnds(int status) throws Exception {
    assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS));
    assertEquals(status, process.exitValue());
    assertEquals(modeBefore, stty("-g"));
  }

  @Test
  void keysBelongToTheGuestUntilCtrlAX() throws Exception {
    assertNotEquals(modeBefore, stty("-g"));
    type("a");
    expect("!");
    type("\u0003\u001a\u001c");
    expect("CZ\\");
    type("\u001b[A");
    expect("[\u001b\u0001");
    type("\u0001\u0001");
    expect("A");
    type("\u0001c");
    expect("(qemu) ");
    type("info chardev\r");
    expect("filename=stdio");
    expect("(qemu) ");
    type("\u0001c");
    type("\u0011");
    expect("Q");
    type("\u0001x");
    assertEnds(0);
  }

  @Test
  void aSignalLeavesTheTerminalAsItWas() throws Exception {
    process.destroy();
    assertEnds(0);
  }
}
