package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The base of all virtio devices: features, status, queues (chapter 2). A device says what it
 * offers and what is in its configuration, and works on its queues in {@link #process}.
 *
 * <p>Status, features and configuration are guarded by the machine lock. Queues, and what {@code
 * process} changes, are guarded by the I/O thread's lock; who sets up queues holds both.
 */
public abstract class VirtioDevice implements Device, IoThread.Work {
  /**
   * A type of device (chapter 5).
   *
   * @param id its number
   * @param name in saved state, for instance {@code virtio-rng}
   */
  public record Kind(int id, String name) {}

  /** Takes requests from a queue. */
  @FunctionalInterface
  protected interface Handler {
    void handle(DescriptorChain chain) throws VirtioError;
  }

  public static final int STATUS_DRIVER_OK = 4;
  public static final int STATUS_FEATURES_OK = 8;
  public static final int STATUS_NEEDS_RESET = 0x40;

  private static final Logger log = LoggerFactory.getLogger(VirtioDevice.class);

  /** Requests that one call of {@link #process} takes, so that the others get their turn. */
  private static final int BATCH = 256;

  private final Kind kind;
  private final VirtioSetup setup;
  private final GuestMemory memory;
  private final List<Virtqueue> queues = new ArrayList<>();

  private long guestFeatures;
  private int status;
  private int generation;

  /** The driver broke a rule; nothing is done until a reset. Both locks to change it. */
  private volatile boolean broken;

  @HostOnly("wiring")
  private VirtioTransport transport;

  @HostOnly("interrupts on their way from the I/O thread; guarded by itself")
  private final BitSet interrupts = new BitSet();

  @HostOnly("for monitors: how often a driver broke a rule")
  private long errors;

  /**
   * @param queueSizes entries of each queue at most, powers of two
   */
  @SuppressWarnings("this-escape") // queues work only once a transport is connected
  protected VirtioDevice(Kind kind, VirtioSetup setup, int... queueSizes) {
    this.kind = kind;
    this.setup = setup;
    this.memory = new GuestMemory(setup.machine().memory());
    for (int i = 0; i < queueSizes.length; i++) {
      queues.add(new Virtqueue(this, i, queueSizes[i], memory, setup.io()));
    }
    setup.io().add(this);
  }

  // ---- what a device says ----

  /** Feature bits 0 to 23, and 50 and up, that it offers. */
  protected long deviceFeatures() {
    return 0;
  }

  /** The configuration as it is now; not longer than the transport's 4 KiB. */
  protected byte[] config() {
    return new byte[0];
  }

  /** The driver has written to the configuration. Machine lock held. */
  protected void configWritten(int offset, byte[] bytes) {}

  /**
   * Works on a queue that was notified. On the I/O thread, with its lock held.
   *
   * @throws VirtioError if the driver broke a rule; the device then needs a reset
   */
  protected abstract void process(Virtqueue queue) throws VirtioError;

  /** The driver is ready. Machine lock held. */
  protected void started() {}

  /** Power-on state of the device's own part. Both locks held, no request in flight. */
  protected void resetDevice() {}

  /** The declaration of the device's own part of the state. */
  protected Optional<BoundState<?>> deviceState() {
    return Optional.empty();
  }

  // ---- for devices ----

  protected final VirtioSetup setup() {
    return setup;
  }

  protected final IoThread io() {
    return setup.io();
  }

  /** Whether a driver has begun to use it. */
  protected final boolean hasDriver() {
    return (status & STATUS_DRIVER_OK) != 0;
  }

  /** Whether the driver is ready and has broken no rule. */
  protected final boolean isRunning() {
    boolean ready = hasDriver() || !has(VirtioFeature.VERSION_1);
    return ready && !broken;
  }

  /** Whether driver and device have agreed on a feature. */
  public final boolean has(long feature) {
    return (guestFeatures & feature) != 0;
  }

  /**
   * Takes what is in a queue, one request after the other, with notifications off meanwhile. I/O
   * thread's lock held.
   */
  protected final void each(Virtqueue queue, Handler handler) throws VirtioError {
    int left = BATCH;
    queue.wantNotifications(false);
    do {
      DescriptorChain chain;
      while ((chain = queue.pop()) != null) {
        handle(queue, chain, handler);
        if (--left == 0) {
          queue.kick();
          return;
        }
      }
      queue.wantNotifications(true);
    } while (queue.hasMore());
  }

  /**
   * Has a request handled that was popped. One that breaks a rule is not in flight any more. I/O
   * thread's lock held.
   */
  protected final void handle(Virtqueue queue, DescriptorChain chain, Handler handler)
      throws VirtioError {
    try {
      handler.handle(chain);
    } catch (VirtioError e) {
      queue.keep(chain);
      throw e;
    }
  }

  /** Something in the configuration is other than before. Machine lock held. */
  protected final void configChanged() {
    generation = generation + 1 & 0xff;
    if (transport != null && (status & STATUS_DRIVER_OK) != 0) {
      transport.notifyConfig();
    }
  }

  // ---- rules broken ----

  /** The driver broke a rule: nothing more is done until it resets the device. I/O lock held. */
  protected final void fail(String message) {
    errors++;
    if (broken) {
      return;
    }
    broken = true;
    log.warn("{}: {}; the device needs a reset", name(), message);
    setup
        .io()
        .withMachineLock(
            () -> {
              if (broken) {
                status |= STATUS_NEEDS_RESET;
                configChanged();
              }
            });
  }

  /** How often drivers broke rules. */
  public final long errors() {
    return errors;
  }

  final void kicked(Virtqueue queue) {
    if (!isRunning() || !queue.isEnabled()) {
      return;
    }
    try {
      process(queue);
    } catch (VirtioError e) {
      fail("queue %d: %s".formatted(queue.index(), e.getMessage()));
    }
  }

  final Object memoryView() {
    return setup.machine().memory().view();
  }

  /** Has an interrupt sent for a queue. I/O lock held. */
  final void interrupt(Virtqueue queue) {
    boolean first;
    synchronized (interrupts) {
      first = interrupts.isEmpty();
      interrupts.set(queue.index());
    }
    if (first) {
      setup.io().withMachineLock(this::sendInterrupts);
    }
  }

  private void sendInterrupts() {
    BitSet wanted;
    synchronized (interrupts) {
      wanted = (BitSet) interrupts.clone();
      interrupts.clear();
    }
    if (transport != null) {
      wanted.stream().forEach(transport::notifyQueue);
    }
  }

  // ---- for transports; machine lock held ----

  public final Kind kind() {
    return kind;
  }

  /** What guards the registers. */
  public final ReentrantLock machineLock() {
    return setup.machine().lock();
  }

  /** Connects it. While the device is made. */
  public final void connect(VirtioTransport to) {
    transport = to;
  }

  /** All features that are offered. */
  public final long offeredFeatures() {
    return deviceFeatures() | setup.features();
  }

  public final long guestFeatures() {
    return guestFeatures;
  }

  /** The driver chooses features; what was not offered is left out, or later refused. */
  public final void setGuestFeatures(long features) {
    if ((status & STATUS_FEATURES_OK) == 0) {
      guestFeatures = features;
    }
  }

  public final int status() {
    return status;
  }

  /** The driver writes the status; 0 resets the device. */
  public final void setStatus(int value) {
    if (value == 0) {
      reset();
      return;
    }
    boolean accepts = (value & STATUS_FEATURES_OK & ~status) != 0;
    int next = value | status & STATUS_NEEDS_RESET;
    if (accepts && (guestFeatures & ~offeredFeatures()) != 0) {
      next &= ~STATUS_FEATURES_OK;
    }
    boolean starts = (next & STATUS_DRIVER_OK & ~status) != 0;
    status = next & 0xff;
    if (starts) {
      started();
      kickAll();
    }
  }

  private void kickAll() {
    queues.forEach(Virtqueue::kick);
  }

  public final List<Virtqueue> queues() {
    return queues;
  }

  /** The queue of a number that comes from the guest; null where there is none. */
  public final Virtqueue queue(int index) {
    return index >= 0 && index < queues.size() ? queues.get(index) : null;
  }

  /** Changes how a queue is set up, with both locks. */
  public final void setUp(Runnable change) {
    setup.io().lock().lock();
    try {
      change.run();
    } finally {
      setup.io().lock().unlock();
    }
  }

  /** The driver resets one queue (2.6.1): nothing of it is in flight afterwards. */
  public final void resetQueue(Virtqueue queue) {
    setUp(() -> queue.setEnabled(false));
    setup.io().awaitIdle(this);
    setUp(queue::reset);
  }

  /** Counts changes of the configuration. */
  public final int generation() {
    return generation;
  }

  /** Bytes of the configuration. */
  public final int readableConfigSize() {
    return config().length;
  }

  /** What the driver reads of the configuration; 0 beyond its end. */
  public final long readConfig(int offset, int size) {
    byte[] bytes = config();
    long value = 0;
    for (int i = 0; i < size && offset + i < bytes.length; i++) {
      value |= (bytes[offset + i] & 0xffL) << i * 8;
    }
    return value;
  }

  /** The driver writes to the configuration. */
  public final void writeConfig(int offset, int size, long value) {
    byte[] bytes = new byte[size];
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte) (value >>> i * 8);
    }
    configWritten(offset, bytes);
  }

  // ---- as a device ----

  @Override
  public final String id() {
    return transport.path() + "/" + kind.name();
  }

  @Override
  public final String name() {
    return transport == null ? kind.name() : id();
  }

  @Override
  public final boolean isIdle() {
    return queues.stream().allMatch(Virtqueue::isIdle);
  }

  @Override
  public final void reset() {
    setUp(() -> queues.forEach(queue -> queue.setEnabled(false)));
    setup.io().awaitIdle(this);
    setUp(
        () -> {
          queues.forEach(Virtqueue::reset);
          status = 0;
          guestFeatures = 0;
          generation = 0;
          broken = false;
          resetDevice();
        });
    synchronized (interrupts) {
      interrupts.clear();
    }
  }

  @Override
  public void close() {
    setUp(() -> queues.forEach(queue -> queue.setEnabled(false)));
    setup.io().awaitIdle(this);
    setup.io().remove(this);
  }

  @Override
  public final BoundState<?> state() {
    StateDescriptor<VirtioDevice> state =
        StateDescriptor.of(VirtioDevice.class, kind.name(), 1)
            .u64("guest-features", d -> d.guestFeatures, (d, v) -> d.guestFeatures = v)
            .u8("status", d -> d.status, (d, v) -> d.status = v)
            .u8("generation", d -> d.generation, (d, v) -> d.generation = v)
            .bool("broken", d -> d.broken, (d, v) -> d.broken = v)
            .structs("queues", queues.size(), Virtqueue.STATE, d -> d.queues);
    deviceState().ifPresent(own -> addOwn(state, own));
    return new BoundState<>(state.afterLoad(VirtioDevice::kickAll), this);
  }

  private static <P> void addOwn(StateDescriptor<VirtioDevice> state, BoundState<P> own) {
    state.struct("device", own.descriptor(), _ -> own.target());
  }
}
