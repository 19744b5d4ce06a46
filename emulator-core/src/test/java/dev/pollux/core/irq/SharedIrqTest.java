package dev.pollux.core.irq;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
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

  @Test
  void isSetOnlyWhereItChanges() {
    List<Boolean> set = new ArrayList<>();
    SharedIrq shared = new SharedIrq(set::add);
    IrqLine a = shared.newInput();
    IrqLine b = shared.newInput();
    b.lower();
    a.raise();
    b.raise();
    a.raise();
    a.lower();
    b.lower();
    a.lower();
    assertEquals(List.of(true, false), set);
  }
}
