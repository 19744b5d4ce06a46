package dev.pollux.qmp.command;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Threads of this process as the host numbers them. */
public final class HostThreads {
  private HostThreads() {}

  /** The id of the thread of this name, or of the process where it has none yet. */
  public static long idOf(String name) {
    try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path thread : threads) {
        if (Files.readString(thread.resolve("comm")).strip().equals(name)) {
          return Long.parseLong(thread.getFileName().toString());
        }
      }
    } catch (IOException e) {
      // A host without /proc, or a thread that has just ended: the process's id does.
    }
    return ProcessHandle.current().pid();
  }
}
