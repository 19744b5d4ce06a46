package dev.pollux.migration.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.board.BoardConfig;
import dev.pollux.devices.board.PcBoard;
import dev.pollux.devices.timer.RtcBase;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * A state is loaded into a machine whose devices have their wires otherwise: what the wires show
 * while one device after the other is loaded is no edge for the interrupt controllers.
 */
class LoadedWiresTest {
  private static final int IRQ = 4;
  private static final int PIC = 0x20;
  private static final int READ_IRR = 0x0a;

  /** Drives a wire. */
  private static final class Wired implements Device {
    private static final StateDescriptor<Wired> STATE =
        StateDescriptor.of(Wired.class, "wired", 1)
            .bool("level", d -> d.level, (d, v) -> d.level = v)
            .afterLoad(d -> d.set(d.level));

    private final String id;
    private final IrqLine irq;
    private boolean level;

    Wired(String id, IrqLine irq) {
      this.id = id;
      this.irq = irq;
    }

    void set(boolean up) {
      level = up;
      irq.set(up);
    }

    @Override
    public String id() {
      return id;
    }

    @Override
    public void reset() {
      set(false);
    }

    @Override
    public BoundState<?> state() {
      return new BoundState<>(STATE, this);
    }
  }

  /** A PC with two devices on one wire, whose requests have been served. */
  private static final class Pc implements AutoCloseable {
    final Machine machine = new Machine("test", new Machine.EndPolicy(false, false));
    final Wired first;
    final Wired second;

    Pc(boolean firstUp, boolean secondUp) throws IOException {
      machine.lock().lock();
      PcBoard board =
          new PcBoard(
              machine,
              new BoardConfig(
                  1 << 20,
                  1,
                  new CpuModel("max"),
                  Interpreter::new,
                  new RtcBase(1_000_000_000, ClockType.VIRTUAL)));
      first = new Wired("first", board.isaBus().irq(IRQ));
      second = new Wired("second", board.isaBus().irq(IRQ));
      machine.add(first);
      machine.add(second);
      machine.resetDevices();
      for (int value : List.of(0x11, 0x20, 4, 1, 0)) {
        machine.io().write(value == 0x11 ? PIC : PIC + 1, 1, value);
      }
      first.set(firstUp);
      second.set(secondUp);
      while (requests() != 0) {
        board.pic().acknowledge();
        machine.io().write(PIC, 1, 0x20);
      }
    }

    long requests() {
      machine.io().write(PIC, 1, READ_IRR);
      return machine.io().read(PIC, 1);
    }

    @Override
    public void close() {
      machine.lock().unlock();
      machine.close();
    }
  }

  @Test
  void wiresThatChangeWhileStateIsLoadedAreNoEdges() throws IOException {
    for (int wires = 0; wires < 16; wires++) {
      try (Pc source = new Pc((wires & 1) != 0, (wires & 2) != 0);
          Pc target = new Pc((wires & 4) != 0, (wires & 8) != 0)) {
        List<String> _ = SectionsTest.load(target.machine, SectionsTest.save(source.machine));
        assertEquals(0, target.requests(), "requests with wires " + wires);
        target.first.set(false);
        target.second.set(false);
        target.second.set(true);
        assertEquals(1 << IRQ, target.requests(), "an edge with wires " + wires);
      }
    }
  }
}
