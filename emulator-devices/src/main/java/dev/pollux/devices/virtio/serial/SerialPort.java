package dev.pollux.devices.virtio.serial;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.virtio.DescriptorChain;
import dev.pollux.devices.virtio.VirtioError;
import dev.pollux.devices.virtio.Virtqueue;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A port of a {@link VirtioSerial}: {@code virtconsole}, which the guest takes for a terminal, or
 * {@code virtserialport}, a channel with a name.
 *
 * <p>Either side waits for the other: bytes are taken from the host as the guest gives room for
 * them, and a request of the guest is kept until the host has taken all of it. Only a console does
 * not keep the guest waiting, as Linux writes to it with interrupts off: what the host cannot take
 * at once is lost. The lock of the I/O thread guards everything.
 */
public final class SerialPort implements Device, CharFrontEnd {
  private static final int MOST_NAME = 255;

  private static final Property<String> CHARDEV =
      Property.text("chardev", "ID of a chardev to use as a backend");
  private static final Property<String> NAME =
      Property.of(
          "name",
          "str",
          "",
          "what the guest finds the port by",
          (options, key) -> {
            String name = options.string(key, "");
            if (name.getBytes(StandardCharsets.UTF_8).length > MOST_NAME) {
              throw options.error("%s has more than %d bytes".formatted(key, MOST_NAME));
            }
            return name;
          },
          name -> name);

  public static final DeviceType<SerialBus> CONSOLE = type("virtconsole", true);
  public static final DeviceType<SerialBus> CHANNEL = type("virtserialport", false);

  private static final StateDescriptor<SerialPort> STATE =
      StateDescriptor.of(SerialPort.class, "virtio-serial-port", 1)
          .bool("ready", p -> p.ready, (p, v) -> p.ready = v)
          .bool("guest-open", p -> p.guestOpen, (p, v) -> p.guestOpen = v)
          .bool("told-open", p -> p.toldOpen, (p, v) -> p.toldOpen = v)
          .bool("keeps", p -> p.keeps, (p, v) -> p.keeps = v)
          .u16("kept-position", p -> p.keptPosition, (p, v) -> p.keptPosition = v)
          .u32("kept-done", p -> p.keptDone, (p, v) -> p.keptDone = v);

  /** Bytes moved at once. */
  private static final int PART = 4096;

  /** Requests that are taken before the others have their turn. */
  private static final int BATCH = 64;

  private final VirtioSerial controller;
  private final int number;
  private final boolean console;
  private final String portName;
  private final Optional<CharBackend> backend;

  @HostOnly("wiring; tells users when the guest opens or closes the port")
  private final Consumer<Boolean> listener;

  /** The guest knows the port. */
  private boolean ready;

  private boolean guestOpen;

  /** What the guest was told last of the host's end. */
  private boolean toldOpen;

  /** A request of which the host has taken only a part, and where it is in the queue. */
  private boolean keeps;

  private int keptPosition;
  private int keptDone;

  @HostOnly("on its way to the back end")
  private final byte[] part = new byte[PART];

  SerialPort(
      VirtioSerial controller,
      int number,
      boolean console,
      String portName,
      Optional<CharBackend> backend,
      Consumer<Boolean> listener) {
    this.controller = controller;
    this.number = number;
    this.console = console;
    this.portName = portName;
    this.backend = backend;
    this.listener = listener;
  }

  private static DeviceType<SerialBus> type(String name, boolean console) {
    return DeviceType.on(SerialBus.KIND, name, (bus, context) -> create(bus, context, console))
        .category(DeviceCategory.INPUT)
        .properties(List.of(CHARDEV, NAME));
  }

  private static Device create(SerialBus bus, DeviceContext context, boolean console) {
    int number = bus.choose(context.get(SerialBus.NUMBER), console);
    Optional<CharBackend> backend =
        context.get(CHARDEV).isEmpty()
            ? Optional.empty()
            : Optional.of(context.charDevice(CHARDEV));
    Optional<String> id = context.node().id();
    SerialPort port =
        new SerialPort(
            bus.controller(),
            number,
            console,
            context.get(NAME),
            backend,
            open -> id.ifPresent(name -> context.devices().tell(l -> l.portChanged(name, open))));
    backend.ifPresent(b -> b.attach(port, bus.controller()::post));
    return port;
  }

  int number() {
    return number;
  }

