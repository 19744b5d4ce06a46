package dev.pollux.cli.pair.host;

import dev.pollux.cli.pair.DurableFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What a side has to remember when its host dies: the generation of its disks, and whether a copy
 * that has taken over still keeps part of them in files of its own. The deciding thread.
 */
final class SideFiles {
  private final Path folder;

  SideFiles(Path folder) {
    this.folder = folder;
  }

  private Path generationFile() {
    return folder.resolve("generation");
  }

  private Path mergeFile() {
    return folder.resolve("merging");
  }

  /** The name of the disks' generation; a new one where there is none. */
  String generation(String fresh) throws IOException {
    try {
      return Files.readString(generationFile()).strip();
    } catch (NoSuchFileException e) {
      setGeneration(fresh);
      return fresh;
    }
  }

  /** The disks are to be overwritten. */
  void setGeneration(String name) throws IOException {
    write(generationFile(), name);
    Files.deleteIfExists(mergeFile());
  }

  /** A copy takes over: what it has written itself is beside the disks until it was merged. */
  void mergeBegins(String copy) throws IOException {
    write(mergeFile(), copy);
  }

  /** The copy whose files are not merged yet. */
  Optional<String> merging() throws IOException {
    try {
      return Optional.of(Files.readString(mergeFile()).strip());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  void mergeEnded() throws IOException {
    Files.deleteIfExists(mergeFile());
  }

  private static void write(Path file, String text) throws IOException {
    DurableFile.replace(file, (text + "\n").getBytes(StandardCharsets.UTF_8));
  }
}
