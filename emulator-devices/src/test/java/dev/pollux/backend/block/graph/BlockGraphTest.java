package dev.pollux.backend.block.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FaultNode;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.backend.block.node.ThrottleLimits;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nodes described by options: opened, found, kept while in use, locked, forgotten. */
class BlockGraphTest {
  private static final int MIB = 1 << 20;

  private final BlockGraph graph = new BlockGraph(new BlockListener() {});

  @TempDir Path folder;

  @AfterEach
  void close() {
    graph.close();
  }

  private static BlockOptions options(String text) {
    DeviceOptions parsed = DeviceOptions.parse("-blockdev", text, "driver");
    Map<String, String> values = new LinkedHashMap<>();
    parsed.keys().forEach(key -> values.put(key, parsed.string(key, "")));
    return BlockOptions.of("-blockdev " + text, values);
  }

  private BlockNode add(String text) throws IOException {
    return graph.add(options(text));
  }

  private Path raw(String name, int fill) throws IOException {
    byte[] data = new byte[MIB];
    Arrays.fill(data, (byte) fill);
    return Files.write(folder.resolve(name), data);
  }

  private static byte[] read(BlockNode node, long offset, int length) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      node.read(offset, buffer.vector());
      return buffer.toBytes(0, length);
    }
  }

  private static void write(BlockNode node, long offset, int length, int fill) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      dev.pollux.core.host.RawMemory.fill(buffer.address(), length, (byte) fill);
      node.write(offset, buffer.vector(), 0);
    }
  }

  @Test
  void aPartOfAFileIsADisk() throws IOException {
    Path file = raw("disk", 1);
    BlockNode part =
        add("raw,node-name=part,offset=4096,size=8k,file.driver=file,file.filename=" + file);
    assertEquals(8192, part.length());
    write(part, 8191, 1, 9);
    assertEquals(9, Files.readAllBytes(file)[4096 + 8191]);
    assertThrows(IOException.class, () -> write(part, 8190, 3, 9));
    assertThrows(
        ConfigException.class,
        () -> add("raw,node-name=x,offset=1M,size=512,file.driver=null-co,file.size=1M"));
    assertEquals(2, graph.nodes().size());
  }

  @Test
  void aNodeStaysWhileSomebodyUsesIt() throws IOException {
    add("null-co,node-name=n,size=1M,read-zeroes=on");
    add("raw,node-name=r,file=n");
    assertEquals("Block device n is in use", message(() -> graph.remove("n")));
    BlockBackend backend = graph.claim("r", false);
    assertEquals("Node r is in use", message(() -> graph.remove("r")));
    graph.removeBackend(backend);
    graph.remove("r");
    graph.remove("n");
    assertTrue(graph.nodes().isEmpty());
  }

  private static String message(Runnable work) {
    return assertThrows(ConfigException.class, work::run).getMessage();
  }

  @Test
  void backingFilesAreFoundWhereTheImageIs() throws IOException {
    raw("base", 5);
    create("top", "base", "raw");
    BlockNode top =
        add("qcow2,node-name=top,file.driver=file,file.filename=" + folder.resolve("top"));
    assertEquals(5, read(top, 1000, 1)[0]);
    assertEquals("raw", top.backing().driver());
    assertTrue(top.backing().readOnly());
  }

  private void create(String name, String backing, String format) throws IOException {
    Path path = Files.createFile(folder.resolve(name));
    try (var file =
        dev.pollux.backend.block.node.FileNode.open(
            dev.pollux.backend.block.NodeOptions.of("new"),
            path.toString(),
            dev.pollux.backend.block.node.Locking.ON)) {
      new dev.pollux.backend.block.image.Qcow2Creator(3, MIB, 16, 4, false, false, backing, format)
          .create(file);
    }
  }

  @Test
  void aChainThatBitesItsTailIsRefused() throws IOException {
    create("loop", "loop", "qcow2");
    Exception error =
        assertThrows(
            Exception.class,
            () ->
                add(
                    "qcow2,node-name=l,file.driver=file,file.locking=off,file.filename="
                        + folder.resolve("loop")));
    assertFalse(error.getMessage().isBlank());
    assertTrue(graph.nodes().isEmpty());
  }

  /** What no driver asks for is refused, not ignored. */
  @Test
  void driversComplainAboutWhatTheyDoNotKnow() throws IOException {
    Path file = raw("disk", 1);
    for (String key : new String[] {"serial", "addr", "cyls"}) {
      DriveSpec spec =
          DriveSpec.parse(
              "format=raw,aio=io_uring,copy-on-read=off,%s=1,file=%s".formatted(key, file),
              DriveSpec.Interface.IDE,
              false);
      Exception error = assertThrows(Exception.class, () -> spec.open(graph, "d"));
      assertTrue(error.getMessage().contains('"' + key + '"'), error.getMessage());
      assertTrue(graph.nodes().isEmpty());
    }
  }

  @Test
  void aSnapshotLeavesItsFileAlone() throws IOException {
    Path file = raw("disk", 3);
    DriveSpec spec =
        DriveSpec.parse(
            "file=" + file + ",if=none,format=raw,id=d,snapshot=on",
            DriveSpec.Interface.IDE,
            false);
    BlockBackend backend = spec.open(graph, "d");
    BlockNode root = backend.root().orElseThrow();
    write(root, 100, 100, 8);
    assertEquals(8, read(root, 150, 1)[0]);
    assertEquals(3, read(root, 50, 1)[0]);
    try (BlockGraph other = new BlockGraph(new BlockListener() {})) {
      // The file is only read: others may read it too, and nobody may write to it.
      assertEquals(3, read(spec.open(other, "d").root().orElseThrow(), 100, 1)[0]);
      DriveSpec writable =
          DriveSpec.parse("file=" + file + ",format=raw", DriveSpec.Interface.IDE, false);
      ConfigException inUse =
          assertThrows(ConfigException.class, () -> writable.open(other, "writable"));
      assertTrue(inUse.getMessage().contains("Failed to get \"write\" lock"), inUse.getMessage());
    }
    byte[] before = new byte[MIB];
    Arrays.fill(before, (byte) 3);
    assertArrayEquals(before, Files.readAllBytes(file));
  }

  @Test
  void imagesThatCannotBeHandedOverStayAsTheyWere() throws IOException {
    Path file = folder.resolve("image");
    try (FileNode empty =
        FileNode.open(NodeOptions.of("new"), Files.createFile(file).toString(), Locking.OFF)) {
      Qcow2Creator.of(MIB).create(empty);
    }
    add(
        "qcow2,node-name=q,file.driver=blkdebug,file.node-name=faulty,"
            + "file.image.driver=file,file.image.filename="
            + file);
    BlockNode image = graph.node("q").orElseThrow();
    write(image, 70_000, 50, 9);
    ((FaultNode) graph.node("faulty").orElseThrow())
        .add(new FaultNode.Fault(Set.of("flush"), -1, Errno.EIO, true));
    IOException error = assertThrows(IOException.class, graph::inactivate);
    assertEquals(Errno.EIO, ErrnoException.of(error));
    assertEquals(9, read(image, 70_049, 1)[0]);
    write(image, 200_000, 50, 8);
    graph.inactivate();
    assertThrows(IOException.class, () -> write(image, 300_000, 50, 7));
    try (BlockGraph other = new BlockGraph(new BlockListener() {})) {
      DriveSpec there =
          DriveSpec.parse("file=" + file + ",format=qcow2", DriveSpec.Interface.IDE, false);
      BlockNode moved = there.open(other, "d").root().orElseThrow();
      assertEquals(9, read(moved, 70_049, 1)[0]);
      assertEquals(8, read(moved, 200_000, 1)[0]);
      assertEquals(0, read(moved, 300_000, 1)[0]);
    }
  }

  @Test
  void imagesHandedOverBeforeOneThatCannotBeAreTakenBack() throws IOException {
    for (String name : new String[] {"a", "b", "c"}) {
      Path file = Files.createFile(folder.resolve(name));
      try (FileNode empty = FileNode.open(NodeOptions.of("new"), file.toString(), Locking.OFF)) {
        Qcow2Creator.of(MIB).create(empty);
      }
      add(
          "qcow2,node-name=%s,file.driver=blkdebug,file.node-name=faulty-%s,".formatted(name, name)
              + "file.image.driver=file,file.image.filename="
              + file);
    }
    for (String failing : new String[] {"a", "b", "c"}) {
      ((FaultNode) graph.node("faulty-" + failing).orElseThrow())
          .add(new FaultNode.Fault(Set.of("flush"), -1, Errno.EIO, true));
      for (String name : new String[] {"a", "b", "c"}) {
        write(graph.node(name).orElseThrow(), 70_000, 50, 9);
      }
      IOException error = assertThrows(IOException.class, graph::inactivate);
      assertEquals(Errno.EIO, ErrnoException.of(error));
      assertEquals(0, error.getSuppressed().length);
      for (String name : new String[] {"a", "b", "c"}) {
        BlockNode image = graph.node(name).orElseThrow();
        assertTrue(image.isActive());
        assertEquals(9, read(image, 70_049, 1)[0]);
        write(image, 200_000, 50, 8);
        assertEquals(8, read(image, 200_000, 1)[0]);
        String path = folder.resolve(name).toString();
        assertThrows(
            IOException.class, () -> FileNode.open(NodeOptions.of("x"), path, Locking.ON).close());
      }
    }
  }

  private BlockBackend use(String node, String device, boolean share) {
    BlockBackend backend = graph.claim(node, share);
    backend.attach(
        new BlockDevice() {
          @Override
          public String id() {
            return device;
          }

          @Override
          public String qomPath() {
            return "/machine/peripheral/" + device;
          }
        });
    return backend;
  }

  private void refused(boolean share, String words) {
    ConfigException error = assertThrows(ConfigException.class, () -> use("n", "other", share));
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }

  @Test
  void aDiskHasSeveralDevicesIfAllOfThemShareIt() throws IOException {
    add("null-co,node-name=n");
    BlockBackend first = use("n", "d0", false);
    String old = "block device '/machine/peripheral/d0' (uses node 'n' as 'root' child)";
    refused(true, "required by this device and unshared by " + old);
    refused(false, "required by " + old + " and unshared by this device");
    graph.removeBackend(first);
    first = use("n", "d0", true);
    refused(false, "required by " + old + " and unshared by this device");
    BlockBackend second = use("n", "d1", true);
    assertEquals(first.root(), second.root());
    graph.removeBackend(first);
    refused(false, "/machine/peripheral/d1");
    graph.removeBackend(second);
    use("n", "d2", false);
    add("null-co,node-name=r,read-only=on");
    use("r", "d3", false);
    use("r", "d4", false);
  }

  @Test
  void drivesAreDescribedAsInQemu() {
    DriveSpec spec =
        DriveSpec.parse(
            "file=a,,b,index=3,media=disk,cache=none,werror=stop,rerror=ignore,discard=unmap",
            DriveSpec.Interface.IDE,
            false);
    assertEquals("ide1-hd1", spec.nameOr(spec.number()));
    assertEquals(OnError.STOP, spec.onWriteError());
    assertEquals(OnError.IGNORE, spec.onReadError());
    Map<String, String> medium = spec.medium().orElseThrow().all();
    assertEquals("a,b", medium.get("filename"));
    assertEquals("on", medium.get("cache.direct"));
    assertEquals("unmap", medium.get("discard"));
    DriveSpec disc = DriveSpec.shortForm("-cdrom", "x.iso", 2, true, false);
    assertEquals("ide1-cd0", disc.nameOr(disc.number()));
    assertEquals("on", disc.medium().orElseThrow().all().get("read-only"));
    DriveSpec empty = DriveSpec.parse("if=none,media=cdrom,id=cd", DriveSpec.Interface.IDE, false);
    assertTrue(empty.medium().isEmpty());
    for (String wrong :
        new String[] {
          "file=a,if=usb",
          "file=a,cache=some",
          "file=a,werror=never",
          "file=a,index=x",
          "file=a,aio=some",
          "file=a,copy-on-read=on"
        }) {
      assertThrows(
          ConfigException.class,
          () -> DriveSpec.parse(wrong, DriveSpec.Interface.IDE, false),
          wrong);
    }
  }

  @Test
  void faultsAreInjected() throws IOException {
    BlockNode node =
        add(
            "blkdebug,node-name=f,image.driver=null-co,image.size=1M,inject-error.0.iotype=write,"
                + "inject-error.0.errno=28,inject-error.0.once=on,inject-error.1.event=read_aio,"
                + "inject-error.1.sector=8");
    ErrnoException full = assertThrows(ErrnoException.class, () -> write(node, 0, 512, 1));
    assertEquals(Errno.ENOSPC, full.errno());
    write(node, 0, 512, 1);
    assertEquals(512, read(node, 0, 512).length);
    assertThrows(ErrnoException.class, () -> read(node, 4000, 200));
  }

  @Test
  void aThrottledDiskIsNoFasterThanItsGroup() throws IOException {
    graph.addThrottleGroup(
        "g", ThrottleLimits.of(DeviceOptions.of("g", Map.of("bps-total", "100000")), ""));
    BlockNode node = add("throttle,node-name=t,throttle-group=g,file.driver=null-co,file.size=1M");
    long start = System.nanoTime();
    for (int i = 0; i < 4; i++) {
      read(node, 0, 10_000);
    }
    // The bucket holds 10,000 bytes; 20,000 of the 30,000 before the last had to leak out.
    assertTrue(System.nanoTime() - start > 150_000_000);
    graph.throttleGroup("g").setLimits(ThrottleLimits.NONE);
    assertEquals(MIB, read(node, 0, MIB).length);
    assertEquals(
        "Throttle group 'h' does not exist",
        assertThrows(
                ConfigException.class,
                () -> add("throttle,node-name=u,throttle-group=h,file.driver=null-co"))
            .getMessage());
  }

  @Test
  void aQuorumWritesToAllAndOutlivesAChild() throws IOException {
    List<String> bad = new ArrayList<>();
    try (BlockGraph other =
        new BlockGraph(
            new BlockListener() {
              @Override
              public void quorumBad(
                  String node, String operation, String error, long sector, long sectors) {
                bad.add("%s %s %s %d+%d".formatted(node, operation, error, sector, sectors));
              }
            })) {
      Path first = raw("first", 0);
      Path second = raw("second", 0);
      BlockNode quorum =
          other.add(
              options(
                  "quorum,node-name=q,vote-threshold=1,read-pattern=fifo,children.0.driver=file,"
                      + "children.0.filename="
                      + first
                      + ",children.1.driver=blkdebug,"
                      + "children.1.node-name=c1,children.1.inject-error.0.iotype=write,"
                      + "children.1.inject-error.0.sector=8,children.1.image.driver=file,"
                      + "children.1.image.filename="
                      + second));
      write(quorum, 0, 4096, 5);
      assertArrayEquals(Files.readAllBytes(first), Files.readAllBytes(second));
      write(quorum, 4096, 512, 6);
      assertEquals(List.of("c1 write Input/output error 8+1"), bad);
      assertEquals(6, read(quorum, 4096, 1)[0]);
      other.removeChild("q", "children.1");
      assertTrue(other.node("c1").isEmpty());
      other.add(options("null-co,node-name=n,size=1M"));
      other.addChild("q", "n");
      assertEquals("children.1", quorum.children().get(1).role());
      assertThrows(ConfigException.class, () -> other.addChild("q", "n"));
      other.removeChild("q", "children.0");
      assertThrows(ConfigException.class, () -> other.removeChild("q", "children.1"));
    }
  }

  @Test
  void aQuorumVotes() throws IOException {
    Path odd = raw("odd", 9);
    BlockNode quorum =
        add(
            "quorum,node-name=q,vote-threshold=2,rewrite-corrupted=on,children.0.driver=file,"
                + "children.0.filename="
                + raw("a", 3)
                + ",children.1.driver=file,"
                + "children.1.filename="
                + odd
                + ",children.2.driver=file,"
                + "children.2.filename="
                + raw("c", 3));
    assertEquals(3, read(quorum, 1000, 1)[0]);
    assertEquals(3, Files.readAllBytes(odd)[1000]);
    assertEquals(9, Files.readAllBytes(odd)[1001]);
  }

  @Test
  void zerosAreDetected() throws IOException {
    Path file = raw("disk", 7);
    BlockNode node =
        add(
            "raw,node-name=z,discard=unmap,detect-zeroes=unmap,file.driver=file,file.discard=unmap,"
                + "file.filename="
                + file);
    write(node, 0, MIB / 2, 0);
    assertEquals(0, read(node, MIB / 2 - 1, 1)[0]);
    assertEquals(7, read(node, MIB / 2, 1)[0]);
    assertTrue(node.status(0, MIB).zero(), "no hole was made");
    node.discard(MIB / 2, MIB / 2);
    assertEquals(0, read(node, MIB - 1, 1)[0]);
  }

  @Test
  void anImageGoesFromOneGraphToAnother() throws IOException {
    create("image", "", "");
    String description =
        "qcow2,node-name=n,file.driver=file,file.filename=" + folder.resolve("image");
    BlockNode here = add(description);
    write(here, 1000, 5000, 1);
    try (BlockGraph other = new BlockGraph(new BlockListener() {})) {
      other.awaitMigration();
      BlockNode there = other.add(options(description));
      write(here, 70_000, 5000, 2);
      assertThrows(IOException.class, other::activate, "it is still in use");
      graph.inactivate();
      other.activate();
      assertEquals(1, read(there, 1000, 1)[0]);
      assertEquals(2, read(there, 70_000, 1)[0]);
      write(there, 200_000, 5000, 3);
      other.inactivate();
      graph.activate();
      assertEquals(3, read(here, 204_999, 1)[0]);
      assertEquals(2, read(here, 70_000, 1)[0]);
    }
  }

  private static boolean isLocked(Path file) throws IOException {
    String inode = ":" + Files.getAttribute(file, "unix:ino") + " ";
    return Files.readAllLines(Path.of("/proc/locks")).stream().anyMatch(l -> l.contains(inode));
  }

  @Test
  void qemuImgSeesOurLocksAndWeSeeQemus() throws Exception {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/qemu-io")),
        "qemu-io is not installed (Debian: qemu-utils)");
    Path file = raw("disk", 1);
    add("raw,node-name=mine,file.driver=file,file.filename=" + file);
    Process other =
        new ProcessBuilder("qemu-io", "-f", "raw", "-c", "write 0 512", file.toString()).start();
    String words = new String(other.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(words.contains("Failed to get \"write\" lock"), words);
    graph.remove("mine");

    Process io =
        new ProcessBuilder("qemu-io", "-f", "raw", "-c", "sleep 60000", file.toString()).start();
    try {
      while (!isLocked(file)) {
        assertTrue(io.isAlive(), "qemu-io ended by itself");
        Thread.sleep(10);
      }
      IOException error =
          assertThrows(
              IOException.class,
              () -> add("raw,node-name=other,file.driver=file,file.filename=" + file));
      assertTrue(error.getMessage().contains("Failed to get"), error.getMessage());
      add("file,node-name=shared,read-only=on,force-share=on,filename=" + file);
    } finally {
      io.destroyForcibly();
      io.waitFor();
    }
  }
}
