package dev.pollux.devices.virtio.serial;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.virtio.DescriptorChain;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioError;
import dev.pollux.devices.virtio.VirtioSetup;
import dev.pollux.devices.virtio.VirtioType;
import dev.pollux.devices.virtio.Virtqueue;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A console device (5.3): the controller of up to 511 {@linkplain SerialPort ports}, each with a
 * queue for either direction, and two control queues over which guest and host tell each other of
 * them.
 *
 * <pre>
 *   queue 0, 1         port 0, to the guest and from it
 *   queue 2, 3         control
 *   queue 2n+2, 2n+3   port n
 * </pre>
 */
public final class VirtioSerial extends VirtioDevice {
  static final int MOST_PORTS = 511;

  private static final Kind KIND = new Kind(3, "virtio-serial");

  private static final long MULTIPORT = 1 << 1;
  private static final long EMERGENCY_WRITE = 1 << 2;

  private static final int CONTROL_IN = 2;
  private static final int CONTROL_OUT = 3;
  private static final int PORT_QUEUE = 128;
  private static final int CONTROL_QUEUE = 32;

  private static final int CONFIG_BYTES = 12;
  private static final int CONFIG_PORTS = 4;
  private static final int CONFIG_EMERGENCY = 8;

  // Messages on the control queues (5.3.6.2).
  private static final int MESSAGE = 8;
  private static final int DEVICE_READY = 0;
  private static final int PORT_ADD = 1;
  private static final int PORT_REMOVE = 2;
  private static final int PORT_READY = 3;
  private static final int CONSOLE_PORT = 4;
  private static final int PORT_OPEN = 6;
  private static final int PORT_NAME = 7;

  /** Bytes of a message at most, the name of a port included. */
  private static final int LONGEST = MESSAGE + 256;

  private static final Property<Long> PORTS =
      Property.unsigned("max_ports", 32, 31, 1, MOST_PORTS, "ports at most");
  private static final Property<Boolean> EMERGENCY =
      Property.flag("emergency-write", true, "lets the guest write single bytes without a queue");

  public static final VirtioType TYPE =
      new VirtioType(
          "virtio-serial",
          DeviceCategory.INPUT,
          "",
          0x07_8000,
          0x1003,
          (int) (long) PORTS.otherwise() + 1,
          List.of(PORTS, EMERGENCY),
          VirtioSerial::create);

  private static final StateDescriptor<VirtioSerial> STATE =
      StateDescriptor.of(VirtioSerial.class, "virtio-serial", 1)
          .varBytes(
              "messages",
              (MOST_PORTS + 1) * 8 * LONGEST,
              d -> d.saveMessages(),
              (d, v) -> d.load(v));

  private final boolean emergency;

  @HostOnly("devices of their own")
  private final SerialPort[] ports;

  /** To the guest, which gives no buffers for them yet. I/O thread's lock. */
  private final ArrayDeque<byte[]> messages = new ArrayDeque<>();

  VirtioSerial(VirtioSetup setup, int mostPorts, boolean emergency) {
    super(KIND, setup, sizes(mostPorts));
    this.ports = new SerialPort[mostPorts];
    this.emergency = emergency;
  }

  private static int[] sizes(int mostPorts) {
    int[] sizes = new int[mostPorts * 2 + 2];
    Arrays.fill(sizes, PORT_QUEUE);
    sizes[CONTROL_IN] = CONTROL_QUEUE;
    sizes[CONTROL_OUT] = CONTROL_QUEUE;
    return sizes;
  }

  private static VirtioDevice create(VirtioSetup setup, DeviceContext context) {
    VirtioSerial controller =
        new VirtioSerial(setup, (int) (long) context.get(PORTS), context.get(EMERGENCY));
    context.addBus(
        new SerialBus(context.busName("virtio-serial-bus", 0), controller, context.devices()));
    return controller;
  }

  int mostPorts() {
    return ports.length;
  }

  /** The port of a number, or null. */
  SerialPort port(int number) {
    return number >= 0 && number < ports.length ? ports[number] : null;
  }

  Virtqueue toGuest(int port) {
    return queue(port == 0 ? 0 : port * 2 + 2);
  }

  Virtqueue fromGuest(int port) {
    return queue(port == 0 ? 1 : port * 2 + 3);
  }

  /** Whether the guest knows of ports other than the first. */
  boolean hasPorts() {
    return has(MULTIPORT);
  }

  /** Whether the driver is ready. I/O thread's lock held. */
  boolean isReady() {
    return isRunning();
  }

  /** Hands work to the thread of the queues. */
  void post(Runnable work) {
    io().post(work);
  }

  boolean isPaused() {
    return io().isPaused();
  }

  void withMachineLock(Runnable work) {
    io().withMachineLock(work);
  }

  /** The driver of a port broke a rule. I/O thread's lock held. */
  void broken(Virtqueue queue, VirtioError error) {
    fail("queue %d: %s".formatted(queue.index(), error.getMessage()));
  }

