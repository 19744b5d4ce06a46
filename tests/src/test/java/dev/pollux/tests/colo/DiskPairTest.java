package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.FreePorts;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Pairs with a replicated disk, command by command as a cluster manager makes them: a Linux guest
 * writes numbered records, each of them synced, and looks at those that it has written; sides are
 * killed or frozen, and who survives gets a new peer.
 */
@Timeout(900)
class DiskPairTest {
  private static final int DISK = 16 << 20;
  private static final int RECORDS = 500;
  private static final int RECORD = 4096;

  /** The guest writes record after record, and now and then reads back what it has written. */
  private static final String WORK =
      """
      #!/bin/sh
      i=0
      while :; do
        i=$((i + 1))
        printf %016d $i | dd of=/dev/vda bs=4096 seek=$((i % RECORDS)) conv=fsync,notrunc 2>/dev/null
        if [ $((i % 40)) = 0 ]; then
          echo 3 > /proc/sys/vm/drop_caches
          j=$((i > RECORDS ? i - RECORDS + 1 : 1))
          while [ $j -le $i ]; do
            got=$(dd if=/dev/vda bs=16 skip=$((j % RECORDS * 256)) count=1 2>/dev/null)
            [ "$got" = "$(printf %016d $j)" ] || echo "BAD $j holds $got"
            j=$((j + 13))
          done
          echo "seen $i"
        fi
        echo "done $i"
      done > /dev/ttyS0
      """
          .replace("RECORDS", Integer.toString(RECORDS));

  private static final Pattern DONE = Pattern.compile("done (\\d+)\r?\n");

  private final List<ColoMachine> machines = new ArrayList<>();
  private Path initrd;

  @TempDir Path folder;

  @AfterEach
  void close() {
    machines.forEach(ColoMachine::close);
  }

  // ---- machines ----

  private Path image(String name, boolean qcow2) throws IOException {
    return PairImages.make(folder.resolve(name), DISK, qcow2);
  }

  private Path disk(String name) {
    return folder.resolve(name + ".disk");
  }

  private ColoMachine start(String name, boolean secondary) throws IOException {
    Path kernel = GuestImages.ofUser().find(Kernel.CLOUD).orElseThrow().kernel();
    image(name + ".disk", false);
    List<String> options =
        new ArrayList<>(
            List.of(
                "-m",
                "192",
                "-kernel",
                kernel.toString(),
                "-initrd",
                initrd.toString(),
                "-append",
                "console=ttyS0 quiet panic=-1",
                "-no-shutdown"));
    options.addAll(
        List.of(
            "-drive",
            "if=none,node-name=parent0,driver=raw,file.driver=file,file.filename=" + disk(name)));
    String child = "children.0=parent0";
    if (secondary) {
      child =
          ("children.0.driver=replication,children.0.mode=secondary,children.0.top-id=colo-disk0,"
                  + "children.0.file.driver=qcow2,children.0.file.file.driver=file,"
                  + "children.0.file.file.filename=%s,children.0.file.backing.driver=qcow2,"
                  + "children.0.file.backing.file.driver=file,"
                  + "children.0.file.backing.file.filename=%s,"
                  + "children.0.file.backing.backing=parent0")
              .formatted(image(name + ".active", true), image(name + ".hidden", true));
      options.addAll(List.of("-incoming", "defer"));
    }
    options.addAll(
        List.of(
            "-drive",
            "if=none,node-name=quorum0,driver=quorum,read-pattern=fifo,vote-threshold=1," + child,
            "-drive",
            "if=none,node-name=colo-disk0,driver=throttle,throttle-group=throttle0,"
                + "file.driver=raw,file.file=quorum0",
            "-object",
            "throttle-group,id=throttle0",
            "-device",
            "virtio-blk,drive=colo-disk0"));
    ColoMachine machine = new ColoMachine(name, folder, List.of(), options.toArray(String[]::new));
    machines.add(machine);
    return machine;
  }

  // ---- the manager ----

  private static JsonNode run(ColoMachine machine, String command, String arguments) {
    try {
      return machine.run(command, arguments);
    } catch (IOException | CommandFailed e) {
      throw new AssertionError(command + " " + arguments, e);
    }
  }

  private static JsonNode run(ColoMachine machine, String command) {
    return run(machine, command, "{}");
  }

  private static void setCapabilities(ColoMachine machine, String... names) {
    for (String name : names) {
      run(
          machine,
          "migrate-set-capabilities",
          "{'capabilities':[{'capability':'%s','state':true}]}".formatted(name));
    }
  }

