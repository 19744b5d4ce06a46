package dev.pollux.cli.guest;

import dev.pollux.core.config.ConfigException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Packages of the host's Debian-like distribution, fetched with {@code apt-get download}: installs
 * nothing and needs no root. Where the host's package lists are missing, unreadable or out of date,
 * lists of our own are fetched into a private folder first.
 */
final class DebianPackages {
  /** A package as the lists know it; {@code size} in bytes, 0 where not stated. */
  record Entry(String name, String version, String depends, long size) {}

  private record Output(int status, String out, String err) {}

  private static final Pattern FIELD =
      Pattern.compile("^(Package|Version|Depends|Size): (.*)$", Pattern.MULTILINE);
  private static final long TIMEOUT_MINUTES = 10;

  private final Path privateState;
  private final Consumer<String> progress;
  private boolean usePrivateLists;

  /**
   * @param privateState folder for package lists of our own
   * @param progress told in a line what takes time
   */
  DebianPackages(Path privateState, Consumer<String> progress) {
    this.privateState = privateState;
    this.progress = progress;
  }

  /** Whether the host has the tools. */
  static boolean available() {
    return Stream.of("apt-get", "apt-cache", "dpkg-deb").allMatch(DebianPackages::onPath);
  }

  /**
   * Fetches a package file.
   *
   * @param name the package; a meta package stands for the first package it depends on whose name
   *     begins with {@code realPrefix}
   * @param folder where the file goes
   * @return the package's entry and file
   * @throws ConfigException when no list knows the package, or it cannot be fetched
   */
  Fetched fetch(String name, String realPrefix, Path folder) throws IOException {
    Optional<Entry> entry = resolve(name, realPrefix);
    String problem = "no package list knows it";
    if (entry.isPresent()) {
      Output output = download(entry.get(), folder);
      Optional<Path> file = packageIn(folder, entry.get().name());
      if (output.status() == 0 && file.isPresent()) {
        return new Fetched(entry.get(), file.get());
      }
      problem = lastLine(output.err());
    }
    if (usePrivateLists) {
      throw new ConfigException(
          "guest: cannot fetch the package %s: %s; on another host, pass a kernel and an initrd of yours to pollux run"
              .formatted(name, problem));
    }
    updatePrivateLists();
    return fetch(name, realPrefix, folder);
  }

  /** A fetched package. */
  record Fetched(Entry entry, Path file) {}

  /** Takes a file of a package. */
  @FunctionalInterface
  interface Taker {
    /**
     * Says where a file goes.
     *
     * @param path without a leading slash
     * @return null for nowhere
     */
    Path target(String path);
  }

  /**
   * Reads one file out of a package.
   *
   * @param deb the package file
   * @param wanted matches the file's path without a leading slash
   * @param target where its content goes
   */
  static void extract(Path deb, Pattern wanted, Path target) throws IOException {
    if (extractAll(deb, path -> wanted.matcher(path).matches() ? target : null) == 0) {
      throw new ConfigException(
          "guest: %s holds no file like %s".formatted(deb.getFileName(), wanted));
    }
  }

