package dev.pollux.core.irq;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SharedIrqTest {
  private boolean level;

  @Test
  void isUpWhileAnyInputIs() {
    SharedIrq shared = new SharedIrq(l -> level = l);
    IrqLine a = shared.newInput();
    IrqLine b = shared.newInput();
    a.raise();
    a.raise();
    b.raise();
    assertTrue(level);
    a.lower();
    assertTrue(level);
    b.lower();
    b.lower();
    assertFalse(level);
    b.raise();
    assertTrue(level);
  }
}
