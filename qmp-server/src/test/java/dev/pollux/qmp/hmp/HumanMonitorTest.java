package dev.pollux.qmp.hmp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.chr.CharSpec;
import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.migration.LiveMigration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HumanMonitorTest {
  private final Machine machine = new Machine("tester", new Machine.EndPolicy(false, false));
  private final CharDevices charDevices = new CharDevices(Runnable::run, () -> {});
  private final LiveMigration migration = new LiveMigration(machine, "none", new UUID(0, 0));
  private final DeviceManager devices =
      Devices.manager(machine, charDevices, new BlockGraph(new BlockListener() {}));
  private final HumanMonitor monitor = new HumanMonitor(devices, migration, "1.2.3");

  @BeforeEach
  void build() throws IOException {
    machine.lock().lock();
    RamBlock ram = new RamBlock("ram", 1 << 20, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, 1 << 20));
    machine.add(new Vcpu(machine, 0, new CpuModel("qemu64"), new CpuState(), vcpu -> idleEngine()));
    machine.resetDevices();
  }

  @AfterEach
  void close() {
    machine.lock().unlock();
    migration.close();
    charDevices.close();
    machine.close();
  }

  private static ExecutionEngine idleEngine() {
    return new ExecutionEngine() {
      @Override
      public void run() {}

      @Override
      public void runOne() {}

      @Override
      public void flushTlb() {}

      @Override
      public void flushCode() {}
    };
  }

  private CpuState cpu() {
    return machine.vcpus().getFirst().cpuState();
  }

  private void write(long address, int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      machine.memory().write(address + i, 1, bytes[i]);
    }
  }

  @Test
  void wordsMayStandInQuotes() {
    HmpArguments words = new HmpArguments("\"a b\\\"\\n\" plain", null);
    assertEquals("a b\"\n", words.word());
    assertEquals("plain", words.word());
    for (String broken : List.of("\"open", "\"open\\", "\"a\\x\"")) {
      assertThrows(HmpException.class, () -> new HmpArguments(broken, null).word());
    }
  }

  @Test
  void savesMemoryToAFile(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("memory");
    byte[] expected = {8, 7, 6, 5, 4, 3, 2, 1};
    machine.memory().write(0x1000, expected, 0, expected.length);
    assertEquals(
        "Parameter 'size' expects a place in guest memory, which ends at 0x100000000\n"
            + "Try \"help pmemsave\" for more information",
        monitor.execute("pmemsave 0x1000 0x100000000 \"" + file + '"').strip());
    CompletableFuture<String> said = monitor.submit("pmemsave 0x1000 4+4 \"" + file + '"');
    Thread loop = Thread.ofPlatform().start(machine.loop()::run);
    machine.lock().unlock();
    try {
      assertEquals("", said.get(20, TimeUnit.SECONDS));
      assertArrayEquals(expected, Files.readAllBytes(file));
    } finally {
      machine.loop().stop();
      loop.join();
      machine.lock().lock();
    }
  }

  @Test
  void noCodeIsGenerated() {
    assertEquals(
        "No code is generated: the interpreter executes the guest\n", monitor.execute("info jit"));
  }

  @Test
  void coloWithoutPair() {
    assertEquals(
        """
        mode: none
        last mode: none
        exit reason: none
        checkpoints: 0
        since the last: 0 ms
        memory: 0 pages, 0 KiB
        guest stopped: median 0.0 ms, 99% below 0.0 ms, longest 0.0 ms
        """,
        monitor.execute("info colo"));
    assertEquals(
        "Error: The feature 'colo' is not enabled\n", monitor.execute("x_colo_lost_heartbeat"));
  }

  @Test
  void registersInRealMode() {
    String text = monitor.execute("info registers");
    assertTrue(text.startsWith("\nCPU#0\nEAX=00000000 EBX=00000000 ECX=00000000 EDX="), text);
    assertTrue(
        text.contains("EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"), text);
    assertTrue(text.contains("CS =f000 ffff0000 0000ffff 00009b00\n"), text);
    assertTrue(text.contains("LDT=0000 00000000 0000ffff 00008200\n"), text);
    assertTrue(text.contains("GDT=     00000000 0000ffff\n"), text);
    assertTrue(text.contains("CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n"), text);
    assertTrue(text.contains("DR6=00000000ffff0ff0 DR7=0000000000000400\n"), text);
    assertTrue(text.contains("XMM06=0000000000000000 0000000000000000 XMM07="), text);
    assertFalse(text.contains("XMM08"), text);
  }

  private void enterLongMode() {
    CpuState s = cpu();
    // 0x1000: page map -> 0x2000 -> 0x3000: one page of 2 MiB and a table at 0x4000 with two pages
    machine.memory().write(0x1000, 8, 0x2003);
    machine.memory().write(0x2000, 8, 0x3007);
    machine.memory().write(0x3000, 8, 0x83);
    machine.memory().write(0x3008, 8, 0x4007);
    machine.memory().write(0x4000, 8, 0x5063);
    machine.memory().write(0x4008, 8, 0x8000_0000_0000_6001L);
    s.setU64(CpuLayout.CR3, 0x1000);
    s.setU64(CpuLayout.CR4, 0x20);
    s.setU64(CpuLayout.EFER, 0xd00);
    s.setU64(CpuLayout.CR0, 0x8000_0011L);
    s.setSeg(CpuLayout.CS, 0x10, 0, 0xffff_ffffL, 0xa09b);
    s.setSeg(CpuLayout.SS, 0x18, 0, 0xffff_ffffL, 0xc093);
    s.setSeg(CpuLayout.TR, 0x40, 0xfffffe0000003000L, 0x4087, 0x8b);
    machine.vcpus().getFirst().mmu().updateMode();
  }

  @Test
  void registersIn64BitMode() {
    enterLongMode();
    cpu().setGpr(8, 0x1234);
    String text = monitor.execute("info registers");
    assertTrue(text.contains("R8 =0000000000001234 R9 ="), text);
    assertTrue(
        text.contains("CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\n"), text);
    assertTrue(
        text.contains("SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\n"), text);
    assertTrue(
        text.contains("TR =0040 fffffe0000003000 00004087 00008b00 DPL=0 TSS64-busy\n"), text);
    assertTrue(text.contains("EFER=0000000000000d00\n"), text);
    assertTrue(text.contains("XMM15="), text);
  }

  @Test
  void pageTables() {
    assertEquals("PG disabled\n", monitor.execute("info tlb"));
    assertEquals("PG disabled\n", monitor.execute("info mem"));
    enterLongMode();
    assertEquals(
        """
        0000000000000000: 0000000000000000 --P-----W
        0000000000200000: 0000000000005000 ---DA---W
        0000000000201000: 0000000000006000 X--------
        """,
        monitor.execute("info tlb"));
    assertEquals(
        """
        0000000000000000-0000000000201000 0000000000201000 -rw
        0000000000201000-0000000000202000 0000000000001000 -r-
        """,
        monitor.execute("info mem"));
  }

  @Test
  void tablesThatLeadToThemselvesEnd() {
    enterLongMode();
    for (int i = 0; i < 512; i++) {
      machine.memory().write(0x1000 + i * 8, 8, 0x1003);
    }
    assertTrue(monitor.execute("info tlb").endsWith("...\n"));
    assertTrue(monitor.execute("info mem").endsWith("...\n"));
  }

  @Test
  void memory() {
    write(0x7c00, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00, 0xff, 0x80);
    assertEquals(
        "0000000000007c00: 0x48 0x65 0x6c 0x6c 0x6f 0x00 0xff 0x80\n0000000000007c08: 0x00\n",
        monitor.execute("xp /9xb 0x7c00"));
    assertEquals(
        "0000000000007c00: 'H' 'e' 'l' 'l' 'o' '\\x00'\n", monitor.execute("xp /6c 0x7c00"));
    assertEquals("0000000000007c04: 0x80ff006f\n", monitor.execute("xp /xw 0x7c04"));
    assertEquals("0000000000007c06: -32513\n", monitor.execute("xp /1dh 0x7c06"));
    assertEquals("0000000000007c00: 0x80ff006f6c6c6548\n", monitor.execute("x /1xg 0x7c00"));
    assertEquals("0000000000007c00: 0x80ff006f6c6c6548\n", monitor.execute("x 0x7c00"));
    enterLongMode();
    write(0x5000, 0x77);
    assertEquals("0000000000200000: 0x77\n", monitor.execute("x /1xb 0x200000"));
    assertEquals("0000000000400000: Cannot access memory\n", monitor.execute("x /1xb 0x400000"));
  }

  @Test
  void instructions() {
    write(0x7c00, 0x31, 0xc0, 0xf4, 0xeb, 0xfd);
    cpu().setRip(0x7c00);
    String text = monitor.execute("x /3i $pc");
    assertTrue(
        text.matches(
            "(?s)0x00007c00:  31 c0 +xor ax, ax\n0x00007c02:  f4 +hlt\n0x00007c03:  eb fd .*\n"),
        text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "=>",
      quoteCharacter = '`',
      value = {
        "p 5*3               => 0xf",
        "p/d 2+3*4           => 14",
        "p/d 1|6&3           => 3",
        "p/d (2+3)*-4        => -20",
        "p 0x10+010+10       => 0x22",
        "p/c 65              => 'A'",
        "p 'A'               => 0x41",
        "p ~0                => 0xffffffffffffffff",
        "p/u 0xffffffffffffffff => 18446744073709551615",
        "print $rip + 1      => 0xfff1",
        "p $cs.base          => 0xffff0000",
        "p $cs               => 0xf000"
      })
  void expressions(String line, String expected) {
    assertEquals(expected + "\n", monitor.execute(line));
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "=>",
      quoteCharacter = '`',
      value = {
        "foo        => unknown command: 'foo'",
        "info foo   => unknown command: 'info foo'",
        "p 1/0      => division by zero",
        "p          => unexpected end of expression",
        "p $zz      => unknown register",
        "p (1       => ')' expected",
        "p 99999999999999999999 => number too large",
        "x /3z 0    => invalid char in format: 'z'",
        "x /3d zz   => invalid char 'z' in expression",
        "stop now   => stop|s: extraneous characters at the end of line",
        "chardev-remove a => Error: Chardev 'a' not found",
        "cpu 7      => invalid CPU index",
        "info registers 7 => Error: CPU#7 not available"
      })
  void errors(String line, String expected) {
    assertTrue(monitor.execute(line).startsWith(expected), monitor.execute(line));
  }

  /** Every line here would do something if its last word were not there. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "quit now",
        "q now",
        "stop x",
        "cont x",
        "system_reset 1",
        "system_powerdown now",
        "nmi 0",
        "cpu 0 1",
        "o /b 0x80 1 2",
        "i /b 0x80 2",
        "chardev-remove kept 2",
        "x_colo_lost_heartbeat 1",
        "migrate_cancel now",
        "migrate_continue pre-switchover x",
        "migrate_set_capability events on now",
        "migrate_set_parameter max-bandwidth 7 M",
        "x /2xb 0 1",
        "xp /2xb 0 1",
        "p /d 1 2",
        "info status x",
        "info registers -a 0",
        "help stop cont"
      })
  void nothingHappensWhenALineIsTooLong(String line) {
    charDevices.add(new CharOptions("kept", new CharSpec.Null("null")));
    List<String> happened = new ArrayList<>();
    machine.addListener(
        new MachineListener() {
          @Override
          public void reset(ShutdownCause cause) {
            happened.add("reset");
          }

          @Override
          public void shutdown(ShutdownCause cause) {
            happened.add("shutdown");
          }

          @Override
          public void poweredDown() {
            happened.add("powerdown");
          }
        });
    BusDevice port =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            happened.add("in");
            return 0;
          }

          @Override
          public void write(long offset, int size, long value) {
            happened.add("out");
          }
        };
    machine.io().map(0x80, new Region.DeviceRegion("port", 1, 1, port));
    String before = machine.runState().current() + monitor.execute("info migrate_parameters");
    String text = monitor.execute(line);
    assertTrue(text.contains(": extraneous characters at the end of line\nTry \"help "), text);
    assertEquals(2, text.lines().count(), text);
    machine.loop().post(machine.loop()::stop);
    machine.loop().run();
    assertEquals(before, machine.runState().current() + monitor.execute("info migrate_parameters"));
    assertEquals(List.of(), happened);
    assertEquals("kept: filename=null\n", monitor.execute("info chardev"));
    assertEquals(0, cpu().pending() & Interrupts.NMI);
  }

  @Test
  void deepExpressionsAreRefused() {
    assertTrue(monitor.execute("p " + "(".repeat(10_000)).contains("too deep"));
    assertTrue(monitor.execute("p " + "-".repeat(10_000)).contains("too deep"));
  }

  @Test
  void runState() {
    assertEquals("VM status: paused (prelaunch)\n", monitor.execute("info status"));
    assertEquals("", monitor.execute("cont"));
    assertEquals("VM status: running\n", monitor.execute("info status"));
    assertTrue(monitor.execute("info registers").contains("CPU#0"));
    assertEquals("", monitor.execute("stop"));
    assertEquals("VM status: paused\n", monitor.execute("info status"));
    assertEquals("", monitor.execute("c"));
    assertEquals("", monitor.execute("s"));
  }

  @Test
  void otherInformation() {
    charDevices.add(new CharOptions("serial0", new CharSpec.Null("null")));
    assertEquals("serial0: filename=null\n", monitor.execute("info chardev"));
    assertEquals("", monitor.execute("chardev-add null,id=more"));
    assertEquals("", monitor.execute("chardev-remove more"));
    assertEquals("1.2.3\n", monitor.execute("info version"));
    assertEquals("tester\n", monitor.execute("info name"));
    assertTrue(monitor.execute("help").contains("stop|s  -- "));
    assertTrue(monitor.execute("info").contains("info tlb  -- "));
    assertTrue(monitor.execute("help x").startsWith("x /fmt addr -- "));
    assertEquals("", monitor.execute("   "));
  }

  @Test
  void noLineThrows() {
    Random random = new Random(7);
    String alphabet = "xpi/4cwgb 0x$rip()+-*'~|info memtlbregisters-a ";
    for (int i = 0; i < 20_000; i++) {
      StringBuilder line = new StringBuilder();
      for (int n = random.nextInt(20); n > 0; n--) {
        line.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      assertTrue(monitor.execute(line.toString()).length() < 10_000_000, line::toString);
    }
  }

  @Test
  void console() {
    MemoryBackend line = new MemoryBackend("line");
    var console = new MonitorConsole(monitor, line, "1.2.3", Runnable::run);
    assertEquals(
        "Pollux 1.2.3 monitor - type 'help' for more information\r\n(qemu) ", line.takeOutput());
    line.type("info name\r");
    assertEquals("info name\r\ntester\r\n(qemu) ", line.takeOutput());
    line.type("info nume\u001b[D\u001b[D\b\u007fname\u001b[3~\u001b[3~\r");
    assertTrue(
        line.takeOutput()
            .endsWith(
                "\r\nunknown command: 'info name'\r\n(qemu) "
                    .replace("unknown command: 'info name'", "tester")));
    line.type("\u001b[A\u001b[A\r");
    assertTrue(line.takeOutput().endsWith("\r\ntester\r\n(qemu) "));
    line.type("info vers\t\r");
    assertTrue(line.takeOutput().endsWith("\r\n1.2.3\r\n(qemu) "));
    assertTrue(console.canReceive() > 0);
  }

  @Test
  void consoleWaitsForItsReader() {
    MemoryBackend line = new MemoryBackend("line");
    var console = new MonitorConsole(monitor, line, "1.2.3", Runnable::run);
    line.takeOutput();
    line.setRoom(20);
    line.type("help\rinfo name\r");
    assertEquals(0, console.canReceive());
    assertEquals(20, line.takeOutput().length());
    line.setRoom(Integer.MAX_VALUE);
    String rest = line.takeOutput();
    assertTrue(rest.endsWith("info name\r\ntester\r\n(qemu) "), rest);
  }

  @Test
  void migrationIsSetUpAndShown() {
    assertEquals("", monitor.execute("migrate_set_capability return-path on"));
    assertTrue(monitor.execute("info migrate_capabilities").contains("return-path: on\n"));
    assertEquals("", monitor.execute("migrate_set_parameter max-bandwidth 3"));
    assertEquals("", monitor.execute("migrate_set_parameter xbzrle-cache-size 128K"));
    String parameters = monitor.execute("info migrate_parameters");
    assertTrue(parameters.contains("max-bandwidth: 3145728\n"), parameters);
    assertTrue(parameters.contains("xbzrle-cache-size: 131072\n"), parameters);
    assertTrue(parameters.contains("tls-creds: ''\n"), parameters);
    assertEquals(
        "Error: Parameter 'downtime-limit' expects an integer in the range of 0 to 2000000 ms\n",
        monitor.execute("migrate_set_parameter downtime-limit 2000001"));
    assertTrue(
        monitor.execute("migrate_set_parameter bogus 1").startsWith("Error: unknown migration"));
    assertEquals(
        "Error: Capability 'xbzrle' is not built into this program yet\n",
        monitor.execute("migrate_set_capability xbzrle on"));
    assertEquals("", monitor.execute("info migrate"));
    migration.expect(Optional.empty());
    assertEquals("", monitor.execute("migrate_incoming tcp:127.0.0.1:0"));
    String listening = monitor.execute("info migrate");
    assertTrue(listening.matches("Socket address: tcp:127[.]0[.]0[.]1:[1-9][0-9]*\n"), listening);
    assertEquals("", monitor.execute("migrate_cancel"));
    assertEquals(
        "Error: Parameter 'uri' expects a valid migration protocol\n",
        monitor.execute("migrate -d nowhere"));
    assertEquals(
        "Error: Migration not in expected state: none\n",
        monitor.execute("migrate_continue pre-switchover"));
  }

  /** Writes down what it hears. */
  private record Mouse(String pointerName, List<String> heard) implements Pointer.Relative {
    @Override
    public int buttons() {
      return 0;
    }

    @Override
    public void move(int dx, int dy, int dz, int buttons) {
      heard.add("%d %d %d %d".formatted(dx, dy, dz, buttons));
    }
  }

  private record Keys(String keyboardName, List<String> heard) implements Keyboard {
    @Override
    public boolean key(int code, boolean down) {
      heard.add((down ? "+" : "-") + Integer.toHexString(code));
      return true;
    }
  }

  @Test
  void pointersAndKeyboardsAreCountedTogether() {
    Inputs inputs = devices.services().inputs();
    assertEquals("No mouse devices connected\n", monitor.execute("info mice"));
    Mouse middle = new Mouse("middle", new ArrayList<>());
    inputs.add(new Keys("keys", new ArrayList<>()), Optional.empty());
    inputs.add(new Mouse("first", new ArrayList<>()), Optional.empty());
    inputs.add(middle, Optional.empty());
    inputs.add(new Mouse("last", new ArrayList<>()), Optional.empty());
    assertEquals(
        "  Mouse #4: last\n  Mouse #3: middle\n* Mouse #2: first\n", monitor.execute("info mice"));
    assertEquals("Mouse at index '0' not found\n", monitor.execute("mouse_set 0"));
    assertEquals("Mouse at index '9' not found\n", monitor.execute("mouse_set 9"));
    assertEquals("Input device 'keys' is not a mouse\n", monitor.execute("mouse_set 1"));
    assertTrue(
        monitor
            .execute("mouse_set -1")
            .startsWith("'mouse_set' has failed: integer is for 32-bit values\n"));
    assertEquals("", monitor.execute("mouse_set 3"));
    assertEquals(
        "  Mouse #4: last\n  Mouse #2: first\n* Mouse #3: middle\n", monitor.execute("info mice"));
    inputs.remove(middle);
    inputs.add(middle, Optional.empty());
    assertEquals(
        "  Mouse #5: middle\n  Mouse #4: last\n* Mouse #2: first\n", monitor.execute("info mice"));
  }

  @Test
  void whatMonitorsDoIsHeardWhileTheMachineRuns() {
    Inputs inputs = devices.services().inputs();
    List<String> moved = new ArrayList<>();
    List<String> typed = new ArrayList<>();
    inputs.add(new Mouse("mouse", moved), Optional.empty());
    inputs.add(new Keys("keys", typed), Optional.empty());
    List<String> lines =
        List.of(
            "mouse_move 10 -5", "mouse_move -0x10 3 2", "mouse_button 5", "sendkey ctrl-<-0x1e");
    lines.forEach(line -> assertEquals("", monitor.execute(line)));
    assertEquals(List.of(), moved);
    assertEquals(List.of(), typed);
    assertEquals("invalid parameter: 0x\n", monitor.execute("sendkey a-0x"));
    assertTrue(monitor.execute("mouse_move 1 x").startsWith("mouse_move: \"x\" is no number"));
    assertTrue(monitor.execute("mouse_move 1").startsWith("mouse_move: string expected"));
    assertEquals("", monitor.execute("cont"));
    lines.forEach(line -> assertEquals("", monitor.execute(line)));
    assertEquals(List.of("10 5 0 0", "-16 -3 2 0", "0 0 0 5"), moved);
    assertEquals(List.of("+1d", "+56", "+1e", "-1e", "-56", "-1d"), typed);
  }
}
