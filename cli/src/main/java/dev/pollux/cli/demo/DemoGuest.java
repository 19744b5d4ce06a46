package dev.pollux.cli.demo;

import dev.pollux.cli.guest.GuestImages;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A guest that counts aloud, in lines from which can be seen whether it was continued rightly. */
sealed interface DemoGuest {
  /** A line that the guest printed. */
  record Tick(long number, String proof) {}

  /** What people are told that it is. */
  String description();

  /** What it means that all lines follow each other and the guest does not complain. */
  String verdict();

  /** Writes the guest's files; the options of {@code run} that start it. */
  List<String> prepare(Path folder) throws IOException;

  /** What a line of its console says, where it is one that counts. */
  Optional<Tick> read(String line);

  /** Whether the guest itself has found that it was not continued rightly. */
  boolean complains(String line);

  /** Whether {@code next} is what a guest prints that goes on from {@code last}. */
  boolean follows(Tick last, Tick next);

  /** The {@link CountingGuest}. */
  record Counting() implements DemoGuest {
    private static final int PAGES = 4096;
    private static final int STEPS_PER_TICK = 256;
    private static final Pattern LINE =
        Pattern.compile("tick (\\d{8}) steps \\d{8} (sum [0-9a-f]{8}) ok");

    @Override
    public String description() {
      return "a guest of a few hundred instructions, which rewrites %d MiB of memory and checks every page %d times a second"
          .formatted(PAGES >> 8, CountingGuest.TICKS_PER_SECOND);
    }

    @Override
    public String verdict() {
      return "the count has no gap, and the guest found all its memory right.";
    }

    @Override
    public List<String> prepare(Path folder) throws IOException {
      Path kernel =
          Files.write(folder.resolve("guest"), CountingGuest.image(PAGES, STEPS_PER_TICK));
      return List.of("-m", "64", "-kernel", kernel.toString());
    }

    @Override
    public Optional<Tick> read(String line) {
      Matcher matcher = LINE.matcher(line);
      return matcher.matches()
          ? Optional.of(new Tick(Long.parseLong(matcher.group(1)), matcher.group(2)))
          : Optional.empty();
    }

    @Override
    public boolean complains(String line) {
      return line.contains("BAD");
    }

    @Override
    public boolean follows(Tick last, Tick next) {
      return next.number() == last.number() + 1;
    }
  }

  /** Linux, whose shell computes a chain of MD5 sums. */
  record Linux() implements DemoGuest {
    private static final Pattern LINE = Pattern.compile("tick (\\d+) ([0-9a-f]{32})");
    private static final String SCRIPT =
        """
        #!/bin/sh
        i=0
        h=start
        while :; do
          i=$((i+1))
          h=$(echo $h $i | md5sum)
          h=${h%% *}
          echo tick $i $h
          usleep 20000
        done
        """;

    @Override
    public String description() {
      return "Debian's Linux, whose shell computes a chain of MD5 sums";
    }

    @Override
    public String verdict() {
      return "the count has no gap, and every sum follows from the one before.";
    }

    @Override
    public List<String> prepare(Path folder) throws IOException {
      GuestImages images =
          new GuestImages(GuestImages.userCache(), line -> System.err.println("pollux: " + line));
      GuestImages.Image image = images.get(GuestImages.Kernel.CLOUD, false);
      Path script = Files.writeString(folder.resolve("rc"), SCRIPT);
      Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
      Path initrd = folder.resolve("initrd");
      images.writeInitrd(initrd, Map.of("/etc/rc", script));
      return List.of(
          "-m",
          "256",
          "-kernel",
          image.kernel().toString(),
          "-initrd",
          initrd.toString(),
          "-append",
          "console=ttyS0 quiet");
    }

    @Override
    public Optional<Tick> read(String line) {
      Matcher matcher = LINE.matcher(line);
      return matcher.matches()
          ? Optional.of(new Tick(Long.parseLong(matcher.group(1)), matcher.group(2)))
          : Optional.empty();
    }

    @Override
    public boolean complains(String line) {
      return line.contains("Kernel panic") || line.contains("Oops") || line.contains("BUG:");
    }

    @Override
    public boolean follows(Tick last, Tick next) {
      try {
        byte[] text =
            "%s %d\n".formatted(last.proof(), next.number()).getBytes(StandardCharsets.US_ASCII);
        return next.number() == last.number() + 1
            && HexFormat.of()
                .formatHex(MessageDigest.getInstance("MD5").digest(text))
                .equals(next.proof());
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
