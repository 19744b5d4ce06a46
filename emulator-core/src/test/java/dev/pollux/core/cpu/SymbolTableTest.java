package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SymbolTableTest {
  @TempDir private Path folder;

  private SymbolTable read(String text) throws IOException {
    return SymbolTable.read(Files.writeString(folder.resolve("System.map"), text));
  }

  @Test
  void namesWhatLiesBehindASymbol() throws IOException {
    SymbolTable table =
        read(
            """
            0000000000001000 A fixed
            ffffffff81000000 T _text
            ffffffff81000100 t helper [module]
            ffffffff81000180 D data
            """);
    assertEquals("_text", table.name(0xffff_ffff_8100_0000L));
    assertEquals("_text+0xff", table.describe(0xffff_ffff_8100_00ffL));
    assertEquals("helper+0x100", table.describe(0xffff_ffff_8100_0200L));
    assertNull(table.name(0xffff_ffff_8200_0000L));
    assertNull(table.describe(0x1010));
  }

  @Test
  void refusesWhatIsNoSymbolTable() {
    assertThrows(IOException.class, () -> read("hello world\n"));
    assertThrows(IOException.class, () -> read("xyz T _text\n"));
    assertThrows(IOException.class, () -> SymbolTable.read(folder.resolve("none")));
  }
}
