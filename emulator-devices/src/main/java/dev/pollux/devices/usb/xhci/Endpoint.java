package dev.pollux.devices.usb.xhci;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.devices.usb.SetupPacket;
import dev.pollux.devices.usb.UsbAnswer;
import dev.pollux.devices.usb.UsbData;
import dev.pollux.devices.usb.UsbDevice;
import java.util.ArrayList;
import java.util.List;

/**
 * An endpoint with its transfer ring (xHCI 1.2, 4.8 and 4.10). A transfer that the device answers
 * with NAK stays at the head of the ring and is tried again when the device is ready: there is none
 * under way that the ring does not hold. Machine lock held.
 */
final class Endpoint {
  /** The states of an endpoint (4.8.3), in the order of their numbers. */
  enum State {
    DISABLED,
    RUNNING,
    HALTED,
    STOPPED,
    ERROR
  }

  /** Types of endpoints by number; 0 is none. */
  static final int ISOCH_OUT = 1;

  static final int CONTROL = 4;
  static final int ISOCH_IN = 5;

  /** The number of the control endpoint. */
  static final int FIRST = 1;

  static final int COUNT = 32;

  /** TRBs of one transfer; of 64 KiB each at most. */
  private static final int MOST_TRBS = 1024;

  private static final int IMMEDIATE_BYTES = 8;
  private static final int TRANSFER_EVENT = 32 << 10;
  private static final int EVENT_DATA_FLAG = 1 << 2;
  private static final int LENGTH = 0xff_ffff;

  private final Xhci controller;
  private final Slot slot;
  private final int number;
  private final int type;
  private State state;
  private Position position;

  Endpoint(Xhci controller, Slot slot, int number, int type, State state, Position position) {
    this.controller = controller;
    this.slot = slot;
    this.number = number;
    this.type = type;
    this.state = state;
    this.position = position;
  }

  int number() {
    return number;
  }

  Slot slot() {
    return slot;
  }

  int type() {
    return type;
  }

  State state() {
    return state;
  }

  Position position() {
    return position;
  }

  /** As devices number it: bit 7 towards the host. */
  private int address() {
    return number >> 1 | (isIn() ? 0x80 : 0);
  }

  private boolean isIn() {
    return (number & 1) != 0;
  }

  // ---- commands ----

  /** The driver has rung the bell. */
  void ring() throws HostError {
    if (state == State.STOPPED) {
      enter(State.RUNNING);
    }
  }

  void stop() throws HostError {
    Position.Found first = position.find(controller.memory());
    if (first != null) {
      Trb trb = first.trb();
      post(trb, trb.address(), CompletionCode.STOPPED, trb.length(), 0);
    }
    enter(State.STOPPED);
  }

  void enter(State to) throws HostError {
    state = to;
    slot.writeEndpoint(this);
  }

  void moveTo(Position to) throws HostError {
    position = to;
    slot.writeEndpoint(this);
  }

  // ---- transfers ----

  /**
   * Does the next transfer.
   *
   * @return whether there may be another
   */
  boolean step() throws HostError {
    if (state != State.RUNNING) {
      return false;
    }
    List<Trb> transfer = new ArrayList<>();
    Position after = collect(transfer);
    if (after == null) {
      return false;
    }
    UsbData data = data(transfer);
    UsbDevice device = slot.device();
    UsbAnswer answer =
        device == null
            ? null
            : number == FIRST ? control(device, transfer, data) : ask(device, transfer, data);
    if (answer == UsbAnswer.NAK) {
      return false;
    }
    CompletionCode code = code(answer);
    if (code == CompletionCode.SUCCESS) {
      position = after;
    }
    controller.moved(data.moved());
    report(transfer, code, data.moved());
    if (code != CompletionCode.SUCCESS) {
      enter(State.HALTED);
    }
    return true;
  }

  private static CompletionCode code(UsbAnswer answer) {
    return switch (answer) {
      case null -> CompletionCode.TRANSACTION_ERROR; // nobody is there
      case DONE, NAK -> CompletionCode.SUCCESS;
      case STALL -> CompletionCode.STALL;
      case BABBLE -> CompletionCode.BABBLE;
    };
  }

