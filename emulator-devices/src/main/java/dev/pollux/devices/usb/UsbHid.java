package dev.pollux.devices.usb;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * A device of the HID class (HID 1.11) with one interrupt endpoint: it reports what the user does,
 * and repeats itself where the host wants that. Machine lock held.
 */
abstract sealed class UsbHid implements UsbDevice permits UsbKeyboard, UsbPointer {
  static final Property<Long> VERSION =
      Property.unsigned("usb_version", 32, 2, 1, 2, "1 for full speed, 2 for high speed, too");

  static final Property<String> DISPLAY =
      Property.text("display", "the display whose user it hears, before it on the command line");

  private static final int VENDOR = 0x0627;
  private static final int HID = 0x03_0000;
  private static final int HID_DESCRIPTOR = 0x21;
  private static final int REPORT_DESCRIPTOR = 0x22;
  private static final int POWER = 50;
  private static final int POLL_MILLIS = 8;
  private static final int REPORTS = 0x81;
  private static final int REPORT_PROTOCOL = 1;
  private static final int BOOT = 0x0100;
  private static final long IDLE_UNIT = 4_000_000;

  /** Bytes of a queue of what the user did. */
  static final int QUEUE_BYTES = 1024;

  // Requests to the interface.
  private static final int GET_DESCRIPTOR = 0x8106;
  private static final int GET_REPORT = 0xa101;
  private static final int GET_IDLE = 0xa102;
  private static final int GET_PROTOCOL = 0xa103;
  private static final int SET_REPORT = 0x2109;
  private static final int SET_IDLE = 0x210a;
  private static final int SET_PROTOCOL = 0x210b;

  /** What all have; subclasses add theirs. */
  static <D extends UsbHid> StateDescriptor<UsbHid> declaration(
      String name, StateDescriptor<D> own, Class<D> type) {
    return StateDescriptor.of(UsbHid.class, name, 1)
        .struct("control", ControlEndpoint.STATE, d -> d.control)
        .u8("idle", d -> d.idle, (d, v) -> d.idle = v)
        .u8("protocol", REPORT_PROTOCOL, d -> d.protocol, (d, v) -> d.protocol = v)
        .bool("due", d -> d.due, (d, v) -> d.due = v)
        .timer("repeat", d -> d.repeat)
        .struct("device", own, type::cast)
        .afterLoad(d -> d.used(d.control.isConfigured()));
  }

  private final Inputs inputs;
  private final Machine machine;
  private final ControlEndpoint control;

  @HostOnly("fixed by the kind")
  private final byte[] hidDescriptor;

  @HostOnly("fixed by the kind")
  private final byte[] reportDescriptor;

  private final boolean boots;

  @HostOnly("what the user has chosen")
  private final Set<UsbSpeed> speeds;

  @HostOnly("where it is plugged in")
  private UsbPort port;

  /** After how long an unchanged report is repeated, in units of 4 ms; 0 for never. */
  private int idle;

  /** 0 as firmware knows it, 1 as the report descriptor says. */
  private int protocol = REPORT_PROTOCOL;

  /** A report is to be repeated. */
  private boolean due;

  private final GuestTimer repeat;

  /**
   * @param name what it calls itself
   * @param kind subclass and protocol, a byte each
   * @param report the report descriptor
   * @param bytes of a report
   */
  UsbHid(DeviceContext context, String name, int kind, HexReport report, int bytes) {
    machine = context.machine();
    inputs = context.services().inputs();
    boots = (kind & BOOT) != 0;
    reportDescriptor = report.bytes();
    hidDescriptor = hidDescriptor(reportDescriptor.length);
    speeds =
        context.get(VERSION) == 1
            ? EnumSet.of(UsbSpeed.FULL)
            : EnumSet.of(UsbSpeed.FULL, UsbSpeed.HIGH);
    String serial = context.get(UsbBus.SERIAL);
    control =
        new ControlEndpoint(
            new UsbDescriptors(
                VENDOR,
                1,
                List.of("Pollux", name, serial.isEmpty() ? "1" : serial),
                POWER,
                new UsbDescriptors.Interface(
                    HID | kind,
                    hidDescriptor,
                    List.of(new UsbDescriptors.Endpoint.Interrupt(REPORTS, bytes, POLL_MILLIS)))),
            new ControlEndpoint.Function() {
              @Override
              public UsbAnswer request(SetupPacket setup, UsbData data) {
                return serve(setup, data);
              }

              @Override
              public void configured(boolean yes) {
                idle = 0;
                protocol = REPORT_PROTOCOL;
                forgetRepeat();
                used(yes);
              }
            });
    repeat = machine.clocks().timer(ClockType.VIRTUAL, "usb idle", this::repeatNow);
  }

