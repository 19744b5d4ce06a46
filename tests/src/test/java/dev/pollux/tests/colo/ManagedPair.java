package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.net.Namespace;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;

/**
 * A cluster manager with two machines: what runs in their guest ({@code service.c}) has a
 * replicated disk and a compared network. Every phase of a pair's life is the commands that such a
 * manager sends, in its order.
 */
final class ManagedPair implements AutoCloseable {
  static final String ADDRESS = "10.9.0.2";
  static final int DISK = 4 << 20;

  private static final String CLIENT = "10.9.0.1";

  /** What a manager cuts when a peer is gone, where it is there. */
  private static final Set<String> CUT = Set.of("nbd0", "mirror0", "comp_sec_in0", "");

  /**
   * What the guest runs on.
   *
   * @param machine {@code -machine}
   * @param disk device of the disk
   * @param card device of the network card
   */
  record Hardware(String machine, String disk, String card) {
    boolean headers() {
      return card.startsWith("virtio");
    }

    /** The cloud kernel has no driver but virtio's. */
    Kernel kernel() {
      return headers() ? Kernel.CLOUD : Kernel.GENERIC;
    }

    String[] modules() {
      return new String[] {"virtio_pci", "virtio_blk", headers() ? "virtio_net" : card};
    }
  }

  /** A machine that waits to be a secondary, and the ports of its network. */
  private record Spare(ManagedMachine machine, int mirror, int compare) {}

  private final Path folder;
  private final Namespace world;
  private final Hardware hardware;
  private final Path initrd;
  private final Path service;
  private final AtomicInteger number = new AtomicInteger();
  private Path actives;
  private FutureTask<Spare> spare;
  private ManagedMachine primary;
  private ManagedMachine secondary;
  private FaultProxy migration;
  private FaultProxy disk;

  /** Starts the first primary, and waits until its guest serves. */
  ManagedPair(Path folder, Namespace world, Hardware hardware) throws Exception {
    this.folder = folder;
    actives = folder;
    this.world = world;
    this.hardware = hardware;
    service = compile();
    Path rc =
        Files.writeString(
            folder.resolve("rc"),
            """
            #!/bin/sh
            ip addr add %s/24 dev eth0
            ip link set eth0 up
            /service serve /dev/vda > /dev/ttyS0 2>&1
            """
                .formatted(ADDRESS));
    assertTrue(rc.toFile().setExecutable(true));
    initrd =
        LinuxGuest.initrd(
            folder,
            hardware.kernel(),
            Map.of("/etc/rc", rc, "/service", service),
            hardware.modules());
    world.shell(
        """
        ip link set lo up
        ip link add br0 address 02:00:0a:09:00:01 type bridge
        ip link set br0 up
        ip addr add %s/24 dev br0
        """
            .formatted(CLIENT));
    primary = start("p", List.of("-S"), "children.0=parent0", List.of());
    try {
      primary.run("qom-set", throttle());
      primary.run("cont");
      primary.machine().awaitThat("the service", () -> primary.console().contains("serving"));
    } catch (IOException | RuntimeException | Error e) {
      primary.close();
      throw e;
    }
  }

  private Path compile() throws IOException, InterruptedException {
    Path source = folder.resolve("service.c");
    try (InputStream text = ManagedPair.class.getResourceAsStream("service.c")) {
      Files.copy(text, source);
    }
    Path program = folder.resolve("service");
    Namespace.Result made =
        Namespace.runOnHost(
            60, "gcc", "-O2", "-static", "-o", program.toString(), source.toString());
    Assumptions.assumeTrue(made.status() == 0, "no gcc that links statically: " + made.output());
    return program;
  }

  ManagedMachine primary() {
    return primary;
  }

  ManagedMachine secondary() {
    return secondary;
  }

  /** The program with the clients of the service. */
  String service() {
    return service.toString();
  }

  /** Stands between the sides' migration; a new one for each pair. */
  FaultProxy migration() {
    return migration;
  }

  /** Stands between the primary and the secondary's disk. */
  FaultProxy disk() {
    return disk;
  }

  // ---- machines

  private static Path image(Path image, boolean qcow2) throws IOException {
    return PairImages.make(image, DISK, qcow2);
  }

  /** Where the active images of secondaries that start from now on are. */
  void keepActivesIn(Path folder) {
    actives = folder;
  }

