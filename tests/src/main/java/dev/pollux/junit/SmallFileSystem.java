package dev.pollux.junit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * A file system in memory that a process and its children alone see, in a mount namespace of theirs
 * (mount_namespaces(7)): it is gone with them, however they end.
 *
 * @param folder where it is mounted
 * @param size as mount(8) takes that of a tmpfs, for instance {@code 32M}
 */
record SmallFileSystem(Path folder, String size) {
  private static final List<String> NAMESPACE = List.of("unshare", "--mount");
  private static final List<String> NAMESPACE_OF_USER =
      List.of("unshare", "--mount", "--map-root-user");

  /** $1 folder, $2 size, $3 image: the rest is the command. */
  private static final String SCRIPT =
      """
      mount -t tmpfs -o size="$2" tmpfs "$1" && cp "$3" "$1/" || exit
      shift 3
      exec "$@"
      """;

  /** Where the processes find the disk's image. */
  Path image() {
    return folder.resolve("disk.qcow2");
  }

  /**
   * The words that start a command with the file system, which has a copy of the image.
   *
   * @throws org.opentest4j.TestAbortedException if the host allows none
   */
  List<String> starter(Path image) throws IOException, InterruptedException {
    Files.createDirectories(folder);
    for (List<String> namespace : List.of(NAMESPACE, NAMESPACE_OF_USER)) {
      List<String> words = new ArrayList<>(namespace);
      words.addAll(List.of("sh", "-c", SCRIPT, "sh"));
      words.addAll(List.of(folder.toString(), size, image.toString()));
      if (works(words)) {
        return words;
      }
    }
    Assumptions.abort("the host lets this user mount no file system in a namespace");
    return List.of();
  }

  private static boolean works(List<String> words) throws InterruptedException {
    List<String> trial = new ArrayList<>(words);
    trial.add("true");
    try {
      Process process =
          new ProcessBuilder(trial)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException e) {
      return false; // no unshare
    }
  }

  /** The folder of such a process, as others reach it (proc(5)). */
  static Path of(Process process, Path inside) {
    return Path.of("/proc/%d/root".formatted(process.pid()) + inside);
  }
}
