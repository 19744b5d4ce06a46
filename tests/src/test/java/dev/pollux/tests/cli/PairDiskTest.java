package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.cli.img.ImgTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a guest on a pair has written to its disk and flushed is there after every failover. */
class PairDiskTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Pattern WRITTEN = Pattern.compile("disk (\\d+)\r?\n");
  private static final int BLOCKS = 64;
  private static final int BLOCK = 4096;

  /** Looks at what the pair says, ten a second. */
  private static final int TRIES = 1800;

  /** Writes a number a block, flushes, says so, and reads the last ones again. */
  private static final String SCRIPT =
      """
      #!/bin/sh
      (
      i=0
      while :; do
        i=$((i+1))
        printf '%08d' $i | dd of=/dev/vda bs=4096 seek=$((i%64)) conv=fsync,notrunc 2>/dev/null
        j=$i
        while [ $j -gt 0 ] && [ $j -gt $((i-4)) ]; do
          got=$(dd if=/dev/vda bs=4096 skip=$((j%64)) count=1 iflag=direct 2>/dev/null | head -c 8)
          [ "$got" = "$(printf '%08d' $j)" ] || echo "BAD $j: $got"
          j=$((j-1))
        done
        echo "disk $i"
      done
      ) &
      """;

  @TempDir private Path folder;

  @Test
  void diskSurvivesTwoPrimaries() throws Exception {
    Path rc = Files.writeString(folder.resolve("rc"), SCRIPT);
    Files.setPosixFilePermissions(rc, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path initrd =
        LinuxGuest.initrd(folder, Kernel.CLOUD, Map.of("/etc/rc", rc), "virtio_pci", "virtio_blk");
    Path images = Files.createDirectory(folder.resolve("images"));
    Path disk = images.resolve("disk.qcow2");
    assertEquals(0, ImgTools.run(List.of("create", "-q", "-f", "qcow2", disk.toString(), "16M")));
    List<String> words = new ArrayList<>(List.of("pair", "--delay", "100"));
    words.addAll(List.of("--kill", "primary", "--kill", "primary@1", "--kill", "secondary@2"));
    words.addAll(LinuxGuest.machine(Kernel.CLOUD, initrd));
    words.addAll(List.of("-drive", "file=%s,if=virtio".formatted(disk)));
    try (PolluxProcess pair = PolluxProcess.start(words.toArray(String[]::new))) {
      awaitWord(pair, "kill-secondary");
      int before = pair.output().length();
      for (int i = 0; pair.output().length() < before + 100; i++) {
        assertTrue(i < TRIES, "the guest is silent: " + pair.output());
        Thread.sleep(100);
      }
      pair.process().destroy();
      pair.await(PATIENCE);
      String said = pair.output();
      assertTrue(!said.contains("BAD"), said);
      long last =
          WRITTEN
              .matcher(said)
              .results()
              .map(MatchResult::group)
              .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
              .max()
              .orElseThrow();
      assertEquals(3, pair.errors().split("on purpose", -1).length - 1, pair.errors());
      check(disk, last);
    }
    try (Stream<Path> files = Files.list(images)) {
      assertEquals(List.of(disk), files.toList());
    }
  }

  private static void awaitWord(PolluxProcess pair, String word) throws Exception {
    for (int i = 0; !pair.errors().contains(word); i++) {
      assertTrue(i < TRIES && pair.process().isAlive(), pair.output() + pair.errors());
      Thread.sleep(100);
    }
  }

  /** The image has this number, and no block is older than it may be. */
  private void check(Path disk, long last) throws IOException {
    Path raw = folder.resolve("raw");
    assertEquals(0, ImgTools.run(List.of("convert", "-O", "raw", disk.toString(), raw.toString())));
    try (FileChannel file = FileChannel.open(raw)) {
      for (long number = Math.max(1, last - BLOCKS + 2); number <= last; number++) {
        ByteBuffer text = ByteBuffer.allocate(8);
        file.read(text, number % BLOCKS * BLOCK);
        long found =
            Long.parseLong(new String(text.array(), StandardCharsets.US_ASCII).replace("\0", ""));
        assertTrue(found == number || found == number + BLOCKS, number + " is " + found);
      }
    }
  }
}