  /** The secondary offers its disk and listens; ports of disk and migration. */
  private static int[] prepare(ColoMachine secondary) throws IOException {
    int port = FreePorts.take();
    setCapabilities(secondary, "x-colo", "events");
    run(
        secondary,
        "nbd-server-start",
        "{'addr':{'type':'inet','data':{'host':'127.0.0.1','port':'%d'}}}".formatted(port));
    run(secondary, "nbd-server-add", "{'device':'parent0','writable':true}");
    run(secondary, "migrate-incoming", "{'uri':'tcp:127.0.0.1:0'}");
    JsonNode address = run(secondary, "query-migrate").path("socket-address").path(0);
    return new int[] {port, Integer.parseInt(address.path("port").asText())};
  }

  private void resync(ColoMachine primary, int port, Path from, Path to) throws IOException {
    int mark = primary.mark();
    assertThrows(
        AssertionError.class, // an export that there is none of
        () ->
            run(
                primary,
                "blockdev-add",
                ("{'driver':'nbd','node-name':'nbd0','export':'nope',"
                        + "'server':{'type':'inet','host':'127.0.0.1','port':'%d'}}")
                    .formatted(port)));
    run(
        primary,
        "blockdev-add",
        ("{'driver':'nbd','node-name':'nbd0','export':'parent0','detect-zeroes':'on',"
                + "'server':{'type':'inet','host':'127.0.0.1','port':'%d'}}")
            .formatted(port));
    run(
        primary,
        "blockdev-mirror",
        "{'device':'colo-disk0','job-id':'resync','target':'nbd0','sync':'full',"
            + "'on-target-error':'report','on-source-error':'ignore','auto-dismiss':false}");
    mark = primary.await("JOB_STATUS_CHANGE resync ready", mark);
    run(primary, "stop");
    run(primary, "block-job-cancel", "{'device':'resync'}");
    primary.await("JOB_STATUS_CHANGE resync concluded", mark);
    run(primary, "block-job-dismiss", "{'id':'resync'}");
    assertEquals(-1, Files.mismatch(from, to), "after the resync");
    run(primary, "x-blockdev-change", "{'parent':'quorum0','node':'nbd0'}");
    run(primary, "cont");
  }

  private static void startColo(ColoMachine primary, ColoMachine secondary, int port) {
    setCapabilities(primary, "events", "pause-before-switchover", "x-colo");
    run(
        primary,
        "migrate-set-parameters",
        "{'x-checkpoint-delay':300,'max-bandwidth':1000000000,'downtime-limit':30000}");
    int mark = primary.mark();
    int secondaryMark = secondary.mark();
    run(primary, "migrate", "{'uri':'tcp:127.0.0.1:%d'}".formatted(port));
    mark = primary.await("MIGRATION pre-switchover", mark);
    run(primary, "migrate-continue", "{'state':'pre-switchover'}");
    primary.await("RESUME", primary.await("MIGRATION colo", mark));
    secondary.await("RESUME", secondaryMark);
  }

  /** The manager does not mind errors of these. */
  private static void tryTo(ColoMachine machine, String command, String arguments)
      throws IOException {
    try {
      machine.run(command, arguments);
    } catch (CommandFailed e) {
      // What it asks for may have happened by itself.
    }
  }

  private static void yank(ColoMachine machine) throws IOException, CommandFailed {
    for (JsonNode instance : machine.runOutOfBand("query-yank", "{}")) {
      if (instance.path("type").asText().equals("chardev")) {
        continue; // the monitor is one of them
      }
      try {
        machine.runOutOfBand(
            "yank", "{'instances':[%s]}".formatted(instance.toString().replace('"', '\'')));
      } catch (CommandFailed e) {
        // It has gone meanwhile.
      }
    }
  }

  private static void failOverPrimary(ColoMachine machine) throws IOException, CommandFailed {
    yank(machine);
    tryTo(machine, "x-blockdev-change", "{'parent':'quorum0','child':'children.1'}");
    tryTo(machine, "x-colo-lost-heartbeat", "{}");
    tryTo(machine, "blockdev-del", "{'node-name':'nbd0'}");
    awaitAlone(machine);
  }

  private static void failOverSecondary(ColoMachine machine) throws IOException, CommandFailed {
    yank(machine);
    tryTo(machine, "nbd-server-stop", "{}");
    tryTo(machine, "x-colo-lost-heartbeat", "{}");
    awaitAlone(machine);
  }

  private static void awaitAlone(ColoMachine machine) throws IOException {
    machine.awaitThat(
        "alone and running",
        () ->
            run(machine, "query-colo-status").path("mode").asText().equals("none")
                && run(machine, "query-status").path("status").asText().equals("running"));
    tryTo(machine, "cont", "{}");
  }

