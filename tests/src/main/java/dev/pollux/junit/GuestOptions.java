package dev.pollux.junit;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.KernelModules;
import dev.pollux.cli.img.ImgTools;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import org.junit.jupiter.api.Assumptions;
import org.junit.platform.commons.support.ReflectionSupport;

/**
 * The options of {@code pollux run} that a {@link Guest} stands for.
 *
 * @param ports of 127.0.0.1, by those of the guest
 * @param disk the image, or null for none
 * @param starter the command that starts the machine's process, which follows; empty for none
 */
record GuestOptions(
    List<String> words, Map<Integer, Integer> ports, Path disk, List<String> starter) {
  /** The drive's name. */
  static final String DISK = "disk";

  /**
   * Makes the files in the folder.
   *
   * @throws org.opentest4j.TestAbortedException if the guest has not been fetched
   */
  static GuestOptions make(Guest guest, Path folder) throws Exception {
    List<String> words = new ArrayList<>(List.of("-display", "none", "-no-reboot"));
    if (!guest.linux().isEmpty()) {
      words.addAll(linux(guest, folder));
    }
    words.addAll(ReflectionSupport.newInstance(guest.image()).options(folder));
    Path disk = guest.disk().isEmpty() ? null : folder.resolve("disk.qcow2");
    SmallFileSystem room = new SmallFileSystem(folder.resolve("room"), guest.room());
    if (!guest.room().isEmpty() && disk == null) {
      throw new IllegalArgumentException("@Guest(room = ...) needs a disk");
    }
    if (disk != null) {
      make(disk, guest.disk());
      Path place = guest.room().isEmpty() ? disk : room.image();
      words.addAll(
          List.of("-drive", "file=%s,format=qcow2,if=virtio,id=%s".formatted(place, DISK)));
    }
    Map<Integer, Integer> ports = new LinkedHashMap<>();
    if (guest.forwards().length > 0) {
      StringJoiner network = new StringJoiner(",");
      network.add("user,model=virtio-net-pci");
      for (int port : guest.forwards()) {
        ports.put(port, freePort());
        network.add("hostfwd=tcp:127.0.0.1:%d-:%d".formatted(ports.get(port), port));
      }
      words.addAll(List.of("-nic", network.toString()));
    }
    words.addAll(List.of(guest.value()));
    List<String> starter = guest.room().isEmpty() ? List.of() : room.starter(disk);
    return new GuestOptions(words, ports, disk, starter);
  }

  private static List<String> linux(Guest guest, Path folder) throws IOException {
    GuestImages images = GuestImages.ofUser();
    GuestImages.Kernel kernel = kernel(guest.linux());
    String fetch = "\"pollux guest linux --kernel %s\" fetches it".formatted(kernel.label());
    Optional<GuestImages.Image> image = images.find(kernel);
    Optional<KernelModules> modules = images.modules(kernel);
    Assumptions.assumeTrue(
        image.isPresent() && modules.isPresent(), "no %s Linux guest; %s".formatted(kernel, fetch));
    Map<String, Path> added = new LinkedHashMap<>();
    for (String file : guest.files()) {
      int colon = file.lastIndexOf(':');
      added.put(file.substring(colon + 1), Path.of(file.substring(0, colon)));
    }
    Path initrd = folder.resolve("initrd.cpio");
    images.writeInitrd(initrd, added, modules.get().withNeeds(List.of(guest.modules())));
    return List.of(
        "-m",
        "256",
        "-kernel",
        image.get().kernel().toString(),
        "-initrd",
        initrd.toString(),
        "-append",
        "console=ttyS0 quiet panic=-1");
  }

  private static GuestImages.Kernel kernel(String label) {
    for (GuestImages.Kernel kernel : GuestImages.Kernel.values()) {
      if (kernel.label().equals(label)) {
        return kernel;
      }
    }
    throw new IllegalArgumentException("@Guest(linux = \"%s\"): no such kernel".formatted(label));
  }

  private static void make(Path disk, String size) throws IOException {
    if (ImgTools.run(List.of("create", "-q", "-f", "qcow2", disk.toString(), size)) != 0) {
      throw new IOException("@Guest(disk = \"%s\"): the image cannot be made".formatted(size));
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }
}
