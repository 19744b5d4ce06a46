package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kernels enter as their boot protocol says, and again after each reset. */
class KernelFormatsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(90);

  @TempDir private Path dir;

  /** Runs a kernel that ends through port 0xf4; what it printed on the serial port. */
  private String run(Path kernel, String... options) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "run",
                "-m",
                "64",
                "-nographic",
                "-kernel",
                kernel.toString(),
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=1"));
    arguments.addAll(List.of(options));
    try (PolluxProcess vm = PolluxProcess.start(arguments.toArray(String[]::new))) {
      assertEquals(1, vm.await(PATIENCE), vm::errors);
      return vm.output();
    }
  }

  @Test
  void aResetLoadsTheKernelAgain() {
    Path kernel =
        new TinyKernel()
            .code("eb01 41") // jump over a marker "A" at 0x100022
            .code("ff0500002000") // inc dword [0x200000], which no reset touches
            .code("a022001000 66baf803 ee") // print the marker
            .code("c6052200100042") // change the marker to "B"
            .code("833d0000200003 7306") // three times?
            .code("b0fe e664 ebfe") // no: reset by the keyboard controller
            .print(0x3f8, "!")
            .out(0xf4, 0)
            .spin()
            .write(dir.resolve("again"));
    assertEquals("AAA!", run(kernel));
  }

  @Test
  void multibootModules() throws IOException {
    Path first = Files.writeString(dir.resolve("first"), "one");
    Path second = Files.writeString(dir.resolve("second"), "two");
    Path kernel =
        new TinyKernel()
            .code("3d02b0ad2b 75fe") // magic in EAX
            .code("8b7318 8b06 8a00 66baf803 ee") // first byte of the first module
            .code("8b4610 8a00 ee") // of the second
            .code("8b7608") // arguments of the first: its last characters
            .code("8a06 46 84c0 75f9 8a46fe ee")
            .out(0xf4, 0)
            .spin()
            .write(dir.resolve("modules"));
    assertEquals("otz", run(kernel, "-initrd", first + " x=z," + second));
  }

  @Test
  void pvh() throws IOException {
    String code =
        "813b78c56e33 75fe" // magic at EBX
            + "8b7318 8a06 66baf803 ee" // first character of the command line
            + "8b7320 813e52534420 75fe" // "RSD " where the ACPI root pointer is said to be
            + "b052 ee 66baf400 b000 ee ebfe";
    byte[] bytes = HexFormat.of().parseHex(code.replace(" ", ""));
    ByteBuffer elf = ByteBuffer.allocate(0x200 + bytes.length).order(ByteOrder.LITTLE_ENDIAN);
    elf.put("\177ELF\2\1\1".getBytes(StandardCharsets.ISO_8859_1));
    elf.putShort(16, (short) 2).putShort(18, (short) 62).putInt(20, 1);
    elf.putLong(24, 0x20_0000).putLong(32, 64).putShort(54, (short) 56).putShort(56, (short) 2);
    elf.putInt(64, 1)
        .putLong(72, 0x200)
        .putLong(88, 0x20_0000)
        .putLong(96, bytes.length)
        .putLong(104, 0x1000);
    elf.putInt(120, 4).putLong(128, 0x180).putLong(152, 20).putLong(160, 20).putLong(168, 4);
    elf.putInt(0x180, 4).putInt(0x184, 4).putInt(0x188, 18);
    elf.put(0x18c, "Xen\0".getBytes(StandardCharsets.US_ASCII)).putInt(0x190, 0x20_0000);
    elf.put(0x200, bytes);
    Path kernel = Files.write(dir.resolve("pvh"), elf.array());
    assertEquals("QR", run(kernel, "-append", "Q"));
  }
}