  // ---- the guest ----

  /** The last record that a guest says it has written; 0 before the first. */
  private static int lastDone(ColoMachine machine) {
    Matcher matcher = DONE.matcher(machine.console());
    int last = 0;
    while (matcher.find()) {
      last = Integer.parseInt(matcher.group(1));
    }
    return last;
  }

  private static void awaitRecords(ColoMachine machine, int more) {
    int last = lastDone(machine) + more;
    awaitThat(machine, "record " + last, () -> lastDone(machine) >= last);
    assertFalse(machine.console().contains("BAD"), machine::console);
  }

  private static void awaitThat(ColoMachine machine, String what, BooleanSupplier condition) {
    for (int i = 0; i < 3 && !condition.getAsBoolean(); i++) { // a loaded host takes its time
      for (int j = 0; j < 500 && !condition.getAsBoolean(); j++) {
        ColoMachine.pause(100);
      }
    }
    machine.awaitThat(what, condition);
  }

  /** The disk of a machine that has ended holds what its guest has written last. */
  private static void checkDisk(Path disk, int last) throws IOException {
    byte[] content = Files.readAllBytes(disk);
    assertTrue(last > RECORDS / 10, "only " + last + " records");
    for (int slot = 0; slot < RECORDS; slot++) {
      String there =
          new String(content, slot * RECORD, 16, StandardCharsets.US_ASCII).replace('\0', '0');
      long found = Long.parseLong(there);
      int expected = last - Math.floorMod(last - slot, RECORDS);
      boolean next = Math.floorMod(last + 1, RECORDS) == slot && found == last + 1;
      assertTrue(found == Math.max(expected, 0) || next, "slot %d: %d".formatted(slot, found));
    }
  }

  private void makeInitrd() throws IOException {
    Path work = Files.writeString(folder.resolve("rc"), WORK);
    assertTrue(work.toFile().setExecutable(true));
    initrd =
        LinuxGuest.initrd(
            folder, Kernel.CLOUD, Map.of("/etc/rc", work), "virtio_pci", "virtio_blk");
  }

  @Test
  void threeGenerations() throws IOException {
    try {
      runGenerations();
    } catch (IOException | CommandFailed | AssertionError e) {
      StringBuilder all = new StringBuilder();
      for (ColoMachine machine : machines) {
        List<String> last = machine.eventsSince(Math.max(0, machine.mark() - 30));
        String console = machine.console();
        all.append(
            "%s\n%s\n%s\n"
                .formatted(
                    last,
                    console.substring(Math.max(0, console.length() - 300)),
                    machine.process().errors()));
      }
      throw new AssertionError(all.toString(), e);
    }
  }

  private void runGenerations() throws IOException, CommandFailed {
    makeInitrd();
    ColoMachine first = start("first", false);
    awaitThat(first, "the guest's first record", () -> lastDone(first) > 0);

    ColoMachine second = pair(first, "first", "second");
    first.kill();
    int mark = second.mark();
    failOverSecondary(second);
    assertFalse(second.eventsSince(mark).contains("SHUTDOWN"));
    awaitRecords(second, 60);

    ColoMachine third = pair(second, "second", "third");
    third.kill();
    failOverPrimary(second);
    awaitRecords(second, 60);

    ColoMachine fourth = pair(second, "second", "fourth");
    second.signal("STOP");
    fourth.await("COLO_EXIT secondary error", 0);
    failOverSecondary(fourth);
    second.kill();
    awaitRecords(fourth, 60);

    run(fourth, "stop");
    ColoMachine.pause(300); // what the guest has said is in the file
    int last = lastDone(fourth);
    fourth.awaitThat(
        "the disks are one",
        () ->
            run(fourth, "query-named-block-nodes", "{'flat':true}").findValuesAsText("drv").stream()
                .noneMatch("qcow2"::equals));
    fourth.quit();
    checkDisk(disk("fourth"), last);
  }

  /** Makes a pair of a machine that runs and a new one; some checkpoints have been made. */
  private ColoMachine pair(ColoMachine primary, String name, String newName) throws IOException {
    ColoMachine secondary = start(newName, true);
    int[] ports = prepare(secondary);
    resync(primary, ports[0], disk(name), disk(newName));
    startColo(primary, secondary, ports[1]);
    int mark = secondary.mark();
    for (int i = 0; i < 4; i++) {
      mark = secondary.await("RESUME", mark);
    }
    awaitRecords(primary, 20);
    awaitRecords(secondary, 5);
    return secondary;
  }
}
