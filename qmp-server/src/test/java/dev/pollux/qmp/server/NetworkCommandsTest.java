package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Networks made, changed and removed by monitors. */
class NetworkCommandsTest {
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
}
