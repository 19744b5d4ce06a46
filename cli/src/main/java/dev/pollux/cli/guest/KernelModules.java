package dev.pollux.cli.guest;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The modules of a kernel that drive what its machines may have, in a folder: {@code NAME.ko} and
 * the kernel's list of what is built in. What a module needs stands in its section {@code .modinfo}
 * (kernel documentation, kbuild/modules).
 */
public final class KernelModules {
  /** What is taken out of a package: drivers of virtual hardware, file systems, what they need. */
  static final Pattern WANTED =
      Pattern.compile(
          "(?:usr/)?lib/modules/[^/]+/(?:modules\\.builtin|kernel/(?:arch|block|crypto|lib|mm|"
              + "net/(?:core|packet|9p|802|llc)|"
              + "fs/(?:ext4|jbd2|fuse|isofs|9p|netfs|fscache|fat|nls|overlayfs|squashfs|[^/]+\\.ko.*)|"
              + "drivers/(?:virtio|block|cdrom|char|nvme|ata|firmware|input|net/[^/]+\\.ko.*|"
              + "gpu/drm/(?:virtio|tiny|ttm|drm[^/]*\\.ko.*)|net/ethernet/(?:intel|realtek)|"
              + "scsi/[^/]+\\.ko.*|usb/(?:common|core|host|storage)|"
              + "hid/(?:hid|hid-generic|usbhid/usbhid)\\.ko.*))(?:/.*)?)");

  /** Names the file that says what was taken out, so that a newer program takes out more. */
  static final String WANTED_FILE = "wanted";

  static final String BUILT_IN = "modules.builtin";

  private static final int ELF_SECTIONS = 0x28;
  private static final int ELF_SECTION_SIZE = 0x3a;
  private static final int ELF_SECTION_COUNT = 0x3c;
  private static final int ELF_NAMES = 0x3e;

  private final Map<String, Path> files = new TreeMap<>();
  private final Set<String> builtIn = new TreeSet<>();

  /**
   * @param folder as {@link GuestImages} fills it
   */
  KernelModules(Path folder) throws IOException {
    try (Stream<Path> listing = Files.list(folder)) {
      listing
          .filter(file -> file.toString().endsWith(".ko"))
          .forEach(file -> files.put(name(file.getFileName().toString()), file));
    }
    try (Stream<String> lines = Files.lines(folder.resolve(BUILT_IN))) {
      lines.forEach(line -> builtIn.add(name(line.substring(line.lastIndexOf('/') + 1))));
    }
  }

  /** The name of a module by its file's: hyphens and underscores are the same. */
  static String name(String file) {
    return file.replaceFirst("\\.ko(\\.xz)?$", "").replace('-', '_');
  }

  /** Whether there is a module of a name, not built into the kernel. */
  public boolean has(String name) {
    return files.containsKey(name(name));
  }

  /**
   * Modules with all that they need, in the order in which they are to be loaded. What is built
   * into the kernel is left out.
   *
   * @throws ConfigException if there is none of a name
   */
  public List<Path> withNeeds(Collection<String> names) throws IOException {
    Set<Path> order = new LinkedHashSet<>();
    for (String name : names) {
      add(name(name), order, new TreeSet<>());
    }
    return List.copyOf(order);
  }

  private void add(String name, Set<Path> order, Set<String> open) throws IOException {
    Path file = files.get(name);
    if (file == null && !builtIn.contains(name)) {
      throw new ConfigException(
          "guest: the kernel has no module \"%s\"%s"
              .formatted(
                  name,
                  Suggestions.nearest(name, files.keySet())
                      .map(near -> "; did you mean \"" + near + "\"?")
                      .orElse("")));
    }
    if (file == null || order.contains(file) || !open.add(name)) {
      return;
    }
    ModuleInfo info = ModuleInfo.of(file);
    for (String needed : info.values("depends")) {
      add(name(needed), order, open);
    }
    for (String first : info.values("softdep")) {
      addSoft(first, order, open);
    }
    order.add(file);
  }

  /** Modules that should be there first, of a name or an alias; there may be none. */
  private void addSoft(String wanted, Set<Path> order, Set<String> open) throws IOException {
    if (files.containsKey(name(wanted))) {
      add(name(wanted), order, open);
      return;
    }
    for (Map.Entry<String, Path> entry : files.entrySet()) {
      // Variants for some processors only do not load on others.
      if (entry.getKey().endsWith("_generic")
          && ModuleInfo.of(entry.getValue()).values("alias").contains(wanted)) {
        add(entry.getKey(), order, open);
      }
    }
  }

  /** The lines {@code key=value} in a module. */
  private record ModuleInfo(List<String> lines) {
    static ModuleInfo of(Path file) throws IOException {
      ByteBuffer elf = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      try {
        int table = (int) elf.getLong(ELF_SECTIONS);
        int size = elf.getShort(ELF_SECTION_SIZE);
        int names = offset(elf, table + size * (elf.getShort(ELF_NAMES) & 0xffff));
        for (int i = 0; i < (elf.getShort(ELF_SECTION_COUNT) & 0xffff); i++) {
          int section = table + size * i;
          if (text(elf, names + elf.getInt(section), 9).startsWith(".modinfo\0")) {
            String text = text(elf, offset(elf, section), (int) elf.getLong(section + 0x20));
            return new ModuleInfo(List.of(text.split("\0+")));
          }
        }
      } catch (IndexOutOfBoundsException e) {
        throw new IOException(file + " is no kernel module", e);
      }
      throw new IOException(file + " has no section .modinfo");
    }

    private static int offset(ByteBuffer elf, int section) {
      return (int) elf.getLong(section + 0x18);
    }

    private static String text(ByteBuffer elf, int offset, int length) {
      byte[] bytes = new byte[Math.min(length, elf.capacity() - offset)];
      elf.get(offset, bytes);
      return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** The words of all lines of a key. */
    List<String> values(String key) {
      return lines.stream()
          .filter(line -> line.startsWith(key + "="))
          .flatMap(line -> Stream.of(line.substring(key.length() + 1).split("[, ]+")))
          .filter(word -> !word.isEmpty() && !word.endsWith(":"))
          .toList();
    }
  }
}
