package dev.pollux.devices.usb.xhci;

import dev.pollux.devices.usb.SetupPacket;
import dev.pollux.devices.usb.UsbData;
import dev.pollux.devices.usb.UsbDevice;

/** The commands of the command ring (xHCI 1.2, 4.6). Machine lock held. */
final class Commands {
  private static final int CONTROL_ONLY = 3;
  private static final int MOST_ROUTE = 0xf_ffff;

  /** Of an endpoint's context: streams. */
  private static final int STREAMS = 0x1f << 10;

  private static final int LAST_CONTEXT = 27;

  private final Xhci controller;

  Commands(Xhci controller) {
    this.controller = controller;
  }

  /**
   * How a command ended.
   *
   * @param slot that it was about; 0 for none
   */
  record Result(CompletionCode code, int slot) {}

  Result execute(Trb command) throws HostError {
    return switch (command.type()) {
      case ENABLE_SLOT -> enableSlot();
      case NO_OP_COMMAND -> new Result(CompletionCode.SUCCESS, 0);
      case DISABLE_SLOT,
          ADDRESS_DEVICE,
          CONFIGURE_ENDPOINT,
          EVALUATE_CONTEXT,
          RESET_ENDPOINT,
          STOP_ENDPOINT,
          SET_DEQUEUE,
          RESET_DEVICE ->
          new Result(ofSlot(command), command.slot());
      case NORMAL, SETUP, DATA, STATUS, ISOCH, LINK, EVENT_DATA, NO_OP, UNKNOWN ->
          new Result(CompletionCode.TRB_ERROR, command.slot());
    };
  }

  private Result enableSlot() {
    Slot free = controller.freeSlot();
    if (free == null) {
      return new Result(CompletionCode.NO_SLOTS, 0);
    }
    free.enable();
    return new Result(CompletionCode.SUCCESS, free.number());
  }

  private CompletionCode ofSlot(Trb command) throws HostError {
    Slot slot = controller.slot(command.slot());
    if (slot == null || !slot.isEnabled()) {
      return CompletionCode.SLOT_NOT_ENABLED;
    }
    return switch (command.type()) {
      case DISABLE_SLOT -> {
        slot.reset();
        yield CompletionCode.SUCCESS;
      }
      case ADDRESS_DEVICE -> address(slot, command.pointer(), command.flag9());
      case CONFIGURE_ENDPOINT ->
          command.flag9() ? deconfigure(slot) : configure(slot, command.pointer());
      case EVALUATE_CONTEXT -> evaluate(slot, command.pointer());
      case RESET_DEVICE -> resetDevice(slot);
      default -> ofEndpoint(slot, command);
    };
  }

  // ---- slots ----

  private CompletionCode address(Slot slot, long input, boolean blocked) throws HostError {
    int[] flags = controller.memory().words(input, 2);
    if (flags[0] != 0 || flags[1] != CONTROL_ONLY) {
      return CompletionCode.TRB_ERROR;
    }
    boolean late = slot.state().compareTo(blocked ? Slot.State.ENABLED : Slot.State.DEFAULT) > 0;
    if (late) {
      return CompletionCode.CONTEXT_STATE_ERROR;
    }
    int[] own = contextOf(input, 0);
    int[] control = contextOf(input, Endpoint.FIRST);
    int port = own[1] >> 16 & 0xff;
    UsbDevice device = controller.device(port);
    if (device == null || (own[0] & MOST_ROUTE) != 0) {
      return CompletionCode.TRANSACTION_ERROR; // there is nobody, and there are no hubs
    }
    if (controller.isTaken(port, slot)) {
      return CompletionCode.TRB_ERROR;
    }
    if (!isPossible(Endpoint.FIRST, control)) {
      return CompletionCode.PARAMETER_ERROR;
    }
    slot.place(controller.deviceContext(slot.number()), port);
    if (blocked) {
      slot.write(own, Slot.State.DEFAULT, 0);
    } else {
      device.control(SetupPacket.setAddress(slot.number()), new UsbData(UsbData.NONE));
      slot.write(own, Slot.State.ADDRESSED, slot.number());
    }
    slot.enable(Endpoint.FIRST, control);
    return CompletionCode.SUCCESS;
  }

  private int[] contextOf(long input, int index) throws HostError {
    return controller
        .memory()
        .words(input + (long) (index + 1) * Slot.CONTEXT_BYTES, Slot.CONTEXT_WORDS);
  }

  private CompletionCode deconfigure(Slot slot) throws HostError {
    if (slot.state() == Slot.State.CONFIGURED) {
      disableBut(slot, Endpoint.FIRST);
      int[] own = slot.slotContext();
      slot.write(withLast(own, Endpoint.FIRST), Slot.State.ADDRESSED, own[3] & 0xff);
      return CompletionCode.SUCCESS;
    }
    return slot.state() == Slot.State.ADDRESSED
        ? CompletionCode.SUCCESS
        : CompletionCode.CONTEXT_STATE_ERROR;
  }