  /**
   * A report descriptor, as hexadecimal digits.
   *
   * @param text with white space
   */
  record HexReport(String text) {
    byte[] bytes() {
      return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    }
  }

  private static byte[] hidDescriptor(int reportBytes) {
    return new byte[] {
      9,
      HID_DESCRIPTOR,
      0x11,
      1,
      0,
      1,
      REPORT_DESCRIPTOR,
      (byte) reportBytes,
      (byte) (reportBytes >> 8)
    };
  }

  // ---- what kinds differ in ----

  /** The guest uses it now, or does not any more. */
  abstract void used(boolean yes);

  /** Whether the user did something that has not been reported. */
  abstract boolean hasNews();

  /** The next report, after the next thing that the user did if there is one. */
  abstract byte[] report();

  /** Forgets what has not been reported. */
  abstract void clear();

  /** The host sets the output report. */
  UsbAnswer setReport(byte[] bytes) {
    return UsbAnswer.STALL;
  }

  Inputs inputs() {
    return inputs;
  }

  /** The user did something. */
  final void tellHost() {
    if (control.isConfigured()) {
      port.ready(REPORTS);
    }
  }

  /** Whether the guest has configured it. */
  final boolean isConfigured() {
    return control.isConfigured();
  }

  // ---- idle ----

  private void repeatNow() {
    due = true;
    tellHost();
  }

  private void forgetRepeat() {
    due = false;
    repeat.cancel();
  }

  private void reported() {
    due = false;
    if (idle == 0) {
      repeat.cancel();
    } else {
      repeat.set(machine.clocks().virtualNow() + idle * IDLE_UNIT);
    }
  }

  // ---- transfers ----

  @Override
  public final UsbAnswer transfer(int endpoint, UsbData data) {
    if (endpoint != REPORTS || !control.isConfigured() || control.isHalted(endpoint)) {
      return UsbAnswer.STALL;
    }
    if (!hasNews() && !due) {
      return UsbAnswer.NAK;
    }
    data.put(report());
    reported();
    return UsbAnswer.DONE;
  }

  @Override
  public final UsbAnswer control(SetupPacket setup, UsbData data) {
    return control.control(setup, data, port.speed());
  }

  private UsbAnswer serve(SetupPacket setup, UsbData data) {
    if (setup.index() != 0) {
      return UsbAnswer.STALL;
    }
    return switch (setup.code()) {
      case GET_DESCRIPTOR -> classDescriptor(setup.value() >> 8, data);
      case GET_REPORT -> {
        data.put(report());
        yield UsbAnswer.DONE;
      }
      case GET_IDLE -> ControlEndpoint.answer(data, idle);
      case GET_PROTOCOL -> boots ? ControlEndpoint.answer(data, protocol) : UsbAnswer.STALL;
      case SET_REPORT -> setReport(data.take(64));
      case SET_IDLE -> {
        idle = setup.value() >> 8;
        reported();
        yield UsbAnswer.DONE;
      }
      case SET_PROTOCOL -> {
        if (!boots || setup.value() > REPORT_PROTOCOL) {
          yield UsbAnswer.STALL;
        }
        protocol = setup.value();
        yield UsbAnswer.DONE;
      }
      default -> UsbAnswer.STALL;
    };
  }

  private UsbAnswer classDescriptor(int type, UsbData data) {
    switch (type) {
      case HID_DESCRIPTOR -> data.put(hidDescriptor);
      case REPORT_DESCRIPTOR -> data.put(reportDescriptor);
      default -> {
        return UsbAnswer.STALL;
      }
    }
    return UsbAnswer.DONE;
  }

  // ---- as a device ----

  @Override
  public final String productName() {
    return control.productName();
  }

  @Override
  public final Set<UsbSpeed> speeds() {
    return speeds;
  }

  @Override
  public final void plugged(UsbPort where) {
    port = where;
  }

  @Override
  public final UsbPort port() {
    return port;
  }

  @Override
  public final int address() {
    return control.address();
  }

  @Override
  public final void busReset() {
    control.reset();
    clear();
  }

  @Override
  public final String firmwareName() {
    return sectionName();
  }

  @Override
  public void reset() {
    busReset();
  }

  @Override
  public final BoundState<?> state() {
    return new BoundState<>(declaration(), this);
  }

  abstract StateDescriptor<UsbHid> declaration();
}
