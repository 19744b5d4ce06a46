package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFileTest {
  @TempDir private Path folder;

  @Test
  void newContentsTakeTheRoomThatIsKeptForThem() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "old");
    Path room = folder.resolve("file.new");
    DurableFile.reserve(file);
    assertEquals(4096, Files.size(room));
    Object kept = key(room);
    byte[] contents = "the newest".getBytes(StandardCharsets.UTF_8);
    DurableFile.replace(file, contents);
    assertArrayEquals(contents, Files.readAllBytes(file));
    assertEquals(kept, key(file));
    assertFalse(Files.exists(room));
    DurableFile.replace(file, new byte[0]); // also where none is kept
    assertEquals(0, Files.size(file));
    DurableFile.reserve(file);
    DurableFile.delete(file);
    assertFalse(Files.exists(file) || Files.exists(room));
  }

  private static Object key(Path file) throws IOException {
    return Files.getAttribute(file, "unix:ino");
  }
}
