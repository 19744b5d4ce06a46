package dev.pollux.cli.guest;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** The first root file system of a Linux guest: busybox, an init script, and what the user adds. */
final class Initramfs {
  private static final String[] DIRECTORIES = {
    "bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "usr/bin", "usr/sbin", "sbin", "var"
  };

  private Initramfs() {}

  /**
   * Writes the image.
   *
   * @param file where to
   * @param busybox a statically linked busybox
   * @param added host files and folders by their absolute path in the guest
   * @param modules of the kernel, loaded by init in this order
   */
  static void write(Path file, Path busybox, Map<String, Path> added, List<Path> modules)
      throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file));
        CpioWriter cpio = new CpioWriter(out)) {
      Set<String> known = new HashSet<>();
      for (String directory : DIRECTORIES) {
        addDirectory(cpio, known, directory);
      }
      // The kernel opens this for process 1 before any file system is mounted.
      cpio.characterDevice("dev/console", 5, 1);
      cpio.file("bin/busybox", 0755, Files.readAllBytes(busybox));
      cpio.symlink("bin/sh", "busybox");
      cpio.file("init", 0755, resource("init"));
      cpio.file("etc/udhcpc", 0755, resource("udhcpc"));
      cpio.file("etc/passwd", 0644, ascii("root::0:0:root:/root:/bin/sh\n"));
      cpio.file("etc/group", 0644, ascii("root:x:0:\n"));
      addModules(cpio, known, modules);
      for (Map.Entry<String, Path> entry : added.entrySet()) {
        String name = entry.getKey().substring(1);
        int slash = name.lastIndexOf('/');
        if (slash > 0) {
          addDirectory(cpio, known, name.substring(0, slash));
        }
        addTree(cpio, known, name, entry.getValue());
      }
    }
  }

  private static void addModules(CpioWriter cpio, Set<String> known, List<Path> modules)
      throws IOException {
    addDirectory(cpio, known, "lib/modules");
    StringBuilder order = new StringBuilder();
    for (Path module : modules) {
      cpio.file("lib/modules/" + module.getFileName(), 0644, Files.readAllBytes(module));
      order.append(module.getFileName()).append('\n');
    }
    cpio.file("lib/modules/load", 0644, ascii(order.toString()));
  }

  /** A file, or a folder with all that is in it; links inside stay links. */
  private static void addTree(CpioWriter cpio, Set<String> known, String name, Path source)
      throws IOException {
    if (Files.isDirectory(source)) {
      addDirectory(cpio, known, name);
      List<Path> children;
      try (Stream<Path> listing = Files.list(source)) {
        children = listing.sorted().toList();
      }
      for (Path child : children) {
        String childName = name + "/" + child.getFileName();
        if (Files.isSymbolicLink(child)) {
          cpio.symlink(childName, Files.readSymbolicLink(child).toString());
        } else {
          addTree(cpio, known, childName, child);
        }
      }
    } else if (Files.isRegularFile(source)) {
      cpio.file(name, Files.isExecutable(source) ? 0755 : 0644, Files.readAllBytes(source));
    }
  }

  private static void addDirectory(CpioWriter cpio, Set<String> known, String name)
      throws IOException {
    int slash = name.lastIndexOf('/');
    if (slash > 0) {
      addDirectory(cpio, known, name.substring(0, slash));
    }
    if (known.add(name)) {
      cpio.directory(name);
    }
  }

  private static byte[] resource(String name) {
    try (InputStream in = Initramfs.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
