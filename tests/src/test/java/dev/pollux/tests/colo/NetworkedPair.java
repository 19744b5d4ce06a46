package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.net.Namespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Two machines with a web server in a Linux guest, on a bridge of a network namespace, and between
 * them mirror, redirectors, comparison and rewriter: wired as a manager does it by hand.
 */
final class NetworkedPair implements AutoCloseable {
  static final String ADDRESS = "10.9.0.2";
  private static final String CLIENT = "10.9.0.1";
  private static final String CAPABILITIES =
      "{'capabilities':[{'capability':'x-colo','state':true},{'capability':'events','state':true}]}";

  private final Path folder;
  private final Path initrd;
  private final Namespace world;
  private final boolean headers;
  private int number;
  private ColoMachine primary;
  private ColoMachine secondary;

  /**
   * Starts the primary and waits until its guest serves.
   *
   * @param served what the server has, by name
   * @param headers the devices between exchange unfinished frames
   */
  NetworkedPair(Path folder, Namespace world, Map<String, Path> served, boolean headers)
      throws Exception {
    this.folder = folder;
    this.world = world;
    this.headers = headers;
    Path rc = folder.resolve("rc");
    Files.writeString(
        rc,
        """
        #!/bin/sh
        ip addr add %s/24 dev eth0
        ip link set eth0 up
        httpd -p 80 -h /srv
        echo serving
        """
            .formatted(ADDRESS));
    assertEquals(true, rc.toFile().setExecutable(true));
    Map<String, Path> added = new HashMap<>(Map.of("/etc/rc", rc));
    served.forEach((name, file) -> added.put("/srv/" + name, file));
    initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, added, "virtio_pci", "virtio_net");
    world.shell(
        """
        ip link set lo up
        ip link add br0 address 02:00:0a:09:00:01 type bridge
        ip link set br0 up
        ip addr add %s/24 dev br0
        """
            .formatted(CLIENT));
    primary = start("p", List.of(), primaryWiring());
    primary.awaitThat("the server", () -> primary.console().contains("serving"));
  }

  ColoMachine primary() {
    return primary;
  }

  ColoMachine secondary() {
    return secondary;
  }

  private ColoMachine start(String side, List<String> more, List<String> wiring)
      throws IOException, InterruptedException {
    String name = side + number++;
    String tap = "px%s%d".formatted(name, ProcessHandle.current().pid() % 100_000);
    List<String> options = new ArrayList<>(List.of("-m", "192", "-append", "console=ttyS0 quiet"));
    String kernel = GuestImages.ofUser().find(Kernel.CLOUD).orElseThrow().kernel().toString();
    options.addAll(List.of("-kernel", kernel, "-initrd", initrd.toString()));
    options.addAll(List.of("-netdev", "tap,id=hn0,ifname=" + tap));
    options.addAll(List.of("-device", "virtio-net-pci,netdev=hn0,mac=52:54:00:11:22:33"));
    options.addAll(more);
    for (String each : wiring) {
      options.add(each.startsWith("socket") ? "-chardev" : "-object");
      boolean takes = each.contains("netdev=") || each.startsWith("colo-compare");
      options.add(takes && headers ? each + ",vnet_hdr_support=on" : each);
    }
    ColoMachine machine = new ColoMachine(name, folder, options.toArray(String[]::new));
    try {
      world.plug(tap);
    } catch (IOException e) {
      machine.close();
      throw e;
    }
    return machine;
  }

  private String server(String id, String file) {
    return "socket,id=%s,path=%s,server=on,wait=off".formatted(id, folder.resolve(file));
  }

  private String client(String id, String file) {
    return "socket,id=%s,path=%s".formatted(id, folder.resolve(file));
  }

  private List<String> primaryWiring() {
    return List.of(
        server("mirror0", "mirror"),
        server("compare1", "compare"),
        server("compare0", "in"),
        client("compare0-0", "in"),
        server("compare_out", "out"),
        client("compare_out0", "out"),
        "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0",
        "filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out",
        "filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0",
        "iothread,id=iothread1",
        "colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1");
  }

  private List<String> secondaryWiring() {
    return List.of(
        client("red0", "mirror"),
        client("red1", "compare"),
        "filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0",
        "filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1",
        "filter-rewriter,id=rew0,netdev=hn0,queue=all");
  }

  /** Starts a secondary and makes a pair. */
  void pair() throws Exception {
    secondary = start("s", List.of("-incoming", "defer"), secondaryWiring());
    secondary.run("migrate-set-capabilities", CAPABILITIES);
    primary.run("migrate-set-capabilities", CAPABILITIES);
    primary.run("migrate-set-parameters", "{'x-checkpoint-delay':5000,'max-bandwidth':1000000000}");
    secondary.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0'}");
    JsonNode address = secondary.run("query-migrate").path("socket-address").path(0);
    int mark = primary.mark();
    primary.run("migrate", "{'uri':'tcp:127.0.0.1:%s'}".formatted(address.path("port").asText()));
    primary.await("RESUME", primary.await("MIGRATION colo", mark));
  }

  /** What the comparison has done. */
  JsonNode comparison() throws IOException, CommandFailed {
    return primary.run("qom-get", "{'path':'/objects/comp0','property':'x-pollux-statistics'}");
  }

  /**
   * Kills one side; the other goes on alone, and can become the primary of the next pair.
   *
   * @param signal {@code KILL}, or {@code STOP} for a side that hangs until it is killed
   */
  void fail(boolean ofPrimary, String signal) throws IOException, CommandFailed {
    ColoMachine dead = ofPrimary ? primary : secondary;
    ColoMachine survivor = ofPrimary ? secondary : primary;
    dead.signal(signal);
    survivor.run("x-colo-lost-heartbeat");
    dead.kill();
    dead.close();
    secondary = null;
    if (ofPrimary) {
      primary = survivor;
      survivor.awaitThat("the failover", () -> !isColo(survivor));
      rewire();
    }
  }

  private static boolean isColo(ColoMachine machine) {
    try {
      return machine.migrationStatus().equals("colo");
    } catch (IOException | CommandFailed e) {
      throw new IllegalStateException(e);
    }
  }

  /** A secondary that goes on alone gets what a primary has, in front of its rewriter. */
  private void rewire() throws IOException, CommandFailed {
    for (String id : List.of("f1", "f2")) {
      primary.run("object-del", "{'id':'%s'}".formatted(id));
    }
    for (String id : List.of("red0", "red1")) {
      primary.run("chardev-remove", "{'id':'%s'}".formatted(id));
    }
    for (String each : primaryWiring()) {
      DeviceOptions options = DeviceOptions.parse("-object", each, "kind");
      Map<String, String> values = new HashMap<>();
      options.keys().forEach(key -> values.put(key, options.required(key)));
      String kind = values.remove("kind");
      if (kind.equals("socket")) {
        primary.run(
            "chardev-add",
            "{'id':'%s','backend':{'type':'socket','data':{'server':%b,'wait':false,'addr':{'type':'unix','data':{'path':'%s'}}}}}"
                .formatted(values.get("id"), values.containsKey("server"), values.get("path")));
        continue;
      }
      StringBuilder object = new StringBuilder("{'qom-type':'%s'".formatted(kind));
      values.forEach((key, value) -> object.append(",'%s':'%s'".formatted(key, value)));
      if (values.containsKey("netdev")) {
        object.append(",'insert':'before','position':'id=rew0'");
      }
      if (headers && !kind.equals("iothread")) {
        object.append(",'vnet_hdr_support':true");
      }
      primary.run("object-add", object.append('}').toString());
    }
  }

  @Override
  public void close() {
    if (secondary != null) {
      secondary.close();
    }
    primary.close();
  }
}
