package dev.pollux.tests.harness;

import dev.pollux.core.host.HostLibraryFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The class path and the JVM options with which {@code pollux} starts in half the time: once for
 * each JVM of tests the program is trained, as its launcher does it when it has built it.
 *
 * @param options none where the program is no archive, but folders: the JVM keeps classes of
 *     archives only
 */
record TrainedStart(String classPath, List<String> options) {
  private static final String CLASS_PATH = System.getProperty("java.class.path");

  /** Most seconds that the training may take; without it processes only start later. */
  private static final int PATIENCE = 120;

  static final TrainedStart PROGRAM = train();

  private static TrainedStart train() {
    TrainedStart untrained = new TrainedStart(CLASS_PATH, List.of());
    String program = JavaCommand.archives();
    try {
      Path folder = Files.createTempDirectory("pollux-trained");
      folder.toFile().deleteOnExit();
      Path cache = folder.resolve("pollux.aot");
      cache.toFile().deleteOnExit();
      Path library = folder.resolve("pollux-host.so");
      library.toFile().deleteOnExit();
      HostLibraryFile.main(new String[] {library.toString()});
      String host = "-Dpollux.library=" + library;
      untrained = new TrainedStart(CLASS_PATH, List.of(host));
      List<String> command = JavaCommand.of(program, List.of(host, "-XX:AOTCacheOutput=" + cache));
      command.addAll(List.of(JavaCommand.MAIN, "train"));
      Process training =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      boolean ended = training.waitFor(PATIENCE, TimeUnit.SECONDS);
      training.destroyForcibly().waitFor();
      if (!ended || training.exitValue() != 0 || !Files.exists(cache)) {
        return untrained;
      }
      return new TrainedStart(
          program, List.of(host, "-XX:AOTCache=" + cache, "-Xlog:aot=off", "-Xlog:cds=off"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return untrained;
    }
  }

  /** The command of {@code java} up to the main class. */
  List<String> command(List<String> more) {
    List<String> all = new ArrayList<>(options);
    all.addAll(more);
    return JavaCommand.of(classPath, all);
  }
}
