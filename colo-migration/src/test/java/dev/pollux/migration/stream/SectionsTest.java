package dev.pollux.migration.stream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateOutput;
import dev.pollux.core.state.StateRegistry;
import dev.pollux.devices.board.BoardConfig;
import dev.pollux.devices.board.PcBoard;
import dev.pollux.devices.timer.RtcBase;
import dev.pollux.migration.ram.GuestRam;
import dev.pollux.migration.ram.RamCounters;
import dev.pollux.migration.ram.RamLoader;
import dev.pollux.migration.ram.RamSaver;
import dev.pollux.migration.transport.MigrationChannel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Whole streams of a PC: written, read, and damaged. */
@Timeout(120)
class SectionsTest {
  private static final String TYPE = "pc";
  private static final long RAM = 1 << 20;

  /** More with {@code -Dpollux.fuzz=n}. */
  private static final int FUZZ = Integer.getInteger("pollux.fuzz", 1500);

  private final List<Machine> machines = new ArrayList<>();

  private Machine pc(long ramBytes) throws IOException {
    return pc(ramBytes, 2);
  }

  private Machine pc(long ramBytes, int cpus) throws IOException {
    return pc(ramBytes, cpus, "max");
  }

  private Machine pc(long ramBytes, int cpus, String model) throws IOException {
    Machine machine = new Machine("test", new Machine.EndPolicy(false, false));
    machines.add(machine);
    machine.lock().lock();
    try {
      var _ =
          new PcBoard(
              machine,
              new BoardConfig(
                  ramBytes,
                  cpus,
                  new CpuModel(model),
                  Interpreter::new,
                  new RtcBase(1_000_000_000, ClockType.VIRTUAL)));
      machine.resetDevices();
    } finally {
      machine.lock().unlock();
    }
    return machine;
  }

  /** A machine whose devices a hostile guest has played with. */
  private Machine usedPc() throws IOException {
    Machine machine = pc(RAM);
    machine.lock().lock();
    try {
      Random random = new Random(4);
      for (int i = 0; i < 20_000; i++) {
        int port = random.nextInt(0x800);
        if (port != 0xcf9 && port != 0x92 && port != 0x64) { // these reset the machine
          machine.io().write(port, 1, random.nextInt(256));
        }
        machine.memory().write(0xfed0_0000L + random.nextInt(0x200), 4, random.nextInt());
      }
      machine.clocks().step(123_456_789);
      for (long at = 0; at < RAM; at += 3L * RamBlock.PAGE_SIZE) {
        RawMemory.putLong(machine.ramBlocks().getFirst().hostAddress() + at + 8, random.nextLong());
      }
    } finally {
      machine.lock().unlock();
    }
    return machine;
  }

  @AfterEach
  void close() {
    machines.forEach(Machine::close);
  }

  /** Collects what is written, and gives what was there from the start. */
  private static final class Collector implements MigrationChannel {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final ByteBuffer given;

    Collector(byte[] given) {
      this.given = ByteBuffer.wrap(given);
    }

    @Override
    public int read(ByteBuffer to) {
      int count = Math.min(to.remaining(), given.remaining());
      to.put(given.slice(given.position(), count));
      given.position(given.position() + count);
      return count == 0 ? -1 : count;
    }

    @Override
    public void write(ByteBuffer from) {
      byte[] chunk = new byte[from.remaining()];
      from.get(chunk);
      bytes.writeBytes(chunk);
    }

    @Override
    public boolean isTwoWay() {
      return false;
    }

    @Override
    public void shutdown() {}

    @Override
    public void close() {}
  }

  private static final String OTHER_RUN_STATE = "another run state is as good as damage here";

