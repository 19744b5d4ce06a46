import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * Checks or rewrites the layout of the project's Java sources with google-java-format, which must
 * be on the class path. Run from the project's root.
 *
 * <pre>
 * Format check          name every source that is not formatted, exit 1 if there is one
 * Format write          rewrite all sources in place
 * Format write FILE...  rewrite these
 * </pre>
 */
final class Format {
  private Format() {}

  public static void main(String[] args) throws IOException {
    boolean check = args[0].equals("check");
    List<String> files =
        args.length > 1 ? List.of(args).subList(1, args.length) : sources(Path.of("."));
    if (files.isEmpty()) {
      return;
    }
    List<String> arguments = new ArrayList<>();
    arguments.addAll(check ? List.of("--dry-run", "--set-exit-if-changed") : List.of("--replace"));
    arguments.addAll(files);
    StringWriter output = new StringWriter();
    int status =
        ToolProvider.findFirst("google-java-format")
            .orElseThrow()
            .run(
                new PrintWriter(output, true),
                new PrintWriter(System.err, true),
                arguments.toArray(String[]::new));
    if (check && status != 0) {
      System.err.printf(
          "not formatted (tools/format puts it right): %s%n",
          String.join(" ", output.toString().lines().toList()));
    }
    System.exit(status);
  }

  private static List<String> sources(Path root) throws IOException {
    List<String> found = new ArrayList<>();
    for (Path module : list(root)) {
      Path src = module.resolve("src");
      if (Files.isDirectory(src)) {
        try (Stream<Path> tree = Files.walk(src)) {
          tree.filter(file -> file.toString().endsWith(".java"))
              .forEach(file -> found.add(file.normalize().toString()));
        }
      } else if (module.endsWith("tools")) {
        list(module).stream()
            .filter(file -> file.toString().endsWith(".java"))
            .forEach(file -> found.add(file.normalize().toString()));
      }
    }
    found.sort(null);
    return found;
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> children = Files.list(folder)) {
      return children.toList();
    }
  }
}
