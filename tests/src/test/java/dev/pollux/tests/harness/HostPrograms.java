package dev.pollux.tests.harness;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Programs of the host that are taken into a guest. */
public final class HostPrograms {
  private static final Pattern LIBRARY = Pattern.compile("(/\\S+) \\(0x[0-9a-f]+\\)");

  private HostPrograms() {}

  /**
   * A program and the libraries that the dynamic linker names, by their paths in the guest; nothing
   * if the host has no such program.
   */
  public static Map<String, Path> files(String name) throws IOException {
    Optional<Path> program =
        Stream.of(System.getenv("PATH").split(":", -1))
            .map(directory -> Path.of(directory, name))
            .filter(Files::isExecutable)
            .findFirst();
    Map<String, Path> files = new TreeMap<>();
    if (program.isPresent()) {
      Path real = program.get().toRealPath();
      Matcher library = LIBRARY.matcher(libraries(real));
      while (library.find()) {
        files.put(library.group(1), Path.of(library.group(1)));
      }
      files.put("/usr/bin/" + name, real);
    }
    return files;
  }

  private static String libraries(Path program) throws IOException {
    Process process = new ProcessBuilder("ldd", program.toString()).start();
    process.getOutputStream().close();
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
  }
}
