package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Upstream's eight variants as upstream plays them: firmware boots a sector from a raw disk on
 * AHCI; here the disk is replicated, too, and the network compared. {@code
 * -Dpollux.colo.pages=25344} is for as many pages as upstream has them rewrite.
 */
@Timeout(180)
class UpstreamColoTest {
  private static final int PAGES = Integer.getInteger("pollux.colo.pages", 2048);
  private static final String YANK = "{'instances':[{'type':'migration'}]}";
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @TempDir private Path folder;

  // ---- machines ----

  private ColoMachine start(String name, boolean isSecondary) throws IOException {
    Path disk = Files.write(folder.resolve(name + ".disk"), BootSector.image(PAGES));
    String child = "children.0=parent0";
    List<String> options = new ArrayList<>(List.of("-machine", "q35", "-m", "150"));
    if (isSecondary) {
      child =
          ("children.0.driver=replication,children.0.mode=secondary,children.0.top-id=colo-disk0,"
                  + "children.0.file.driver=qcow2,children.0.file.file.driver=file,"
                  + "children.0.file.file.filename=%s,children.0.file.backing.driver=qcow2,"
                  + "children.0.file.backing.file.driver=file,"
                  + "children.0.file.backing.file.filename=%s,"
                  + "children.0.file.backing.backing=parent0")
              .formatted(
                  PairImages.make(folder.resolve("active"), BootSector.SIZE, true),
                  PairImages.make(folder.resolve("hidden"), BootSector.SIZE, true));
      options.addAll(List.of("-incoming", "defer"));
    }
    options.addAll(
        List.of(
            "-drive",
            "if=none,node-name=parent0,driver=raw,file.driver=file,file.filename=" + disk,
            "-drive",
            "if=none,id=colo-disk0,node-name=quorum0,driver=quorum,read-pattern=fifo,"
                + "vote-threshold=1,"
                + child,
            "-device",
            "ide-hd,drive=colo-disk0,secs=1,cyls=1,heads=1",
            "-netdev",
            "user,id=hn0,restrict=on",
            "-device",
            "e1000,netdev=hn0"));
    for (String each : isSecondary ? secondaryWiring() : primaryWiring()) {
      options.addAll(List.of(each.startsWith("socket") ? "-chardev" : "-object", each));
    }
    return new ColoMachine(name, folder, options.toArray(String[]::new));
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
        server("out", "out"),
        client("out0", "out"),
        "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0",
        "filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=out",
        "filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0",
        "iothread,id=iothread1",
        "colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=out0,"
            + "iothread=iothread1");
  }

  private List<String> secondaryWiring() {
    return List.of(
        client("red0", "mirror"),
        client("red1", "compare"),
        "filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0",
        "filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1",
        "filter-rewriter,id=rew0,netdev=hn0,queue=all");
  }

  private static void awaitB(ColoMachine machine) {
    long from = machine.consoleEnd();
    machine.awaitThat("B", () -> machine.console(from).contains("B"));
  }

  // ---- the test ----

  private static void configure(ColoMachine machine, boolean multifd)
      throws IOException, CommandFailed {
    List<String> names = new ArrayList<>(List.of("return-path", "x-colo"));
    names.addAll(multifd ? List.of("multifd", "events") : List.of("events"));
    for (String name : names) {
      machine.run(
          "migrate-set-capabilities",
          "{'capabilities':[{'capability':'%s','state':true}]}".formatted(name));
    }
    if (multifd) {
      set(machine, "multifd-channels", 4);
    }
  }

  private static void set(ColoMachine machine, String parameter, long value)
      throws IOException, CommandFailed {
    machine.run("migrate-set-parameters", "{'%s':%d}".formatted(parameter, value));
    assertEquals(value, machine.run("query-migrate-parameters").path(parameter).asLong());
  }

  private static String port(ColoMachine machine) throws IOException, CommandFailed {
    return machine.run("query-migrate").path("socket-address").path(0).path("port").asText();
  }

  /** Both have the same disk, so that nothing needs to be copied. */
  private static void replicate(ColoMachine source, ColoMachine target)
      throws IOException, CommandFailed {
    target.run(
        "nbd-server-start",
        "{'addr':{'type':'unix','data':{'path':'%s'}}}".formatted(target.file("nbd")));
    target.run("nbd-server-add", "{'device':'parent0','writable':true}");
    source.run(
        "blockdev-add",
        ("{'driver':'nbd','node-name':'nbd0','export':'parent0',"
                + "'server':{'type':'unix','path':'%s'}}")
            .formatted(target.file("nbd")));
    source.run("x-blockdev-change", "{'parent':'quorum0','node':'nbd0'}");
  }

  private static void join(ColoMachine source, ColoMachine target, boolean multifd)
      throws IOException, CommandFailed {
    configure(source, multifd);
    configure(target, multifd);
    set(source, "x-checkpoint-delay", 300);
    target.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0'}");
    target.await("MIGRATION setup", 0);
    set(source, "max-bandwidth", 1_000_000_000);
    set(source, "downtime-limit", 30_000);
    awaitB(source);
    source.run("migrate", "{'uri':'tcp:127.0.0.1:%s'}".formatted(port(target)));
    source.awaitThat(
        "status colo",
        () -> {
          try {
            String status = source.migrationStatus();
            assertNotEquals("failed", status);
            assertNotEquals("completed", status);
            return status.equals("colo");
          } catch (IOException | CommandFailed e) {
            throw new AssertionError(e);
          }
        });
  }

  @ParameterizedTest(name = "multifd {0}, {1} survives, during a checkpoint {2}")
  @CsvSource({
    "false, primary, false",
    "false, primary, true",
    "false, secondary, false",
    "false, secondary, true",
    "true, primary, false",
    "true, primary, true",
    "true, secondary, false",
    "true, secondary, true"
  })
  void survives(boolean multifd, String who, boolean during) throws Exception {
    assumeTrue(FirmwareFolders.find("bios-256k.bin").isPresent(), "no SeaBIOS on this host");
    try (ColoMachine source = start("source", false);
        ColoMachine target = start("target", true)) {
      replicate(source, target);
      join(source, target, multifd);
      int mark = target.await("RESUME", 0);
      awaitB(source);
      awaitB(target);
      for (int i = 0; i < 3; i++) {
        mark = target.await("RESUME", mark);
        awaitB(source);
        awaitB(target);
      }
      if (during) {
        target.await("STOP", target.mark());
      }
      ColoMachine survivor = who.equals("primary") ? source : target;
      JsonNode _ = survivor.runOutOfBand("yank", YANK);
      survivor.run("x-colo-lost-heartbeat");
      awaitB(survivor);
      assertWhole(survivor);
      for (ColoMachine machine : List.of(source, target)) {
        assertTrue(machine.console().matches("AB+|B+"), machine::console);
        machine.process().process().destroy();
        assertEquals(0, machine.process().await(PATIENCE), machine.process()::errors);
      }
    }
  }

  /** Each round has come to some page: up to there bytes are one more than behind it. */
  private void assertWhole(ColoMachine survivor) throws IOException, CommandFailed {
    survivor.run("stop");
    Path file = folder.resolve("memory");
    survivor.run(
        "pmemsave",
        "{'val':%d,'size':%d,'filename':'%s'}"
            .formatted(BootSector.START, PAGES * BootSector.PAGE, file));
    byte[] memory = Files.readAllBytes(file);
    int drops = 0;
    for (int page = 1; page < PAGES; page++) {
      int step = memory[page * BootSector.PAGE] - memory[(page - 1) * BootSector.PAGE] & 0xff;
      assertTrue(step == 0 || step == 0xff, "page %d: %d".formatted(page, step));
      drops += step == 0 ? 0 : 1;
    }
    assertTrue(drops <= 1, drops + " drops");
  }
}