  private ManagedMachine start(
      String side, List<String> more, String child, List<String> replication) throws Exception {
    String name = side + number.getAndIncrement();
    Path kernel = GuestImages.ofUser().find(hardware.kernel()).orElseThrow().kernel();
    String tap = "pm%s%d".formatted(name, ProcessHandle.current().pid() % 100_000);
    List<String> options = new ArrayList<>(List.of("-machine", hardware.machine(), "-m", "128"));
    options.addAll(List.of("-kernel", kernel.toString(), "-initrd", initrd.toString()));
    options.addAll(List.of("-append", "console=ttyS0 quiet panic=-1", "-no-shutdown"));
    options.addAll(
        List.of(
            "-drive",
            "if=none,node-name=parent0,driver=raw,file.driver=file,file.filename="
                + image(folder.resolve(name + ".disk"), false),
            "-drive",
            "if=none,node-name=quorum0,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                + child.formatted(
                    replication.isEmpty() ? "" : image(actives.resolve(name + ".active"), true),
                    replication.isEmpty() ? "" : image(folder.resolve(name + ".hidden"), true)),
            "-drive",
            "if=none,node-name=colo-disk0,driver=throttle,throttle-group=throttle0,"
                + "file.driver=raw,file.file=quorum0",
            "-device",
            hardware.disk() + ",drive=colo-disk0",
            "-object",
            "throttle-group,id=throttle0",
            "-netdev",
            "tap,id=hn0,ifname=" + tap,
            "-device",
            hardware.card() + ",netdev=hn0,mac=52:54:00:11:22:33",
            "-device",
            "pvpanic"));
    options.addAll(more);
    options.addAll(replication);
    ManagedMachine machine = new ManagedMachine(name, folder, options);
    try {
      world.plug(tap);
    } catch (IOException e) {
      machine.close();
      throw e;
    }
    return machine;
  }

  private Path diskOf(ManagedMachine machine) {
    return folder.resolve(machine.name() + ".disk");
  }

  /** What the disk of the last machine holds, as the service's check tells it. */
  String check(ManagedMachine machine) throws IOException, InterruptedException {
    return Namespace.runOnHost(20, service(), "check", diskOf(machine).toString()).output();
  }

  /** Has the service end its guest: {@code off}, {@code reset} or {@code panic}. */
  void order(String word) throws IOException, InterruptedException {
    Namespace.Result given = world.run(20, service(), "order", ADDRESS, word);
    assertEquals(0, given.status(), given::output);
  }

  private static String throttle() {
    return "{'path':'/objects/throttle0','property':'limits','value':{}}";
  }

  // ---- a pair begins

  /** Has the next secondary start, while something else happens. */
  void prepareNext() {
    if (spare == null) {
      spare = new FutureTask<>(this::startSpare);
      Thread.ofPlatform().daemon(true).start(spare);
    }
  }

  /** Makes a pair with the next secondary, from the copy of the disk on. */
  void pair() throws Exception {
    int mark = almostPair();
    ManagedMachine side = primary;
    int secondaryMark = secondary.machine().mark();
    status(side, "mirror0", "on");
    status(side, "comp_pri_in0", "on");
    side.run("migrate-continue", "{'state':'pre-switchover'}");
    side.machine().await("RESUME", side.machine().await("MIGRATION colo", mark));
    secondary.machine().await("RESUME", secondaryMark);
  }

  /** All of it but the last step, after which there are two; the primary's events from there on. */
  int almostPair() throws Exception {
    prepareNext();
    Spare next = spare.get();
    spare = null;
    secondary = next.machine();
    int diskPort = FreePorts.take();
    int migrationPort = FreePorts.take();
    migration = new FaultProxy(migrationPort, true);
    disk = new FaultProxy(diskPort, false);
    prepareSecondary(diskPort, migrationPort);
    copyDisk();
    return startMigration(next);
  }

  private Spare startSpare() throws Exception {
    int mirror = FreePorts.take();
    int compare = FreePorts.take();
    return new Spare(startSecondary(mirror, compare), mirror, compare);
  }

  private ManagedMachine startSecondary(int mirror, int compare) throws Exception {
    String headers = hardware.headers() ? ",vnet_hdr_support=on" : "";
    return start(
        "s",
        List.of("-incoming", "defer"),
        "children.0.driver=replication,children.0.mode=secondary,children.0.top-id=colo-disk0,"
            + "children.0.file.driver=qcow2,children.0.file.file.driver=file,"
            + "children.0.file.file.filename=%s,children.0.file.backing.driver=qcow2,"
            + "children.0.file.backing.file.driver=file,"
            + "children.0.file.backing.file.filename=%s,children.0.file.backing.backing=parent0",
        List.of(
            "-object",
            "filter-drop,id=drop0,netdev=hn0,queue=rx",
            "-object",
            "filter-redirector,id=mirror_in0,netdev=hn0,queue=tx,indev=mirror_in0" + headers,
            "-object",
            "filter-redirector,id=comp_out0,netdev=hn0,queue=rx,outdev=comp_out0" + headers,
            "-object",
            "filter-rewriter,id=rew0,netdev=hn0,queue=all" + headers,
            "-chardev",
            "socket,id=mirror_in0,host=127.0.0.1,port=%d,server=on,wait=off".formatted(mirror),
            "-chardev",
            "socket,id=comp_out0,host=127.0.0.1,port=%d,server=on,wait=off".formatted(compare)));
  }

  private static String capabilities(String... names) {
    StringBuilder all = new StringBuilder();
    for (String name : names) {
      all.append(all.isEmpty() ? "" : ",");
      all.append("{'capability':'%s','state':true}".formatted(name));
    }
    return "{'capabilities':[%s]}".formatted(all);
  }

  private void prepareSecondary(int diskPort, int migrationPort) throws IOException {
    ManagedMachine side = secondary;
    side.run("qom-set", throttle());
    side.run("migrate-set-capabilities", capabilities("x-colo", "events"));
    side.run("migrate-set-capabilities", capabilities());
    side.run("migrate-set-parameters", "{}");
    side.run(
        "nbd-server-start",
        "{'addr':{'type':'inet','data':{'host':'127.0.0.1','port':'%d'}}}".formatted(diskPort));
    side.run("nbd-server-add", "{'device':'parent0','writable':true}");
    side.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:%d'}".formatted(migrationPort));
  }

  private void copyDisk() throws IOException {
    ManagedMachine side = primary;
    int mark = side.machine().mark();
    side.run(
        "blockdev-add",
        ("{'driver':'nbd','node-name':'nbd0','export':'parent0','detect-zeroes':'on',"
                + "'server':{'type':'inet','host':'127.0.0.1','port':'%d'}}")
            .formatted(disk.port()));
    side.run(
        "blockdev-mirror",
        "{'device':'colo-disk0','job-id':'resync','target':'nbd0','sync':'full',"
            + "'on-target-error':'report','on-source-error':'ignore','auto-dismiss':false}");
    mark = side.machine().await("JOB_STATUS_CHANGE resync ready", mark);
    side.run("stop");
    side.run("block-job-cancel", "{'device':'resync'}");
    side.machine().await("JOB_STATUS_CHANGE resync concluded", mark);
    side.run("block-job-dismiss", "{'id':'resync'}");
    assertEquals(-1, Files.mismatch(diskOf(primary), diskOf(secondary)), "after the copy");
    side.run("x-blockdev-change", "{'parent':'quorum0','node':'nbd0'}");
    side.run("cont");
  }

  private int startMigration(Spare ports) throws IOException {
    ManagedMachine side = primary;
    boolean isFresh = !side.attempt("qom-list", "{'path':'/objects/rew0'}");
    side.run("migrate-set-capabilities", capabilities("events", "pause-before-switchover"));
    side.run("migrate-set-capabilities", capabilities("x-colo", "events"));
    side.run("migrate-set-capabilities", capabilities());
    side.run(
        "migrate-set-parameters",
        "{'x-checkpoint-delay':2000,'max-bandwidth':1000000000,'downtime-limit':30000}");
    chardev("mirror0", ports.mirror(), false);
    chardev("comp_sec_in0", ports.compare(), false);
    int in = FreePorts.take();
    chardev("comp_pri_in0..", in, true);
    chardev("comp_pri_in0", in, false);
    int out = FreePorts.take();
    chardev("comp_out0..", out, true);
    chardev("comp_out0", out, false);
    filter("filter-mirror", "mirror0", "tx", "'outdev':'mirror0','status':'off'", isFresh);
    filter("filter-redirector", "comp_out0", "rx", "'indev':'comp_out0..'", isFresh);
    filter(
        "filter-redirector",
        "comp_pri_in0",
        "rx",
        "'outdev':'comp_pri_in0','status':'off'",
        isFresh);
    side.run("object-add", "{'qom-type':'iothread','id':'iothread1'}");
    side.run(
        "object-add",
        ("{'qom-type':'colo-compare','id':'comp0','primary_in':'comp_pri_in0..',"
                + "'secondary_in':'comp_sec_in0','outdev':'comp_out0','iothread':'iothread1',"
                + "'vnet_hdr_support':%b}")
            .formatted(hardware.headers()));
    int mark = side.machine().mark();
    int secondaryMark = secondary.machine().mark();
    side.run("migrate", "{'uri':'tcp:127.0.0.1:%d'}".formatted(migration.port()));
    mark = side.machine().await("MIGRATION pre-switchover", mark);
    secondary.machine().await("MIGRATION active", secondaryMark);
    return mark;
  }

  private void chardev(String id, int port, boolean server) throws IOException {
    primary.run(
        "chardev-add",
        ("{'id':'%s','backend':{'type':'socket','data':{'server':%b,%s'addr':{'type':'inet',"
                + "'data':{'host':'127.0.0.1','port':'%d'}}}}}")
            .formatted(id, server, server ? "'wait':false," : "", port));
  }

  private void filter(String type, String id, String queue, String more, boolean isFresh)
      throws IOException {
    String place = isFresh ? "" : ",'insert':'before','position':'id=rew0'";
    primary.run(
        "object-add",
        "{'qom-type':'%s','id':'%s','netdev':'hn0','queue':'%s','vnet_hdr_support':%b,%s%s}"
            .formatted(type, id, queue, hardware.headers(), more, place));
  }

  private static void status(ManagedMachine side, String filter, String status) throws IOException {
    side.attempt(
        "qom-set",
        "{'path':'/objects/%s','property':'status','value':'%s'}".formatted(filter, status));
  }

  /** While the primary's guest is stopped, both sides' disks hold the same. */
  void assertDisksAlike() throws IOException {
    primary.run("stop");
    assertEquals(-1, Files.mismatch(diskOf(primary), diskOf(secondary)), "in a pair");
    primary.run("cont");
  }

  // ---- a pair ends

  /** The manager gives up before there are two, and the primary goes on alone. */
  void abort() throws IOException {
    primary.attempt("migrate_cancel", "{}");
    failOverPrimary();
  }

  /** The primary goes on alone. Errors of single commands do not matter. */
  void failOverPrimary() throws IOException {
    ManagedMachine side = primary;
    yank(side);
    status(side, "mirror0", "off");
    status(side, "comp_pri_in0", "off");
    side.attempt("x-blockdev-change", "{'parent':'quorum0','child':'children.1'}");
    side.attempt("x-colo-lost-heartbeat", "{}");
    side.attempt("blockdev-del", "{'node-name':'nbd0'}");
    for (String id : List.of("mirror0", "comp_pri_in0", "comp0", "comp_out0", "iothread1")) {
      side.attempt("object-del", "{'id':'%s'}".formatted(id));
    }
    for (String id :
        List.of(
            "mirror0",
            "comp_sec_in0",
            "comp_pri_in0",
            "comp_pri_in0..",
            "comp_out0",
            "comp_out0..")) {
      side.attempt("chardev-remove", "{'id':'%s'}".formatted(id));
    }
    side.attempt("cont", "{}");
    endPair(secondary);
    awaitAlone("running");
  }

  /** The secondary goes on alone, and is the next pair's primary. */
  void failOverSecondary() throws IOException {
    failOverSecondary("running");
  }

  /**
   * As above, with a guest that has ended itself.
   *
   * @param status what it is then
   */
  void failOverSecondary(String status) throws IOException {
    ManagedMachine side = secondary;
    yank(side);
    status(side, "drop0", "off");
    status(side, "comp_out0", "off");
    side.attempt("nbd-server-stop", "{}");
    side.attempt("x-colo-lost-heartbeat", "{}");
    for (String id : List.of("drop0", "mirror_in0", "comp_out0")) {
      side.attempt("object-del", "{'id':'%s'}".formatted(id));
    }
    for (String id : List.of("mirror_in0", "comp_out0")) {
      side.attempt("chardev-remove", "{'id':'%s'}".formatted(id));
    }
    side.attempt("cont", "{}");
    ManagedMachine old = primary;
    primary = side;
    endPair(old);
    awaitAlone(status);
  }

  private void endPair(ManagedMachine dead) throws IOException {
    dead.kill();
    secondary = null;
    migration.close();
    disk.close();
  }

  private static void yank(ManagedMachine side) throws IOException {
    for (JsonNode instance : side.instances()) {
      String id = instance.path("node-name").asText(instance.path("id").asText());
      if (CUT.contains(id)) {
        side.yank(instance);
      }
    }
  }

  private void awaitAlone(String status) throws IOException {
    ManagedMachine side = primary;
    side.machine()
        .awaitThat(
            "alone and " + status,
            () ->
                side.ask("query-colo-status").path("mode").asText().equals("none")
                    && side.ask("query-status").path("status").asText().equals(status));
    JsonNode colo = side.ask("query-colo-status");
    assertTrue(Set.of("none", "request").contains(colo.path("reason").asText()), colo::toString);
  }

  /** Ends the last machine as a manager does; its disk has no layers any more. */
  void end() throws IOException, CommandFailed {
    ManagedMachine side = primary;
    side.machine()
        .awaitThat(
            "one disk",
            () ->
                side
                    .ask("query-named-block-nodes", "{'flat':true}")
                    .findValuesAsText("drv")
                    .stream()
                    .noneMatch("qcow2"::equals));
    side.machine().quit();
  }

  @Override
  public void close() throws IOException {
    if (spare != null) {
      closeSpare();
    }
    if (secondary != null) {
      secondary.close();
      migration.close();
      disk.close();
    }
    primary.close();
  }

  private void closeSpare() {
    try {
      spare.get().machine().close();
    } catch (ExecutionException e) {
      // It has not come so far.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