  /**
   * Reads files out of a package.
   *
   * @return how many
   */
  static int extractAll(Path deb, Taker taker) throws IOException {
    int taken = 0;
    Process process =
        new ProcessBuilder("dpkg-deb", "--fsys-tarfile", deb.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try (InputStream in = new BufferedInputStream(process.getInputStream(), 1 << 16)) {
      TarReader tar = new TarReader(in);
      while (tar.next()) {
        Path target = tar.isFile() ? taker.target(tar.name()) : null;
        if (target != null) {
          Files.write(target, tar.content());
          taken++;
        }
      }
    } finally {
      process.destroy();
    }
    return taken;
  }

  /** Unpacks all files {@code *.xz} of a folder, in place. */
  static void unpackXz(Path folder) throws IOException {
    List<String> command = new ArrayList<>(List.of("xz", "-d"));
    try (Stream<Path> listing = Files.list(folder)) {
      listing.map(Path::toString).filter(name -> name.endsWith(".xz")).forEach(command::add);
    }
    if (command.size() > 2) {
      Output output = run(folder, command);
      if (output.status() != 0) {
        throw new ConfigException("guest: cannot unpack modules: " + lastLine(output.err()));
      }
    }
  }

  private Optional<Entry> resolve(String name, String realPrefix) throws IOException {
    Pattern realPackage = Pattern.compile("(?:^|[ ,])(" + Pattern.quote(realPrefix) + "[^ ,]*)");
    Optional<Entry> entry = lookUp(name);
    for (int depth = 0; depth < 3 && entry.isPresent(); depth++) {
      Matcher real = realPackage.matcher(entry.get().depends());
      if (!real.find()) {
        break;
      }
      entry = lookUp(real.group(1));
    }
    return entry;
  }

  private Optional<Entry> lookUp(String name) throws IOException {
    Output output = run(Path.of("."), apt("apt-cache", "show", "--no-all-versions", name));
    String version = "";
    String depends = "";
    long size = 0;
    Matcher field = FIELD.matcher(output.out());
    while (field.find()) {
      switch (field.group(1)) {
        case "Version" -> version = field.group(2);
        case "Depends" -> depends = field.group(2);
        case "Size" -> size = Long.parseLong(field.group(2));
        default -> {}
      }
    }
    return version.isEmpty()
        ? Optional.empty()
        : Optional.of(new Entry(name, version, depends, size));
  }

  private Output download(Entry entry, Path folder) throws IOException {
    progress.accept(
        "fetching %s %s (%.1f MB)".formatted(entry.name(), entry.version(), entry.size() / 1e6));
    return run(folder, apt("apt-get", "download", entry.name()));
  }

  private void updatePrivateLists() throws IOException {
    usePrivateLists = true;
    Files.createDirectories(privateState.resolve("lists/partial"));
    Files.createDirectories(privateState.resolve("cache/archives/partial"));
    progress.accept("fetching package lists");
    // Some of the host's sources may be out of reach; the package look-up tells whether enough
    // came.
    run(privateState, apt("apt-get", "update"));
  }

  private List<String> apt(String program, String... arguments) {
    List<String> command = new ArrayList<>(List.of(program, "-q", "-o", "APT::Sandbox::User=root"));
    if (usePrivateLists) {
      command.addAll(
          List.of(
              "-o", "Dir::State=" + privateState,
              "-o", "Dir::State::lists=" + privateState.resolve("lists"),
              "-o", "Dir::State::status=/var/lib/dpkg/status",
              "-o", "Dir::Cache=" + privateState.resolve("cache")));
    }
    command.addAll(List.of(arguments));
    return command;
  }

  private static Optional<Path> packageIn(Path folder, String name) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(name + "_"))
          .filter(file -> file.toString().endsWith(".deb"))
          .findFirst();
    }
  }

  private static Output run(Path folder, List<String> command) throws IOException {
    Path out = Files.createTempFile("pollux", ".out");
    Path err = Files.createTempFile("pollux", ".err");
    try {
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectInput(Path.of("/dev/null").toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile());
      builder.environment().put("LC_ALL", "C");
      Process process = builder.start();
      if (!process.waitFor(TIMEOUT_MINUTES, TimeUnit.MINUTES)) {
        process.destroy();
        return new Output(-1, "", "no answer within %d minutes".formatted(TIMEOUT_MINUTES));
      }
      return new Output(process.exitValue(), Files.readString(out), Files.readString(err));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ConfigException("guest: interrupted");
    } finally {
      Files.deleteIfExists(out);
      Files.deleteIfExists(err);
    }
  }

  private static String lastLine(String text) {
    return text.lines()
        .filter(line -> !line.isBlank())
        .reduce((first, second) -> second)
        .orElse("apt-get failed");
  }

  private static boolean onPath(String program) {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
  }
}