  @Override
  protected long deviceFeatures() {
    return MULTIPORT | (emergency ? EMERGENCY_WRITE : 0);
  }

  @Override
  protected byte[] config() {
    return ByteBuffer.allocate(CONFIG_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(CONFIG_PORTS, ports.length)
        .array();
  }

  @Override
  protected void configWritten(int offset, byte[] bytes) {
    if (emergency && offset == CONFIG_EMERGENCY && ports[0] != null) {
      setUp(() -> ports[0].emergencyWrite(bytes[0]));
    }
  }

  // ---- ports come and go; machine lock held ----

  void plug(SerialPort port) {
    setUp(
        () -> {
          ports[port.number()] = port;
          if (isRunning() && hasPorts()) {
            send(port.number(), PORT_ADD, 1);
          }
        });
  }

  void unplug(SerialPort port) {
    setUp(
        () -> {
          port.giveBack();
          ports[port.number()] = null;
          if (isRunning() && hasPorts()) {
            send(port.number(), PORT_REMOVE, 1);
          }
        });
  }

  // ---- queues; I/O thread's lock held ----

  @Override
  protected void process(Virtqueue queue) throws VirtioError {
    int index = queue.index();
    if (index == CONTROL_IN) {
      deliver();
    } else if (index == CONTROL_OUT) {
      each(
          queue,
          chain -> {
            control(chain);
            queue.push(chain, 0);
            queue.signal();
          });
    } else {
      SerialPort port = port(index < CONTROL_IN ? 0 : index / 2 - 1);
      if (index % 2 == 0) {
        if (port != null) {
          port.acceptInput();
        }
      } else if (port != null) {
        port.output(queue);
      } else {
        each(
            queue,
            chain -> {
              queue.push(chain, 0);
              queue.signal();
            });
      }
    }
  }

  private void control(DescriptorChain chain) throws VirtioError {
    ByteBuffer message = ByteBuffer.wrap(chain.read(MESSAGE)).order(ByteOrder.LITTLE_ENDIAN);
    int number = message.getInt();
    int event = message.getShort();
    boolean on = message.getShort() != 0;
    SerialPort port = port(number);
    switch (event) {
      case DEVICE_READY -> {
        for (SerialPort present : ports) {
          if (on && present != null) {
            send(present.number(), PORT_ADD, 1);
          }
        }
      }
      case PORT_READY -> {
        if (port != null && on) {
          introduce(port);
        }
      }
      case PORT_OPEN -> {
        if (port != null) {
          port.guestOpened(on);
        }
      }
      default -> {} // for the future
    }
  }

  private void introduce(SerialPort port) {
    if (port.isConsole()) {
      send(port.number(), CONSOLE_PORT, 1);
    }
    if (!port.portName().isEmpty()) {
      byte[] name = (port.portName() + '\0').getBytes(StandardCharsets.UTF_8);
      send(port.number(), PORT_NAME, 1, name);
    }
    port.introduced();
  }

  /** Tells the guest whether somebody is at the host's end of a port. */
  void sendOpen(SerialPort port, boolean open) {
    send(port.number(), PORT_OPEN, open ? 1 : 0);
  }

  private void send(int port, int event, int value, byte... more) {
    if (messages.size() >= 8 * (ports.length + 1)) {
      fail("the driver takes none of %d control messages".formatted(messages.size()));
      return;
    }
    messages.add(
        ByteBuffer.allocate(MESSAGE + more.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(port)
            .putShort((short) event)
            .putShort((short) value)
            .put(more)
            .array());
    queue(CONTROL_IN).kick();
  }

  private void deliver() throws VirtioError {
    Virtqueue queue = queue(CONTROL_IN);
    while (!messages.isEmpty()) {
      DescriptorChain chain = queue.pop();
      if (chain == null) {
        queue.wantNotifications(true);
        if (queue.hasMore()) {
          continue;
        }
        return;
      }
      byte[] message = messages.remove();
      chain.write(message, 0, message.length);
      queue.push(chain, chain.written());
      queue.signal();
    }
  }

  // ---- state ----

  @Override
  protected void resetDevice() {
    messages.clear();
    for (SerialPort port : ports) {
      if (port != null) {
        port.reset();
      }
    }
  }

  @Override
  protected Optional<BoundState<?>> deviceState() {
    return Optional.of(new BoundState<>(STATE, this));
  }

  private byte[] saveMessages() {
    ByteBuffer out =
        ByteBuffer.allocate(messages.stream().mapToInt(message -> 2 + message.length).sum());
    messages.forEach(message -> out.putShort((short) message.length).put(message));
    return out.array();
  }

  private void load(byte[] bytes) {
    messages.clear();
    ByteBuffer in = ByteBuffer.wrap(bytes);
    while (in.remaining() >= 2) {
      byte[] message = new byte[Math.min(in.getShort() & 0xffff, in.remaining())];
      in.get(message);
      messages.add(message);
    }
  }
}
