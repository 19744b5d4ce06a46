package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.pair.ControlSocket;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A pair on two network namespaces, each with a bridge for its agent and its guest's network; a
 * third one is the network between them, with a ZooKeeper server and clients.
 */
final class TwoHosts implements AutoCloseable {
  static final String GUEST = "10.77.0.50";
  private static final String SERVER = "10.77.0.9";
  private static final String PORT = "2181";
  private static final String FIRST = "10.77.0.1";
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final int TRIES = 3000;
  private static final int LOOK_MILLIS = 30;

  /** One of the two. */
  static final class Host implements AutoCloseable {
    private final Namespace network;
    private final String address;
    private final String cable;
    private final Path folder;
    private final HostClock clock;
    private PolluxProcess agent;
    private boolean mounted;

    private Host(Namespace network, String address, String cable, Path folder, HostClock clock) {
      this.network = network;
      this.address = address;
      this.cable = cable;
      this.folder = folder;
      this.clock = clock;
    }

    /** What its agent says of itself; without members where it says nothing. */
    JsonNode status() {
      try {
        return new ObjectMapper().readTree(ControlSocket.ask(folder, "status"));
      } catch (IOException | IllegalArgumentException e) {
        return new ObjectMapper().createObjectNode();
      }
    }

    void ask(String command) throws IOException {
      String answer = ControlSocket.ask(folder, command);
      assertFalse(new ObjectMapper().readTree(answer).has("error"), answer);
    }

    boolean isProtected() {
      return status().path("protected").asBoolean();
    }

    PolluxProcess agent() {
      return agent;
    }

    Namespace network() {
      return network;
    }

    /** That of its agent and its machine. */
    HostClock clock() {
      return clock;
    }

    /** Kills its agent and its machine. */
    void kill() throws IOException {
      agent.close();
      HostClock.cleanUp(agent.process().pid());
    }

    /** What this side's agent keeps, and its machine: HOST in the options. */
    Path folder() {
      return folder;
    }

    /** Whether it is the one that begins from its disk where both have one. */
    boolean isFirst() {
      return address.equals(FIRST);
    }