  /** The stream of a machine. */
  static byte[] save(Machine machine) throws IOException {
    Collector collector = new Collector(new byte[0]);
    StreamWriter out = new StreamWriter(collector);
    SectionWriter sections = new SectionWriter(out);
    sections.header(StreamConfiguration.of(TYPE, machine));
    sections.command(StreamCommand.OPEN_RETURN_PATH);
    sections.ping(7);
    try (RamSaver ram = new RamSaver(machine, new RamCounters(), Optional.empty(), true)) {
      ram.collect();
      sections.startRam();
      ram.writeBlocks(out);
      sections.footer();
      sections.partOfRam();
      ram.writePages(out, 100);
      ram.writeEnd(out);
      sections.footer();
      sections.endRam();
      ram.writePages(out, Long.MAX_VALUE);
      ram.writeEnd(out);
      sections.footer();
    }
    DeviceSections devices = new DeviceSections(machine);
    out.bytes(saveDevices(machine, devices));
    sections.end();
    sections.description(devices.describe());
    out.flush();
    return collector.bytes.toByteArray();
  }

  private static byte[] saveDevices(Machine machine, DeviceSections devices) {
    StateOutput state = new StateOutput();
    machine.lock().lock();
    try {
      devices.save(state, RunState.RUNNING);
    } finally {
      machine.lock().unlock();
    }
    return state.toByteArray();
  }

  /** Loads a stream as a destination does; returns the commands in it. */
  static List<String> load(Machine machine, byte[] stream) throws IOException {
    List<String> commands = new ArrayList<>();
    RamLoader ram =
        new RamLoader(
            machine.ramBlocks(),
            new GuestRam(machine.ramBlocks()),
            () -> {
              throw new StreamException("no multifd");
            });
    SectionReader reader =
        new SectionReader(
            ram::load, (command, data) -> commands.add(command + Arrays.toString(data)));
    StreamReader in = new StreamReader(new Collector(stream));
    reader.readHeader(in);
    reader.checkHeader(in, StreamConfiguration.of(TYPE, machine));
    DeviceSections devices = new DeviceSections(machine);
    DeviceSections.Loaded loaded = reader.readSections(in, devices);
    reader.checkRam();
    assertEquals(RunState.RUNNING, checkState(loaded));
    SectionReader.skipDescription(in);
    machine.lock().lock();
    try {
      loaded.apply();
    } finally {
      machine.lock().unlock();
    }
    return commands;
  }

  private static RunState checkState(DeviceSections.Loaded loaded) throws StreamException {
    RunState state = loaded.check();
    if (state != RunState.RUNNING) {
      throw new StreamException(OTHER_RUN_STATE);
    }
    return state;
  }

  @Test
  void everythingArrives() throws IOException {
    Machine source = usedPc();
    Machine target = pc(RAM);
    byte[] stream = save(source);
    assertEquals(List.of("OPEN_RETURN_PATH[]", "PING[0, 0, 0, 7]"), load(target, stream));
    for (int i = 0; i < source.ramBlocks().size(); i++) {
      RamBlock from = source.ramBlocks().get(i);
      RamBlock to = target.ramBlocks().get(i);
      assertTrue(RawMemory.equal(from.hostAddress(), to.hostAddress(), from.size()), from.name());
    }
    // What a device computes only when somebody looks, it has computed after loading.
    Machine second = pc(RAM);
    load(second, save(target));
    for (StateRegistry.Entry entry : second.states().entries()) {
      assertArrayEquals(
          saveDevice(entry),
          saveDevice(target.states().find(entry.id(), entry.instance())),
          entry.id() + " " + entry.instance());
    }
    assertEquals(123_456_789, target.clocks().virtualNow());
  }

  private static byte[] saveDevice(StateRegistry.Entry entry) {
    StateOutput out = new StateOutput();
    entry.state().save(out);
    return out.toByteArray();
  }

