package dev.pollux.tests.colo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a process has of the host.
 *
 * @param migrationThreads names of its threads that work for migrations and COLO
 * @param sockets number of its open sockets
 * @param descriptors number of all its open files
 * @param kibibytes of memory that it has in RAM
 */
public record Footprint(
    List<String> migrationThreads, long sockets, long descriptors, long kibibytes) {
  public static Footprint of(long pid) {
    Path process = Path.of("/proc", Long.toString(pid));
    try {
      List<String> threads = new ArrayList<>();
      for (Path task : list(process.resolve("task"))) {
        try {
          String name = Files.readString(task.resolve("comm")).strip();
          if (name.matches("(COLO|multifd|migrati|incoming|return path).*")) {
            threads.add(name);
          }
        } catch (IOException e) {
          // It has ended.
        }
      }
      long sockets = 0;
      List<Path> descriptors = list(process.resolve("fd"));
      for (Path descriptor : descriptors) {
        try {
          sockets += Files.readSymbolicLink(descriptor).toString().startsWith("socket:") ? 1 : 0;
        } catch (NoSuchFileException e) {
          // It was closed.
        }
      }
      long kibibytes =
          Files.readAllLines(process.resolve("status")).stream()
              .filter(line -> line.startsWith("VmRSS:"))
              .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
              .findFirst()
              .orElseThrow();
      return new Footprint(threads, sockets, descriptors.size(), kibibytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.toList();
    }
  }

  /** Whether nothing of a pair is left in a process that had this before. */
  public boolean isLeftBy(Footprint now) {
    return now.migrationThreads().isEmpty() && now.sockets() == sockets;
  }
}
