package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import java.util.Arrays;

/**
 * The 8042 keyboard controller of a PS/2 with keyboard and mouse (IBM PS/2 Hardware Interface
 * Technical Reference, keyboard and auxiliary device controller). Everything with the machine lock
 * held.
 */
public final class I8042 implements Device {
  // Status register.
  private static final int OUTPUT_FULL = 0x01;
  private static final int LAST_WAS_COMMAND = 0x08;
  private static final int NOT_LOCKED = 0x10;
  private static final int AUX_OUTPUT_FULL = 0x20;

  // Command byte.
  private static final int KEYBOARD_IRQ = 0x01;
  private static final int AUX_IRQ = 0x02;
  private static final int SYSTEM = 0x04;
  private static final int KEYBOARD_OFF = 0x10;
  private static final int AUX_OFF = 0x20;
  private static final int TRANSLATE = 0x40;

  // Output port.
  private static final int OUT_NO_RESET = 0x01;
  private static final int OUT_A20 = 0x02;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "i8042");

  private static final StateDescriptor<I8042> STATE =
      StateDescriptor.of(I8042.class, "pckbd", 1)
          .u8("command-byte", i -> i.commandByte, (i, v) -> i.commandByte = v)
          .u8("pending-command", i -> i.pendingCommand, (i, v) -> i.pendingCommand = v)
          .bool("last-was-command", i -> i.lastWasCommand, (i, v) -> i.lastWasCommand = v)
          .u8("output", i -> i.output, (i, v) -> i.output = v)
          .bool("output-full", i -> i.outputFull, (i, v) -> i.outputFull = v)
          .bool("output-from-aux", i -> i.outputFromAux, (i, v) -> i.outputFromAux = v)
          .u8("output-port", i -> i.outputPort, (i, v) -> i.outputPort = v)
          .bool("break-prefix", i -> i.breakPrefix, (i, v) -> i.breakPrefix = v)
          .bytes("memory", 32, i -> i.memory)
          .struct("keyboard", Ps2Keyboard.STATE, i -> i.keyboard)
          .struct("mouse", Ps2Mouse.STATE, i -> i.mouse);

  private final Machine machine;
  private final A20Gate a20;
  private final IrqLine keyboardIrq;
  private final IrqLine auxIrq;

  private final Ps2Keyboard keyboard = new Ps2Keyboard(this::moveData);
  private final Ps2Mouse mouse = new Ps2Mouse(this::moveData);

  private int commandByte;

  /** The command at port 0x64 that waits for its byte at port 0x60, 0 for none. */
  private int pendingCommand;

  private boolean lastWasCommand;

  /** The output buffer that port 0x60 reads. */
  private int output;

  private boolean outputFull;
  private boolean outputFromAux;
  private int outputPort;

  /** A break prefix was swallowed by the translation: the next code gets bit 7. */
  private boolean breakPrefix;

  /** The controller's RAM; byte 0 is the command byte and kept apart. */
  private final byte[] memory = new byte[32];

  /**
   * @param keyboardIrq IRQ 1
   * @param auxIrq IRQ 12
   */
  public I8042(Machine machine, A20Gate a20, IrqLine keyboardIrq, IrqLine auxIrq) {
    this.machine = machine;
    this.a20 = a20;
    this.keyboardIrq = keyboardIrq;
    this.auxIrq = auxIrq;
    powerOn();
  }

  /** Port 0x60. */
  public Region dataPort() {
    return new Region.DeviceRegion(
        "i8042-data",
        1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readData();
          }

          @Override
          public void write(long offset, int size, long value) {
            writeData((int) value & 0xff);
          }
        });
  }

  /** Port 0x64. */
  public Region commandPort() {
    return new Region.DeviceRegion(
        "i8042-command",
        1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return status();
          }

          @Override
          public void write(long offset, int size, long value) {
            writeCommand((int) value & 0xff);
          }
        });
  }

  public Ps2Keyboard keyboard() {
    return keyboard;
  }

  public Ps2Mouse mouse() {
    return mouse;
  }

  @Override
  public String id() {
    return "pckbd";
  }

  @Override
  public void reset() {
    powerOn();
    keyboardIrq.lower();
    auxIrq.lower();
  }

  private void powerOn() {
    commandByte = KEYBOARD_IRQ | AUX_IRQ;
    pendingCommand = 0;
    lastWasCommand = true;
    output = 0;
    outputFull = false;
    outputFromAux = false;
    outputPort = OUT_NO_RESET | OUT_A20 | 0xcc;
    breakPrefix = false;
    Arrays.fill(memory, (byte) 0);
    keyboard.reset();
    mouse.reset();
  }

  private int status() {
    return NOT_LOCKED
        | (commandByte & SYSTEM) // the system flag has the same place in both
        | (lastWasCommand ? LAST_WAS_COMMAND : 0)
        | (outputFull ? OUTPUT_FULL | (outputFromAux ? AUX_OUTPUT_FULL : 0) : 0);
  }

  /** Fills the empty output buffer from the keyboard or the mouse, and sets the interrupt lines. */
  private void moveData() {
    while (!outputFull) {
      if (keyboard.hasData() && (commandByte & KEYBOARD_OFF) == 0) {
        fromKeyboard(keyboard.take());
      } else if (mouse.hasData() && (commandByte & AUX_OFF) == 0) {
        fill(mouse.take(), true);
      } else {
        break;
      }
    }
    updateIrqs();
  }

  private void fromKeyboard(int value) {
    if ((commandByte & TRANSLATE) == 0) {
      fill(value, false);
    } else if (value == 0xf0) {
      breakPrefix = true;
    } else {
      fill(ScanCodes.toSet1(value) | (breakPrefix ? 0x80 : 0), false);
      breakPrefix = false;
    }
  }

  private void fill(int value, boolean aux) {
    output = value;
    outputFull = true;
    outputFromAux = aux;
  }

  /** An answer of the controller itself replaces what is in the buffer. */
  private void answer(int value) {
    fill(value, false);
    updateIrqs();
  }

  private void updateIrqs() {
    keyboardIrq.set(outputFull && !outputFromAux && (commandByte & KEYBOARD_IRQ) != 0);
    auxIrq.set(outputFull && outputFromAux && (commandByte & AUX_IRQ) != 0);
  }

  private int readData() {
    int value = output;
    outputFull = false;
    updateIrqs(); // lines fall first: each byte is an edge
    moveData();
    return value;
  }

  private void writeData(int value) {
    lastWasCommand = false;
    int command = pendingCommand;
    pendingCommand = 0;
    switch (command) {
      case 0xd1 -> setOutputPort(value);
      case 0xd2 -> answer(value);
      case 0xd3 -> {
        fill(value, true);
        updateIrqs();
      }
      case 0xd4 -> {
        commandByte &= ~AUX_OFF;
        mouse.receive(value);
      }
      default -> {
        if (command >= 0x60 && command < 0x80) {
          writeMemory(command & 0x1f, value);
        } else {
          commandByte &= ~KEYBOARD_OFF; // data for the keyboard switches it on
          keyboard.receive(value);
        }
      }
    }
    moveData();
  }

  private void writeMemory(int index, int value) {
    if (index == 0) {
      commandByte = value;
    } else {
      memory[index] = (byte) value;
    }
  }

  private void setOutputPort(int value) {
    outputPort = value;
    a20.set((value & OUT_A20) != 0);
    if ((value & OUT_NO_RESET) == 0) {
      machine.requestReset(ShutdownCause.GUEST_RESET);
    }
  }

  private int outputPort() {
    int lines = a20.enabled() ? OUT_A20 : 0;
    int full = outputFull ? outputFromAux ? 0x20 : 0x10 : 0;
    return outputPort & ~(OUT_A20 | 0x30) | lines | full;
  }

  private void writeCommand(int value) {
    lastWasCommand = true;
    pendingCommand = 0;
    switch (value) {
      case 0xa7 -> commandByte |= AUX_OFF;
      case 0xa8 -> commandByte &= ~AUX_OFF;
      case 0xa9, 0xab -> answer(0); // interface tests: nothing wrong
      case 0xaa -> {
        commandByte |= SYSTEM;
        answer(0x55);
      }
      case 0xad -> commandByte |= KEYBOARD_OFF;
      case 0xae -> commandByte &= ~KEYBOARD_OFF;
      case 0xc0 -> answer(0x80); // input port: keyboard not locked
      case 0xd0 -> answer(outputPort());
      case 0xd1, 0xd2, 0xd3, 0xd4 -> pendingCommand = value;
      case 0xdd -> a20.set(false);
      case 0xdf -> a20.set(true);
      default -> writeOtherCommand(value);
    }
    moveData();
  }

  private void writeOtherCommand(int value) {
    if (value >= 0x20 && value < 0x40) {
      answer(value == 0x20 ? commandByte : memory[value & 0x1f] & 0xff);
    } else if (value >= 0x60 && value < 0x80) {
      pendingCommand = value;
    } else if (value >= 0xf0
        && (value & OUT_NO_RESET) == 0) { // pulses output lines low, line 0 is reset
      machine.requestReset(ShutdownCause.GUEST_RESET);
    }
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