  /** The TRBs of the next transfer; null if the driver has not written all of it yet. */
  private Position collect(List<Trb> transfer) throws HostError {
    Position at = position;
    boolean open = false;
    do {
      if (transfer.size() == MOST_TRBS) {
        throw new HostError("a transfer of more than %d TRBs".formatted(MOST_TRBS));
      }
      Position.Found found = at.find(controller.memory());
      if (found == null) {
        return null;
      }
      Trb trb = found.trb();
      transfer.add(trb);
      at = found.next();
      // The stages of a control transfer are not chained.
      open = trb.type() == TrbType.SETUP || open && trb.type() != TrbType.STATUS;
      open &= number == FIRST;
      if (!open && !trb.chained()) {
        return at;
      }
    } while (true);
  }

  private UsbData data(List<Trb> transfer) throws HostError {
    List<GuestMemory.Piece> pieces = new ArrayList<>();
    Trb first = transfer.getFirst();
    SetupPacket setup = number == FIRST ? SetupPacket.of(first.parameter()) : null;
    boolean in = setup == null ? isIn() : setup.toHost();
    long left = setup == null ? Long.MAX_VALUE : setup.length();
    for (Trb trb : transfer) {
      boolean hasData = trb.type() == TrbType.NORMAL || trb.type() == TrbType.DATA;
      long length = hasData ? Math.min(left, trb.length()) : 0;
      if (trb.isImmediate() && !in) {
        controller
            .memory()
            .addPieces(pieces, trb.address(), Math.min(length, IMMEDIATE_BYTES), false);
      } else {
        controller.memory().addPieces(pieces, trb.parameter(), length, in);
      }
      left -= length;
    }
    return new UsbData(pieces);
  }

  private UsbAnswer control(UsbDevice device, List<Trb> transfer, UsbData data) {
    Trb first = transfer.getFirst();
    return switch (first.type()) {
      case SETUP ->
          transfer.stream().anyMatch(trb -> trb.type() == TrbType.STATUS)
              ? device.control(SetupPacket.of(first.parameter()), data)
              : UsbAnswer.STALL;
      case NO_OP, EVENT_DATA -> UsbAnswer.DONE;
      default -> UsbAnswer.STALL;
    };
  }

  private UsbAnswer ask(UsbDevice device, List<Trb> transfer, UsbData data) {
    boolean isTransfer = transfer.stream().anyMatch(trb -> trb.type() == TrbType.NORMAL);
    return isTransfer ? device.transfer(address(), data) : UsbAnswer.DONE;
  }

  // ---- events ----

  /** Tells the driver what it wants to hear of a transfer (4.10.1). */
  private void report(List<Trb> transfer, CompletionCode code, long moved) throws HostError {
    boolean failed = code != CompletionCode.SUCCESS;
    long left = moved;
    long sum = 0;
    boolean isShort = false;
    boolean told = false;
    for (Trb trb : transfer) {
      if (trb.type() == TrbType.DATA || trb.type() == TrbType.STATUS) {
        // A stage of a control transfer is told of by itself (4.11.2.2).
        told = false;
        isShort = false;
      }
      long here = 0;
      if (trb.type() == TrbType.NORMAL || trb.type() == TrbType.DATA) {
        here = Math.min(left, trb.length());
        isShort |= here < trb.length();
      }
      left -= here;
      sum += here;
      boolean fails = failed && left == 0 && trb.type() != TrbType.SETUP;
      if (!told
          && (trb.interruptsOnCompletion() || isShort && trb.interruptsOnShortPacket() || fails)) {
        CompletionCode what = failed ? code : isShort ? CompletionCode.SHORT_PACKET : code;
        if (trb.type() == TrbType.EVENT_DATA) {
          post(trb, trb.parameter(), what, sum, EVENT_DATA_FLAG);
          sum = 0;
        } else {
          post(trb, trb.address(), what, trb.length() - here, 0);
        }
        told = true;
        if (failed) {
          return;
        }
      }
    }
  }

  private void post(Trb trb, long pointer, CompletionCode code, long length, int flags)
      throws HostError {
    controller.post(
        trb.interrupter(),
        pointer,
        code.shifted() | (int) length & LENGTH,
        slot.number() << 24 | number << 16 | TRANSFER_EVENT | flags);
  }
}
