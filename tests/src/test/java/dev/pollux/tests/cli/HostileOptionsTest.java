package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Wrong command lines: each gives exactly one line that says what is wrong and what would be right,
 * and exit status 1.
 */
class HostileOptionsTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "run -kernle K                     | unknown option -kernle; did you mean -kernel?",
        "run -frobnicate                   | unknown option -frobnicate; pollux run -help",
        "rnu                               | unknown command \"rnu\"; did you mean \"run\"?",
        "run K extra                       | unexpected argument",
        "run -m                            | option -m needs an argument",
        "run -kernel K -m 1                | 4M to 64G",
        "run -kernel K -m 999T             | 4M to 64G",
        "run -kernel K -m 12bananas        | is not a size; sizes look like 512M or 2G",
        "run -kernel K -m 99999999999999T  | more than any machine holds",
        "run -kernel K -cpu max,+sse41     | sse4.1",
        "run -kernel K -cpu pentiun        | did you mean \"pentium\"?",
        "run -kernel K -smp 0              | give 1 to 255",
        "run -kernel K -smp 256            | give 1 to 255",
        "run -kernel K -smp 4,sockets=3    | 3 sockets of 1 cores of 1 threads make 3 CPUs, not 4",
        "run -kernel K -smp 2,maxcpus=4    | leave maxcpus out or give maxcpus=2",
        "run -kernel K -smp 4,maxcpus=2    | maxcpus=2 is less than the 4 CPUs present",
        "run -kernel K -smp sockets=16,cores=16 | 256 CPUs are more than the 255 of a machine",
        "run -kernel K -smp 2,dies=2       | give 1 to 1",
        "run -kernel K -smp sockets=3,cores=65 | need APIC ids above 254",
        "run -kernel K -machine q36        | did you mean \"q35\"?",
        "run -kernel K -machine pc,hpte=on | did you mean \"hpet\"?",
        "run -kernel K -accel kvm          | hardware acceleration is not supported",
        "run -kernel K -accel interpp      | did you mean \"interp\"?",
        "run -kernel K -accel kvm -accel intrp | did you mean \"interp\"?",
        "run -kernel K -accel tcg,tb-sise=4 | did you mean \"tb-size\"?",
        "run -kernel K -accel interp,tb-size=4 | unknown property \"tb-size\"",
        "run -kernel K -accel tcg,tb-size=9G | 1 to 1024 MiB",
        "run -kernel K -accel tcg,thread=sngle | did you mean \"single\"?",
        "run -kernel K -machine accel=hvf:whpx | -machine accel=hvf: hardware acceleration is not",
        "run -kernel K -accel tcg -machine accel=tcg | exclude each other",
        "run -kernel K -cpu haswell         | did you mean \"Haswell\"?",
        "run -kernel K -cpu Haswell,enforce | doesn't support requested features: CPUID.07H:EBX.hle"
            + " [bit 4]",
        "run -kernel K -cpu max,+avx512     | did you mean \"avx512f\"?",
        "run -kernel K -uuid 123           | it looks like 550e8400-e29b-41d4-a716-446655440000",
        "run -kernel K -rtc base=yesterday | give utc, localtime, or a date",
        "run -kernel K -rtc clock=hots     | did you mean \"host\"?",
        "run -initrd K                     | add -kernel FILE",
        "run -machine microvm              | nothing to boot; add -kernel FILE",
        "run -kernel K -bios B             | leave it or -kernel out",
        "run -bios missing                 | pollux guest firmware",
        "run -bios K                       | a multiple of 64 KiB",
        "run -bios DIR                     | is a folder",
        "run -kernel K -boot order=cdx     | is no drive or is there twice",
        "run -kernel K -boot mneu=on       | did you mean \"menu\"?",
        "run -kernel K -option-rom K       | is no option ROM",
        "run -kernel missing               | missing: no such file",
        "run -kernel DIR                   | is a folder",
        "run -kernel K                     | is no kernel; give a Linux bzImage",
        "run -kernel TRUNCATED             | is truncated",
        "run -kernel EMPTY                 | is empty",
        "run -kernel GOOD -initrd EMPTY    | is empty",
        "run -kernel GOOD -initrd missing  | no such file",
        "run -kernel K -chardev sokcet,id=a        | did you mean \"socket\"?",
        "run -kernel K -chardev socket,id=a        | add path=FILE or host=ADDRESS,port=NUMBER",
        "run -kernel GOOD -serial chardev:nope     | Chardev 'nope' not found",
        "run -kernel K -serial stdioo              | did you mean \"stdio\"?",
        "run -kernel GOOD -serial tcp:127.0.0.1:PORT,server=on,wait=off | PORT",
        "run -kernel GOOD -serial stdio -monitor stdio | share them with mon:stdio",
        "run -kernel K -device isa-debug-exti      | did you mean \"isa-debug-exit\"?",
        "run -kernel GOOD -device isa-debug-exit,iobsae=1 | did you mean \"iobase\"?",
        "run -kernel K -global isa-debug-exit      | looks like type.property=value",
        "run -kernel GOOD -pidfile DIR             | DIR",
        "run -kernel GOOD -virtfs local,path=/tmp,mount_tag=a | give -device virtio-fs-pci,tag=TAG",
        "run -kernel GOOD -fsdev local,id=f,path=/tmp | mount -t virtiofs TAG /mnt",
        "run -kernel GOOD -msg timestemp=on        | did you mean \"timestamp\"?",
        "run -kernel GOOD -sandbox on,spwan=deny   | did you mean \"spawn\"?",
        "guest linus                       | did you mean \"linux\"?",
        "guest linux --kernel clod         | did you mean \"cloud\"?",
      })
  void givesOneHelpfulLine(String commandLine, String expected) throws IOException {
    check(commandLine, expected);
  }

  /** A port that is in use for as long as the test runs stands for PORT. */
  private void check(String commandLine, String expected) throws IOException {
    Files.write(folder.resolve("K"), new byte[4096]);
    Files.write(folder.resolve("EMPTY"), new byte[0]);
    Files.write(folder.resolve("TRUNCATED"), truncatedKernel());
    Files.createDirectories(folder.resolve("DIR"));
    new TinyKernel().halt().write(folder.resolve("GOOD"));
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      String port = "" + taken.getLocalPort();
      String[] words = commandLine.strip().replace("PORT", port).split(" +");
      try (PolluxProcess pollux = PolluxProcess.start(folder, words)) {
        int status = pollux.await(Duration.ofMinutes(1));
        assertAll(
            () -> assertEquals(1, pollux.errors().lines().count(), pollux.errors()),
            () -> assertTrue(pollux.errors().startsWith("pollux: "), pollux.errors()),
            () ->
                assertTrue(
                    pollux.errors().contains(expected.replace("PORT", port)), pollux.errors()),
            () -> assertEquals("", pollux.output()),
            () -> assertEquals(1, status));
      }
    }
  }

  /** The header of a Linux kernel that ends within its 16-bit part. */
  private static byte[] truncatedKernel() {
    ByteBuffer kernel = ByteBuffer.allocate(0x280).order(ByteOrder.LITTLE_ENDIAN);
    kernel.put(0x1f1, (byte) 4).putShort(0x1fe, (short) 0xaa55).putInt(0x202, 0x53726448);
    kernel.putShort(0x206, (short) 0x20f).put(0x201, (byte) 0x6a).put(0x211, (byte) 1);
    return kernel.array();
  }
}
