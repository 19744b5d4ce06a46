package dev.pollux.tests.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.junit.Guest;
import dev.pollux.junit.PolluxExtension;
import dev.pollux.junit.PolluxMachine;
import dev.pollux.junit.PolluxPair;
import dev.pollux.tests.harness.TrainedProgram;
import java.net.Socket;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The example of the page about the extension, with Linux and a network. */
@Tag("campaign")
@ExtendWith(TrainedProgram.class)
@ExtendWith(PolluxExtension.class)
class ServiceTest {
  @Test
  @Guest(
      linux = "cloud",
      modules = {"virtio_pci", "virtio_net"},
      forwards = 7)
  void connectionOutlivesItsMachine(PolluxPair pair) throws Exception {
    pair.console().expect("# ");
    pair.console()
        .type(
            "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up;"
                + " nc -ll -p 7 -e /bin/cat & echo rea''dy\n");
    pair.console().expect("ready");
    pair.awaitProtected();
    try (Socket client = pair.connect(7)) {
      for (int i = 0; i < 100; i++) {
        if (i == 50) {
          pair.killPrimary();
        }
        client.getOutputStream().write(i);
        assertEquals(i, client.getInputStream().read());
      }
    }
    assertEquals("running", pair.qmp("query-status").path("status").asText());
  }

  @Test
  @Guest(
      linux = "cloud",
      modules = {"virtio_pci", "virtio_blk"},
      disk = "64M",
      room = "4M")
  void machineWaitsForRoomOnItsHost(PolluxMachine machine) throws Exception {
    machine.console().expect("# ");
    machine.slowDisk(4 << 20);
    machine
        .console()
        .type("dd if=/dev/zero of=/dev/vda bs=64k count=8 conv=fsync; echo do''ne $?\n");
    machine.console().expect("done 0");
    machine.slowDisk(0);
    machine.fillDisk();
    machine
        .console()
        .type("dd if=/dev/urandom of=/dev/vda bs=64k seek=64 count=8 conv=fsync; echo e''nd $?\n");
    for (int i = 0; !machine.qmp("query-status").path("status").asText().equals("io-error"); i++) {
      assertTrue(i < 600, "the guest goes on, or does not write");
      Thread.sleep(100);
    }
    machine.freeDisk();
    var _ = machine.qmp("cont");
    machine.console().expect("end 0");
  }
}
