package dev.pollux.junit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A folder for a guest's files, removed behind it. What a JVM has left that was killed is removed
 * by the next one: each folder has the process number of its owner in its name.
 */
final class Workplace implements AutoCloseable {
  private static final Path ALL = Path.of(System.getProperty("java.io.tmpdir"));
  private static final String PREFIX = "pollux-junit-";

  private static final Pattern NAME = Pattern.compile(PREFIX + "(\\d{1,18})-.*");

  private final Path folder;

  private Workplace(Path folder) {
    this.folder = folder;
  }

  static Workplace open() throws IOException {
    removeAbandoned();
    String name = PREFIX + ProcessHandle.current().pid() + "-";
    return new Workplace(Files.createTempDirectory(ALL, name));
  }

  Path folder() {
    return folder;
  }

  private static void removeAbandoned() throws IOException {
    try (DirectoryStream<Path> old = Files.newDirectoryStream(ALL, PREFIX + "*-*")) {
      for (Path folder : old) {
        Matcher name = NAME.matcher(folder.getFileName().toString());
        if (name.matches() && ProcessHandle.of(Long.parseLong(name.group(1))).isEmpty()) {
          removeIfOwn(folder);
        }
      }
    }
  }

  private static void removeIfOwn(Path folder) {
    try {
      remove(folder);
    } catch (IOException | UncheckedIOException e) {
      // Another user's stays.
    }
  }

  private static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      List<Path> deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
      for (Path file : deepestFirst) {
        if (Files.isWritable(file.getParent())) { // another user's stay
          Files.deleteIfExists(file);
        }
      }
    }
  }

  @Override
  public void close() throws IOException {
    remove(folder);
  }
}