  @Test
  void descriptionSaysWhatIsInTheStream() throws IOException {
    Machine machine = pc(RAM);
    JsonNode json = new ObjectMapper().readTree(new DeviceSections(machine).describe());
    assertEquals(4096, json.get("page_size").asInt());
    List<String> names = new ArrayList<>();
    for (JsonNode device : json.get("devices")) {
      names.add(device.get("name").asText() + " " + device.get("instance_id").asInt());
      assertTrue(device.get("version").asInt() >= 1);
      assertFalse(device.get("fields").isEmpty());
      for (JsonNode field : device.get("fields")) {
        assertTrue(field.has("name") && field.has("type"), field.toString());
      }
    }
    assertEquals("timer 0", names.getFirst());
    assertEquals("globalstate 0", names.getLast());
    assertTrue(names.containsAll(List.of("cpu 0", "cpu 1", "apic 0", "apic 1", "hpet 0")));
  }

  private static void assertRefused(String reason, Machine target, byte[] stream) {
    assertEquals(
        reason, assertThrows(StreamException.class, () -> load(target, stream)).getMessage());
  }

  /** Puts other bytes in the place of some that occur once. */
  private static byte[] replaced(byte[] stream, String what, String by) {
    String text = new String(stream, StandardCharsets.ISO_8859_1);
    int at = text.indexOf(what);
    assertTrue(at >= 0, what);
    return (text.substring(0, at) + by + text.substring(at + what.length()))
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  /** The section of the HPET, repeated. */
  private static byte[] withSectionTwice(byte[] stream) {
    String text = new String(stream, StandardCharsets.ISO_8859_1);
    int start = text.indexOf("\4hpet") - 5;
    int end = text.indexOf("\176" + text.substring(start + 1, start + 5), start) + 5;
    return (text.substring(0, end) + text.substring(start, end) + text.substring(end))
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void liesAreRefusedWithAReason() throws IOException {
    byte[] stream = save(pc(RAM));
    Machine target = pc(RAM);
    assertRefused(
        "not a migration stream: it begins with 0x51455658",
        target,
        replaced(stream, "QEVM", "QEVX"));
    assertRefused(
        "version 4 of the stream, this program knows 3",
        target,
        replaced(stream, "QEVM\0\0\0\3", "QEVM\0\0\0\4"));
    assertRefused(
        "machine type 'q35' there, 'pc' here",
        target,
        replaced(stream, "\7\0\0\0\2pc", "\7\0\0\0\3q35"));
    assertRefused(
        "block of memory 'pc.ram' has 0x100000 bytes there, 0x200000 here", pc(2 * RAM), stream);
    assertRefused(
        "unknown block of memory 'xx.ram'", target, replaced(stream, "\6pc.ram", "\6xx.ram"));
    assertRefused(
        "unknown section 'hpex' instance 0: this machine has no such device",
        target,
        replaced(stream, "\4hpet", "\4hpex"));
    assertRefused(
        "section 'hpet' instance 0: hpet: version 9, this build knows 1 to 1",
        target,
        replaced(stream, "\4hpet\0\0\0\0\0\0\0\1", "\4hpet\0\0\0\0\0\0\0\11"));
    assertRefused("section 'hpet' instance 0 comes twice", target, withSectionTwice(stream));
    assertRefused("section 'cpu' instance 1 is missing", pc(RAM), save(pc(RAM, 1)));
  }

  /** Of all run states, those in which a guest may be before it is stopped for a migration. */
  @Test
  void runStatesInWhichNoGuestArrivesAreRefused() throws IOException {
    byte[] stream = save(pc(RAM));
    Machine target = pc(RAM);
    Set<RunState> refused =
        EnumSet.of(
            RunState.INMIGRATE,
            RunState.FINISH_MIGRATE,
            RunState.POSTMIGRATE,
            RunState.COLO,
            RunState.SAVE_VM,
            RunState.RESTORE_VM);
    for (RunState state : RunState.values()) {
      String name = state.qmpName();
      byte[] other = replaced(stream, "\0\0\0\7running", "\0\0\0" + (char) name.length() + name);
      if (refused.contains(state)) {
        assertRefused(
            "'%s' is no run state that a guest goes on in".formatted(name), target, other);
      } else if (state != RunState.RUNNING) {
        assertRefused(OTHER_RUN_STATE, target, other);
      }
    }
    assertRefused(
        "'runn?ng' is no run state that a guest goes on in",
        target,
        replaced(stream, "running", "runn\7ng"));
  }

  @Test
  void processorsThatOfferLessAreRefused() throws IOException {
    byte[] stream = save(pc(RAM));
    assertRefused(
        "the guest may use features that processors here have not: avx2, bmi1;"
            + " give both sides the same -cpu",
        pc(RAM, 2, "max,-avx2,-bmi1"),
        stream);
    assertRefused(
        "processors of AuthenticAMD there, of GenuineIntel here; give both sides the same -cpu",
        pc(RAM, 2, "max,vendor=GenuineIntel"),
        stream);
    assertRefused(
        "the guest may use features that processors here have not: aex;"
            + " give both sides the same -cpu",
        pc(RAM),
        replaced(stream, "\3aes", "\3aex"));
    // More features than the guest has seen are of no harm, and neither is another name.
    load(pc(RAM), save(pc(RAM, 2, "max,-avx2")));
    load(pc(RAM), save(pc(RAM, 2, "EPYC")));
  }

  @Test
  void truncatedStreamsAreRefused() throws IOException {
    byte[] stream = save(usedPc());
    Machine target = pc(RAM);
    int description =
        new String(stream, StandardCharsets.ISO_8859_1).lastIndexOf("{\"page_size\"") - 5;
    Random random = new Random(5);
    for (int i = 0; i < 300; i++) {
      int length = i < 100 ? i : random.nextInt(description);
      byte[] cut = Arrays.copyOf(stream, length);
      StreamException e =
          assertThrows(StreamException.class, () -> load(target, cut), "length " + length);
      assertTrue(e.getMessage().contains("ends after " + length), e.getMessage());
    }
    // Everything but the description, which is only for people.
    load(target, Arrays.copyOf(stream, description));
  }

  /** Flipped bits, lost and doubled pieces: a reason, or a machine that saves its state again. */
  @Test
  void damagedStreamsAreRefusedOrHarmless() throws IOException {
    byte[] stream = save(usedPc());
    Machine target = pc(RAM);
    int refused = 0;
    for (int seed = 0; seed < FUZZ; seed++) {
      byte[] damaged = damage(stream, new Random(seed));
      try {
        load(target, damaged);
        saveDevices(target, new DeviceSections(target));
      } catch (StreamException e) {
        assertFalse(e.getMessage().isEmpty());
        refused++;
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed, e);
      }
    }
    assertTrue(refused > FUZZ / 10, refused + " refused");
  }

  /** Damages the parts that are not memory more often than they deserve by their size. */
  private static byte[] damage(byte[] stream, Random random) {
    String text = new String(stream, StandardCharsets.ISO_8859_1);
    int devices = text.indexOf("\5timer");
    byte[] result = stream.clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      int at =
          switch (random.nextInt(4)) {
            case 0 -> random.nextInt(1000);
            case 1 -> random.nextInt(stream.length);
            default -> devices + random.nextInt(stream.length - devices);
          };
      int count = 1 + random.nextInt(16);
      switch (random.nextInt(5)) {
        case 0 -> {
          int end = Math.min(result.length, at + count);
          byte[] shorter = Arrays.copyOf(result, result.length - Math.max(0, end - at));
          if (end > at) {
            System.arraycopy(result, end, shorter, at, result.length - end);
          }
          result = shorter;
        }
        case 1 -> {
          byte[] longer = new byte[result.length + count];
          int split = Math.min(at, result.length);
          System.arraycopy(result, 0, longer, 0, split);
          System.arraycopy(result, split, longer, split + count, result.length - split);
          result = longer;
        }
        default -> {
          if (at < result.length) {
            result[at] ^= (byte) (1 << random.nextInt(8));
          }
        }
      }
    }
    return result;
  }
}
