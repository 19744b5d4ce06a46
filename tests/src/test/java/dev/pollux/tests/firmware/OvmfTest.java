package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.GuestScreen;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * OVMF comes to its shell, shows it on cards, runs a script from disks, and keeps variables in
 * flash.
 */
class OvmfTest {
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final String VARIABLE =
      "setvar PolluxTest -guid 0a1b2c3d-1111-2222-3333-444455556666";
  private static final String SCRIPT =
      String.join(
          "\r\n",
          "@echo -off",
          VARIABLE,
          VARIABLE + " -bs -nv =0xCAFE",
          "echo the script ran",
          "reset -s",
          "");

  @TempDir private Path folder;

  private static Path firmware(String name) {
    Optional<Path> file = FirmwareFolders.find(name);
    assumeTrue(file.isPresent(), "no " + name + "; \"pollux guest firmware\" fetches it");
    return file.get();
  }

  private Path disk() throws IOException {
    byte[] script = SCRIPT.getBytes(StandardCharsets.US_ASCII);
    return Files.write(folder.resolve("disk.img"), Floppy.with(Map.of("STARTUP NSH", script)));
  }

  /**
   * Runs the script; what was on the first serial port.
   *
   * @param disk an option for it
   */
  private String run(String disk, String... options)
      throws IOException, CommandFailed, InterruptedException {
    Path monitor = folder.resolve("qmp");
    List<String> arguments =
        new ArrayList<>(List.of("run", "-m", "256", "-serial", "stdio", "-no-shutdown"));
    arguments.addAll(List.of("-qmp", "unix:%s,server=on,wait=off".formatted(monitor)));
    arguments.addAll(List.of("-drive", "format=raw,file=%s,%s".formatted(disk(), disk)));
    arguments.addAll(List.of(options));
    CountDownLatch isOff = new CountDownLatch(1);
    try (PolluxProcess vm = PolluxProcess.start(arguments.toArray(String[]::new));
        QmpClient client =
            Monitors.connect(
                monitor,
                event -> {
                  if (event.path("event").asText().equals("SHUTDOWN")) {
                    isOff.countDown();
                  }
                })) {
      vm.expect("any other key to continue", PATIENCE);
      vm.type("\r");
      assertTrue(isOff.await(PATIENCE.toSeconds(), TimeUnit.SECONDS), vm::output);
      GuestScreen.assertLetters(GuestScreen.dump(client, folder), 1280, 800);
      JsonNode _ = client.execute("quit");
      assertEquals(0, vm.await(PATIENCE), vm::errors);
      return vm.output();
    }
  }

  @Test
  void keepsVariablesInFlash() throws IOException, CommandFailed, InterruptedException {
    Path code = firmware("OVMF_CODE_4M.fd");
    Path variables = Files.copy(firmware("OVMF_VARS_4M.fd"), folder.resolve("vars.fd"));
    byte[] before = Files.readAllBytes(variables);
    String codeDrive = "if=pflash,unit=0,format=raw,readonly=on,file=" + code;
    String first =
        run(
            "if=virtio",
            "-machine",
            "q35,pflash1=vars",
            "-blockdev",
            "driver=file,node-name=vars,filename=" + variables,
            "-drive",
            codeDrive);
    assertTrue(first.contains("the script ran"), first);
    assertFalse(first.contains("FE CA"), first);
    byte[] after = Files.readAllBytes(variables);
    assertFalse(Arrays.equals(before, after), "nothing was written to the image");
    String second =
        run(
            "if=none,id=stick",
            "-device",
            "qemu-xhci",
            "-device",
            "usb-storage,drive=stick",
            "-vga",
            "virtio",
            "-drive",
            codeDrive,
            "-drive",
            "if=pflash,unit=1,format=raw,snapshot=on,file=" + variables);
    assertTrue(second.contains("FE CA"), second);
    assertArrayEquals(after, Files.readAllBytes(variables));
  }
}
