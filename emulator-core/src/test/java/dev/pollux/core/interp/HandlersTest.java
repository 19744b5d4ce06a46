package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeTables;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class HandlersTest {
  @Test
  void everyInstructionThatTheLargestModelOffersHasAHandler() {
    var features = new CpuModel("max").features();
    Set<Op> missing = new TreeSet<>();
    for (OpcodeInfo row : OpcodeTables.rows()) {
      if (row.supportedBy(features) && !Handlers.TABLE.isBound(row.op)) {
        missing.add(row.op);
      }
    }
    assertEquals(Set.of(), missing);
  }
}
