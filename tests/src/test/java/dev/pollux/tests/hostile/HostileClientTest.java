package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.qmp.client.QmpClient;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients of QMP, the human monitor and a serial port that flood, read nothing, send halves and
 * lies, and leave at any byte, against a machine with a small heap. Beside them a watchdog asks on
 * a monitor of its own; afterwards as many descriptors and threads are open as before.
 */
class HostileClientTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** The longest that the watchdog's monitor may take, on a host that is busy with other things. */
  private static final long LONGEST_NANOS = Duration.ofSeconds(60).toNanos();

  private static final List<String> COMMANDS =
      List.of(
          "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}",
          "{'execute':'query-qmp-schema'}",
          "{'exec-oob':'query-yank','id':1}",
          "{'execute':'query-status','id':1e308}",
          "{'execute':'query-status','id':1e99999}",
          "{'execute':'query-status','id':" + "9".repeat(5000) + "}",
          "{'execute':'stop'}{'execute':'cont'}",
          "{'execute':'chardev-add','arguments':{'id':'ring','backend':{'type':'ringbuf','data':{'size':1073741824}}}}",
          "{'execute':'chardev-add','arguments':{'id':'n','backend':{'type':'null','data':{}}}}",
          "{'execute':'chardev-remove','arguments':{'id':'n'}}",
          "{'execute':'pmemsave','arguments':{'val':0,'size':-1,'filename':'/dev/null'}}",
          "{'execute':'pmemsave','arguments':{'val':0,'size':4194304,'filename':'/dev/null'}}",
          "{'execute':'human-monitor-command','arguments':{'command-line':'xp /65536xb 0'}}",
          "{'execute':'migrate','arguments':{'uri':'nowhere'}}",
          "{'execute':",
          "[".repeat(2000),
          "{'a':".repeat(600),
          "'" + "\\u007f".repeat(20_000),
          "info registers\n",
          "xp /65536xw 0\n",
          "p " + "(".repeat(4000) + "\n",
          "help\n",
          "stop\ncont\n",
          "\u0001\u0000\n");

  @TempDir private Path folder;
  private PolluxProcess vm;

  private void start() throws InterruptedException {
    // Sends back what arrives at its serial port.
    Path kernel =
        new TinyKernel()
            .code("66bafd03 ec a801 74f7 66baf803 ec 3440 ee ebed")
            .write(folder.resolve("kernel"));
    List<String> command = new ArrayList<>(JavaCommand.pollux("-Xmx64m"));
    Stream.of(
            "run -m 8 -display none -name tested -kernel " + kernel,
            "-qmp unix:%s,server=on,wait=off".formatted(folder.resolve("q0")),
            "-qmp unix:%s,server=on,wait=off".formatted(folder.resolve("q1")),
            "-monitor unix:%s,server=on,wait=off".formatted(folder.resolve("hmp")),
            "-serial unix:%s,server=on,wait=off".formatted(folder.resolve("serial")),
            "-qmp unix:%s,server=on,wait=off".formatted(folder.resolve("watch")))
        .forEach(words -> command.addAll(List.of(words.split(" "))));
    vm = PolluxProcess.run(new ProcessBuilder(command));
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (Stream.of("watch", "serial").anyMatch(name -> !Files.exists(folder.resolve(name)))) {
      if (System.nanoTime() > end || !vm.process().isAlive()) {
        fail("no monitor: " + vm.errors());
      }
      Thread.sleep(20);
    }
  }

  private long count(String kind) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/" + vm.process().pid(), kind))) {
      return all.count();
    }
  }

  /** What the machine's descriptors are, and the names of its threads. */
  private String open() throws IOException {
    StringBuilder all = new StringBuilder();
    Path process = Path.of("/proc/" + vm.process().pid());
    try (Stream<Path> descriptors = Files.list(process.resolve("fd"));
        Stream<Path> tasks = Files.list(process.resolve("task"))) {
      for (Path descriptor : descriptors.toList()) {
        all.append(Files.readSymbolicLink(descriptor)).append(' ');
      }
      for (Path task : tasks.toList()) {
        all.append(Files.readString(task.resolve("comm")).strip()).append(", ");
      }
    }
    return all.toString();
  }

  @Test
  @Timeout(240)
  void shortly() throws Exception {
    run(20260615, Duration.ofSeconds(4));
  }

  /** Ten minutes, or as many seconds as {@code pollux.hostile.seconds} says. */
  @Test
  @Tag("campaign")
  void atLength() throws Exception {
    run(
        Long.getLong("pollux.hostile.seed", System.nanoTime()),
        Duration.ofSeconds(Long.getLong("pollux.hostile.seconds", 600)));
  }

  private void run(long seed, Duration length) throws Exception {
    start();
    try (PolluxProcess _ = vm;
        QmpClient watchdog = Monitors.connect(folder.resolve("watch"), _ -> {})) {
      long files = count("fd");
      long threads = count("task");
      long end = System.nanoTime() + length.toNanos();
      int clients = 0;
      int refused = 0;
      long longest = 0;
      for (; System.nanoTime() < end; clients++) {
        Random random = new Random(seed + clients);
        refused += attack(random) ? 0 : 1;
        long asked = System.nanoTime();
        assertTrue(watchdog.execute("query-status").has("running"), vm.errors());
        longest = Math.max(longest, System.nanoTime() - asked);
        assertTrue(vm.process().isAlive(), vm.errors());
      }
      String outcome =
          "hostile clients: seed %d, %d clients, %d of them refused, longest answer %d ms"
              .formatted(seed, clients, refused, longest / 1_000_000);
      System.out.println(outcome);
      assertTrue(longest < LONGEST_NANOS, outcome);
      long patience = System.nanoTime() + PATIENCE.toNanos();
      // Threads of the JVM's own, compilers for instance, may have come meanwhile.
      while (count("fd") > files + 2 || count("task") > threads + 8) {
        assertTrue(
            System.nanoTime() < patience,
            "%s: %d descriptors of %d, %d threads of %d are left:\n%s\n%s"
                .formatted(
                    outcome, count("fd"), files, count("task"), threads, open(), vm.errors()));
        Thread.sleep(50);
      }
      String errors = vm.errors();
      assertTrue(!errors.contains("OutOfMemory"), outcome + ": " + errors);
    }
  }

  /**
   * One client: what it sends, whether it reads, and when it leaves.
   *
   * @return false if the door was shut, or there was no room before it
   */
  private boolean attack(Random random) throws IOException {
    String[] doors = {"q0", "q1", "hmp", "serial"};
    Path door = folder.resolve(doors[random.nextInt(doors.length)]);
    StringBuilder text = new StringBuilder();
    if (random.nextInt(4) > 0) {
      text.append(COMMANDS.getFirst());
    }
    for (int i = random.nextInt(40); i > 0; i--) {
      text.append(COMMANDS.get(random.nextInt(COMMANDS.size())));
    }
    byte[] bytes = text.toString().getBytes(StandardCharsets.ISO_8859_1);
    for (int i = random.nextInt(4); i > 0 && bytes.length > 0; i--) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    }
    bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 1));
    boolean reads = random.nextBoolean();
    boolean entered = false;
    try (SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      client.configureBlocking(false);
      entered = client.connect(UnixDomainSocketAddress.of(door));
      ByteBuffer left = ByteBuffer.wrap(bytes);
      ByteBuffer trash = ByteBuffer.allocate(1 << 16);
      // A client whose bytes are not taken gives up after some tries.
      for (int tries = 0; left.hasRemaining() && tries < 200; tries++) {
        if (client.write(left) == 0) {
          LockSupport.parkNanos(100_000);
        }
        if (reads) {
          int _ = client.read(trash.clear());
        }
      }
    } catch (IOException e) {
      // It was not let in, or shown the door; the next one tries again.
    }
    if (!entered) {
      LockSupport.parkNanos(1_000_000);
    }
    return entered;
  }
}
