package dev.pollux.cli.process;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;

/** A machine's monitor, wherever the machine is. Any thread. */
public interface Monitor {
  /**
   * Runs a command.
   *
   * @return the value of {@code return}
   * @throws IOException if it fails, or is not answered in time
   */
  JsonNode run(String command, ObjectNode arguments) throws IOException;

  /** As {@link #run(String, ObjectNode)}, without arguments. */
  default JsonNode run(String command) throws IOException {
    return run(command, JsonNodeFactory.instance.objectNode());
  }

  /** Switches capabilities of migration on. */
  default void switchOn(String... capabilities) throws IOException {
    ObjectNode arguments = JsonNodeFactory.instance.objectNode();
    for (String capability : capabilities) {
      arguments
          .withArray("capabilities")
          .addObject()
          .put("capability", capability)
          .put("state", true);
    }
    var _ = run("migrate-set-capabilities", arguments);
  }
}
