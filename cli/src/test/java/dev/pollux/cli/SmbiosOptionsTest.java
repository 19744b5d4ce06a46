package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.board.Q35Board;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SmbiosOptionsTest {
  @TempDir Path folder;

  private static List<String> oem(List<String> texts) {
    return SmbiosOptions.of(texts, Q35Board.TYPE, Optional.empty()).orElseThrow().oemStrings();
  }

  @Test
  void stringsOfTheUserEndNoStructure() throws IOException {
    Path file = Files.writeString(folder.resolve("text"), "two");
    assertEquals(
        List.of("one", "two"),
        oem(List.of("type=11,value=one,value=,path=" + file, "type=11,value=")));
    Path binary = Files.write(folder.resolve("binary"), new byte[] {'a', 0, 'b'});
    String why =
        assertThrows(ConfigException.class, () -> oem(List.of("type=11,path=" + binary)))
            .getMessage();
    assertTrue(why.contains("NUL in OEM strings value"), why);
    List<String> many = Collections.nCopies(256, "type=11,value=x");
    assertThrows(ConfigException.class, () -> oem(many));
    assertEquals(255, oem(many.subList(1, 256)).size());
  }
}
