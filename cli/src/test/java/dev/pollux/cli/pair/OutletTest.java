package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who writes never waits for one who does not read. */
@Timeout(60)
class OutletTest {
  private static final int PIECE = 64 * 1024;

  /** Somebody who begins to read when told to. */
  private static final class Reader extends OutputStream {
    final ByteArrayOutputStream got = new ByteArrayOutputStream();
    final CountDownLatch called = new CountDownLatch(1);
    final CountDownLatch begins = new CountDownLatch(1);

    @Override
    public void write(int b) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void write(byte[] from, int offset, int length) throws IOException {
      called.countDown();
      try {
        assertTrue(begins.await(30, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      got.write(from, offset, length);
    }
  }

  @Test
  void whatIsReadIsWhatWasWritten() {
    ByteArrayOutputStream got = new ByteArrayOutputStream();
    PrintStream lines =
        Outlet.lines("test", new PrintStream(got, true, StandardCharsets.UTF_8), true);
    StringBuilder all = new StringBuilder();
    for (int i = 0; i < 1000; i++) {
      String line = "{\"number\": %d, \"name\": \"\u00e4\"}".formatted(i);
      lines.println(line);
      all.append(line).append(System.lineSeparator());
    }
    lines.close();
    assertEquals(all.toString(), got.toString(StandardCharsets.UTF_8));
  }

  @Test
  void whatDoesNotFitIsLeftOutAndSaid() throws InterruptedException {
    Reader reader = new Reader();
    int pieces = 100;
    try (Outlet outlet = new Outlet("test", reader, lost -> "<" + lost + ">")) {
      for (int i = 0; i < pieces; i++) {
        byte[] piece = new byte[PIECE];
        java.util.Arrays.fill(piece, (byte) 'a');
        outlet.write(piece, 0, PIECE);
        if (i == 0) {
          // Taken out before the rest comes: what is kept does not depend on when the thread runs.
          assertTrue(reader.called.await(30, TimeUnit.SECONDS));
        }
      }
      reader.begins.countDown();
    }
    String got = reader.got.toString(StandardCharsets.UTF_8);
    int kept = got.indexOf('<');
    assertEquals((1 << 20) + PIECE, kept);
    assertEquals("<" + ((long) pieces * PIECE - kept) + ">", got.substring(kept));
  }

  /** One who never reads keeps nobody from ending. */
  @Test
  void endingDoesNotWaitForever() {
    Reader reader = new Reader();
    PrintStream lines = new PrintStream(new Outlet("test", reader, _ -> ""), false);
    lines.println("nobody reads this");
    lines.close();
    assertEquals(0, reader.got.size());
    reader.begins.countDown();
  }
}