  private static void disableBut(Slot slot, int kept) throws HostError {
    for (int i = kept + 1; i < Endpoint.COUNT; i++) {
      slot.disable(i);
    }
  }

  private static int[] withLast(int[] own, int last) {
    int[] changed = own.clone();
    changed[0] = changed[0] & (1 << LAST_CONTEXT) - 1 | last << LAST_CONTEXT;
    return changed;
  }

  private CompletionCode configure(Slot slot, long input) throws HostError {
    int[] flags = controller.memory().words(input, 2);
    if ((flags[0] & CONTROL_ONLY) != 0 || (flags[1] & CONTROL_ONLY) != 1) {
      return CompletionCode.TRB_ERROR;
    }
    if (slot.state().compareTo(Slot.State.ADDRESSED) < 0) {
      return CompletionCode.CONTEXT_STATE_ERROR;
    }
    int[][] added = new int[Endpoint.COUNT][];
    for (int i = 2; i < Endpoint.COUNT; i++) {
      if ((flags[1] >> i & 1) != 0) {
        added[i] = contextOf(input, i);
        int type = Slot.typeOf(added[i]);
        if (type == Endpoint.ISOCH_IN || type == Endpoint.ISOCH_OUT) {
          return CompletionCode.BANDWIDTH_ERROR; // none is kept for isochronous transfers
        }
        if (!isPossible(i, added[i])) {
          return CompletionCode.PARAMETER_ERROR;
        }
      }
    }
    int last = Endpoint.FIRST;
    for (int i = 2; i < Endpoint.COUNT; i++) {
      if (((flags[0] | flags[1]) >> i & 1) != 0) {
        slot.disable(i);
      }
      if (added[i] != null) {
        slot.enable(i, added[i]);
      }
      last = slot.endpoint(i) != null ? i : last;
    }
    int[] own = slot.slotContext();
    Slot.State to = last == Endpoint.FIRST ? Slot.State.ADDRESSED : Slot.State.CONFIGURED;
    slot.write(withLast(own, last), to, own[3] & 0xff);
    return CompletionCode.SUCCESS;
  }

  /** Whether a context is one for an endpoint of that number, without streams. */
  private static boolean isPossible(int number, int[] words) {
    int type = Slot.typeOf(words);
    boolean fits =
        number == Endpoint.FIRST
            ? type == Endpoint.CONTROL
            : type != 0
                && type != Endpoint.CONTROL
                && type > Endpoint.CONTROL == ((number & 1) != 0);
    return fits && (words[0] & STREAMS) == 0;
  }

  private CompletionCode evaluate(Slot slot, long input) throws HostError {
    int[] flags = controller.memory().words(input, 2);
    if (flags[0] != 0 || (flags[1] & ~CONTROL_ONLY) != 0) {
      return CompletionCode.TRB_ERROR;
    }
    if (slot.state() == Slot.State.ENABLED) {
      return CompletionCode.CONTEXT_STATE_ERROR;
    }
    if ((flags[1] & 1) != 0) {
      int[] own = slot.slotContext();
      int[] given = contextOf(input, 0);
      own[1] = own[1] & 0xffff_0000 | given[1] & 0xffff; // latency
      own[2] = own[2] & (1 << 22) - 1 | given[2] & -1 << 22; // interrupter
      slot.write(own, slot.state(), own[3] & 0xff);
    }
    if ((flags[1] & 2) != 0) {
      slot.writePacketSize(contextOf(input, Endpoint.FIRST)[1]);
    }
    return CompletionCode.SUCCESS;
  }

  private CompletionCode resetDevice(Slot slot) throws HostError {
    if (slot.state().compareTo(Slot.State.ADDRESSED) < 0) {
      return CompletionCode.CONTEXT_STATE_ERROR;
    }
    disableBut(slot, Endpoint.FIRST);
    slot.write(withLast(slot.slotContext(), Endpoint.FIRST), Slot.State.DEFAULT, 0);
    return CompletionCode.SUCCESS;
  }

  // ---- endpoints ----

  private CompletionCode ofEndpoint(Slot slot, Trb command) throws HostError {
    Endpoint endpoint = slot.endpoint(command.endpoint());
    if (endpoint == null) {
      return CompletionCode.ENDPOINT_NOT_ENABLED;
    }
    Endpoint.State state = endpoint.state();
    boolean possible =
        switch (command.type()) {
          case RESET_ENDPOINT -> state == Endpoint.State.HALTED;
          case STOP_ENDPOINT -> state == Endpoint.State.RUNNING;
          default -> state == Endpoint.State.STOPPED || state == Endpoint.State.ERROR;
        };
    if (!possible) {
      return CompletionCode.CONTEXT_STATE_ERROR;
    }
    switch (command.type()) {
      case RESET_ENDPOINT -> endpoint.enter(Endpoint.State.STOPPED);
      case STOP_ENDPOINT -> endpoint.stop();
      default -> {
        endpoint.moveTo(Position.of(command.parameter()));
        endpoint.enter(Endpoint.State.STOPPED);
      }
    }
    return CompletionCode.SUCCESS;
  }
}