    /** Has the folder on a file system of this size; the test is skipped where that cannot be. */
    void mount(String size) throws IOException, InterruptedException {
      Namespace.Result made =
          Namespace.runOnHost(
              10, "mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder.toString());
      assumeTrue(made.status() == 0, made.output());
      mounted = true;
    }

    /** Leaves no room on that. */
    void fill() throws IOException {
      byte[] block = new byte[1 << 16];
      try (OutputStream out = Files.newOutputStream(filler())) {
        while (true) {
          out.write(block);
        }
      } catch (IOException e) {
        if (!Objects.toString(e.getMessage()).contains("No space left")) {
          throw e;
        }
      }
    }

    /** Leaves room again. */
    void free() throws IOException {
      Files.delete(filler());
    }

    private Path filler() {
      return folder.resolve("filler");
    }

    String address() {
      return address;
    }

    /** Sends a signal to its machines and, where that is said, to its agent first. */
    void signal(String name, boolean withAgent) throws IOException, InterruptedException {
      List<String> command = new ArrayList<>(List.of("kill", "-" + name));
      ProcessHandle process = agent.process().toHandle();
      List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
      if (withAgent) {
        all.addFirst(process);
      }
      all.stream()
          .filter(p -> p.info().command().filter(c -> c.endsWith("java")).isPresent())
          .forEach(p -> command.add(String.valueOf(p.pid())));
      var _ = Namespace.runOnHost(10, command.toArray(String[]::new));
    }

    @Override
    public void close() throws IOException {
      if (agent != null) {
        kill();
      }
      network.close();
      if (mounted) {
        try {
          var _ = Namespace.runOnHost(10, "umount", "-l", folder.toString());
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      }
    }
  }

  /** Makes something on a host before anything is started there. */
  interface Preparation {
    void of(Host host) throws Exception;
  }

  private final Path folder;
  private final List<String> machine;
  private final Path secret;
  private final Namespace between;
  private PolluxProcess coordinator;
  private final List<Host> hosts = new ArrayList<>();

  /**
   * Makes the networks and starts everything.
   *
   * @param machine options of {@code run} without its network, and of {@code pair}; HOST is a
   *     host's folder, PEER_NAMESPACE the other one
   */
  TwoHosts(Path folder, List<String> machine) throws Exception {
    this(folder, machine, _ -> {});
  }

  /**
   * As above.
   *
   * @param prepare is given each host
   */
  TwoHosts(Path folder, List<String> machine, Preparation prepare) throws Exception {
    this.folder = folder;
    this.machine = machine;
    this.secret = folder.resolve("secret");
    between = Namespace.create();
    try {
      begin(prepare);
    } catch (Exception | Error e) {
      close();
      throw e;
    }
  }

  private void begin(Preparation prepare) throws Exception {
    Files.writeString(secret, "what only the two of them know");
    Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
    between.shell(
        "ip link set lo up; ip link add br0 type bridge; ip addr add %s/24 dev br0; ip link set br0 up"
            .formatted(SERVER));
    coordinator = startCoordinator();
    for (int i = 1; i <= 2; i++) {
      addHost(i);
    }
    for (Host host : hosts) {
      prepare.of(host);
      startAgent(host);
    }
  }

  private void addHost(int number) throws Exception {
    Namespace network = Namespace.create();
    String address = "10.77.0." + number;
    String cable = "pxh%d-%d".formatted(ProcessHandle.current().pid() % 100_000, number);
    Path kept = Files.createDirectory(folder.resolve("host" + number));
    HostClock clock = new HostClock(folder.resolve("clock" + number));
    hosts.add(new Host(network, address, cable, kept, clock));
    String made =
        "ip link add %1$s type veth peer name eth0 netns %2$s; ip link set %1$s master br0 up"
            .formatted(cable, network.name());
    between.shell(made);
    network.shell(
        ("ip link set lo up; ip link add br0 type bridge; ip link set br0 up;"
                + " ip link set eth0 master br0 up; ip tuntap add tap0 mode tap;"
                + " ip link set tap0 master br0 up; ip addr add %s/24 dev br0")
            .formatted(address));
  }

  private static PolluxProcess start(
      Namespace in, Map<String, String> environment, String... arguments) {
    List<String> command = new ArrayList<>(in.starter());
    command.addAll(JavaCommand.pollux("-Xmx512m"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    return PolluxProcess.run(builder);
  }

  /** Starts the agent of a host, again where it has died. */
  void startAgent(Host host) {
    List<String> words = new ArrayList<>(List.of("pair", "--json", "--host", host.address));
    words.addAll(List.of("--peer", other(host).map(Host::address).orElse("10.77.0.2")));
    words.addAll(List.of("--lease", "zookeeper:%s:%s".formatted(SERVER, PORT)));
    words.addAll(List.of("--folder", host.folder.toString()));
    words.addAll(List.of("--secret", secret.toString()));
    String peer = other(host).map(each -> each.network.name()).orElse("");
    machine.forEach(
        word ->
            words.add(
                word.replace("HOST", host.folder.toString()).replace("PEER_NAMESPACE", peer)));
    words.addAll(List.of("-display", "none"));
    words.addAll(List.of("-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no"));
    words.addAll(List.of("-device", "virtio-net-pci,netdev=n0,mac=52:54:00:77:00:50"));
    host.agent = start(host.network, host.clock.environment(), words.toArray(String[]::new));
  }

  List<Host> hosts() {
    return hosts;
  }

  private Optional<Host> other(Host host) {
    return hosts.stream().filter(each -> each != host).findFirst();
  }

  private PolluxProcess startCoordinator() {
    String kept = folder.resolve("zookeeper").toString();
    String at = SERVER + ":" + PORT;
    return start(between, Map.of(), "pair", "coordinator", "--listen", at, "--folder", kept);
  }

  /** Sends a signal to the coordination service. */
  void signalCoordinator(String name) throws IOException, InterruptedException {
    String pid = String.valueOf(coordinator.process().pid());
    var _ = Namespace.runOnHost(10, "kill", "-" + name, pid);
  }

  /** Kills the coordination service and starts it again. */
  void restartCoordinator() {
    coordinator.close();
    coordinator = startCoordinator();
    coordinator.expect("listening", PATIENCE);
  }

  /** Waits until there is a pair; the side that runs the guest. */
  Host awaitPair() throws InterruptedException {
    for (int i = 0; i < TRIES; i++) {
      for (Host host : hosts) {
        assertTrue(host.agent.process().isAlive(), this::story);
        if (host.isProtected()) {
          return host;
        }
      }
      TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
    }
    return fail("no pair: " + story());
  }

  /** Waits until a side's machine does this. */
  void awaitDoing(Host host, String doing) throws InterruptedException {
    for (int i = 0; !host.status().path("doing").asText().equals(doing); i++) {
      assertTrue(i < TRIES, () -> "not " + doing + ": " + story());
      TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
    }
  }

  /** Waits until an agent has told of something. */
  void awaitEvent(Host host, String event) throws InterruptedException {
    String line = "\"event\": \"%s\"".formatted(event);
    for (int i = 0; !host.agent.output().contains(line); i++) {
      assertTrue(i < TRIES, () -> "no " + event + ": " + story());
      TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
    }
  }

  /** Waits until a side has become the one that runs the guest, or has lost its copy. */
  void awaitEnd(Host of) throws InterruptedException {
    for (int i = 0; of.isProtected(); i++) {
      assertTrue(i < TRIES, this::story);
      TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
    }
  }

  /** Plugs the cable of a host in or pulls it. */
  void setLink(Host host, boolean up) throws Exception {
    between.shell("ip link set %s %s".formatted(host.cable, up ? "up" : "down"));
  }

  /** Lets a host send a few Mbit/s with long queues, or as much as it wants. */
  void setSlow(Host host, boolean slow) throws Exception {
    host.network.shell(
        slow
            ? "tc qdisc add dev eth0 root tbf rate 4mbit burst 32kb latency 300ms"
            : "tc qdisc del dev eth0 root");
  }

  /** Lets frames of one host to the other through, or not. */
  void setWay(Host from, boolean open) throws Exception {
    Host to = other(from).orElseThrow();
    from.network.shell("ip route %s blackhole %s/32".formatted(open ? "del" : "add", to.address));
  }

  Host peer(Host host) {
    return other(host).orElseThrow();
  }

  /** Starts a command on the network between the hosts. */
  PolluxProcess client(String... command) {
    List<String> words = new ArrayList<>(List.of("ip", "netns", "exec", between.name()));
    words.addAll(List.of(command));
    return PolluxProcess.run(new ProcessBuilder(words));
  }

  /** What both sides have told. */
  String story() {
    StringBuilder story = new StringBuilder();
    for (Host host : hosts) {
      story.append(host.address).append(' ').append(host.status()).append('\n');
      story.append(host.agent.output()).append(host.agent.errors());
    }
    return story.toString();
  }

  @Override
  public void close() throws IOException {
    for (Host host : hosts) {
      host.close();
    }
    if (coordinator != null) {
      coordinator.close();
    }
    between.close();
  }
}
