package dev.pollux.cli.script;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConsoleScriptTest {
  @Test
  void readsEachStep() {
    List<String> lines =
        List.of(
            "# a guest",
            "",
            "fail-on \"Kernel panic\"",
            "  within 2.5",
            "wait \"login: \"",
            "type \"a\\\"\\\\\\x41\\t\\r\\n\\e\"",
            "exit 7");
    assertEquals(
        List.of(
            new ConsoleScript.FailOn(3, "Kernel panic"),
            new ConsoleScript.Within(4, 2.5),
            new ConsoleScript.Wait(5, "login: "),
            new ConsoleScript.Type(6, "a\"\\A\t\r\n\033"),
            new ConsoleScript.Exit(7, 7)),
        ConsoleScript.parse("f", lines).steps());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "wiat \"x\"      | f:1: unknown step \"wiat\"",
        "wait x          | f:1: text stands in quotes",
        "wait \"\"       | f:1: the text is empty",
        "type \"a\"b\"   | f:1: write \\\"",
        "type \"\\q\"    | f:1: \\q means nothing",
        "type \"\\x4\"   | f:1: two hexadecimal digits",
        "within soon     | f:1: \"soon\" is no seconds",
        "exit 256        | f:1: \"256\" is no status"
      })
  void saysWhatIsWrong(String line, String message) {
    ConfigException e =
        assertThrows(ConfigException.class, () -> ConsoleScript.parse("f", List.of(line)));
    assertTrue(e.getMessage().startsWith(message), e.getMessage());
  }
}
