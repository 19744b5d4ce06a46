package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Uart16550Test {
  private static final int DATA = 0;
  private static final int IER = 1;
  private static final int IIR = 2;
  private static final int LCR = 3;
  private static final int MCR = 4;
  private static final int LSR = 5;
  private static final int MSR = 6;
  private static final int SCR = 7;
  private static final int EMPTY = 0x60;

  private final MachineClocks clocks = new MachineClocks(() -> {});
  private final MemoryBackend line = new MemoryBackend("line");
  private boolean irq;
  private final Uart16550 uart = new Uart16550(clocks, level -> irq = level, line, Runnable::run);

  private int in(int register) {
    return (int) uart.read(register, 1);
  }

  private void out(int register, int value) {
    uart.write(register, 1, value);
  }

  private void enableFifos(int triggerBits) {
    out(IIR, 0x07 | triggerBits << 6);
  }

  @Test
  void powerOnState() {
    assertEquals(0x01, in(IIR));
    assertEquals(EMPTY, in(LSR));
    assertEquals(0xb0, in(MSR));
    assertFalse(irq);
  }

  @Test
  void divisorAndScratch() {
    out(LCR, 0x83);
    out(DATA, 0x01);
    out(IER, 0x02);
    assertEquals(0x01, in(DATA));
    assertEquals(0x02, in(IER));
    out(LCR, 0x03);
    assertEquals(0, in(IER));
    out(SCR, 0x5a);
    assertEquals(0x5a, in(SCR));
  }

  @Test
  void transmitsAndRaisesThre() {
    out(IER, 0x02);
    assertTrue(irq);
    assertEquals(0x02, in(IIR));
    assertFalse(irq);
    assertEquals(0x01, in(IIR));
    out(DATA, 'A');
    assertEquals("A", line.takeOutput());
    assertTrue(irq);
    assertEquals(EMPTY, in(LSR));
    assertTrue(irq);
    assertEquals(0x02, in(IIR));
    assertFalse(irq);
  }

  @Test
  void transmitterStaysBusyWhileTheBackendTakesNothing() {
    enableFifos(0);
    out(IER, 0x02);
    in(IIR);
    line.setRoom(2);
    for (char c : "abcdefgh".toCharArray()) {
      out(DATA, c);
    }
    assertEquals("ab", line.takeOutput());
    assertEquals(0, in(LSR) & EMPTY);
    assertFalse(irq);
    line.setRoom(3);
    assertEquals("cde", line.takeOutput());
    assertFalse(irq);
    line.setRoom(Integer.MAX_VALUE);
    assertEquals("fgh", line.takeOutput());
    assertEquals(EMPTY, in(LSR));
    assertTrue(irq);
  }

  @Test
  void aGuestThatIgnoresThreCannotOverflowTheFifo() {
    enableFifos(0);
    line.setRoom(0);
    for (int i = 0; i < 100; i++) {
      out(DATA, 'a' + i % 26);
    }
    line.setRoom(Integer.MAX_VALUE);
    assertEquals(16, line.takeOutput().length());
  }

  @Test
  void receivesWithoutFifosByteByByte() {
    out(IER, 0x01);
    line.type("xy");
    assertTrue(irq);
    assertEquals(0x04, in(IIR));
    assertEquals(EMPTY | 1, in(LSR));
    assertEquals('x', in(DATA));
    assertEquals('y', in(DATA));
    assertFalse(irq);
    assertEquals('y', in(DATA));
    assertEquals(EMPTY, in(LSR));
  }

  @Test
  void fifoFillsToItsTriggerLevel() {
    enableFifos(2); // 8 bytes
    out(IER, 0x01);
    line.type("0123456");
    assertFalse(irq);
    assertEquals(0xc1, in(IIR));
    line.type("7");
    assertTrue(irq);
    assertEquals(0xc4, in(IIR));
    assertEquals('0', in(DATA));
    assertFalse(irq);
  }

  @Test
  void nothingIsLostWhenMuchIsTyped() {
    enableFifos(3);
    out(IER, 0x01);
    String text = "the quick brown fox jumps over the lazy dog, twice";
    line.type(text);
    StringBuilder got = new StringBuilder();
    while ((in(LSR) & 1) != 0) {
      got.append((char) in(DATA));
    }
    assertEquals(text, got.toString());
    assertEquals(0, in(LSR) & 0x02);
  }

  @Test
  void bytesBelowTheTriggerLevelTimeOut() throws InterruptedException {
    clocks.setRunning(true);
    out(LCR, 0x83);
    out(DATA, 1);
    out(IER, 0);
    out(LCR, 0x03);
    enableFifos(3);
    out(IER, 0x01);
    line.type("ab");
    assertFalse(irq);
    Thread.sleep(1);
    clocks.runDue();
    assertTrue(irq);
    assertEquals(0xcc, in(IIR));
    assertEquals('a', in(DATA));
    assertFalse(irq);
    Thread.sleep(1);
    clocks.runDue();
    assertEquals(0xcc, in(IIR));
    assertEquals('b', in(DATA));
    Thread.sleep(1);
    clocks.runDue();
    assertEquals(0xc1, in(IIR));
  }

  @Test
  void lineStatusComesFirst() {
    out(IER, 0x0f);
    line.event(CharEvent.BREAK);
    assertEquals(0x06, in(IIR));
    assertEquals(EMPTY | 0x11, in(LSR));
    assertEquals(0x04, in(IIR));
    assertEquals(0, in(DATA));
    assertEquals(0x02, in(IIR));
    assertEquals(0x01, in(IIR));
  }

  @Test
  void aBreakShowsWithItsByte() {
    enableFifos(0);
    line.type("a");
    line.event(CharEvent.BREAK);
    assertEquals(EMPTY | 0x81, in(LSR));
    in(DATA);
    assertEquals(EMPTY | 0x91, in(LSR));
  }

  @Test
  void loopback() {
    out(MCR, 0x1a); // loop, OUT2, RTS: how Linux looks for a UART
    assertEquals(0x90, in(MSR) & 0xf0);
    out(DATA, 'L');
    line.type("T");
    assertEquals(EMPTY | 1, in(LSR));
    assertEquals('L', in(DATA));
    assertEquals("", line.takeOutput());
    assertEquals(EMPTY, in(LSR));
    out(MCR, 0x08);
    assertEquals('T', in(DATA));
  }

  @Test
  void modemStatusChangesInterrupt() {
    out(IER, 0x08);
    out(MCR, 0x1c); // loop, OUT1, OUT2
    assertTrue(irq);
    assertEquals(0x00, in(IIR));
    assertEquals(0xc3, in(MSR)); // CTS and DSR fell, DCD stayed
    assertFalse(irq);
    out(MCR, 0x18);
    assertEquals(0x84, in(MSR)); // trailing edge of RI
  }

  @Test
  void out2GatesTheInterrupt() {
    out(MCR, 0);
    out(IER, 0x02);
    assertFalse(irq);
    assertEquals(0x02, in(IIR));
    out(DATA, 'x');
    out(MCR, 0x08);
    assertTrue(irq);
  }

  @Test
  void clearingFifos() {
    enableFifos(0);
    line.type("abc");
    out(IIR, 0x03);
    assertEquals(EMPTY, in(LSR));
    line.type("d");
    assertEquals('d', in(DATA));
    out(IIR, 0x00);
    assertEquals(0x01, in(IIR));
  }

  @Test
  void overrunInLoopback() {
    enableFifos(0);
    out(MCR, 0x18);
    for (int i = 0; i < 17; i++) {
      out(DATA, i);
    }
    assertEquals(EMPTY | 0x03, in(LSR) & 0x7f);
    for (int i = 0; i < 16; i++) {
      assertEquals(i, in(DATA));
    }
    assertEquals(EMPTY, in(LSR));
  }

  @Test
  void savedStateComesBack() throws Exception {
    enableFifos(3);
    out(IER, 0x05);
    out(SCR, 0x77);
    line.type("saved");
    line.setRoom(0);
    out(DATA, 'o');
    StateOutput first = new StateOutput();
    uart.state().save(first);
    uart.reset();
    while ((in(LSR) & 1) != 0) {
      in(DATA);
    }
    uart.state().load(new StateInput(first.toByteArray()), 1).apply();
    StateOutput second = new StateOutput();
    uart.state().save(second);
    assertArrayEquals(first.toByteArray(), second.toByteArray());
    assertEquals('s', in(DATA));
    line.setRoom(Integer.MAX_VALUE);
    assertEquals("o", line.takeOutput());
  }

  @Test
  void noAccessThrows() {
    Random random = new Random(1);
    for (int i = 0; i < 200_000; i++) {
      int register = random.nextInt(8);
      if (random.nextBoolean()) {
        in(register);
      } else {
        out(register, random.nextInt());
      }
      if (i % 50 == 0) {
        line.type("z");
        line.setRoom(random.nextInt(3));
      }
    }
    assertTrue(in(LSR) >= 0);
  }
}
