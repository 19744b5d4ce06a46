package dev.pollux.migration.stream;

import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateOutput;
import dev.pollux.core.state.StateRegistry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Everything of a machine but its memory as sections of a stream: the clock, vCPUs and devices in
 * the order of the machine's registry, and at last what the machine was doing.
 *
 * <p>Loading reads and checks all sections first; {@link Loaded#apply} then puts them in place.
 */
public final class DeviceSections {
  private static final int LONGEST_STATE_NAME = 100;

  private static final StateDescriptor<MachineClocks> CLOCK =
      StateDescriptor.of(MachineClocks.class, "timer", 1)
          .u64(
              "virtual-clock",
              nanos -> nanos >= 0,
              MachineClocks::virtualNow,
              MachineClocks::setVirtualNow);

  /** The source's run state, by name. */
  private static final class GlobalState {
    private static final StateDescriptor<GlobalState> STATE =
        StateDescriptor.of(GlobalState.class, "globalstate", 1)
            .varBytes("runstate", LONGEST_STATE_NAME, s -> s.name, (s, v) -> s.name = v);

    private byte[] name = {};

    void set(RunState state) {
      name = state.qmpName().getBytes(StandardCharsets.US_ASCII);
    }

    RunState get() throws StreamException {
      String text = new String(name, StandardCharsets.US_ASCII);
      return Stream.of(RunState.values())
          .filter(state -> state.isOfGuest() && state.qmpName().equals(text))
          .findFirst()
          .orElseThrow(
              () ->
                  new StreamException(
                      "'%s' is no run state that a guest goes on in"
                          .formatted(StreamReader.printable(text))));
    }
  }

  private final Machine machine;
  private final GlobalState globalState = new GlobalState();
  private final List<StateRegistry.Entry> entries = new ArrayList<>();

  /** The machine is complete: nothing is added to it any more. */
  public DeviceSections(Machine machine) {
    this.machine = machine;
    entries.add(
        new StateRegistry.Entry("timer", 0, new BoundState<>(CLOCK, machine.clocks()), false));
    entries.addAll(machine.states().entries());
    entries.add(
        new StateRegistry.Entry(
            "globalstate", 0, new BoundState<>(GlobalState.STATE, globalState), false));
  }

  /** Numbers of sections; the one of memory is left out. */
  private static int number(int index) {
    return index < StreamFormat.RAM_SECTION ? index : index + 1;
  }

  /**
   * Appends all sections. Machine lock held, vCPUs parked.
   *
   * @param state what the machine did before it was stopped for this
   */
  public void save(StateOutput out, RunState state) {
    globalState.set(state);
    machine.devices().forEach(Device::quiesce);
    write(out);
  }

  /**
   * Saves and forgets, so that the next time is quick. Machine lock held; the guest may run, which
   * makes what is saved worthless.
   */
  public void rehearse() {
    write(new StateOutput());
  }

  private void write(StateOutput out) {
    for (int i = 0; i < entries.size(); i++) {
      StateRegistry.Entry entry = entries.get(i);
      out.u8(StreamFormat.SECTION_FULL);
      out.u32(number(i));
      out.shortString(entry.id());
      out.u32(entry.instance());
      out.u32(entry.state().descriptor().version());
      entry.state().save(out);
      out.u8(StreamFormat.FOOTER);
      out.u32(number(i));
    }
  }

  /** Begins to load. */
  public Loaded beginLoading() {
    return new Loaded();
  }

  /** Sections that were read and checked. */
  public final class Loaded {
    private final Map<StateRegistry.Entry, BoundState.Loaded> parsed = new LinkedHashMap<>();

    private Loaded() {}

    /** Reads the contents of a section, without its footer. */
    void read(StreamReader in, String id, int instance, int version) throws IOException {
      StateRegistry.Entry entry =
          entries.stream()
              .filter(e -> e.instance() == instance && e.id().equals(id))
              .findFirst()
              .orElseThrow(
                  () ->
                      new StreamException(
                          "unknown section '%s' instance %d: this machine has no such device"
                              .formatted(id, instance)));
      try {
        if (parsed.put(entry, entry.state().load(in.state(), version)) != null) {
          throw new StreamException("section '%s' instance %d comes twice".formatted(id, instance));
        }
      } catch (StateException e) {
        throw new StreamException(
            "section '%s' instance %d: %s".formatted(id, instance, e.getMessage()), e);
      }
    }

    /** Whether no section was read. */
    public boolean isEmpty() {
      return parsed.isEmpty();
    }

    /**
     * Checks that no section is missing, and takes what the source was doing.
     *
     * @return the source's run state before it was stopped
     */
    public RunState check() throws StreamException {
      Optional<StateRegistry.Entry> missing =
          entries.stream().filter(entry -> !parsed.containsKey(entry)).findFirst();
      if (missing.isPresent()) {
        throw new StreamException(
            "section '%s' instance %d is missing"
                .formatted(missing.get().id(), missing.get().instance()));
      }
      parsed.get(entries.getLast()).apply(); // touches nothing but the name
      return globalState.get();
    }

    /** Puts everything in place. Machine lock held, vCPUs parked, {@link #check} passed. */
    public void apply() {
      entries.stream().filter(entry -> !entry.last()).forEach(entry -> parsed.get(entry).apply());
      entries.stream()
          .filter(StateRegistry.Entry::last)
          .forEach(entry -> parsed.get(entry).apply());
    }
  }

  /** The description of all sections at the stream's end, as JSON in UTF-8. */
  public byte[] describe() {
    StringBuilder json = new StringBuilder("{\"page_size\":").append(RamBlock.PAGE_SIZE);
    json.append(",\"devices\":[");
    for (StateRegistry.Entry entry : entries) {
      StateDescriptor<?> descriptor = entry.state().descriptor();
      json.append("{\"name\":\"").append(entry.id());
      json.append("\",\"instance_id\":").append(entry.instance());
      json.append(",\"vmsd_name\":\"").append(descriptor.name());
      json.append("\",\"version\":").append(descriptor.version());
      json.append(",\"fields\":");
      describe(descriptor, json);
      json.append("},");
    }
    json.setLength(json.length() - 1);
    return json.append("]}").toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void describe(StateDescriptor<?> descriptor, StringBuilder json) {
    json.append('[');
    for (StateDescriptor.FieldInfo field : descriptor.describe()) {
      json.append("{\"name\":\"").append(field.name());
      json.append("\",\"type\":\"").append(field.type()).append('"');
      if (field.size() >= 0) {
        json.append(",\"size\":").append(field.size());
      }
      if (field.struct() != null) {
        json.append(",\"struct\":{\"vmsd_name\":\"").append(field.struct().name());
        json.append("\",\"version\":").append(field.struct().version());
        json.append(",\"fields\":");
        describe(field.struct(), json);
        json.append('}');
      }
      json.append("},");
    }
    if (json.charAt(json.length() - 1) == ',') {
      json.setLength(json.length() - 1);
    }
    json.append(']');
  }
}
