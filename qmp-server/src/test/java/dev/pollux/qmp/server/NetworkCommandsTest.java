package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.backend.chr.MemoryBackend;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Networks made, changed and removed by monitors. */
class NetworkCommandsTest {
  @TempDir private Path folder;
  private TestMonitor monitor;

  @BeforeEach
  void open() {
    monitor = TestMonitor.negotiated();
  }

  @AfterEach
  void close() {
    monitor.close();
  }

  private void run(String request) {
    assertTrue(monitor.execute(request).has("return"), () -> request);
  }

  private String human(String line) {
    return monitor
        .execute(
            "{'execute':'human-monitor-command','arguments':{'command-line':'%s'}}".formatted(line))
        .get("return")
        .asText();
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }

  private static void connect(int port) throws IOException {
    new Socket(InetAddress.getLoopbackAddress(), port).close();
  }

  /** The network's thread lets go of a port as soon as it wakes up. */
  private static void assertRefused(int port) {
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          while (true) {
            try {
              connect(port);
              Thread.sleep(10);
            } catch (ConnectException e) {
              return;
            }
          }
        });
  }

  @Test
  void networkComesAndGoes() throws IOException {
    int first = freePort();
    int second = freePort();
    run(
        ("{'execute':'netdev_add','arguments':{'type':'user','id':'n0','restrict':true,"
                + "'hostfwd':[{'str':'tcp:127.0.0.1:%d-:80'},{'str':'tcp:127.0.0.1:%d-:81'}]}}")
            .formatted(first, second));
    connect(first);
    connect(second);
    assertTrue(human("info network").contains("n0: index=0,type=user,net=10.0.2.0,restrict=on"));
    assertTrue(human("info usernet").contains("-> 81"));
    assertEquals(
        "Duplicate ID 'n0' for netdev",
        monitor.error("{'execute':'netdev_add','arguments':{'type':'user','id':'n0'}}"));
    run("{'execute':'set_link','arguments':{'name':'n0','up':false}}");
    assertTrue(human("info network").contains("link=off"));
    run("{'execute':'netdev_del','arguments':{'id':'n0'}}");
    assertRefused(first);
    assertEquals(
        "Device 'n0' not found", monitor.error("{'execute':'netdev_del','arguments':{'id':'n0'}}"));
  }

  @Test
  void mistakesMakeNothing() {
    assertTrue(
        monitor
            .error("{'execute':'netdev_add','arguments':{'type':'usr','id':'n0'}}")
            .contains("Parameter 'type' does not accept value 'usr'"));
    assertTrue(
        monitor
            .error("{'execute':'netdev_add','arguments':{'type':'user','id':'n0','restrct':true}}")
            .contains("restrict"));
    assertTrue(
        monitor
            .error(
                "{'execute':'netdev_add','arguments':{'type':'user','id':'n0',"
                    + "'hostfwd':[{'str':'tcp:80'}]}}")
            .contains("Invalid host forwarding rule 'tcp:80'"));
    assertEquals("", human("info network"));
    assertEquals(
        "Device 'n0' not found",
        monitor.error("{'execute':'set_link','arguments':{'name':'n0','up':true}}"));
  }

  @Test
  void forwardsComeAndGo() throws IOException {
    int port = freePort();
    assertEquals("", human("netdev_add user,id=n0,restrict=on"));
    assertEquals("", human("hostfwd_add tcp:127.0.0.1:%d-:80".formatted(port)));
    connect(port);
    String rule = "tcp:127.0.0.1:" + port;
    assertEquals(
        "host forwarding rule for %s removed".formatted(rule),
        human("hostfwd_remove n0 " + rule).strip());
    assertRefused(port);
    assertEquals(
        "host forwarding rule for %s not found".formatted(rule),
        human("hostfwd_remove " + rule).strip());
    assertTrue(human("set_link n0 maybe").contains("neither on nor off"));
    assertEquals("", human("set_link n0 off"));
  }

  /** A script that says that it runs, by one file, and ends when there is another. */
  private Path script(int status) throws IOException {
    Path script = folder.resolve("up");
    Files.writeString(
        script,
        """
        #!/bin/sh
        touch %1$s/runs
        until [ -e %1$s/end ]; do sleep 0.02; done
        echo no luck >&2
        exit %2$d
        """
            .formatted(folder, status));
    assertTrue(script.toFile().setExecutable(true));
    return script;
  }

  /** Types a command that makes a TAP interface, and waits until its script runs. */
  private void addTap(int status) throws IOException {
    assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "/dev/net/tun is not for this user");
    Path script = script(status);
    monitor.type(
        "{'execute':'netdev_add','arguments':{'type':'tap','id':'n0','script':'%s'},'id':1}"
            .formatted(script));
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          while (!Files.exists(folder.resolve("runs"))) {
            Thread.sleep(5);
          }
        });
  }

  private String awaitOutput(MemoryBackend client) {
    return assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          StringBuilder text = new StringBuilder();
          while (text.indexOf("\n") < 0) {
            text.append(client.takeOutput());
            Thread.sleep(5);
          }
          return text.toString();
        });
  }

  /** Another client, that has negotiated. */
  private MemoryBackend otherMonitor() {
    MemoryBackend other = new MemoryBackend("mon1");
    monitor.server.add(other, false);
    assertTrue(awaitOutput(other).contains("QMP"));
    other.type("{'execute':'qmp_capabilities'}\n");
    assertTrue(awaitOutput(other).contains("return"));
    return other;
  }

  @Test
  void slowScriptHoldsUpItsOwnMonitorOnly() throws Exception {
    addTap(0);
    monitor.type("{'execute':'query-status','id':2}");
    MemoryBackend other = otherMonitor();
    other.type("{'execute':'query-status'}\n");
    assertTrue(awaitOutput(other).contains("status"));
    assertTrue(monitor.isSilent(), "the script has not ended");
    assertEquals(1, taps());
    Files.createFile(folder.resolve("end"));
    assertEquals("{\"return\":{},\"id\":1}", monitor.read().toString());
    assertEquals(2, monitor.read().get("id").asInt());
    assertTrue(human("info network").contains("n0: index=0,type=tap"));
    run("{'execute':'netdev_del','arguments':{'id':'n0'}}");
    assertEquals(0, taps());
  }

  @Test
  void failedScriptMakesNothing() throws IOException {
    addTap(3);
    Files.createFile(folder.resolve("end"));
    assertEquals(
        "network script %s failed with status 3".formatted(folder.resolve("up")),
        monitor.read().at("/error/desc").asText());
    assertEquals("", human("info network"));
    assertEquals(0, taps());
  }

  @Test
  void nameTakenMeanwhileIsRefused() throws IOException {
    addTap(0);
    MemoryBackend other = otherMonitor();
    other.type("{'execute':'netdev_add','arguments':{'type':'user','id':'n0'}}\n");
    assertTrue(awaitOutput(other).contains("return"));
    Files.createFile(folder.resolve("end"));
    assertEquals("Duplicate ID 'n0' for netdev", monitor.read().at("/error/desc").asText());
    assertTrue(human("info network").contains("n0: index=0,type=user"));
    assertEquals(0, taps());
  }

  /** Open ones of this process. */
  private static long taps() throws IOException {
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      return descriptors.filter(NetworkCommandsTest::isTap).count();
    }
  }

  private static boolean isTap(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).endsWith("tun");
    } catch (IOException e) {
      return false; // closed meanwhile
    }
  }
}
