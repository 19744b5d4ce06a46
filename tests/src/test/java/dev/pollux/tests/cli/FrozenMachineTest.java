package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class FrozenMachineTest {
  /** Several times what the connection to its monitor holds. */
  private static final int COMMANDS = 200;

  private static final int SIZE = 10_000;

  @TempDir private Path folder;

  /** Who decides about a pair tells such a machine things, too, and has the other to look after. */
  @Test
  @Timeout(60)
  void commandsAreRefusedRatherThanWaitedFor() throws Exception {
    List<String> options = List.of("-S", "-display", "none", "-monitor", "none", "-m", "16");
    try (MachineProcess machine = MachineProcess.start("frozen", folder, options, _ -> {})) {
      ObjectNode large = JsonNodeFactory.instance.objectNode().put("path", "x".repeat(SIZE));
      for (int i = 0; i < COMMANDS; i++) {
        assertThrows(IOException.class, () -> machine.run("qom-list", large)); // no such object
      }
      machine.freeze();
      IOException refused =
          assertThrows(
              IOException.class,
              () -> {
                for (int i = 0; i < COMMANDS; i++) {
                  var _ = machine.send("qom-list", large);
                }
              });
      assertTrue(refused.getMessage().contains("not answered earlier commands"), refused::toString);
    }
  }
}