  boolean isConsole() {
    return console;
  }

  String portName() {
    return portName;
  }

  // ---- the guest's side ----

  /** The guest has opened or closed its end. */
  void guestOpened(boolean open) {
    if (guestOpen != open) {
      guestOpen = open;
      controller.withMachineLock(() -> listener.accept(open));
    }
    acceptInput();
  }

  /** The guest has got to know the port. */
  void introduced() {
    ready = true;
    toldOpen = false;
    tellOpen();
  }

  /** Tells the guest of the host's end if it knows otherwise. */
  private void tellOpen() {
    boolean open = console || backend.map(CharBackend::isConnected).orElse(false);
    if (ready && controller.isReady() && open != toldOpen) {
      toldOpen = open;
      controller.sendOpen(this, open);
    }
  }

  /** There may be room for input. */
  void acceptInput() {
    tellOpen();
    backend.ifPresent(CharBackend::acceptInput);
  }

  /** Takes what the guest has to say, as far as the host listens. */
  void output(Virtqueue queue) throws VirtioError {
    if (keeps) {
      keeps = false;
      DescriptorChain chain = queue.reopen(keptPosition);
      chain.skip(Integer.toUnsignedLong(keptDone));
      if (!pass(queue, chain)) {
        return;
      }
    }
    int left = BATCH;
    do {
      DescriptorChain chain;
      while ((chain = queue.pop()) != null) {
        if (!pass(queue, chain)) {
          return;
        }
        if (--left == 0) {
          queue.kick();
          return;
        }
      }
      queue.wantNotifications(true);
    } while (queue.hasMore());
  }

  /** Gives a request to the host; false if it has to be kept. */
  private boolean pass(Virtqueue queue, DescriptorChain chain) {
    boolean heard = backend.isPresent() && backend.get().isConnected();
    while (heard && chain.readableLeft() > 0) {
      long done = chain.readableBytes() - chain.readableLeft();
      int count = chain.read(part, 0, PART);
      int taken = backend.get().write(part, 0, count);
      if (taken < count && !console) {
        keeps = true;
        keptPosition = chain.position();
        keptDone = (int) (done + taken);
        queue.keep(chain);
        backend.get().whenWritable(queue::kick);
        return false;
      }
    }
    queue.push(chain, 0);
    queue.signal();
    return true;
  }

  /** The port goes: the guest gets back what is kept. */
  void giveBack() {
    if (keeps) {
      keeps = false;
      controller.fromGuest(number).giveBack(keptPosition);
    }
  }

  void emergencyWrite(byte value) {
    backend.ifPresent(b -> b.write(new byte[] {value}, 0, 1));
  }

  // ---- the host's side, on the I/O thread with its lock held ----

  @Override
  public int canReceive() {
    Virtqueue queue = controller.toGuest(number);
    if (!controller.isReady() || controller.hasPorts() && !guestOpen) {
      return 0;
    }
    if (controller.isPaused()) {
      queue.kick();
      return 0;
    }
    try {
      DescriptorChain chain = queue.pop();
      if (chain == null) {
        queue.wantNotifications(true);
        if (queue.hasMore()) {
          queue.kick();
        }
        return 0;
      }
      queue.unpop(chain);
      if (chain.writableBytes() == 0) {
        throw new VirtioError("a buffer for input has no room");
      }
      return (int) Math.min(chain.writableBytes(), PART);
    } catch (VirtioError e) {
      controller.broken(queue, e);
      return 0;
    }
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    Virtqueue queue = controller.toGuest(number);
    try {
      DescriptorChain chain = queue.pop();
      if (chain != null) {
        chain.write(bytes, offset, length);
        queue.push(chain, chain.written());
        queue.signal();
      }
    } catch (VirtioError e) {
      controller.broken(queue, e);
    }
  }

  @Override
  public void event(CharEvent event) {
    tellOpen();
    if (event == CharEvent.CLOSED) {
      controller.fromGuest(number).kick(); // what is kept has no reader any more
    }
  }

  // ---- as a device ----

  @Override
  public String id() {
    return controller.id() + "/" + number;
  }

  @Override
  public void reset() {
    ready = false;
    guestOpen = false;
    toldOpen = false;
    keeps = false;
    keptPosition = 0;
    keptDone = 0;
  }

  @Override
  public void close() {
    backend.ifPresent(CharBackend::detach);
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
